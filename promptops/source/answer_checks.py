"""Reads ``checks`` of a prompt file: what each answer has to fulfil, wherever the prompt is used. Part of the release.

An entry is a check of a suite that needs nothing but the text of the answer: ``contains: "[1]"``. No key is unknown in
one, and each problem is an error: a check that is left out would count every answer as good.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from promptops.core.checks.table import KINDS, MOST
from promptops.core.checks.text import OPERATORS
from promptops.core.model import AnswerCheck
from promptops.core.suite.checks.table import KINDS as SUITE_KINDS
from promptops.core.suite.fill import names_in
from promptops.source.text.fields import Fields
from promptops.source.text.findings import Near

_SUITES = "Checks of suites that need more than the text are for `evaluators` and for `evals/`."


def read_answer_checks(fields: Fields, inputs: Collection[str]) -> tuple[AnswerCheck, ...]:
    """Returns the checks of a prompt that has these inputs."""
    if fields.value.get("checks") is None:
        return ()
    checks = tuple(_checks(fields, {"expected", *inputs}))
    if len(checks) > MOST:
        hint = "Ask about more in a suite."
        fields.add(
            "check-invalid", "checks", f"the prompt has {len(checks)} checks, and at most {MOST} are allowed", hint
        )
    return checks


def _checks(fields: Fields, variables: Collection[str]) -> Iterator[AnswerCheck]:
    for item in fields.each("checks"):
        kinds = [kind for kind in KINDS if kind in item.value]
        if not kinds:
            _report_unknown(item)
            continue
        item.refuse_unknown(("name", *kinds))
        item.text("name")
        if len(kinds) > 1:
            message = f"a check is of one kind, and this one has {' and '.join(kinds)}"
            item.add("check-invalid", kinds[1], message, "Make one check of each.")
            continue
        if (check := _check(item, kinds[0], variables)) is not None:
            yield check


def _check(item: Fields, kind: str, variables: Collection[str]) -> AnswerCheck | None:
    value = item.value[kind]
    wanted = item.written(kind) if kind in OPERATORS and isinstance(value, bool | int | float) else value
    if problem := KINDS[kind].problem(wanted):
        item.add("check-invalid", kind, problem)
        return None
    if filled := sorted(names_in(wanted).intersection(variables)):
        message = f"a check of a prompt is the same for all answers: '{{{{{filled[0]}}}}}' is not filled in"
        item.add("check-invalid", kind, message, "Compare with the values of a case in a suite.")
    return AnswerCheck(kind=kind, wanted=wanted)


def _report_unknown(item: Fields) -> None:
    keys = [key for key in item.value if key != "name"]
    if any(key in SUITE_KINDS for key in keys):
        message = f"'{', '.join(keys)}' is no check of a prompt: clients have the text of an answer alone"
        item.add("check-unknown", None, message, f"{_SUITES} Here are {', '.join(KINDS)}.")
    else:
        hint = Near(keys[0], KINDS, "The kinds are") if keys else f"The kinds are: {', '.join(KINDS)}."
        item.add("check-unknown", None, f"the check is of no known kind ({', '.join(keys)[:200] or 'nothing'})", hint)

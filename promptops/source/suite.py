"""Reads ``testData`` and ``evaluators`` of a prompt file as the prompt's own suite.

The suite is stored beside the release, not in it: a better test must not change the release, and a broken one must not
stop it.
Format: https://docs.github.com/en/github-models/use-github-models/storing-prompts-in-github-repositories
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from promptops.core.model import Json
from promptops.core.suite import Case, Evaluator, Suite
from promptops.source.text.fields import Fields

SUITE_KEYS = ("testData", "evaluators")

_OPERATORS = ("equals", "contains", "startsWith", "endsWith")
_KINDS = ("string", "llm", "uses")


def read_suite(fields: Fields) -> Suite:
    """Reads both keys. An evaluator that cannot run is kept and reported."""
    if not fields.value.get("testData") and not fields.value.get("evaluators"):
        return _NONE
    cases = tuple(_case(item.value) for item in fields.each("testData"))
    return Suite(cases=cases, evaluators=tuple(_evaluator(item) for item in fields.each("evaluators")))


_NONE = Suite()


def _case(value: Mapping[str, Json]) -> Case:
    expected = value.get("expected")
    variables = {key: item for key, item in value.items() if key != "expected"}
    if expected is not None and not isinstance(expected, str):
        expected = json.dumps(expected, ensure_ascii=False, sort_keys=True)
    return Case(variables=variables, expected=expected)


def _evaluator(fields: Fields) -> Evaluator:
    name = fields.value.get("name")
    label = name if isinstance(name, str) else ""
    kind = next((kind for kind in _KINDS if kind in fields.value), "unknown")
    if kind == "unknown":
        keys = ", ".join(key for key in fields.value if key != "name") or "nothing"
        fields.add("evaluator-unknown", None, f"evaluator '{label}' is of no known kind ({keys}); it cannot be run")
        return Evaluator(name=label, kind=kind, settings=fields.value)
    value = fields.value[kind]
    settings: Mapping[str, Json] = value if isinstance(value, Mapping) else {kind: value}
    if kind == "string" and isinstance(value, Mapping) and (inner := fields.fields(kind)) is not None:
        settings = {
            key: inner.written(key) if type(item) in (bool, int, float) else item for key, item in value.items()
        }
    problem = {"string": _string_problem, "llm": _llm_problem, "uses": _uses_problem}[kind](value)
    if problem:
        fields.add("evaluator-invalid", kind, f"evaluator '{label}' cannot be run: {problem}")
    return Evaluator(name=label, kind=kind, settings=settings)


def _string_problem(value: Json) -> str:
    if not isinstance(value, Mapping):
        return "'string' must be a mapping"
    if not any(operator in value for operator in _OPERATORS):
        return f"'string' has none of {', '.join(_OPERATORS)}"
    wrong = [key for key in _OPERATORS if not isinstance(value.get(key, ""), str | bool | int | float)]
    return f"'{wrong[0]}' must be text" if wrong else ""


def _llm_problem(value: Json) -> str:
    if not isinstance(value, Mapping):
        return "'llm' must be a mapping"
    missing = [key for key in ("modelId", "prompt") if not isinstance(value.get(key), str)]
    if missing:
        return f"'llm' needs '{missing[0]}' as text"
    choices = value.get("choices")
    good = isinstance(choices, list) and choices and all(_is_choice(choice) for choice in choices)
    return "" if good else "'choices' must be a list of {choice, score}"


def _is_choice(value: Json) -> bool:
    if not isinstance(value, Mapping):
        return False
    return value.get("choice") is not None and type(value.get("score")) in (int, float)


def _uses_problem(value: Json) -> str:
    return "" if isinstance(value, str) else "'uses' must be text"

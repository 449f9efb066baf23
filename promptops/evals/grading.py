"""An answer and the verdicts of its judges -> the outcome of a case.

What a user would see as a failure is one, whatever the checks say: a refusal, a cut or filtered answer, no JSON where
the prompt declares a schema, a tool that does not exist, a request that the provider rejects. A check of ``finish``
says otherwise for how an answer ends. What could not be decided is an error, and never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from promptops.core.evidence.case_table import RowOutcome
from promptops.core.model import Json, Prompt, ResponseFormat
from promptops.core.suite.answer import Answer, Scope
from promptops.core.suite.checks import json_schema
from promptops.core.suite.checks.table import KINDS
from promptops.core.suite.result import Result, case_result, failed, unscored
from promptops.core.suite.suite import Case, Check
from promptops.core.tools import FUNCTION
from promptops.evals.response import REJECTED, Response

PYTHON = "python"
CHECK, JUDGE = "check", "judge"
"""The errors of a case that was answered: a check, or a judge, could not decide."""

_GOOD_ENDS = ("stop", "tool_calls")

PythonCheck = Callable[[str, Mapping[str, Json]], object]
"""A function of the user: from the answer's text and the case's values to a bool, or a score from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check said; ``passed`` and ``score`` are None for an error."""

    name: str
    kind: str
    passed: bool | None
    score: float | None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """What an answer to a case is worth. ``error`` is a word where the outcome is an error."""

    outcome: RowOutcome
    score: float | None
    error: str = ""
    why: str = ""
    checks: tuple[CheckResult, ...] = ()


def values_of(case: Case) -> dict[str, Json]:
    """Returns what checks and judges may name of a case."""
    return {**case.variables, **({} if case.expected is None else {"expected": case.expected})}


def failure_of(prompt: Prompt, checks: Sequence[Check], response: Response) -> str:
    """Returns why a user would see a failure, before any check; empty if there is no such reason."""
    if response.finish == REJECTED:
        return f"the provider rejected the request ({response.why})"
    if response.finish not in _GOOD_ENDS and not any(check.kind == "finish" for check in checks):
        return f"the answer ended with '{response.finish}'"
    tools = {tool.name for tool in prompt.tools if tool.type == FUNCTION}
    unknown = [call.name for call in response.tool_calls if call.name not in tools]
    if unknown and all(tool.type == FUNCTION for tool in prompt.tools):
        return f"the answer calls '{unknown[0][:80]}', which is no tool of the prompt"
    if prompt.response_format is ResponseFormat.JSON_SCHEMA and response.finish == "stop":
        scope = Scope(response_schema=prompt.json_schema)
        return json_schema.verdict(json_schema.RESPONSE, Answer(text=response.text), scope).why
    return ""


def grade(
    case: Case,
    checks: Sequence[Check],
    prompt: Prompt,
    response: Response,
    *,
    cost_usd: float | None,
    verdicts: Mapping[int, Result],
    functions: Mapping[str, PythonCheck],
) -> Graded:
    """Returns the outcome of a case. ``verdicts`` are those of judges, by the place of their check.

    ``functions`` are those of the checks of kind ``python``, by their setting.
    """
    if response.error:
        return Graded(outcome=RowOutcome.ERROR, score=None, error=response.error, why=response.why)
    if failure := failure_of(prompt, checks, response):
        return Graded(outcome=RowOutcome.FAILED, score=0.0, why=failure)
    values = values_of(case)
    scope = Scope(values=values, response_schema=prompt.json_schema)
    answer = response.answer(cost_usd)
    results = [
        verdicts[place] if place in verdicts else _result(check, answer, scope, functions)
        for place, check in enumerate(checks)
    ]
    return _put_together(checks, results)


def _result(check: Check, answer: Answer, scope: Scope, functions: Mapping[str, PythonCheck]) -> Result:
    if check.flaw or (check.kind not in KINDS and check.kind != PYTHON):
        return unscored(f"the check cannot be run: {check.flaw or check.kind}")
    if check.kind != PYTHON:
        return KINDS[check.kind].verdict(check.wanted, answer, scope)
    try:
        said = functions[str(check.wanted)](answer.text, scope.values)
    except Exception as error:  # noqa: BLE001 a function of the user may raise anything
        return unscored(f"{check.wanted} raised {type(error).__name__}: {error}"[:300])
    if isinstance(said, bool | int | float) and 0 <= said <= 1:
        return Result(score=float(said)) if said else failed(f"{check.wanted} says no")
    return unscored(f"{check.wanted} returned neither a bool nor a score from 0 to 1")


def _put_together(checks: Sequence[Check], results: Sequence[Result]) -> Graded:
    pairs = [(result, check.pass_at) for check, result in zip(checks, results, strict=True)]
    whole = case_result(pairs)
    said = tuple(
        CheckResult(
            name=check.name,
            kind=check.kind,
            passed=result.passed(check.pass_at),
            score=result.score,
            why=result.why,
        )
        for check, result in zip(checks, results, strict=True)
    )
    bad = [item for item in said if not item.passed]
    why = "; ".join(f"{item.name}: {item.why or f'scored {item.score:g}'}" for item in bad)
    if whole.passed is None:
        undecided = next(place for place, item in enumerate(said) if item.passed is None)
        word = JUDGE if checks[undecided].judge is not None else CHECK
        return Graded(outcome=RowOutcome.ERROR, score=None, error=word, why=why, checks=said)
    if whole.passed:
        return Graded(outcome=RowOutcome.PASSED, score=whole.score, checks=said)
    # A failed case stays failed where another of its checks could not decide, which then adds nothing to the score.
    score = sum(item.score or 0.0 for item in said) / len(said)
    return Graded(outcome=RowOutcome.FAILED, score=score, why=why, checks=said)

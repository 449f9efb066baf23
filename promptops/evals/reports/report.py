"""The report of a run: its rows, what they add up to for each prompt and tag, and what differs between the arms."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import Arm, RowOutcome
from promptops.core.evidence.evidence import Count
from promptops.core.suite.suite import SuiteKind, suite_digest
from promptops.evals.plan import Asked, Plan
from promptops.evals.runner import Finished, GradedRow

TEXTS: Final = ("answer", "tool_calls", "input", "expected", "variables")
"""Keys of rows and cases whose values are texts of cases and answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmReport:
    """One of the releases, or the files as they are."""

    arm: str
    label: str
    digest: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteReport:
    """A suite, as far as it was asked."""

    name: str
    kind: str
    digest: str
    repeats: int
    cases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReport:
    """A case of one prompt. ``input`` is the user message of the candidate's request.

    A ``held`` case has no texts here, nor have its answers or the reasons of its checks.
    ``earlier`` is the run that asked it, if this one did not, with how many of its answers ``passed`` there.
    """

    suite: str
    prompt: str
    id: str
    tags: tuple[str, ...]
    unchanged: bool
    input: str
    expected: str | None
    variables: Mapping[str, Any]
    held: bool = False
    earlier: str = ""
    passed: int = 0
    answers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReport:
    """One answer of one arm. ``case`` is the place of its case in the report."""

    case: int
    arm: str
    repeat: int
    outcome: str
    score: float | None
    error: str
    why: str
    checks: tuple[Mapping[str, Any], ...]
    finish: str
    answer: str
    tool_calls: tuple[Mapping[str, Any], ...]
    latency_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    served_model: str
    attempts: int
    first_attempt_failed: bool
    reused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReport:
    """What the rows of one arm add up to, of a prompt and perhaps a tag. ``score`` and ``p50_ms`` leave errors out."""

    prompt: str
    tag: str
    arm: str
    rows: int
    passed: int
    failed: int
    errors: int
    score: float | None
    p50_ms: float | None
    cost_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonReport:
    """Candidate against live over the cases of one prompt that both answered and that are not unchanged.

    A case is lost that live passed more often than the candidate, and gained the other way round.
    """

    prompt: str
    compared: int
    unchanged: int
    lost: int
    gained: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it. ``ended`` says why the run stopped before its end; ``source`` is ``run`` or ``replay``."""

    run: str
    app: str
    started_at: str
    source: str
    local: bool
    ended: str
    arms: tuple[ArmReport, ...]
    suites: tuple[SuiteReport, ...]
    cases: tuple[CaseReport, ...]
    rows: tuple[RowReport, ...]
    groups: tuple[GroupReport, ...]
    comparisons: tuple[ComparisonReport, ...]
    cost_usd: float
    unpriced: int
    prices: str
    hosts: tuple[str, ...]
    served_models: tuple[str, ...]
    missing: int


def make_report(
    plan: Plan,
    finished: Finished,
    *,
    run: str,
    started_at: str,
    source: str,
    local: bool,
    cost_usd: float,
    unpriced: int,
    prices: str,
) -> Report:
    """Returns the report of a run that has ended."""
    rows = finished.rows
    expected = sum(len(asked.requests) * asked.repeats for asked in plan.asked)
    return Report(
        run=run,
        app=plan.app,
        started_at=started_at,
        source=source,
        local=local,
        ended=finished.ended,
        arms=tuple(
            ArmReport(arm=side.arm.value, label=side.label, digest=side.digest, version=side.version)
            for side in plan.sides
        ),
        suites=tuple(_suites(plan)),
        cases=tuple(map(_case, plan.cases)),
        rows=tuple(_row(row, held=plan.cases[row.case].held) for row in rows),
        groups=tuple(_groups(plan, rows)),
        comparisons=tuple(_comparisons(plan, rows)) if len(plan.sides) > 1 else (),
        cost_usd=cost_usd,
        unpriced=unpriced,
        prices=prices,
        hosts=tuple(sorted({row.response.host for row in rows if row.response.host})),
        served_models=tuple(sorted({row.response.served_model for row in rows if row.response.served_model})),
        missing=expected - len(rows),
    )


def as_json(report: Report, *, texts: bool) -> dict[str, Any]:
    """Returns the report as JSON. Without ``texts``, nothing of cases and answers is in it but ids and numbers."""
    document = asdict(report)
    if not texts:
        for part in (*document["cases"], *document["rows"]):
            for name in TEXTS:
                part.pop(name, None)
    return document


def check_counts(report: Report) -> tuple[Count, ...]:
    """Returns how often each check of each prompt passed, failed or could not decide, over the candidate's answers."""
    found: dict[tuple[str, str], dict[object, int]] = {}
    for row in report.rows:
        for check in row.checks if row.arm == Arm.CANDIDATE.value else ():
            counts = found.setdefault((report.cases[row.case].prompt, check["name"]), {True: 0, False: 0, None: 0})
            counts[check["passed"]] += 1
    return tuple(
        Count(prompt=prompt, check=name, passed=counts[True], failed=counts[False], errors=counts[None])
        for (prompt, name), counts in sorted(found.items())
    )


def _suites(plan: Plan) -> Iterable[SuiteReport]:
    for suite in plan.suites:
        asked = [case for case in plan.cases if case.suite == suite.name]
        if asked:
            yield SuiteReport(
                name=suite.name,
                kind=suite.kind.value,
                digest=suite_digest(suite),
                repeats=asked[0].repeats,
                cases=len(asked),
            )


def _case(asked: Asked) -> CaseReport:
    return CaseReport(
        suite=asked.suite,
        prompt=asked.prompt,
        id=asked.id,
        tags=asked.case.tags,
        unchanged=asked.unchanged,
        input="" if asked.held else asked.user_messages[Arm.CANDIDATE],
        expected=None if asked.held else asked.case.expected,
        variables={} if asked.held else asked.case.variables,
        held=asked.held,
        earlier=asked.earlier.run if asked.earlier else "",
        passed=asked.earlier.passed if asked.earlier else 0,
        answers=asked.earlier.answers if asked.earlier else 0,
    )


def _row(row: GradedRow, *, held: bool) -> RowReport:
    response, graded = row.response, row.graded
    calls = () if held else response.tool_calls
    return RowReport(
        case=row.case,
        arm=row.arm.value,
        repeat=row.repeat,
        outcome=graded.outcome.value,
        score=graded.score,
        error=graded.error,
        why="" if held else graded.why,
        checks=tuple(
            {
                "name": check.name,
                "kind": check.kind,
                "passed": check.passed,
                "score": check.score,
                "why": "" if held else check.why,
            }
            for check in graded.checks
        ),
        finish=response.finish,
        answer="" if held else response.text,
        tool_calls=tuple({"name": call.name, "arguments": call.arguments} for call in calls),
        latency_ms=None if row.reused else response.latency_ms,
        input_tokens=response.input_tokens,
        output_tokens=response.output_tokens,
        cost_usd=row.cost_usd,
        served_model=response.served_model,
        attempts=response.attempts,
        first_attempt_failed=response.first_attempt_failed,
        reused=row.reused,
    )


def _groups(plan: Plan, rows: Sequence[GradedRow]) -> Iterable[GroupReport]:
    """Yields each prompt, and behind it its tags, of every arm."""
    prompts = list(dict.fromkeys(asked.prompt for asked in plan.cases))
    for prompt in prompts:
        here = [row for row in rows if plan.cases[row.case].prompt == prompt]
        tags = sorted({tag for row in here for tag in plan.cases[row.case].case.tags})
        for tag in ("", *tags):
            for side in plan.sides:
                mine = [
                    row for row in here if row.arm is side.arm and (not tag or tag in plan.cases[row.case].case.tags)
                ]
                if mine:
                    yield _group(prompt, tag, side.arm.value, mine)


def _group(prompt: str, tag: str, arm: str, rows: Sequence[GradedRow]) -> GroupReport:
    scores = [row.graded.score for row in rows if row.graded.score is not None]
    latencies = [row.response.latency_ms for row in rows if row.response.latency_ms is not None and not row.reused]
    costs = [row.cost_usd for row in rows if row.cost_usd is not None]
    count: Callable[[RowOutcome], int] = lambda outcome: sum(row.graded.outcome is outcome for row in rows)  # noqa: E731
    return GroupReport(
        prompt=prompt,
        tag=tag,
        arm=arm,
        rows=len(rows),
        passed=count(RowOutcome.PASSED),
        failed=count(RowOutcome.FAILED),
        errors=count(RowOutcome.ERROR),
        score=statistics.fmean(scores) if scores else None,
        p50_ms=statistics.median(latencies) if latencies else None,
        cost_usd=sum(costs) if len(costs) == len(rows) else None,
    )


def _comparisons(plan: Plan, rows: Sequence[GradedRow]) -> Iterable[ComparisonReport]:
    shares = _shares(rows)
    for prompt in dict.fromkeys(asked.prompt for asked in plan.cases):
        numbers = [number for number, asked in enumerate(plan.cases) if asked.prompt == prompt]
        both = [
            (shares[number, Arm.CANDIDATE], shares[number, Arm.LIVE])
            for number in numbers
            if not plan.cases[number].unchanged and {(number, Arm.CANDIDATE), (number, Arm.LIVE)} <= shares.keys()
        ]
        yield ComparisonReport(
            prompt=prompt,
            compared=len(both),
            unchanged=sum(plan.cases[number].unchanged for number in numbers),
            lost=sum(mine < theirs for mine, theirs in both),
            gained=sum(mine > theirs for mine, theirs in both),
        )


def _shares(rows: Sequence[GradedRow]) -> dict[tuple[int, Arm], float]:
    """Returns how often each case passed in each arm, 0 to 1, errors left out."""
    found: dict[tuple[int, Arm], list[bool]] = {}
    for row in rows:
        if row.graded.outcome is not RowOutcome.ERROR:
            found.setdefault((row.case, row.arm), []).append(row.graded.outcome is RowOutcome.PASSED)
    return {place: sum(passes) / len(passes) for place, passes in found.items()}


def fulfils(report: Report, *, strict: bool) -> bool:
    """Returns whether all required cases passed in at least half of their repeats; with ``strict``, every row of all.

    Answers of an earlier run that stand for a case count as well. Nothing answered is never a pass.
    """
    passes: dict[int, list[bool]] = {}
    for row in report.rows:
        if row.arm == Arm.CANDIDATE.value:
            passes.setdefault(row.case, []).append(row.outcome == RowOutcome.PASSED.value)
    for number, case in enumerate(report.cases):
        if case.earlier:
            passes[number] = [True] * case.passed + [False] * (case.answers - case.passed)
    if not passes or report.missing:
        return False
    if strict:
        return all(all(each) for each in passes.values())
    required = {suite.name for suite in report.suites if suite.kind == SuiteKind.REQUIRED.value}
    mine = [each for number, each in passes.items() if report.cases[number].suite in required]
    return all(2 * sum(each) > len(each) or all(each) for each in mine)


def read_report(value: Mapping[str, Any]) -> Report:
    """Returns the report that a run's folder has.

    Raises:
        Invalid: another version of promptops wrote it.
    """
    parts: Mapping[str, type[Any]] = {
        "arms": ArmReport,
        "suites": SuiteReport,
        "cases": CaseReport,
        "rows": RowReport,
        "groups": GroupReport,
        "comparisons": ComparisonReport,
    }
    try:
        read: dict[str, Any] = {
            name: tuple(parts[name](**_tuples(each)) for each in item) if name in parts else item
            for name, item in value.items()
        }
        return Report(**_tuples(read))
    except (TypeError, AttributeError) as error:
        raise Invalid(f"the report was written by another version of promptops: {error}") from error


def _tuples(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}

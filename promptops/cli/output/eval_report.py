"""The plan and the report of a run, for people: worst cases first, then each prompt and tag."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from promptops.cli.output.phrases import counted, next_steps, one_line
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.evals.pricing import snapshot

if TYPE_CHECKING:
    from promptops.evals.reports.report import GroupReport, Report
    from promptops.operations.drift import DriftReport, ServedChange
    from promptops.operations.eval_plan import Prepared
    from promptops.operations.gate import GateReport

WORST = 10
"""Cases that are shown: a screen of them, the worst first."""

_WHY = {
    "cost": "it has cost as much as it may",
    "deadline": "its time was over",
    "interrupted": "it was interrupted",
}


def plan_text(prepared: Prepared, minutes: float) -> str:
    """Returns the plan in one line: calls, judge calls, estimated cost and time."""
    plan, estimate = prepared.plan, prepared.estimate
    parts = [counted(len(plan.cases), "case"), counted(plan.calls, "call")]
    if plan.judge_calls:
        parts.append(counted(plan.judge_calls, "call") + " of judges")
    if left := len(plan.cases) - len(plan.asked):
        parts.append(f"{counted(left, 'case')} with answers of earlier runs")
    if prepared.offline:
        return f"plan: {', '.join(parts)}, all from recorded answers"
    if estimate.unpriced:
        missing = "" if snapshot() else " without the extra `eval`"
        parts.append(f"the price of {', '.join(estimate.unpriced)} is not known{missing}")
    if estimate.cost_usd or not estimate.unpriced:
        parts.append(f"about ${estimate.cost_usd:.2f}")
    return f"plan: {', '.join(parts)}, about {max(1, round(minutes))} min"


def plan_shape(prepared: Prepared) -> dict[str, Any]:
    """Returns the plan as JSON."""
    plan, estimate = prepared.plan, prepared.estimate
    return {
        "app": plan.app,
        "cases": len(plan.cases),
        "calls": plan.calls,
        "judge_calls": plan.judge_calls,
        "unchanged": sum(asked.unchanged for asked in plan.cases),
        "earlier": len(plan.cases) - len(plan.asked),
        "cost_usd": estimate.cost_usd,
        "unpriced": list(estimate.unpriced),
    }


def lines(report: Report, page: Page, place: str, evidence: str = "", gate: GateReport | None = None) -> list[Line]:
    """Returns the whole report; ``evidence`` is the id of what the registry made of it, ``gate`` what follows there."""
    head = " against ".join(arm.label for arm in report.arms)
    suites = ", ".join(f"{suite.name} ({suite.kind}, {counted(suite.cases, 'case')})" for suite in report.suites)
    said: list[Line] = [[Span(head, "name"), Span(f" · {suites}", "quiet")]]
    said += _worst(report, page)
    said += ["", *page.columns(list(_table(report)))]
    said += _comparisons(report)
    said += ["", *_foot(report, place, evidence)]
    said += gate_lines(gate, page) if gate else []
    return said + next_steps(_steps(report, evidence, gate))


def drift_lines(drift: DriftReport) -> list[Line]:
    """Returns what a scheduled run says beside the first three."""
    said: list[Line] = [""]
    if not drift.compared:
        said.append(f"drift: {drift.runs} of 3 runs came before; from the fourth on, each is compared with these three")
    else:
        mark: Cell = Span("✗ it is worse", "bad") if drift.worse else Span("✓ no worse is shown", "good")
        shares = f": {drift.before or 0.0:.1%} passed in the first three runs, {drift.now or 0.0:.1%} now"
        said.append(["drift: ", mark, f"{shares}, over {counted(drift.cases, 'case')}"])
        seen = "no loss, with so few cases" if drift.could_see is None else f"a loss of {drift.could_see:.1%} or more"
        said.append(Span(f"       One night sees {seen}.", "quiet"))
    if drift.compared and drift.waiting:
        said.append(
            f"       {counted(drift.waiting, 'case')} had fewer than three runs, and will be compared after them."
        )
    said += [["       ", Span(_changed(each), "warn")] for each in drift.changed]
    if drift.changes > len(drift.changed):
        said.append(f"       {drift.changes - len(drift.changed):,} more are new or gone.")
    return said


def _changed(each: ServedChange) -> str:
    what = f"the fingerprint {each.fingerprint} of {each.model}" if each.fingerprint else f"the model {each.model}"
    if each.now:
        return f"{what} is new: {counted(each.now, 'answer')} now, none in the first runs"
    return f"{what} is gone: {counted(each.before, 'answer')} in the first runs, none now"


def stopped(report: Report, run: str) -> tuple[str, str]:
    """Returns why a run did not come to its end, and how it goes on."""
    why = _WHY.get(report.ended, "it was ended")
    return f"the run stopped, since {why}; {report.missing:,} answers are missing", (
        f"To go on: promptops eval --continue {run[:8]}"
    )


def _worst(report: Report, page: Page) -> list[Line]:
    """Returns the cases of the candidate that did not pass every time: those that failed most often first."""
    rows: dict[int, list[Any]] = {}
    for row in report.rows:
        if row.arm == report.arms[0].arm:
            rows.setdefault(row.case, []).append(row)
    bad: list[tuple[float, int, str, Any]] = []
    for number, mine in rows.items():
        passed = sum(row.outcome == "passed" for row in mine)
        if passed < len(mine):
            why = next(row for row in mine if row.outcome != "passed")
            bad.append((passed / len(mine), number, f"{passed} of {len(mine)}" if len(mine) > 1 else "", why))
    for number, case in enumerate(report.cases):
        if case.passed < case.answers:
            bad.append((case.passed / case.answers, number, f"{case.passed} of {case.answers}", None))
    if not bad:
        return []
    bad.sort(key=lambda item: (item[0], item[1]))
    said: list[Line] = ["", Span(f"{counted(len(bad), 'case')} did not pass", "strong")]
    table: list[Sequence[Cell]] = []
    for _, number, times, row in bad[:WORST]:
        case = report.cases[number]
        what = (row.error or row.outcome) if row else "failed"
        mark = Span(f"{what} {times}".rstrip(), "warn" if row and row.error else "bad")
        tags = f" [{', '.join(case.tags)}]" if case.tags else ""
        why = one_line(row.why) if row else f"in the run {case.earlier[:8]}, which asked it"
        table.append([mark, f"{case.prompt} {_short(case.id)}{tags}", Span(why, "quiet")])
    said += page.columns(table)
    if len(bad) > WORST:
        said.append(Span(f"  … and {len(bad) - WORST:,} more", "quiet"))
    return said


def _table(report: Report) -> Iterable[Sequence[Cell]]:
    several = len(report.arms) > 1
    titles = ["prompt", *(["release"] if several else []), "passed", "failed", "errors", "score", "p50", "cost"]
    yield [Span(title, "quiet") for title in titles]
    labels = {arm.arm: arm.label for arm in report.arms}
    for group in report.groups:
        name = f"  {group.tag}" if group.tag else group.prompt
        yield [name, *([labels[group.arm]] if several else []), *_numbers(group)]


def _numbers(group: GroupReport) -> list[Cell]:
    share = f"{group.passed} of {group.rows}"
    return [
        Span(share, "good" if group.passed == group.rows else ""),
        Span(str(group.failed), "bad" if group.failed else ""),
        Span(str(group.errors), "warn" if group.errors else ""),
        "-" if group.score is None else f"{group.score:.3f}",
        "-" if group.p50_ms is None else f"{group.p50_ms:,.0f} ms",
        "-" if group.cost_usd is None else f"${group.cost_usd:.4f}",
    ]


def _comparisons(report: Report) -> list[Line]:
    said: list[Line] = []
    for found in report.comparisons:
        unchanged = f"; {counted(found.unchanged, 'case')} unchanged" if found.unchanged else ""
        lost: Cell = Span(f"{found.lost} lost", "bad" if found.lost else "")
        said.append(
            [
                f"{found.prompt}: {counted(found.compared, 'case')} compared, ",
                lost,
                f", {found.gained} gained{unchanged}",
            ]
        )
    left = sum(bool(case.earlier) for case in report.cases)
    if left:
        said.append(f"{counted(left, 'case')} were not asked: earlier runs have the answers")
    return ["", *said] if said else []


def _foot(report: Report, place: str, evidence: str) -> list[Line]:
    cost = f"${report.cost_usd:.4f}" if report.cost_usd or not report.unpriced else "not known"
    cost = "nothing" if report.source == "replay" else cost
    if report.unpriced and report.cost_usd:
        cost += f" and {counted(report.unpriced, 'call')} without a known price"
    said: list[Line] = [[Span("cost ", "quiet"), cost, Span("  answers ", "quiet"), place]]
    if evidence:
        said.append([Span("evidence ", "quiet"), evidence])
    if report.source == "replay":
        said.append(Span("From recorded answers: nothing was asked, and no latency was measured.", "quiet"))
    elif report.local:
        said.append(Span("A local run: it is no evidence for a gate.", "quiet"))
    return said


def gate_lines(gate: GateReport, page: Page) -> list[Line]:
    """Returns one line for each check of the gate."""
    assert gate.verdict is not None
    opens = Span("✓ it opens", "good") if gate.opens else Span("✗ it does not open", "bad")
    table: list[Sequence[Cell]] = [
        [
            Span(check.outcome.value, "good" if check.passed else "warn"),
            " ".join(part for part in (check.name, check.prompt or check.suite) if part),
            Span(one_line(check.reason or check.got), "quiet"),
        ]
        for check in gate.verdict.checks
    ]
    return ["", [Span(f"the gate of {gate.channel}: ", "strong"), opens], *page.columns(table)]


def _steps(report: Report, evidence: str, gate: GateReport | None) -> list[tuple[str, list[str]]]:
    steps: list[tuple[str, list[str]]] = []
    failed = next((row for row in report.rows if row.outcome != "passed"), None)
    if failed is not None:
        case = report.cases[failed.case]
        steps.append(("one case, with its answers", ["eval", "diff", report.run[:8], "--case", _short(case.id)]))
    version = report.arms[0].version
    if evidence and not version:
        steps.append(("release what was asked", ["release", report.app]))
    elif gate is not None:
        where = [f"{report.app}@{version}", "--channel", gate.channel]
        steps.append(("make it live", ["promote", *where]) if gate.opens else ("what is missing", ["gate", *where]))
    return steps


def _short(identity: str) -> str:
    return identity[:19] if identity.startswith("sha256:") else identity

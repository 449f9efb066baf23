"""Which cases `promptops eval` leaves out: an earlier run has the answers, or the gate wants them on another day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from promptops.core.errors import Conflict
from promptops.core.evidence.case_table import Arm, CaseTable
from promptops.core.evidence.content import prompt_content
from promptops.core.timestamp import timestamp
from promptops.evals.evidence import arms_of, cases_of, suite_refs
from promptops.evals.plan import Earlier, Plan, Share

if TYPE_CHECKING:
    from promptops.cli.session import Session
    from promptops.operations.eval_plan import Prepared
    from promptops.operations.measured import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """The cases that need not be asked, by their number, and the shares of those that are spread over days."""

    earlier: Mapping[int, Earlier] = field(default_factory=dict)
    shares: tuple[Share, ...] = ()


def kept(options: Mapping[str, Any]) -> LeftOut:
    """Returns what the continued run leaves out, as it was opened."""
    return LeftOut(
        earlier={int(number): Earlier(**each) for number, each in options["earlier"].items()},
        shares=tuple(Share(**each) for each in options["shares"]),
    )


def left_out(session: Session, made: Prepared, options: Mapping[str, Any]) -> LeftOut:
    """Returns what need not be asked today, as the registry says: it knows what earlier runs asked.

    Raises:
        Conflict: the cases of today were asked, and the others are for tomorrow.
    """
    from promptops.core.evidence.table_bytes import encode_table
    from promptops.operations.measured import MeasuredRequest
    from promptops.use_cases.runs import MEASURED

    plan = made.plan
    compared = any(len(asked.requests) > 1 for asked in plan.cases)
    if not options["channel"] or not made.arguments.opened or not compared:
        return LeftOut()
    request = MeasuredRequest(
        app=plan.app,
        channel=options["channel"],
        arms=arms_of(plan),
        suites=suite_refs(plan),
        plan=encode_table(CaseTable(cases=cases_of(plan))),
    )
    with session.gateway() as gateway:
        found = gateway.run(MEASURED, request)
    recorded = options["replay"] or options["rescore"]
    return LeftOut(
        earlier={} if options["fresh"] or recorded else _earlier(plan, found), shares=_shares(session, found)
    )


def _shares(session: Session, found: Measured) -> tuple[Share, ...]:
    waiting = [each for each in found.spread if each.share is None]
    for each in waiting:
        said = (
            f"of {each.suite} for {each.prompt} today's cases were asked; the others are due from {_moment(each.due)}"
        )
        if len(waiting) == len(found.spread):
            raise Conflict(said, hint="Ask them then, in the same way.")
        session.note(said)
    for each in found.spread:
        if each.share is not None:
            session.note(f"of {each.suite} for {each.prompt}: the cases of day {each.share + 1} of {each.days}")
    return tuple(Share(suite=each.suite, prompt=each.prompt, days=each.days, share=each.share) for each in found.spread)


def _moment(due: datetime) -> str:
    return f"{due:%Y-%m-%d %H:%M} UTC"


def _earlier(plan: Plan, found: Measured) -> dict[int, Earlier]:
    """Returns the cases of which an earlier run has the answers, by their number."""
    live = next((side.digest for side in plan.sides if side.arm is Arm.LIVE), "")
    if found.digest != live:  # what is live has moved, or --against names another release
        return {}
    same = _unchanged_prompts(plan)
    return {
        each.case: Earlier(run=each.run, at=timestamp(each.at), passed=each.passed, answers=each.answers)
        for each in found.cases
        if plan.cases[each.case].prompt in same
    }


def _unchanged_prompts(plan: Plan) -> set[str]:
    """Returns the prompts that send in the candidate what they send in live, whatever the case."""
    mine, theirs = plan.side(Arm.CANDIDATE).content, plan.side(Arm.LIVE).content
    shared = {prompt.name for prompt in mine.prompts} & {prompt.name for prompt in theirs.prompts}
    return {name for name in shared if prompt_content(mine, name) == prompt_content(theirs, name)}

"""Which cases `promptops eval` leaves out, because an earlier run asked the same and has the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from promptops.core.evidence.case_table import Arm, CaseTable
from promptops.core.evidence.content import prompt_content
from promptops.core.timestamp import timestamp
from promptops.evals.evidence import cases_of, suite_refs
from promptops.evals.plan import Earlier, Plan

if TYPE_CHECKING:
    from promptops.cli.session import Session
    from promptops.operations.eval_plan import Prepared


def kept(options: Mapping[str, Any]) -> dict[int, Earlier]:
    """Returns the cases that the continued run leaves out, as it was opened."""
    return {int(number): Earlier(**each) for number, each in options["earlier"].items()}


def earlier(session: Session, made: Prepared, options: Mapping[str, Any]) -> dict[int, Earlier]:
    """Returns the cases that need not be asked, by their number: an earlier run has the answers, says the registry."""
    from promptops.core.evidence.table_bytes import encode_table
    from promptops.operations.measured import MeasuredRequest
    from promptops.use_cases.runs import MEASURED

    plan = made.plan
    recorded = options["replay"] or options["rescore"]
    if not options["channel"] or options["fresh"] or recorded or not made.arguments.opened:
        return {}
    if not any(asked.same for asked in plan.cases):
        return {}
    planned = CaseTable(cases=cases_of(plan))
    request = MeasuredRequest(
        app=plan.app, channel=options["channel"], suites=suite_refs(plan), plan=encode_table(planned)
    )  # fmt: skip
    with session.gateway() as gateway:
        found = gateway.run(MEASURED, request)
    if found.digest != plan.side(Arm.LIVE).digest:  # what is live has moved, or --against names another release
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

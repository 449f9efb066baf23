"""A run as the registry records it: its plan, fixed before the first call, and rows of ids and numbers. No texts."""

from __future__ import annotations

from datetime import datetime

from promptops.core.digest import digest
from promptops.core.evidence.case_table import REQUEST_DIGITS, Arm, Case, CaseTable, Row
from promptops.core.evidence.content import case_key, prompt_content
from promptops.core.evidence.run import ArmRelease, PromptContent, Purpose, Run, Source, SuiteRef
from promptops.core.evidence.suite_refs import clusters, suite_ref
from promptops.core.evidence.table_bytes import encode_table
from promptops.core.suite.suite import case_digests
from promptops.evals.plan import Asked, Plan, Side
from promptops.evals.runner import GradedRow


def run_of(
    plan: Plan,
    *,
    id: str,
    source: Source,
    hosts: tuple[str, ...],
    actor: str,
    at: datetime,
    purpose: Purpose = Purpose.GATE,
) -> Run:
    """Returns the run to be opened.

    Raises:
        Invalid: it has more than the registry records.
    """
    table = encode_table(CaseTable(cases=cases_of(plan)))
    return Run(
        id=id,
        app=plan.app,
        arms=arms_of(plan),
        suites=suite_refs(plan),
        source=source,
        purpose=purpose,
        hosts=hosts,
        actor=actor,
        at=at,
        plan=table,
        plan_digest=digest(table),
    )


def arms_of(plan: Plan) -> tuple[ArmRelease, ...]:
    """Returns the releases of a run, each with the contents of the prompts that are asked."""
    return tuple(_arm(side, plan) for side in plan.sides)


def suite_refs(plan: Plan) -> tuple[SuiteRef, ...]:
    """Returns the suites of a run, each with the repeats of this run."""
    repeats = {asked.suite: asked.repeats for asked in plan.cases}
    return tuple(
        suite_ref(suite, cases=False, repeats=repeats[suite.name]) for suite in plan.suites if suite.name in repeats
    )


def cases_of(plan: Plan) -> tuple[Case, ...]:
    """Returns the cases of a plan in its order: the places of the rows are those of the plan."""
    known = {
        (suite.name, id(case)): (case_digest, cluster)
        for suite, named in zip(plan.suites, clusters(plan.suites), strict=True)
        for case, case_digest, cluster in zip(suite.cases, case_digests(suite), named, strict=True)
    }
    cases = []
    for asked in plan.cases:
        case_digest, cluster = known[asked.suite, id(asked.case)]
        cases.append(
            Case(
                suite=asked.suite,
                prompt=asked.prompt,
                id=asked.id,
                key=case_key({"keyed": asked.case.keyed} if asked.case.keyed else asked.case.variables),
                digest=case_digest,
                cluster=cluster,
                tags=asked.case.tags,
                judged=asked.judges > 0,
                unchanged=asked.unchanged,
                request=_request(asked, plan).removeprefix("sha256:")[:REQUEST_DIGITS],
                reused=asked.earlier is not None,
                as_anchor=asked.is_same_in(Arm.ANCHOR),
            )
        )
    return tuple(cases)


def _request(asked: Asked, plan: Plan) -> str:
    """The digest of the candidate's request; of a user's variables, one that follows from their keyed hash."""
    if not asked.case.keyed:
        return asked.requests[Arm.CANDIDATE].digest
    return digest(f"{asked.case.keyed} {prompt_content(plan.side(Arm.CANDIDATE).content, asked.prompt)}".encode())


def row_of(row: GradedRow, plan: Plan) -> Row | None:
    """Returns the row to be reported. None for live's side of an unchanged case, which the candidate's row stands for.

    A latency is never one of an earlier measurement.
    """
    if row.arm is Arm.LIVE and plan.cases[row.case].unchanged:
        return None
    response, graded = row.response, row.graded
    return Row(
        case=row.case,
        arm=row.arm,
        repeat=row.repeat,
        outcome=graded.outcome,
        score=graded.score,
        latency_ms=None if row.reused else response.latency_ms,
        input_tokens=response.input_tokens,
        output_tokens=response.output_tokens,
        cost_usd=row.cost_usd,
        error=graded.error,
        first_attempt_failed=response.first_attempt_failed,
        reused=row.reused,
        served_model=response.served_model,
        fingerprint=response.fingerprint,
    )


def _arm(side: Side, plan: Plan) -> ArmRelease:
    prompts = dict.fromkeys(asked.prompt for asked in plan.cases if side.arm in asked.requests)
    return ArmRelease(
        arm=side.arm,
        digest=side.digest,
        version=side.version,
        prompts=tuple(PromptContent(prompt=prompt, digest=prompt_content(side.content, prompt)) for prompt in prompts),
    )

"""A small world for gates: an app with prompts, releases of it, suites, and runs with outcomes that a test gives."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from promptops.core.digest import digest
from promptops.core.evidence.case_table import Arm, Case, CaseTable, Row, RowOutcome
from promptops.core.evidence.evidence import Evidence, counted, label_counts
from promptops.core.evidence.labels import Label, Labels, encode_labels
from promptops.core.evidence.run import ArmRelease, PromptContent, Purpose, Run, Source, SuiteRef
from promptops.core.evidence.table_bytes import encode_table
from promptops.core.gate.gate import judge
from promptops.core.gate.given import Approved, GateInput, GatePrompt, GateRelease
from promptops.core.gate.verdict import CheckVerdict, GateVerdict
from promptops.core.statistics.judges import Labelled
from promptops.core.suite.suite import SuiteKind

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
P, F, E = RowOutcome.PASSED, RowOutcome.FAILED, RowOutcome.ERROR

Outcomes = Mapping[Arm, Sequence[Sequence[RowOutcome | float | None]]]
"""Of each arm, for each case its repeats: an outcome, a score, or None for a row that is missing."""


def named(text: str) -> str:
    """The digest of a name."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def prompt(name: str, content: str, model: str = "m") -> GatePrompt:
    return GatePrompt(name=name, content=named(content.strip()), exact=named(content + " exact"), model=model)


def cases(suite: str, of: str, count: int, **more: Any) -> tuple[Case, ...]:
    return tuple(
        Case(suite=suite, prompt=of, id=f"case-{n}", key=named(f"key {n}"), digest=named(f"case {n}"), **more)
        for n in range(count)
    )


def suite_of(
    given: Iterable[Case],
    name: str = "answer",
    kind: SuiteKind = SuiteKind.SAMPLE,
    repeats: int = 1,
    judges: str = "",
    **more: Any,
) -> SuiteRef:
    given = tuple(given)
    return SuiteRef(
        name=name,
        kind=kind,
        digest=named(f"{name} {[case.digest for case in given]} {judges}"),
        prompts=tuple(sorted({case.prompt for case in given})),
        repeats=repeats,
        judge_digest=named(judges) if judges else "",
        cases=tuple(dict.fromkeys(case.digest for case in given)),
        **more,
    )


def release(name: str, *prompts: GatePrompt, suites: Iterable[SuiteRef] = ()) -> GateRelease:
    return GateRelease(digest=named(f"release {name}"), version=name, prompts=prompts, suites=tuple(suites))


def arm_of(arm: Arm, of: GateRelease) -> ArmRelease:
    contents = tuple(PromptContent(prompt=one.name, digest=one.content) for one in of.prompts)
    return ArmRelease(arm=arm, digest=of.digest, version=of.version, prompts=contents)


def row(case: int, arm: Arm, repeat: int, outcome: RowOutcome | float, **more: Any) -> Row:
    if isinstance(outcome, RowOutcome):
        score = None if outcome is E else 1.0 if outcome is P else 0.0
        error = "unavailable" if outcome is E else ""
    else:
        score, error = outcome, ""
        outcome = P if outcome >= 0.5 else F
    return Row(case=case, arm=arm, repeat=repeat, outcome=outcome, score=score, error=error, **more)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A run with its evidence."""

    run: Run
    evidence: Evidence | None

    def with_rows(self, change: Callable[[tuple[Row, ...]], Iterable[Row]]) -> Made:
        """Returns the same run with other rows."""
        assert self.evidence is not None
        rows = tuple(change(self.rows))
        return replace(self, evidence=_closed(self.run, rows, self.evidence.complete))

    @property
    def rows(self) -> tuple[Row, ...]:
        assert self.evidence is not None
        from promptops.core.evidence.evidence import table_of

        return table_of(self.evidence, self.run).rows


def run(
    candidate: GateRelease,
    plan: Sequence[Case],
    outcomes: Outcomes,
    *,
    others: Mapping[Arm, GateRelease] | None = None,
    suites: Iterable[SuiteRef] | None = None,
    at: datetime = NOW - timedelta(days=1),
    name: str = "first",
    closed: bool = True,
    complete: bool = True,
    detail: Callable[[int, Arm], Mapping[str, Any]] = lambda case, arm: {},
    **more: Any,
) -> Made:
    """Makes a run of a plan; the rows of `outcomes`, with `detail` for latencies and the like."""
    arms = (arm_of(Arm.CANDIDATE, candidate), *(arm_of(arm, of) for arm, of in (others or {}).items()))
    plan_bytes = encode_table(CaseTable(cases=tuple(plan)))
    used = tuple(suites if suites is not None else candidate.suites)
    made = Run(
        id=hashlib.md5(name.encode()).hexdigest(),
        app=more.pop("app", "bot"),
        arms=arms,
        suites=tuple(replace(one, cases=()) for one in used),
        source=more.pop("source", Source.RUN),
        actor="ci",
        at=at,
        hosts=more.pop("hosts", ("api.example.com",)),
        token_name=more.pop("token_name", "ci"),
        plan_digest=digest(plan_bytes),
        plan=plan_bytes,
        **more,
    )
    rows = [
        row(case, arm, repeat, outcome, **detail(case, arm))
        for arm, of_cases in outcomes.items()
        for case, repeats in enumerate(of_cases)
        for repeat, outcome in enumerate(repeats, 1)
        if outcome is not None and not (plan[case].unchanged and arm is Arm.LIVE)
    ]
    return Made(run=made, evidence=_closed(made, tuple(rows), complete) if closed else None)


def _closed(of: Run, rows: tuple[Row, ...], complete: bool) -> Evidence:
    table = CaseTable(cases=of.cases, rows=rows)
    data = encode_table(table, with_cases=False)
    return Evidence(
        id=f"evidence-{of.id}",
        app=of.app,
        digest=of.candidate.digest,
        source=of.source,
        actor=of.actor,
        at=of.at + timedelta(minutes=5),
        run=of.id,
        complete=complete,
        counts=counted(table),
        hosts=of.hosts,
        table_digest=digest(data),
        table=data,
    )


def damaged(made: Made) -> Made:
    """The same run, of whose table bytes were lost after its digest was taken."""
    assert made.evidence is not None
    return replace(made, evidence=damaged_evidence(made.evidence))


def damaged_evidence(evidence: Evidence) -> Evidence:
    """The same evidence with another table."""
    short = zlib.compress(b"{}")
    return replace(evidence, table=short, table_digest=digest(short))


def labels(counts: Labelled, run: str = "", *, of: str = "answer", by: str = "Eve <eve@example.org>") -> list[Label]:
    """Labels with these counts: of answers of a run, or of those that cases of a suite expect."""
    kinds = [
        (True, True, counts.good_passed),
        (True, False, counts.good - counts.good_passed),
        (False, False, counts.bad_failed),
        (False, True, counts.bad - counts.bad_failed),
    ]
    verdicts = [(good, passed) for good, passed, count in kinds for _ in range(count)]
    return [
        Label(
            suite="answer",
            prompt=of,
            case=f"case-{place}",
            answer=named(f"answer {place}"),
            good=good,
            passed=passed,
            run=run,
            by=by if run else "",
        )
        for place, (good, passed) in enumerate(verdicts)
    ]


def measured(judge: str, given: Sequence[Label], *, replayed: bool = False, **more: Any) -> Evidence:
    """Evidence about the judges with this digest."""
    sheet = Labels(labels=tuple(given), replayed=replayed)
    data = encode_labels(sheet)
    values: dict[str, Any] = {
        "id": hashlib.md5(data).hexdigest(),
        "app": "bot",
        "actor": "token ci",
        "at": NOW - timedelta(hours=1),
        "token_name": "ci",
        "hosts": ("api.example.com",),
        **more,
    }
    return Evidence(
        digest=judge,
        source=Source.LABELS,
        counts=label_counts(sheet),
        table=data,
        table_digest=digest(data),
        **values,
    )


@dataclass(frozen=True, kw_only=True)
class World:
    """A candidate, what is live, and runs. ``ask`` has the verdict of a gate on it."""

    candidate: GateRelease
    live: tuple[GateRelease, ...]
    made: tuple[Made, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    def given(self) -> GateInput:
        pieces = tuple(made.evidence for made in self.made if made.evidence is not None)
        more = dict(self.more)
        return GateInput(
            app="bot",
            channel="prod",
            candidate=self.candidate,
            live=self.live,
            now=more.pop("now", NOW),
            runs=tuple(made.run for made in self.made),
            evidence=pieces + tuple(more.pop("evidence", ())),
            **more,
        )

    def ask(self, gate: Mapping[str, Any]) -> GateVerdict:
        return judge(self.given(), gate)

    def only(self, gate: Mapping[str, Any]) -> CheckVerdict:
        """The verdict of a gate that gives just one."""
        verdict = self.ask(gate)
        assert len(verdict.checks) == 1, verdict.checks
        assert verdict.outcome is verdict.checks[0].outcome
        return verdict.checks[0]

    def approved(self, *subjects: str, proven: bool = True) -> World:
        given = tuple(Approved(subject=one, person="ada@example.org", proven=proven) for one in subjects)
        return self.but(approvals=(*self.more.get("approvals", ()), *given))

    def but(self, **more: Any) -> World:
        return replace(self, more={**self.more, **more})


def compared(
    candidate: Sequence[Sequence[RowOutcome | float | None]],
    live: Sequence[Sequence[RowOutcome | float | None]],
    plan: Sequence[Case] | None = None,
    of_suite: Mapping[str, Any] | None = None,
    **more: Any,
) -> World:
    """A world in which one prompt changed, and one run put its suite to the candidate and to live."""
    plan = plan or cases("answer", "answer", len(candidate))
    repeats = max(len(one) for one in candidate)
    suite = suite_of(plan, repeats=repeats, **(of_suite or {}))
    new = release("2.0.0", prompt("answer", "new"), suites=[suite])
    old = release("1.0.0", prompt("answer", "old"), suites=[suite])
    made = run(new, plan, {Arm.CANDIDATE: candidate, Arm.LIVE: live}, others={Arm.LIVE: old}, **more)
    return World(candidate=new, live=(old,), made=(made,))


def same(count: int, outcome: RowOutcome = P) -> list[list[RowOutcome]]:
    return [[outcome] for _ in range(count)]


def worse(count: int, lost: int, gained: int = 0) -> tuple[list[list[RowOutcome]], list[list[RowOutcome]]]:
    """Candidate and live of single runs, of which so many cases are lost and gained."""
    candidate = [[F]] * lost + [[P]] * gained + [[P]] * (count - lost - gained)
    live = [[P]] * lost + [[F]] * gained + [[P]] * (count - lost - gained)
    return candidate, live


__all__ = ["Purpose", "Source"]

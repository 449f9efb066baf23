"""Runs that may become evidence: opened before their first call, reported row by row, closed.

The first row for a case, an arm and a repeat stands; another one is answered with it and changes nothing. So a run can
be stopped and go on, and what it saw stays what it saw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from promptops.core.digest import canonical, digest
from promptops.core.errors import Conflict, Invalid, NotAllowed, RunClosed
from promptops.core.evidence.case_table import Arm, CaseTable, Row
from promptops.core.evidence.evidence import Count, Evidence, counted, table_of
from promptops.core.evidence.run import OPEN_FOR, ArmRelease, Purpose, Run, Source, SuiteRef, expected, planned
from promptops.core.evidence.table_bytes import encode_table
from promptops.core.free_text import require_words
from promptops.core.json_codec import to_json
from promptops.core.names import AppName
from promptops.core.token import Scope
from promptops.operations.idempotency import Once

if TYPE_CHECKING:
    from promptops.store import Reader, Registry, Writer

MOST_AT_ONCE: Final = 1_000
"""Rows of one report: each is read back before the commit."""

Place = tuple[int, Arm, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """A run to be opened, as :class:`~promptops.core.evidence.run.Run` has it. ``plan`` are the bytes of its cases.

    ``id`` is drawn by the runner, which keeps it: a run is opened once, however often that is asked.
    """

    id: str
    app: AppName
    arms: tuple[ArmRelease, ...]
    suites: tuple[SuiteRef, ...]
    plan: bytes
    key: str
    source: Source = Source.RUN
    purpose: Purpose = Purpose.GATE
    hosts: tuple[str, ...] = ()
    token: str = ""

    @classmethod
    def of(cls, run: Run, *, key: str) -> OpenRequest:
        """The request for a run that a runner planned."""
        names = ("id", "app", "arms", "suites", "plan", "source", "purpose", "hosts")
        return cls(key=key, **{name: getattr(run, name) for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """Rows of a run, at most :data:`MOST_AT_ONCE`."""

    run: str
    rows: tuple[Row, ...]
    key: str
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRequest:
    """The end of a run. ``note`` says why, where rows are missing; then it may go on until a day after its opening.

    ``counts`` are those of single checks, which rows do not have.
    """

    run: str
    key: str
    note: str = ""
    counts: tuple[Count, ...] = ()
    tools: tuple[str, ...] = ()
    served_models: tuple[str, ...] = ()
    prices: str = ""
    token: str = ""

    def __post_init__(self) -> None:
        require_words(self.note, "the note")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """How far a run is: the rows that it reported, and how many of its plan are missing. ``until`` it takes rows.

    Two runs with one ``plan_digest`` put the same cases.
    ``evidence`` is the id of its newest evidence, empty while it was not closed. ``standing`` are rows of a report that
    had others before them: those that stand.
    """

    run: str
    app: AppName
    digest: str
    purpose: Purpose
    source: Source
    actor: str
    at: datetime
    until: datetime
    reported: int
    missing: int
    plan_digest: str
    evidence: str = ""
    standing: tuple[Row, ...] = ()


def open_run(registry: Registry, request: OpenRequest, *, actor: str, now: datetime) -> RunState:
    """Open a run, which spends its look, or find it open.

    Raises:
        Invalid: it cannot be a run, or its plan has no cases.
        Conflict: another run has this id.
    """
    planned(request.suites, request.arms, request.plan)
    run = Run(
        id=request.id, app=request.app, arms=request.arms, suites=request.suites, source=request.source,
        purpose=request.purpose, hosts=request.hosts, actor=actor, at=now, token=request.token,
        plan_digest=digest(request.plan), plan=request.plan,
    )  # fmt: skip
    if run.source not in (Source.RUN, Source.REPLAY):
        raise Invalid(f"a run asks models or replays their answers, and '{run.source}' is neither")
    once = Once(key=request.key, token=request.token, operation="open-run", arguments=_asked(run), words="")

    def work(writer: Writer) -> RunState:
        if once.answered(writer) is None:
            known = writer.has_run(run.id)
            if not known:
                name, person = holder(writer, request.token)
                writer.record(replace(run, token_name=name, person=person), key=request.key)
            elif _asked(writer.run(run.id)) != _asked(run):
                raise Conflict(f"another run has the id {run.id}", hint="Draw a new one.")
            once.remember(writer, [(run.id,)], now)
        return _state(writer, _own(writer.run(run.id), request.token))

    return registry.write(work)


def report(registry: Registry, request: ReportRequest, *, now: datetime) -> RunState:
    """Keep rows of a run. Those that are there already change nothing, whatever they say.

    Raises:
        RunNotFound: it was never opened. NotAllowed: with another token.
        RunClosed: it is complete, or was opened too long ago, and a row is new.
        Invalid: a row is not in its plan, or there are too many at once.
    """
    if len(request.rows) > MOST_AT_ONCE:
        raise Invalid(f"there are {len(request.rows):,} rows, and a report has at most {MOST_AT_ONCE:,}")
    sent = {row.place: row for row in request.rows}
    if len(sent) < len(request.rows):
        raise Invalid("a report has each row once")

    def work(writer: Writer) -> RunState:
        run = _own(writer.lock_run(request.run), request.token)
        stray = next((row for place, row in sent.items() if place not in _places(run)), None)
        if stray is not None:
            raise Invalid(f"the {stray} is not in the plan of the run {run.id}")
        there = _rows(writer, run, {place[0] for place in sent})
        new = [row for place, row in sent.items() if place not in there]
        if new:
            _require_open(writer, run, now)
            writer.add_rows(run.id, new)
        others = tuple(there[place] for place, row in sent.items() if place in there and there[place] != row)
        return replace(_state(writer, run), standing=others)

    return registry.write(work)


def close(registry: Registry, request: CloseRequest, *, actor: str, now: datetime) -> Evidence:
    """Make evidence of what a run reported. If it was closed before and nothing came since, that evidence is found.

    Raises:
        RunNotFound: it was never opened. NotAllowed: with another token.
        Invalid: rows are missing, and the note does not say why.
    """
    once = Once(
        key=request.key, token=request.token, operation="close-run", arguments={"run": request.run}, words=request.note
    )

    def work(writer: Writer) -> Evidence:
        run = _own(writer.lock_run(request.run), request.token)
        seen = once.answered(writer)
        if seen is not None:
            return writer.one_evidence(str(seen[0][0]))
        closed = writer.evidence(run=run.id, tables=True)
        table = CaseTable(cases=run.cases, rows=tuple(_rows(writer, run).values()))
        data = encode_table(table, with_cases=False)
        evidence = closed[-1] if closed else None
        if evidence is None or table_of(evidence, run) != table:
            absent = len(_places(run)) - len(table.rows)
            if absent and not request.note.strip():
                raise Invalid(
                    f"{absent:,} of the {len(_places(run)):,} rows of the run {run.id} are missing",
                    hint="Go on with it, or say why it is closed before its end.",
                )
            name, person = holder(writer, request.token)
            evidence = Evidence(
                id=f"{run.id}.{len(closed) + 1}", app=run.app, digest=run.candidate.digest, source=run.source,
                run=run.id, number=len(closed) + 1, complete=not absent, hosts=run.hosts, actor=actor, at=now,
                tools=request.tools, served_models=request.served_models, prices=request.prices, note=request.note,
                counts=(*counted(table), *request.counts), token=request.token, token_name=name, person=person,
                table=data, table_digest=digest(data),
            )  # fmt: skip
            writer.record(evidence, key=request.key)
        once.remember(writer, [(evidence.id,)], now)
        return evidence

    return registry.write(work)


def state(registry: Registry, run: str) -> RunState:
    """How far a run is.

    Raises:
        RunNotFound
    """
    with registry.read() as reader:
        return _state(reader, reader.run(run))


def runs(registry: Registry, app: str) -> tuple[RunState, ...]:
    """Every run of an app, newest first."""
    with registry.read() as reader:
        return tuple(_state(reader, run) for run in reversed(reader.runs(app)))


def _asked(run: Run) -> Mapping[str, str]:
    """What two requests for one run have in common, as a digest."""
    same = {"id": run.id, "app": run.app, "plan": run.plan_digest, "hosts": list(run.hosts)}
    same |= {"source": run.source.value, "purpose": run.purpose.value}
    parts = [to_json(each) for each in (*run.arms, *run.suites)]
    return {"run": hashlib.sha256(canonical({**same, "parts": parts})).hexdigest()}


def _own(run: Run, token: str) -> Run:
    """Returns the run, if this token opened it.

    Raises:
        NotAllowed
    """
    if run.token != token:
        raise NotAllowed(
            f"the run {run.id} was opened with another token", scope=Scope.EVIDENCE.value, hint="Go on with that one."
        )
    return run


def holder(reader: Reader, token: str) -> tuple[str, str]:
    """The name of a token and the address of its person; both empty for the database itself."""
    if not token:
        return "", ""
    known = reader.token(token)
    return known.name, known.person


@lru_cache(maxsize=4)
def _places(run: Run) -> frozenset[Place]:
    """The rows that a run plans. Each report asks for them, and a plan is slow to read."""
    return frozenset(expected(run))


def _rows(reader: Reader, run: Run, cases: Collection[int] | None = None) -> dict[Place, Row]:
    """What stands of a run, of some cases or of all; after a rebuild from git, what its evidence has."""
    rows: dict[Place, Row] = {}
    if closed := reader.evidence(run=run.id, tables=True):
        rows = {row.place: row for row in table_of(closed[-1], run).rows if cases is None or row.case in cases}
    return rows | {row.place: row for row in reader.run_rows(run.id, cases)}


def _require_open(reader: Reader, run: Run, now: datetime) -> None:
    """Raises RunClosed: a run takes no more rows."""
    if now - run.at >= OPEN_FOR:
        raise RunClosed(
            f"the run {run.id} was opened more than a day ago, and takes no more rows",
            hint="Close it: what is missing counts as if it had failed. Then open another one.",
        )


def _state(reader: Reader, run: Run) -> RunState:
    closed: Sequence[Evidence] = reader.evidence(run=run.id)
    complete, reported = bool(closed) and closed[-1].complete, reader.row_count(run.id)
    if closed and not (complete and reported):
        reported = len(_rows(reader, run))
    return RunState(
        run=run.id, app=run.app, digest=run.candidate.digest, purpose=run.purpose, source=run.source, actor=run.actor,
        at=run.at, until=run.at + OPEN_FOR, reported=reported, missing=0 if complete else len(_places(run)) - reported,
        plan_digest=run.plan_digest, evidence=closed[-1].id if closed else "",
    )  # fmt: skip

"""Runs, evidence and the suites of releases in the registry: rows <-> nouns.

JSON in a column has one form, and text in any other is refused: an edit of a blank is an edit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, bindparam, func, select

from promptops.core.digest import canonical, parse_canonical
from promptops.core.errors import EvidenceNotFound, Invalid, RegistryDamaged, RunNotFound
from promptops.core.evidence.case_table import Arm, Row, RowOutcome
from promptops.core.evidence.evidence import Count, Evidence
from promptops.core.evidence.release_suites import ReleaseSuites
from promptops.core.evidence.run import ArmRelease, Purpose, Run, Source, SuiteRef
from promptops.core.json_codec import from_json, to_json
from promptops.core.verdict import Outcome
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values

_run, _row, _evidence, _suites = tables.run, tables.run_row, tables.evidence, tables.release_suites
_OF_APP, _NEWEST_FIRST = _suites.c.app == bindparam("app"), _suites.c.number.desc()
_RECORDED_SUITES = (
    select(_suites)
    .where(_OF_APP, _suites.c.digest == bindparam("digest"), _suites.c.dirty == bindparam("dirty"))
    .order_by(_NEWEST_FIRST)
    .limit(1)
)
_LAST_NUMBER = select(_suites.c.number).where(_OF_APP).order_by(_NEWEST_FIRST).limit(1)
_PLACE = ("case", "arm", "repeat", "outcome")
_MOST_TEXT = 16 << 20
T = TypeVar("T")


# --- rows <-> nouns ------------------------------------------------------------------------------


def run_values(run: Run) -> Values:
    values: Values = {field.name: getattr(run, field.name) for field in fields(run)}
    return values | {
        "arms": _text(run.arms),
        "suites": _text(run.suites),
        "source": run.source.value,
        "purpose": run.purpose.value,
    }


def run_of(row: AnyRow) -> Run:
    """Raises ValueError: the row was changed, and no longer holds a run."""
    values = dict(row._mapping)
    values |= {"arms": _nouns(ArmRelease, row.arms), "suites": _nouns(SuiteRef, row.suites)}
    values |= {"source": Source(row.source), "purpose": Purpose(row.purpose)}
    return _valid(Run, values)


def evidence_values(evidence: Evidence) -> Values:
    values: Values = {field.name: getattr(evidence, field.name) for field in fields(evidence)}
    values |= {"external": values.pop("check"), "case_table": values.pop("table"), "run": evidence.run or None}
    return values | {
        "source": evidence.source.value,
        "verdict": evidence.verdict.value if evidence.verdict else None,
        "suites": _text(evidence.suites),
        "counts": _text(evidence.counts),
    }


def evidence_of(row: AnyRow) -> Evidence:
    """Raises ValueError: the row was changed, and no longer holds evidence. Without its column, the table is empty."""
    values = dict(row._mapping)
    values |= {"check": values.pop("external"), "table": values.pop("case_table", b""), "run": row.run or ""}
    values |= {"suites": _nouns(SuiteRef, row.suites), "counts": _nouns(Count, row.counts)}
    verdict = None if row.verdict is None else Outcome(row.verdict)
    return _valid(Evidence, values | {"source": Source(row.source), "verdict": verdict})


def suites_values(suites: ReleaseSuites) -> Values:
    values: Values = {field.name: getattr(suites, field.name) for field in fields(suites)}
    return values | {"suites": _suites_text(suites.suites)}


@lru_cache(maxsize=2)  # a release writes its suites into its row, its record and its line of the audit
def _suites_text(suites: tuple[SuiteRef, ...]) -> str:
    return _text(suites)


def suites_of(row: AnyRow) -> ReleaseSuites:
    """Raises ValueError: the row was changed, and no longer holds suites."""
    return _valid(ReleaseSuites, {**row._mapping, "suites": _suites_in(row.suites)})


@lru_cache(maxsize=2)  # a gate reads those of a release and of what is live, which are mostly the same
def _suites_in(text: str) -> tuple[SuiteRef, ...]:
    return _nouns(SuiteRef, text)


def row_values(run: str, row: Row) -> Values:
    measured = {field.name: getattr(row, field.name) for field in fields(row) if field.name not in _PLACE}
    defaults = {field.name: field.default for field in fields(row)}
    written = canonical({name: value for name, value in measured.items() if value != defaults[name]}).decode()
    place = {"run": run, "place": row.case, "arm": row.arm.value, "repeat": row.repeat}
    return {**place, "outcome": row.outcome.value, "measured": written}


def row_of(row: AnyRow) -> Row:
    """Raises ValueError: the row was changed, and no longer holds what a run reports."""
    measured = _read(row.measured.encode())
    if not isinstance(measured, Mapping):
        raise ValueError("a row of a run holds no object")
    place = {"case": row.place, "arm": Arm(row.arm), "repeat": row.repeat, "outcome": RowOutcome(row.outcome)}
    read = _valid(Row, {**measured, **place})
    if row_values(row.run, read)["measured"] != row.measured:
        raise ValueError("a row of a run is not written as promptops writes it")
    return read


def _text(nouns: tuple[object, ...]) -> str:
    return _bytes(nouns).decode()


def _bytes(nouns: tuple[object, ...]) -> bytes:
    return canonical([to_json(noun) for noun in nouns], limit=_MOST_TEXT)


def _nouns(kind: type[T], text: str) -> tuple[T, ...]:
    data = text.encode()
    items = _read(data)
    if not isinstance(items, list):
        raise ValueError(f"a list of {kind.__name__} is of another kind")
    try:
        nouns = tuple(from_json(kind, item, kind.__name__) for item in items)
    except Invalid as error:
        raise ValueError(error.message) from error
    if _bytes(nouns) != data:
        raise ValueError(f"a list of {kind.__name__} is not written as promptops writes it")
    return nouns


def _read(data: bytes) -> Any:
    try:
        return parse_canonical(data, limit=_MOST_TEXT)
    except Invalid as error:
        raise ValueError(error.message) from error


def _valid(kind: type[T], values: Mapping[str, Any]) -> T:
    try:
        return kind(**values)
    except Invalid as error:
        raise ValueError(error.message) from error


# --- reading -------------------------------------------------------------------------------------


def find_run(connection: Connection, id: str, *, lock: bool = False) -> Run:
    """The run of this id; with ``lock``, no other change reports to it or closes it meanwhile.

    Raises:
        RunNotFound: it was never opened here. RegistryDamaged: its row is not what was written.
    """
    query = select(_run).where(_run.c.id == id)
    rows = _each(connection, query.with_for_update(key_share=True) if lock else query, run_of)
    if not rows:
        raise RunNotFound(f"no run {id} was opened in this registry")
    return rows[0]


def runs(connection: Connection, app: str) -> tuple[Run, ...]:
    """Every run of an app, oldest first."""
    return _each(connection, select(_run).where(_run.c.app == app).order_by(_run.c.at, _run.c.id), run_of)


def run_rows(connection: Connection, run: str, cases: Collection[int] | None = None) -> tuple[Row, ...]:
    """What a run reported here of these cases, or of all, in order of cases."""
    query = select(_row).where(_row.c.run == run)
    if cases is not None:
        query = query.where(_row.c.place.in_(sorted(cases)))
    return _each(connection, query.order_by(_row.c.place, _row.c.arm, _row.c.repeat), row_of)


def row_count(connection: Connection, run: str) -> int:
    """How many rows a run reported here."""
    return connection.execute(select(func.count()).where(_row.c.run == run)).scalar_one()


def has_run(connection: Connection, id: str) -> bool:
    """Whether a run of this id was opened."""
    return connection.execute(select(_run.c.id).where(_run.c.id == id)).first() is not None


def find_evidence(connection: Connection, id: str) -> Evidence:
    """One piece of evidence with its table.

    Raises:
        EvidenceNotFound: it is not here. RegistryDamaged: its row is not what was written.
    """
    rows = _each(connection, select(_evidence).where(_evidence.c.id == id), evidence_of)
    if not rows:
        raise EvidenceNotFound(f"there is no evidence {id} in this registry")
    return rows[0]


def evidence(
    connection: Connection, *, app: str = "", digest: str = "", run: str = "", tables: bool = False
) -> tuple[Evidence, ...]:
    """Evidence of an app, of one digest of it, or of a run, oldest first; with or without the tables."""
    columns = [column for column in _evidence.c if tables or column.name != "case_table"]
    query = select(*columns).order_by(_evidence.c.at, _evidence.c.number, _evidence.c.id)
    for column, value in ((_evidence.c.app, app), (_evidence.c.digest, digest), (_evidence.c.run, run)):
        query = query.where(column == value) if value else query
    return _each(connection, query, evidence_of)


def suites(connection: Connection, app: str, digest: str) -> ReleaseSuites | None:
    """The suites of a release: of its newest clean commit, else of its newest files; None if none were recorded."""
    query = select(_suites).where(_suites.c.app == app, _suites.c.digest == digest)
    rows = _each(connection, query.order_by(_suites.c.dirty, _suites.c.number.desc()).limit(1), suites_of)
    return rows[0] if rows else None


def recorded_suites(connection: Connection, app: str, digest: str, *, dirty: bool) -> ReleaseSuites | None:
    """The suites of a release that were recorded last of a clean commit, or of changed files."""
    rows = _each(connection, _RECORDED_SUITES, suites_of, app=app, digest=digest, dirty=dirty)
    return rows[0] if rows else None


def last_suites(connection: Connection, app: str) -> int:
    """The number of the suites of an app that were recorded last; 0 for none."""
    return connection.execute(_LAST_NUMBER, {"app": app}).scalar() or 0


def _each(
    connection: Connection, query: Select[*tuple[Any, ...]], read: Callable[[AnyRow], T], **bound: Any
) -> tuple[T, ...]:
    try:
        return tuple(read(row) for row in connection.execute(query, bound))
    except (ValueError, TypeError, KeyError) as error:
        raise RegistryDamaged(f"a row about evidence is not what was written: {error}") from error

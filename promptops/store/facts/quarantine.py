"""Quarantines: a release that is kept out of one channel, or let in again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, case, func, select

from promptops.core.faults import Fault
from promptops.core.model import Quarantine, ReleaseRef
from promptops.store.facts.kind import Entries, FactKind, Facts, Line, among, label
from promptops.store.facts.lookup import compared, names_below, release_in, surplus
from promptops.store.schema import tables
from promptops.store.schema.rows import Values, quarantine_of, quarantine_values

_quarantine, _audit = tables.quarantine.c, tables.audit.c
_IN, _OUT = "quarantine", "unquarantine"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineEvent:
    """A release put in quarantine on a channel, or let out (``lifted``)."""

    quarantine: Quarantine
    lifted: bool


class _Quarantines(FactKind[QuarantineEvent]):
    name = "quarantines"
    noun = QuarantineEvent

    def ref(self, fact: QuarantineEvent, seq: int) -> str:
        return f"{self.name}/{fact.quarantine.channel}/{fact.quarantine.app}/{seq}"

    def line(self, fact: QuarantineEvent) -> Line:
        about = fact.quarantine
        where = {"app": about.app, "channel": about.channel, "after": label(about.release)}
        who = {"actor": about.actor, "at": about.at, "reason": about.reason}
        return {"action": _OUT if fact.lifted else _IN, **where, **who}

    def rows(self, fact: QuarantineEvent, *, actor: str, at: datetime) -> Iterable[tuple[Table, Values]]:
        yield tables.quarantine, quarantine_values(fact.quarantine, lifted=fact.lifted)

    def load(self, connection: Connection, page: Entries) -> Facts:
        """Finds the rows of the same time whose audit lines would be the same."""
        times = [entry.audit.at for entry in page]
        wanted = {(entry.segment(2), entry.segment(1), release_in(entry).digest) for entry in page}
        matches = among(connection, (_quarantine.app, _quarantine.channel, _quarantine.digest), wanted)
        query = select(tables.quarantine).where(matches, _quarantine.at.between(min(times), max(times)))
        known: dict[tuple[object, ...], QuarantineEvent] = {}
        for row in connection.execute(query):
            event = QuarantineEvent(quarantine=quarantine_of(row), lifted=row.lifted)
            known[_identity(self.line(event))] = event
        return {entry.seq: known[line] for entry in page if (line := _identity(asdict(entry.audit))) in known}

    def unrecorded(self, connection: Connection) -> Iterator[Fault]:
        key = (_quarantine.channel, _quarantine.app)
        recorded = connection.execute(select(*key, func.count()).group_by(*key))
        names = names_below(connection, self.name).values()
        counts = {f"{self.name}/{channel}/{app}": count for channel, app, count in recorded}
        return surplus(counts, (name.rpartition("/")[0] for name in names))

    def disordered(self, connection: Connection) -> Iterator[Fault]:
        action = case((_quarantine.lifted, _OUT), else_=_IN)
        key = (_quarantine.channel, _quarantine.app)
        events = select(*key, _quarantine.version + " " + _quarantine.digest, action).order_by(*key, _quarantine.id)
        lines = select(_audit.channel, _audit.app, _audit.after, _audit.action).where(_audit.action.in_((_IN, _OUT)))
        return compared(connection, self.name, events, lines.order_by(_audit.channel, _audit.app, _audit.seq))

    def release(self, fact: QuarantineEvent) -> ReleaseRef:
        return fact.quarantine.release


def _identity(line: Line) -> tuple[object, ...]:
    return tuple(line[name] for name in ("action", "app", "channel", "after", "actor", "at", "reason"))


KIND = _Quarantines()

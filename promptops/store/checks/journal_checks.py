"""Audit log, journal and facts against each other: each line of the log is whole and is about one fact that is there,
and no fact is there without a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, select

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.audit import verify, verify_head
from promptops.core.digest import digest as digest_of
from promptops.core.faults import Condition, Fault
from promptops.core.model import AuditEntry, Release
from promptops.store.checks.verified import NOTHING, Verified
from promptops.store.facts.kind import Entries, kinds
from promptops.store.facts.record import Record, bind, flaw
from promptops.store.faults import damage
from promptops.store.journal.records import entries, load
from promptops.store.queries.tokens import changed_secrets
from promptops.store.reader import Reader
from promptops.store.schema import tables

_audit, _journal = tables.audit, tables.journal
_PAGE = 200  # facts in memory at a time, releases with their contents among them


def check_audit(connection: Connection, since: Verified = NOTHING) -> Iterator[Fault]:
    """Every seal and link of the log, and its end against the head."""
    reader = Reader(connection)
    newest = [*reader.audit(before=since.seq + 1, limit=1)] if since.seq else []

    def trail() -> Iterator[AuditEntry]:
        for entry in reader.audit_trail(after=since.seq):
            newest[:] = [entry]
            yield entry

    faults = verify(trail(), start_previous=since.hash, start_seq=since.seq)
    seq, sealed = reader.audit_head()
    end = verify_head(newest[0] if newest else None, seq=seq, hash=sealed)
    for fault in [*faults, *([end] if end else [])]:
        yield damage("audit-broken", f"{fault.tampering.value}: {fault.what}", f"audit line {fault.seq}")


def check_journal(connection: Connection) -> Iterator[Fault]:
    """Every line of the log has a name in the journal, and the other way round."""
    for table, other, what in (
        (_audit, _journal, "the line of the audit log is not in the journal"),
        (_journal, _audit, "the line of the journal is not in the audit log"),
        (tables.outbox, _journal, "the change that waits for git is not in the journal"),
    ):
        there = select(1).where(other.c.seq == table.c.seq).exists()
        for (seq,) in connection.execute(select(table.c.seq).where(~there).order_by(table.c.seq)):
            yield damage("journal-incomplete", what, f"audit line {seq}")


def check_facts(connection: Connection, since: Verified = NOTHING) -> Iterator[Fault]:
    """Every name of the journal leads to a fact, and it is the one that the audit log speaks of."""
    last = since.seq
    while page := entries(connection, after=last, limit=_PAGE):
        _, faults = _page(connection, page)
        yield from faults
        last = page[-1].seq


@dataclass(slots=True)
class PageCheck:
    """The check of facts, of pages that are read for something else as well: no fact is read twice. ``last`` is the
    line up to which they came.
    """

    last: int = 0
    faults: list[Fault] = field(default_factory=list)

    def __call__(self, reader: Reader, page: Entries) -> tuple[Record, ...]:
        """What :meth:`Reader.facts` returns."""
        records, faults = _page(reader._connection, page) if page else ([], [])
        self.faults += faults
        self.last = page[-1].seq if page else self.last
        return tuple(records)


def check_more_facts(connection: Connection, facts: PageCheck) -> Iterator[Fault]:
    """What was found page by page, and the facts behind those."""
    yield from facts.faults
    yield from check_facts(connection, replace(NOTHING, seq=facts.last))


def _page(connection: Connection, page: Entries) -> tuple[list[Record], list[Fault]]:
    """The records of a page, without those that anything is wrong with, and what is."""
    facts = load(connection, page)
    bound = _bound(connection, page)
    records: list[Record] = []
    faults: list[Fault] = []
    for entry in page:
        fact = facts.get(entry.seq)
        if fact is None:
            what = f"{entry.audit.action} of audit line {entry.seq} has no row that can be read and is of its time"
            faults.append(damage("fact-missing", what, entry.ref))
            continue
        record = Record(ref=entry.ref, audit=entry.audit, fact=fact)
        if problem := flaw(record):
            if not isinstance(fact, Release) or digest_of(fact.content) == fact.digest:
                faults.append(damage("fact-changed", problem, entry.ref))  # else the check of contents reports it
            continue
        records.append(record)
        if not entry.audit.record and entry.seq not in bound:
            what = f"audit line {entry.seq} was written by an older promptops"
            repair = Sentence(Advice(Action.UPGRADE, words="an upgrade of the registry"), " binds it")
            unbound = Fault(
                code="record-unbound", severity=Condition.PENDING, what=what, where=entry.ref, repair=repair
            )
            faults.append(unbound)
        elif bound.get(entry.seq, entry.audit.record) != (entry.audit.record or bind(entry.ref, fact)):
            faults.append(damage("fact-changed", "it has changed since it was bound", entry.ref))
    return records, faults


def _bound(connection: Connection, page: Entries) -> dict[int, str]:
    """The digests of those facts whose lines have none."""
    binding = tables.binding.c
    within = binding.seq.between(page[0].seq, page[-1].seq)
    return {row.seq: row.record for row in connection.execute(select(binding.seq, binding.record).where(within))}


def check_secrets(connection: Connection) -> Iterator[Fault]:
    """The secret of each token is the one that its line commits to."""
    for _seq, id, what in changed_secrets(connection):
        yield damage("secret-changed", what, f"tokens/{id}")


def check_unrecorded(connection: Connection) -> Iterator[Fault]:
    """Every fact has its line."""
    for kind in kinds().values():
        yield from kind.unrecorded(connection)


def check_order(connection: Connection) -> Iterator[Fault]:
    """Rows that the database numbers must be in the order of the audit log, table by table."""
    for kind in kinds().values():
        yield from kind.disordered(connection)

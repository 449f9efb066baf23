"""Audit log, journal and facts against each other: each line of the log is whole and is about one fact that is there,
and no fact is there without a line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import ColumnElement, Connection, Table, Text, cast, func, literal, select

from promptops.core.audit import verify, verify_head
from promptops.core.digest import digest as digest_of
from promptops.core.facts import Record, bind, flaw
from promptops.core.faults import Condition, Fault
from promptops.core.model import AuditEntry, Release
from promptops.store.faults import damage
from promptops.store.journal.records import Entries, entries, load
from promptops.store.queries.tokens import changed_secrets
from promptops.store.reader import Reader
from promptops.store.schema import tables

_audit, _journal = tables.audit, tables.journal
_PAGE = 200


def check_audit(connection: Connection) -> Iterator[Fault]:
    """Every seal and link of the log, and its end against the head."""
    reader = Reader(connection)
    newest: list[AuditEntry] = []

    def trail() -> Iterator[AuditEntry]:
        for entry in reader.audit_trail():
            newest[:] = [entry]
            yield entry

    faults = verify(trail())
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


def check_facts(connection: Connection) -> Iterator[Fault]:
    """Every name of the journal leads to a fact, and it is the one that the audit log speaks of."""
    last = 0
    while page := entries(connection, after=last, limit=_PAGE):
        yield from _page(connection, page)
        last = page[-1].seq


def _page(connection: Connection, page: Entries) -> Iterator[Fault]:
    facts = load(connection, page)
    bound = _bound(connection, page)
    for entry in page:
        fact = facts.get(entry.seq)
        if fact is None:
            what = f"{entry.audit.action} of audit line {entry.seq} has no row that can be read and is of its time"
            yield damage("fact-missing", what, entry.ref)
        elif isinstance(fact, Release) and digest_of(fact.content) != fact.digest:
            continue  # the check of contents reports it
        elif problem := flaw(Record(ref=entry.ref, audit=entry.audit, fact=fact)):
            yield damage("fact-changed", problem, entry.ref)
        elif not entry.audit.record and entry.seq not in bound:
            what = f"audit line {entry.seq} was written by an older promptops"
            repair = "promptops db upgrade binds it"
            yield Fault(code="record-unbound", severity=Condition.PENDING, what=what, where=entry.ref, repair=repair)
        elif bound.get(entry.seq, entry.audit.record) != (entry.audit.record or bind(entry.ref, fact)):
            yield damage("fact-changed", "it has changed since it was bound", entry.ref)


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
    for table, ref in _named():
        there = select(1).where(_journal.c.ref == ref).exists()
        for (name,) in connection.execute(select(ref).select_from(table).where(~there).order_by(ref)):
            yield damage("fact-unrecorded", "no line of the audit log names it", str(name))
    for kind, rows in _counted(connection):
        names = Counter(ref.rpartition("/")[0] for ref in _refs(connection, kind))
        for place, count in sorted(rows.items()):
            if count > names[place]:
                what = f"there are {count} rows, and the audit log speaks of {names[place]}"
                yield damage("fact-unrecorded", what, place)


def check_bindings(connection: Connection) -> Iterator[Fault]:
    """Every digest of an older line's fact was bound by a line."""
    seq, ref = tables.binding.c.seq, _journal.c.ref
    names = connection.execute(select(ref).where(ref > "bindings/", ref < "bindings0")).scalars()
    until = max((int(n) for name in names if (n := name.rpartition("/")[2]).isdecimal()), default=0)
    for (number,) in connection.execute(select(seq).where(seq > until).order_by(seq)):
        yield damage("fact-unrecorded", "no line of the audit log names it", f"binding {number}")


def _named() -> Iterator[tuple[Table, ColumnElement[str]]]:
    """Tables whose rows have a name of their own, and that name."""
    for table, kind, columns in (
        (tables.registry, "registry", "lineage"),
        (tables.release, "releases", "app version"),
        (tables.channel_policy, "policies", "channel version"),
        (tables.deployment, "channels", "channel app revision"),
        (tables.epoch, "epochs", "epoch"),
        (tables.token, "tokens", "id"),
        (tables.token_revocation, "revocations", "token"),
    ):
        ref: ColumnElement[str] = literal(kind)
        for column in columns.split():
            ref = ref + "/" + cast(table.c[column], Text)
        yield table, ref


def _counted(connection: Connection) -> Iterator[tuple[str, dict[str, int]]]:
    """Tables that count their rows by themselves: how many there are below each beginning of a name."""
    profile, held, release = tables.profile, tables.quarantine, tables.release
    found = connection.execute(select(profile.c.app, func.count()).group_by(profile.c.app))
    yield "profiles", {f"profiles/{app}": count for app, count in found}
    found = connection.execute(select(held.c.channel, held.c.app, func.count()).group_by(held.c.channel, held.c.app))
    yield "quarantines", {f"quarantines/{channel}/{app}": count for channel, app, count in found}
    for kind, table, own in (("confirmations", tables.provenance, 1), ("yanks", tables.yank, 0)):
        same = (table.c.app == release.c.app) & (table.c.digest == release.c.digest)
        joined = table.join(release, same)
        key = (release.c.app, release.c.version)
        rows = connection.execute(select(*key, func.count()).select_from(joined).group_by(*key))
        yield kind, {f"{kind}/{app}/{version}": count - own for app, version, count in rows}


def _refs(connection: Connection, kind: str) -> Iterator[str]:
    """The names of a kind; of a yank, which has no number at its end, with an empty one."""
    column = _journal.c.ref
    for (ref,) in connection.execute(select(column).where(column > f"{kind}/", column < f"{kind}0")):
        yield f"{ref}/" if kind == "yanks" else ref

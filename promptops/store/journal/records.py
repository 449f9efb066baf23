"""The journal -> records: names of facts become the facts themselves, a page at a time, in a few queries each.

A name says where its fact is. Where a table counts its rows by itself (profiles, confirmations), the n-th name
belongs to the n-th row: both are written under one lock. Where a fact does not say who made it and when, the row
does, and has to say what the line of the log says. Everything is read as possibly tampered with:
what cannot be read is not there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, select, tuple_

from promptops.core.facts import (
    Binding,
    Confirmation,
    EpochInfo,
    Fact,
    JournalEntry,
    ProfileVersion,
    QuarantineEvent,
    Record,
    RegistryInfo,
    RevokedToken,
    Withdrawal,
    audited,
    flaw,
)
from promptops.core.model import Bump, Profile, Provenance, Release, ReleaseRef, Yank
from promptops.core.token import Token
from promptops.store.queries.releases import PROFILE_COLUMNS
from promptops.store.queries.tokens import TOKEN_COLUMNS, revocation_of, token_of
from promptops.store.schema import tables
from promptops.store.schema.rows import (
    PROVENANCE_COLUMNS,
    RELEASE_COLUMNS,
    AnyRow,
    audit_of,
    channel_of,
    deployment_columns,
    deployment_of,
    quarantine_of,
)

_AT_ONCE = 500
_journal, _provenance, _binding = tables.journal, tables.provenance, tables.binding
_ENTRIES = select(*tables.audit.c, _journal.c.ref).join_from(
    tables.audit, _journal, _journal.c.seq == tables.audit.c.seq
)

Entries = Sequence[JournalEntry]
Facts = Mapping[int, Fact]
"""Facts by the number of their audit line."""


def entries(
    connection: Connection, seqs: Sequence[int] | None = None, *, after: int = 0, limit: int | None = None
) -> tuple[JournalEntry, ...]:
    """Lines of the journal with these numbers, or after one of them, in order."""
    ordered = _ENTRIES.order_by(_journal.c.seq)
    if seqs is None:
        rows = connection.execute(ordered.where(_journal.c.seq > after).limit(limit)).all()
    else:
        wanted = sorted(seqs)[:limit]
        rows = [row for some in _parts(wanted) for row in connection.execute(ordered.where(_journal.c.seq.in_(some)))]
    return tuple(JournalEntry(seq=row.seq, ref=row.ref, audit=audit_of(row)) for row in rows)


def records(connection: Connection, page: Entries) -> tuple[Record, ...]:
    """The records of these entries, in their order, without those that ``flaw`` objects to."""
    facts = load(connection, page)
    found = (Record(ref=e.ref, audit=e.audit, fact=facts[e.seq]) for e in page if e.seq in facts)
    return tuple(record for record in found if not flaw(record))


def load(connection: Connection, page: Entries) -> Facts:
    """The facts that these entries name, as they are; those that are not there, or cannot be read, are left out."""
    kinds: dict[str, list[JournalEntry]] = {}
    for entry in page:
        kinds.setdefault(entry.ref.partition("/")[0], []).append(entry)
    found: dict[int, Fact] = {}
    for kind, some in kinds.items():
        if kind in _LOADERS:
            for part in _parts(some):
                found.update(_load(connection, _LOADERS[kind], part))
    return found


def _load(connection: Connection, loader: Loader, part: Entries) -> Facts:
    """All of the part, or, where a row is not what the schema writes, each by itself."""
    try:
        return loader(connection, part)
    except (ValueError, KeyError, TypeError):
        if len(part) == 1:
            return {}
        return {seq: fact for entry in part for seq, fact in _load(connection, loader, [entry]).items()}


def _parts(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))


# --- what a name says ----------------------------------------------------------------------------


def _segment(entry: JournalEntry, place: int) -> str:
    return [*entry.ref.split("/"), "", "", ""][place]


def _number(entry: JournalEntry, place: int) -> int:
    text = _segment(entry, place)
    return int(text) if text.isdecimal() and len(text) < 19 else -1


def _release_of(entry: JournalEntry) -> ReleaseRef:
    """The release that the audit line is about."""
    version, _, digest = entry.audit.after.partition(" ")
    return ReleaseRef(version=version, digest=digest)


def _ranks(connection: Connection, prefixes: Iterable[str]) -> dict[int, int]:
    """The place of each name among those that begin alike, from 0, by the number of its audit line."""
    ranks: dict[int, int] = {}
    for prefix in dict.fromkeys(prefixes):
        column = _journal.c.ref
        rows = connection.execute(select(_journal.c.seq).where(column > f"{prefix}/", column < f"{prefix}0"))
        ranks |= {seq: rank for rank, seq in enumerate(sorted(row[0] for row in rows))}
    return ranks


# --- one loader a kind ---------------------------------------------------------------------------

Loader = Callable[[Connection, Entries], Facts]


def _rows(
    connection: Connection, columns: Iterable[ColumnElement[Any]], table: Table, keys: str, wanted: Iterable[Any]
) -> list[AnyRow]:
    """Rows of a table by some of its columns, in the order of these and then of its own."""
    key = [table.c[name] for name in keys.split()]
    found = key[0].in_([one[0] for one in set(wanted)]) if len(key) == 1 else tuple_(*key).in_(list(set(wanted)))
    ordered = [*key, *([table.c.id] if "id" in table.c else [])]
    return list(connection.execute(select(*columns).where(found).order_by(*ordered)))


def _registries(connection: Connection, page: Entries) -> Facts:
    known = {row.lineage: row for row in connection.execute(select(tables.registry))}
    return {
        entry.seq: RegistryInfo(name=row.name, lineage=row.lineage, created_at=row.created_at)
        for entry in page
        if (row := known.get(_segment(entry, 1)))
    }


def _releases(connection: Connection, page: Entries) -> Facts:
    columns = [tables.release.c[name] for name in [*RELEASE_COLUMNS, "content"]]
    wanted = [(_segment(entry, 1), _segment(entry, 2)) for entry in page]
    rows = {(row.app, row.version): row for row in _rows(connection, columns, tables.release, "app version", wanted)}
    origins = _provenances(connection, [(row.app, row.digest) for row in rows.values()])
    return {
        entry.seq: _release(row, _provenance_of(origins[row.app, row.digest][0]))
        for entry, key in zip(page, wanted, strict=True)
        if (row := rows.get(key)) and _signed(entry, origins.get((row.app, row.digest), [])[:1])
    }


def _release(row: AnyRow, provenance: Provenance) -> Release:
    values = dict(row._mapping)
    return Release(**{**values, "bump": Bump(row.bump)}, provenance=provenance)


def _provenances(connection: Connection, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[AnyRow]]:
    """By app and digest, the row of every place its content came from, oldest first."""
    rows = _rows(connection, _provenance.c, _provenance, "app digest", wanted)
    return {key: list(group) for key, group in groupby(rows, key=lambda row: (row.app, row.digest))}


def _provenance_of(row: AnyRow) -> Provenance:
    return Provenance(**{name: row._mapping[name] for name in PROVENANCE_COLUMNS})


def _signed(entry: JournalEntry, rows: Sequence[AnyRow]) -> bool:
    """Whether there is a row, and the first says the actor and the time of the line."""
    return bool(rows) and (rows[0].actor, rows[0].at) == (entry.audit.actor, entry.audit.at)


def _confirmations(connection: Connection, page: Entries) -> Facts:
    ranks = _ranks(connection, (entry.ref.rpartition("/")[0] for entry in page))
    wanted = {entry.seq: (_segment(entry, 1), _release_of(entry).digest) for entry in page}
    places = _provenances(connection, wanted.values())
    return {
        entry.seq: Confirmation(
            app=wanted[entry.seq][0], release=_release_of(entry), provenance=_provenance_of(there[0])
        )
        for entry in page
        # The first place is the release's own.
        if _signed(entry, there := places.get(wanted[entry.seq], [])[ranks.get(entry.seq, 0) + 1 :])
    }


def _profiles(connection: Connection, page: Entries) -> Facts:
    ranks = _ranks(connection, (entry.ref.rpartition("/")[0] for entry in page))
    rows = _rows(connection, tables.profile.c, tables.profile, "app", [(_segment(entry, 1),) for entry in page])
    known = {app: list(group) for app, group in groupby(rows, key=lambda row: str(row.app))}
    return {
        entry.seq: ProfileVersion(
            app=_segment(entry, 1), profile=Profile(**{name: there[0]._mapping[name] for name in PROFILE_COLUMNS})
        )
        for entry in page
        if _signed(entry, there := known.get(_segment(entry, 1), [])[ranks.get(entry.seq, 0) :])
    }


def _yanks(connection: Connection, page: Entries) -> Facts:
    wanted = {entry.seq: (_segment(entry, 1), _release_of(entry).digest) for entry in page}
    rows = _rows(connection, tables.yank.c, tables.yank, "app digest", wanted.values())
    known = {(row.app, row.digest): Yank(reason=row.reason, actor=row.actor, at=row.at) for row in rows}
    return {
        entry.seq: Withdrawal(app=_segment(entry, 1), release=_release_of(entry), yank=known[wanted[entry.seq]])
        for entry in page
        if wanted[entry.seq] in known
    }


def _policies(connection: Connection, page: Entries) -> Facts:
    table = tables.channel_policy
    wanted = {entry.seq: (_segment(entry, 1), _number(entry, 2)) for entry in page}
    rows = _rows(connection, table.c, table, "channel version", wanted.values())
    known = {(row.channel, row.version): channel_of(row) for row in rows}
    return {seq: known[key] for seq, key in wanted.items() if key in known}


def _deployments(connection: Connection, page: Entries) -> Facts:
    table = tables.deployment
    wanted = {entry.seq: (_segment(entry, 2), _segment(entry, 1), _number(entry, 3)) for entry in page}
    rows = _rows(connection, deployment_columns(table), table, "app channel revision", wanted.values())
    known = {(row.app, row.channel, row.revision): deployment_of(row) for row in rows}
    return {seq: known[key] for seq, key in wanted.items() if key in known}


def _quarantines(connection: Connection, page: Entries) -> Facts:
    """Returns the quarantine events of these entries: the rows of the same time whose audit lines would be the same."""
    table = tables.quarantine
    times = [entry.audit.at for entry in page]
    wanted = {(_segment(entry, 2), _segment(entry, 1), _release_of(entry).digest) for entry in page}
    matches = tuple_(table.c.app, table.c.channel, table.c.digest).in_(list(wanted))
    rows = connection.execute(select(table).where(matches, table.c.at.between(min(times), max(times))))
    known: dict[tuple[object, ...], QuarantineEvent] = {}
    for row in rows:
        event = QuarantineEvent(quarantine=quarantine_of(row), lifted=row.lifted)
        known[_identity(audited(event))] = event
    return {entry.seq: known[line] for entry in page if (line := _identity(asdict(entry.audit))) in known}


def _identity(line: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(line[name] for name in ("action", "app", "channel", "after", "actor", "at", "reason"))


def _epochs(connection: Connection, page: Entries) -> Facts:
    rows = _rows(connection, tables.epoch.c, tables.epoch, "epoch", [(_number(entry, 1),) for entry in page])
    known = {row.epoch: EpochInfo(**row._mapping) for row in rows}
    return {entry.seq: known[number] for entry in page if (number := _number(entry, 1)) in known}


def _tokens(connection: Connection, page: Entries) -> Facts:
    """Tokens as they were made: neither taken back, nor without their secret."""
    columns = [tables.token.c[name] for name in TOKEN_COLUMNS]
    rows = _rows(connection, columns, tables.token, "id", [(_segment(entry, 1),) for entry in page])
    known: dict[str, Token] = {row.id: token_of(row) for row in rows}
    return {entry.seq: known[key] for entry in page if (key := _segment(entry, 1)) in known}


def _revocations(connection: Connection, page: Entries) -> Facts:
    wanted = [(_segment(entry, 1),) for entry in page]
    names = {row.id: row.name for row in _rows(connection, tables.token.c, tables.token, "id", wanted)}
    rows = {
        row.token: row for row in _rows(connection, tables.token_revocation.c, tables.token_revocation, "token", wanted)
    }
    return {
        entry.seq: RevokedToken(id=key, name=names[key], revocation=revocation_of(rows[key]))
        for entry in page
        if (key := _segment(entry, 1)) in rows
    }


def read_binding(connection: Connection, until: int) -> Binding:
    """The digests in the table for the lines up to this one."""
    digest, secrets = hashlib.sha256(), {}
    rows = select(_binding.c.seq, _binding.c.record, _binding.c.secret).where(_binding.c.seq <= until)
    for seq, record, secret in connection.execute(rows.order_by(_binding.c.seq)):
        digest.update(f"{seq} {record}\n".encode())
        if secret:
            secrets[str(seq)] = secret
    return Binding(until=until, records=digest.hexdigest(), secrets=secrets)


def _bindings(connection: Connection, page: Entries) -> Facts:
    return {entry.seq: read_binding(connection, _number(entry, 1)) for entry in page}


_LOADERS: Mapping[str, Loader] = {
    "registry": _registries,
    "releases": _releases,
    "confirmations": _confirmations,
    "profiles": _profiles,
    "yanks": _yanks,
    "policies": _policies,
    "channels": _deployments,
    "quarantines": _quarantines,
    "epochs": _epochs,
    "tokens": _tokens,
    "revocations": _revocations,
    "bindings": _bindings,
}

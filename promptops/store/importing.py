"""Records -> a new registry: the records of :mod:`promptops.store.journal.records` become rows again.

All happens in one transaction, a page of rows at a time: in the end there is a whole registry, or none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError

from promptops.core.audit import GENESIS
from promptops.core.errors import Invalid
from promptops.core.model import Deployment, Release
from promptops.store.binding import bind_older
from promptops.store.facts.binding import Binding
from promptops.store.facts.epoch import EpochInfo
from promptops.store.facts.kind import kind_of
from promptops.store.facts.profile import ProfileVersion
from promptops.store.facts.record import Record, bind, flaw
from promptops.store.facts.registry import RegistryInfo
from promptops.store.reader import Reader
from promptops.store.schema import tables
from promptops.store.schema.rows import Values
from promptops.store.setup import creating
from promptops.store.writer import Writer

_head = tables.head.c
_PAGE = 1000
_PAGE_BYTES = 16 << 20
"""Rows, and bytes of contents, that are held in memory before they are written."""


def import_records(
    url: str,
    records: Iterable[Record],
    *,
    epoch: int,
    actor: str,
    now: datetime,
    reason: str = "",
    leaves: str = "",
    careful: bool = False,
) -> int:
    """Make a registry of these records, oldest first, that gives the same answers as the one they came from.

    Records have no secrets of tokens, so no token works there. The records are in git already, so the outbox is empty,
    except for the new ``epoch`` of the registry, which is a change of its own; ``leaves`` is the commit of the journal
    that it leaves behind. Returns the number of records. If ``careful``, it asks for no record after the first one
    that contradicts those before it.

    Raises:
        Conflict: there is a registry already.
        Invalid: records are missing, or are out of order; nothing was made.
    """
    with creating(url) as connection:
        rebuild = _Rebuild(connection)
        rebuild.page = 1 if careful else _PAGE
        for record in records:
            rebuild.add(record)
        rebuild.finish()
        bind_older(connection, actor=actor, at=now)
        if epoch > rebuild.epoch:
            writer = Writer(connection)
            writer.raise_epoch(at=now, actor=actor, action="rebuild", reason=reason, to=epoch, leaves=leaves)
            writer.prove()
        return rebuild.seq


def append_records(connection: Connection, records: Iterable[Record]) -> int:
    """Add the records that follow the last line of a registry, in the order of the audit log; returns how many.

    They come from git, so the outbox does not get them.

    Raises:
        Invalid: they do not follow it.
    """
    rebuild = _Rebuild.after(connection)
    before = rebuild.seq
    for record in records:
        rebuild.add(record)
    rebuild.finish()
    return rebuild.seq - before


class _Rebuild:
    """Collects rows for a registry and writes them page by page."""

    @classmethod
    def after(cls, connection: Connection) -> _Rebuild:
        """For a registry that has lines already."""
        rebuild, reader = cls(connection), Reader(connection)
        rebuild.seq, rebuild._hash = reader.audit_head()
        rebuild.epoch = reader.epoch()
        rebuild._apps = set(reader.apps())
        heads = connection.execute(select(_head.app, _head.channel, _head.revision))
        rebuild._heads = {(row.app, row.channel): row.revision for row in heads}
        rebuild._before, rebuild._existing = dict(rebuild._heads), True
        return rebuild

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._before: dict[tuple[str, str], int] = {}
        self._existing = False
        self._rows: dict[str, list[Values]] = {table.name: [] for table in tables.metadata.sorted_tables}
        self._waiting, self._bytes, self.page = 0, 0, _PAGE
        self._apps: set[str] = set()
        self._heads: dict[tuple[str, str], int] = {}
        self._unbound: list[Values] = []
        self.seq, self._hash, self.epoch = 0, GENESIS, 1

    def add(self, record: Record) -> None:
        audit = record.audit
        if audit.previous != self._hash:
            raise Invalid(f"change {audit.seq} does not follow the audit log before it")
        if audit.seq != self.seq + 1:
            raise Invalid(f"after change {self.seq} comes change {self.seq + 1}, and not {audit.seq}")
        if isinstance(record.fact, RegistryInfo) != (audit.seq == 1):
            raise Invalid(
                f"change 1 makes the registry and no other does, so {record.ref} cannot be change {audit.seq}"
            )
        if problem := flaw(record):
            raise Invalid(f"{record.ref}: {problem}")
        self._follow(record)
        for table, values in kind_of(record.fact).rows(record.fact, actor=audit.actor, at=audit.at):
            self._put(table.name, values)
        self._put("audit", asdict(audit))
        self._put("journal", {"seq": audit.seq, "ref": record.ref})
        if isinstance(record.fact, Binding):
            self._bind(record.fact)
        elif not audit.record:
            self._unbound.append({"seq": audit.seq, "record": bind(record.ref, record.fact), "secret": ""})
        self.seq, self._hash = audit.seq, audit.hash
        self._bytes += len(record.content)
        if self._waiting >= self.page or self._bytes >= _PAGE_BYTES:
            self._flush()

    def finish(self) -> None:
        if not self.seq:
            raise Invalid("there are no records")
        if self._existing:
            self._connection.execute(delete(tables.audit_head))
        for place, revision in self._before.items():
            if self._heads[place] != revision:
                here = (_head.app == place[0]) & (_head.channel == place[1])
                self._connection.execute(update(tables.head).where(here).values(revision=self._heads[place]))
        for (app, channel), revision in self._heads.items():
            if (app, channel) not in self._before:
                self._put("head", {"app": app, "channel": channel, "revision": revision})
        self._put("audit_head", {"id": 1, "seq": self.seq, "hash": self._hash})
        self._flush()

    def _follow(self, record: Record) -> None:
        """Derives what no single record has: the apps, the newest revision of each on each channel, the epoch."""
        fact = record.fact
        if isinstance(fact, Release | ProfileVersion) and fact.app not in self._apps:
            self._apps.add(fact.app)
            self._put("app", {"name": fact.app})
        elif isinstance(fact, Deployment):
            before = self._heads.get((fact.app, fact.channel), 0)
            if fact.revision != before + 1:
                raise Invalid(f"{record.ref} comes after revision {before}")
            self._heads[fact.app, fact.channel] = fact.revision
        elif isinstance(fact, EpochInfo):
            self.epoch = max(self.epoch, fact.epoch)

    def _bind(self, binding: Binding) -> None:
        """Computes the digests of older lines again; fsck checks that they are those that were bound."""
        for row in self._unbound:
            self._put("binding", row | {"secret": binding.secrets.get(str(row["seq"]), "")})
        self._unbound.clear()

    def _put(self, table: str, values: Values) -> None:
        self._rows[table].append(values)
        self._waiting += 1

    def _flush(self) -> None:
        # In the order of the tables' references, so that a row exists before rows that refer to it.
        for name, rows in self._rows.items():
            if rows:
                self._insert(name, rows)
                rows.clear()
        self._waiting, self._bytes = 0, 0

    def _insert(self, name: str, rows: list[Values]) -> None:
        try:
            self._connection.execute(insert(tables.metadata.tables[name]).inline(), rows)
        except (IntegrityError, DataError, OverflowError) as error:
            raise Invalid(f"up to change {self.seq}, a row of {name} contradicts another one") from error

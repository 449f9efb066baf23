"""What people said of a release, and who made it: the rows that decide whose approval counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, bindparam, func, or_, select

from promptops.core.errors import Invalid, RegistryDamaged
from promptops.core.evidence.approval import Approval, Waiver
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow

T = TypeVar("T")

_approval, _waiver, _release, _provenance = tables.approval, tables.waiver, tables.release, tables.provenance
_APPROVALS = (
    select(_approval)
    .where(_approval.c.app == bindparam("app"), _approval.c.channel == bindparam("channel"))
    .where(_approval.c.digest == bindparam("digest"))
    .order_by(_approval.c.number)
)
_WAIVERS = select(_waiver).where(_waiver.c.expires_at > bindparam("now")).order_by(_waiver.c.number)
_NUMBERS = {table.name: select(func.coalesce(func.max(table.c.number), 0) + 1) for table in (_approval, _waiver)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeds:
    """Who released a release, as actors, and who wrote what is new in it since another one."""

    released: tuple[str, ...]
    wrote: tuple[str, ...]


def approvals(connection: Connection, app: str, channel: str, digest: str) -> tuple[Approval, ...]:
    """Every approval of this release for the channel, and every withdrawal, oldest first."""
    rows = connection.execute(_APPROVALS, {"app": app, "channel": channel, "digest": digest})
    return tuple(_valid(Approval, row) for row in rows)


def waivers(connection: Connection, now: datetime, app: str, channel: str) -> tuple[Waiver, ...]:
    """The waivers that have not ended, oldest first; of one app and channel, where they are given."""
    statement = _WAIVERS
    for column, value in ((_waiver.c.app, app), (_waiver.c.channel, channel)):
        statement = statement.where(column == value) if value else statement
    return tuple(_valid(Waiver, row) for row in connection.execute(statement, {"now": now}))


def _valid(kind: type[T], row: AnyRow) -> T:
    try:
        return kind(**row._mapping)
    except Invalid as error:
        raise RegistryDamaged(f"a row about an approval is not what was written: {error.message}") from error


def next_number(connection: Connection, table: str) -> int:
    """The number of the next row of ``approval`` or ``waiver``."""
    number: int = connection.execute(_NUMBERS[table]).scalar_one()
    return number


def deeds(connection: Connection, app: str, digest: str, since: str) -> Deeds:
    """Who released a release, and the authors of it and of every release between the one ``since`` and it.

    Without ``since`` every release up to it counts; if ``since`` is the newer one, its own authors alone do.
    """
    ids = {
        row.digest: row.id
        for row in connection.execute(
            select(_release.c.digest, _release.c.id).where(
                _release.c.app == app, _release.c.digest.in_([digest, since])
            )
        )
    }
    first, last = ids.get(since, 0), ids.get(digest, 0)
    between = (_release.c.id > first) & (_release.c.id <= last)
    same = (_provenance.c.app == _release.c.app) & (_provenance.c.digest == _release.c.digest)
    columns = (_release.c.digest, _release.c.created_by, _provenance.c.actor, _provenance.c.author)
    rows = connection.execute(
        select(*columns, _provenance.c.authors)
        .select_from(_release.join(_provenance, same))
        .where(_release.c.app == app, or_(between, _release.c.digest == digest))
    ).all()
    released = {who: None for row in rows if row.digest == digest for who in (row.created_by, row.actor)}
    wrote = {who: None for row in rows for who in (row.author, *row.authors)}
    return Deeds(released=tuple(released), wrote=tuple(wrote))

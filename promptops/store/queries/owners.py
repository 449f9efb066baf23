"""Reading to which repository and path an app belongs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from sqlalchemy import Connection, and_, bindparam, func, select

from promptops.core.origin import Origin, Owner, owner_among
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow

_transfer, _provenance, _release = tables.transfer, tables.provenance, tables.release
_TRANSFERRED = select(_transfer).where(_transfer.c.app == bindparam("app")).order_by(_transfer.c.number.desc()).limit(1)
# Each place once, with its first release: most apps have one place and many releases.
_FIRST = (
    select(func.min(_provenance.c.id))
    .where(_provenance.c.app == bindparam("app"))
    .group_by(_provenance.c.repository, _provenance.c.path, _provenance.c.root)
)
_PLACES = (
    select(_provenance, _release.c.version)
    .join(_release, and_(_release.c.app == _provenance.c.app, _release.c.digest == _provenance.c.digest))
    .order_by(_provenance.c.id)
)
_ALL_PLACES = _PLACES.where(_provenance.c.id.in_(_FIRST))
_PLACES_SINCE = _PLACES.where(_provenance.c.id.in_(_FIRST.where(_provenance.c.at >= bindparam("since"))))


def owner(connection: Connection, app: str) -> Owner | None:
    """The origin of the newest transfer, else of the first release that says where it came from; None for neither."""
    transferred = connection.execute(_TRANSFERRED, {"app": app}).first()
    places = _places(connection, app, since=transferred.at if transferred else None)
    return owner_among(chain([_owner(transferred)], places) if transferred else places)


def transfers(connection: Connection, app: str) -> int:
    """How often the app was transferred."""
    row = connection.execute(_TRANSFERRED, {"app": app}).first()
    return row.number if row else 0


def _places(connection: Connection, app: str, *, since: datetime | None) -> Iterator[Owner]:
    """Where the releases of an app were read, oldest first, each place once."""
    statement, given = (_PLACES_SINCE, {"app": app, "since": since}) if since else (_ALL_PLACES, {"app": app})
    return (_owner(row, row.version) for row in connection.execute(statement, given))


def _owner(row: AnyRow, version: str = "") -> Owner:
    return Owner(origin=Origin(repository=row.repository, path=row.path, root=row.root), at=row.at, version=version)

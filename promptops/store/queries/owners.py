"""Reading to which repository and path an app belongs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from sqlalchemy import Connection, and_, bindparam, select

from promptops.core.origin import Origin, Owner, owner_among
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow

_transfer, _provenance, _release = tables.transfer, tables.provenance, tables.release
_PAGES = (1, 100)
"""Places that are read at first, and at a time after that: nearly always the first one decides."""

_TRANSFERRED = select(_transfer).where(_transfer.c.app == bindparam("app")).order_by(_transfer.c.number.desc()).limit(1)
_PLACES = (
    select(_provenance, _release.c.version)
    .join(_release, and_(_release.c.app == _provenance.c.app, _release.c.digest == _provenance.c.digest))
    .where(_provenance.c.app == bindparam("app"), _provenance.c.id > bindparam("after"))
    .order_by(_provenance.c.id)
    .limit(bindparam("page"))
)


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
    """Where the releases of an app were read, oldest first, page by page."""
    after, (page, pages) = 0, _PAGES
    while True:
        rows = connection.execute(_PLACES, {"app": app, "after": after, "page": page}).all()
        yield from (_owner(row, row.version) for row in rows if since is None or row.at >= since)
        if len(rows) < page:
            return
        after, page = rows[-1].id, pages


def _owner(row: AnyRow, version: str = "") -> Owner:
    return Owner(origin=Origin(repository=row.repository, path=row.path, root=row.root), at=row.at, version=version)

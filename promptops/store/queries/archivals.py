"""Reading which apps are archived."""

from __future__ import annotations

from sqlalchemy import Connection, and_, bindparam, func, select

from promptops.core.archival import Archival
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow

_archival = tables.archival
_NEWEST = select(_archival).where(_archival.c.app == bindparam("app")).order_by(_archival.c.number.desc()).limit(1)
_LAST = select(_archival.c.app, func.max(_archival.c.number).label("number")).group_by(_archival.c.app).subquery()
_EVERY = select(_archival).join(_LAST, and_(_LAST.c.app == _archival.c.app, _LAST.c.number == _archival.c.number))


def newest(connection: Connection, app: str) -> Archival | None:
    """The newest archival of an app; None if it was never archived."""
    row = connection.execute(_NEWEST, {"app": app}).first()
    return _archival_of(row) if row is not None else None


def archived(connection: Connection) -> dict[str, Archival]:
    """The apps that are archived now."""
    found = map(_archival_of, connection.execute(_EVERY))
    return {each.app: each for each in found if each.archived}


def _archival_of(row: AnyRow) -> Archival:
    return Archival(**row._mapping)

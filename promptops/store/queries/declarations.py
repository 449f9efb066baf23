"""What apps declare of their calls: rows <-> nouns. JSON in the column has one form; text in any other is refused."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from sqlalchemy import Connection, and_, bindparam, func, select

from promptops.core.declarations import NOTHING, Declarations, DeclarationsVersion
from promptops.core.digest import canonical, parse_canonical
from promptops.core.errors import Invalid
from promptops.core.json_codec import from_json, to_json
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values

_table, _head = tables.declaration, tables.head
_NEWEST = select(_table).where(_table.c.app == bindparam("app")).order_by(_table.c.number.desc()).limit(1)
_other = _table.alias("other")
_last = select(func.max(_other.c.number)).where(_other.c.app == _head.c.app).scalar_subquery()
_LIVE = (
    select(_table)
    .select_from(_head.join(_table, and_(_table.c.app == _head.c.app, _table.c.number == _last)))
    .where(_head.c.channel == bindparam("channel"))
)


def declarations_values(version: DeclarationsVersion) -> Values:
    settings = canonical(to_json(version.declared)).decode()
    who = {"actor": version.actor, "at": version.at}
    return {"app": version.app, "number": version.number, "settings": settings, **who}


def declarations_of(row: AnyRow) -> DeclarationsVersion:
    """Raises ValueError: the row was changed, and no longer holds declarations."""
    return DeclarationsVersion(
        app=row.app, number=row.number, declared=_declared(row.settings), actor=row.actor, at=row.at
    )


@lru_cache(maxsize=4096)  # those of every app are read for each snapshot of a channel
def _declared(settings: str) -> Declarations:
    try:
        declared = from_json(Declarations, parse_canonical(settings.encode()), "settings")
    except Invalid as error:
        raise ValueError(error.message) from error
    if canonical(to_json(declared)).decode() != settings:
        raise ValueError("declarations are not written as promptops writes them")
    return declared


def newest_declarations(connection: Connection, app: str) -> DeclarationsVersion | None:
    """What an app declares now; None if it never declared anything."""
    row = connection.execute(_NEWEST, {"app": app}).first()
    return declarations_of(row) if row else None


def declarations_on(connection: Connection, channel: str) -> Mapping[str, Declarations]:
    """What the apps of a channel declare now, by app; those that declare nothing are left out."""
    found = (declarations_of(row) for row in connection.execute(_LIVE, {"channel": channel}))
    return {version.app: version.declared for version in found if version.declared != NOTHING}

"""The schema's revisions, known without loading Alembic: every script of ``migrations/versions``, oldest first.

Which one a database is at is written in a table of our own, since ``alembic_version`` belongs to every application that
uses Alembic. The first promptops wrote it there: of its registries, the tables themselves say how old they are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Connection, text

from promptops.core.errors import RegistryNotInitialised, SchemaOutdated, SchemaTooNew

REVISIONS = (
    *("0001", "0002", "0003", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012", "0013", "0014"),
    *("0015", "0016", "0017", "0018", "0019", "0020", "0021"),
)
HEAD = REVISIONS[-1]
VERSION_TABLE: Final = "promptops_version"

_SHARED: Final = "alembic_version"
_OLD: Final = {"registry": "0001", "audit_head": "0001", "channel_policy": "0001", "journal": "0002", "token": "0003"}
"""Tables that tell a registry of the first promptops, and the revision that made each."""

_FIRST: Final = frozenset(table for table, made in _OLD.items() if made == "0001")


def current(connection: Connection) -> str | None:
    """The revision the database is at; None where no migration of ours ever ran."""
    there = _there(connection, (VERSION_TABLE, *_OLD))
    if VERSION_TABLE in there:
        version: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()  # noqa: S608
        return version
    if not is_registry(there):
        return None
    return max(made for table, made in _OLD.items() if table in there)


def is_registry(tables: Collection[str]) -> bool:
    """True if a database with these tables holds a registry, of any version; False for other applications' files."""
    return VERSION_TABLE in tables or frozenset(tables) >= _FIRST


def adopt(connection: Connection) -> None:
    """Give a registry of the first promptops the version table of our own, in the transaction of its migration.

    If no other application uses the shared table, it gets a mark with which promptops 0.1 stops and demands an upgrade.
    Rows of other applications stay as they are. Repeating it changes nothing.
    """
    version = current(connection)
    there = _there(connection, (VERSION_TABLE, _SHARED))
    if version is None or VERSION_TABLE in there:
        return
    key = f"CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num)"
    connection.exec_driver_sql(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL, {key})")
    connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES (:version)"), {"version": version})  # noqa: S608
    if _SHARED not in there or not _may_change(connection):
        return
    versions = connection.exec_driver_sql(f"SELECT version_num FROM {_SHARED}").scalars().all()  # noqa: S608
    if versions == [version]:
        connection.execute(text(f"UPDATE {_SHARED} SET version_num = :table"), {"table": VERSION_TABLE})  # noqa: S608
    else:
        connection.execute(text(f"DELETE FROM {_SHARED} WHERE version_num = :version"), {"version": version})  # noqa: S608


def _there(connection: Connection, names: Collection[str]) -> frozenset[str]:
    """Those of the tables that are there, in the schema where the registry is."""
    listed = ", ".join(f"'{name}'" for name in names)
    if connection.dialect.name == "sqlite":
        query = f"SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ({listed})"  # noqa: S608 names of ours
    else:
        query = f"SELECT name FROM unnest(ARRAY[{listed}]) AS name WHERE to_regclass(name) IS NOT NULL"  # noqa: S608
    return frozenset(row[0] for row in connection.exec_driver_sql(query))


def _may_change(connection: Connection) -> bool:
    """Whether the shared table may be changed: on PostgreSQL it may be of another owner."""
    if connection.dialect.name == "sqlite":
        return True
    rights = " AND ".join(f"has_table_privilege('{_SHARED}', '{right}')" for right in ("SELECT", "UPDATE", "DELETE"))
    return bool(connection.exec_driver_sql(f"SELECT {rights}").scalar())


def require_known(version: str | None, place: str, revisions: Sequence[str] = REVISIONS) -> str:
    """The revision, if this promptops knows it.

    Raises:
        RegistryNotInitialised: there is no revision. SchemaTooNew: it is newer than this promptops.
    """
    if version is None:
        raise RegistryNotInitialised(f"there is no registry at {place}")
    if version not in revisions:
        raise SchemaTooNew(
            f"the registry's schema {version} is newer than this promptops, which knows {revisions[-1]}",
            hint="Upgrade promptops.",
        )
    return version


def require_newest(version: str | None, place: str, revisions: Sequence[str] = REVISIONS) -> None:
    """:func:`require_known`, and the newest.

    Raises:
        SchemaOutdated: there are migrations to run.
    """
    if require_known(version, place, revisions) != revisions[-1]:
        raise SchemaOutdated(
            f"the registry's schema is {version}, and this promptops needs {revisions[-1]}",
        )

"""Checks that there is room for a new registry, before anything of another application could be changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection

from promptops.core.errors import Conflict, RegistryUnavailable
from promptops.store.engine.database import Place, address, refuse_stranger
from promptops.store.schema import tables
from promptops.store.schema.revisions import VERSION_TABLE

_OURS = frozenset({VERSION_TABLE, "registry", "audit_head"})
_THERE = "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
_WHERE = (
    "SELECT current_schema(), current_database(), pg_encoding_to_char(encoding)"
    " FROM pg_database WHERE datname = current_database()"
)
_TAKEN = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s) AND relname = ANY(%(names)s)"


def make_file(path: Path) -> None:
    """Make an empty file that its owner alone may read, which also holds for the files that SQLite puts beside it.

    A file that is empty or a registry stays as it is.

    Raises:
        Conflict: it is another application's database. RegistryUnavailable, OSError, sqlite3.Error
    """
    refuse_stranger(path)
    if not path.exists():
        path.touch(mode=0o600, exist_ok=True)
    elif path.stat().st_size:
        _refuse_foreign(path)


def _refuse_foreign(path: Path) -> None:
    # With `immutable`, SQLite creates no file beside it, but would not see changes in a write-ahead log.
    fixed = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    with closing(sqlite3.connect(address(path, "ro") + fixed, uri=True)) as connection:
        there = {name for (name,) in connection.execute(_THERE)}
        marks = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    if (there or any(marks)) and not there & _OURS:
        which = f": there is {', '.join(sorted(there)[:5])}" if there else ""
        raise Conflict(
            f"{path} is the database of another application{which}; it was not changed", hint="Name a new file."
        )


def require_room(connection: Connection, place: Place) -> None:
    """Checks that a registry can be made here. On PostgreSQL, a schema that the URL names is created if it is missing.

    Raises:
        RegistryUnavailable: the database is not in UTF8, or there is no schema.
        Conflict: tables of another application have names that a registry needs.
    """
    if connection.dialect.name == "sqlite":
        return
    if place.schemas and not _schema_exists(connection, place.schemas[0]):
        connection.exec_driver_sql(f"CREATE SCHEMA {_quoted(place.schemas[0])}".replace("%", "%%"))
    schema, database, encoding = connection.exec_driver_sql(_WHERE).one()
    if encoding != "UTF8":
        raise RegistryUnavailable(
            f"the database '{database}' has the encoding {encoding}, and a registry needs UTF8",
            hint=f"CREATE DATABASE {_quoted(database)} ENCODING 'UTF8' TEMPLATE template0, under another name.",
        )
    if schema is None:
        raise RegistryUnavailable(
            f"the database '{database}' has no schema to make a registry in",
            hint="Name one at the end of the registry's URL: ?schema=promptops",
        )
    names = {"schema": _quoted(schema), "names": [*tables.metadata.tables, VERSION_TABLE]}
    taken = sorted(connection.exec_driver_sql(_TAKEN, names).scalars())
    if taken:
        raise Conflict(
            f"the schema '{schema}' of the database '{database}' has tables of another application under names that a"
            f" registry needs: {', '.join(taken)}",
            hint="Give the registry a schema of its own, at the end of its URL: ?schema=promptops",
        )


def other_schemas(connection: Connection) -> tuple[str, ...]:
    """Returns the schemas of this PostgreSQL database that hold a registry, also outside the search path."""
    query = (
        "SELECT nspname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relname = %(name)s ORDER BY 1"
    )
    return tuple(connection.exec_driver_sql(query, {"name": VERSION_TABLE}).scalars())


def _schema_exists(connection: Connection, name: str) -> bool:
    row = connection.exec_driver_sql("SELECT 1 FROM pg_namespace WHERE nspname = %(name)s", {"name": name})
    return row.first() is not None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""Makes a registry and brings its schema up to date: the only importer of Alembic, and only while it runs.

All migrations of a run happen in one transaction that holds the registry's write lock, so two processes that
start at once wait for each other, and one that dies half-way changes nothing.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import StatementError

from promptops.core.audit import GENESIS
from promptops.core.errors import Conflict, RegistryNotInitialised, RegistryUnavailable
from promptops.files import locked_folder
from promptops.store.engine.database import (
    BUSY_SECONDS,
    Place,
    connect,
    locate,
    refuse_network_file_system,
    turn_on_wal,
    unhurried,
)
from promptops.store.engine.retry import explain
from promptops.store.engine.room import make_file, require_room
from promptops.store.schema import guards, tables
from promptops.store.schema.revisions import HEAD, adopt, current, require_known
from promptops.store.writer import Writer

_LOCK = 0x70726F6D70746F70
"""The advisory lock of PostgreSQL that migrations take: "promptop" in ASCII."""


def create(url: str, *, name: str, now: datetime, actor: str, allow_network_fs: bool = False) -> bool:
    """Make the registry at this URL and bring it to the newest schema; returns True if it is new.

    A PostgreSQL database must exist; a SQLite file and its folder are made. Repeating it changes nothing, and any
    number of processes may do it at once.

    Raises:
        Conflict: the place belongs to another application. Invalid, RegistryUnavailable, SchemaTooNew
    """
    from promptops.store.binding import bind_older

    place = _make(url, allow_network_fs=allow_network_fs)
    with migrating(place) as connection:
        if (version := current(connection)) is not None:
            require_known(version, str(place))
        else:
            require_room(connection, place)
        migrate(connection)
        if connection.execute(select(tables.registry.c.id)).first() is not None:
            bind_older(connection, actor=actor, at=now)
            return False
        from promptops.store.facts.registry import RegistryInfo

        lineage = str(uuid.uuid4())
        info = RegistryInfo(name=name, lineage=lineage, created_at=now)
        connection.execute(insert(tables.audit_head).values(id=1, seq=0, hash=GENESIS))
        writer = Writer(connection)
        writer.record(info, actor=actor)
        writer.prove()
        return True


@contextmanager
def creating(url: str) -> Iterator[Connection]:
    """The newest schema without rows, for the caller to fill, in one transaction: if it fails, there is no registry.

    Raises:
        Conflict: there is one already. Invalid, RegistryUnavailable
    """
    place = _make(url)
    with migrating(place) as connection:
        if current(connection) is not None:
            raise _taken(place)
        require_room(connection, place)
        migrate(connection)
        yield connection


def require_none(url: str) -> None:
    """Raises :class:`Conflict` if there is a registry at this URL; it makes nothing."""
    if current_schema(url)[0] is not None:
        raise _taken(locate(url))


def _taken(place: Place) -> Conflict:
    return Conflict(f"there is a registry at {place} already", hint="Name a new file, or an empty database.")


def upgrade(url: str, *, actor: str = "promptops", now: datetime | None = None) -> tuple[str, str]:
    """Bring the registry to the newest schema and put missing guards and indexes back.

    Returns the revisions before and after. ``actor`` and ``now`` are for the audit line that binds the facts of an
    older promptops, if there are any.

    Raises:
        RegistryNotInitialised, RegistryUnavailable, SchemaTooNew
    """
    place = locate(url)
    if place.path is not None and not place.path.exists():
        require_known(None, str(place))
    from promptops.store.binding import bind_older
    from promptops.store.schema.comparison import make_indexes

    with migrating(place) as connection:
        before = require_known(current(connection), str(place))
        guards.install(connection)
        migrate(connection)
        make_indexes(connection)
        bind_older(connection, actor=actor, at=now)
        return before, HEAD


def current_schema(url: str) -> tuple[str | None, str]:
    """Returns the registry's revision, or None if it has no tables, and the newest that this promptops knows."""
    place = locate(url)
    if place.path is not None and not place.path.exists():
        return None, HEAD
    reading, _ = connect(place)
    try:
        with reading.connect() as connection, connection.begin():
            return current(connection), HEAD
    except RegistryNotInitialised:
        return None, HEAD
    except StatementError as error:
        raise explain(error) from error
    finally:
        reading.dispose()


def migrations() -> Path:
    """Returns the folder of the migrations: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


@contextmanager
def migrating(place: Place) -> Iterator[Connection]:
    """One transaction that holds the registry's write lock, without a time limit."""
    _, writing = connect(place)
    try:
        with unhurried(writing).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield connection
    except StatementError as error:
        raise explain(error) from error
    finally:
        writing.dispose()


def migrate(connection: Connection, to: str = HEAD) -> None:
    """Run the missing migrations up to this revision."""
    if current(connection) == HEAD:
        adopt(connection)
        guards.require(connection)
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _make(url: str, *, allow_network_fs: bool = False) -> Place:
    """Returns the place of the URL; makes the file of SQLite if it does not exist."""
    place = locate(url)
    if place.path is not None:
        _make_file(place.path, allow_network_fs=allow_network_fs)
    return place


def _make_file(path: Path, *, allow_network_fs: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not allow_network_fs:
            refuse_network_file_system(path.parent)
        with locked_folder(path.parent):
            make_file(path)
            make_wal(path)
    except (OSError, sqlite3.Error) as error:
        raise RegistryUnavailable(f"{path} cannot be created: {error}") from error


def make_wal(path: Path) -> None:
    """Switch a file that has no registry yet to WAL."""
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        turn_on_wal(connection)

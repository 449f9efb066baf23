"""A registry's URL -> connections that behave the same on SQLite and PostgreSQL.

SQLite: the driver's own transaction control is off and SQLAlchemy begins transactions, so that a writer holds the write
lock from its first statement (``BEGIN IMMEDIATE``); with the driver's default, updates get lost under contention. WAL
is set once, when the database is created, because setting it at every connect races; here it is checked, and set again
only where another program changed it. Connections are never shared over a fork: open a registry after forking.

PostgreSQL: writers are READ COMMITTED and lock the rows they decide on; readers see one snapshot. PgBouncer in
transaction mode gives each transaction any of its sessions. So no statement is prepared, and each transaction sets the
settings that it depends on, with its BEGIN, in one message. That also overrides settings of a role, a database, an
environment or another application.
"""

from __future__ import annotations

import os
import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import ExtraMissing, RegistryNotInitialised, RegistryUnavailable
from promptops.store.engine.mounts import refuse_network_file_system as refuse_network_file_system
from promptops.store.engine.place import Place as Place
from promptops.store.engine.place import locate as locate
from promptops.store.engine.retry import LOCK_SECONDS
from promptops.store.schema.revisions import is_registry

BUSY_SECONDS = 15.0
"""Seconds that a SQLite writer waits for its turn: SQLite has no queue, so under load some writers wait for long."""

TOPIC = "promptops"
"""The topic of PostgreSQL's notification to watches of the registry: with every fact, at its commit."""

_BEYOND = 13
"""Connections beside the five that stay open: a server uses 18 at once."""

_PING_AFTER = 1.0
"""Seconds of rest after which a connection is tested before use: a busy one is not, which saves a round trip."""

_PRAGMAS = "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON", "trusted_schema=OFF", "cell_size_check=ON"
_SETTINGS: Final = (
    "SET LOCAL client_encoding = 'UTF8'",
    "SET LOCAL standard_conforming_strings = on",
    "SET LOCAL DateStyle = 'ISO'",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL bytea_output = hex",
    "SET LOCAL quote_all_identifiers = off",
)
# Changes do not set READ WRITE, so that a database which its owner made read-only stays read-only.
_WRITING: Final = (
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'",
    "SET LOCAL statement_timeout = '15s'",
    "SET LOCAL idle_in_transaction_session_timeout = '10s'",
)
_BEGIN: Final = {
    "reading": ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",),
    "writing": _WRITING,
    "unflushed": (*_WRITING, "SET LOCAL synchronous_commit = off"),
    "unhurried": ("BEGIN ISOLATION LEVEL READ COMMITTED",),
    "copying": ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",),
}
_UNHURRIED: Final = tuple(
    f"SET LOCAL {name} = 0" for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
)


def connect(place: Place) -> tuple[Engine, Engine]:
    """Returns two engines over one pool: one reads one snapshot, one writes with limits of seconds."""
    if place.path is not None:
        engine = _sqlite(place.path)
        return engine, engine.execution_options(promptops_begin="IMMEDIATE")
    engine = _postgresql(place)
    return engine, engine.execution_options(promptops_begin="writing")


def unhurried(engine: Engine) -> Engine:
    """Returns the same engine without a role's time limits, for work of any length: migrations
    and restores write with it, an engine for reading reads with it.
    """
    if engine.dialect.name == "sqlite":
        return engine
    writes = engine.get_execution_options().get("promptops_begin") == "writing"
    return engine.execution_options(promptops_begin="unhurried" if writes else "copying")


def unflushed(engine: Engine) -> Engine:
    """Returns the same engine for changes whose commit does not wait for the disk: a power cut may undo the last ones,
    each as a whole, until another change is on the disk.
    """
    return engine.execution_options(promptops_begin="unflushed")


def search_path(schemas: tuple[str, ...]) -> str:
    """Returns the statement that sets a transaction's search path: these schemas, or the role's own path, despite later
    SETs.

    Temporary tables, which another application may have left in a pooled session, come last.
    """
    names = [*schemas, "pg_temp"] if schemas else []
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    return f"SET LOCAL search_path = {quoted or 'DEFAULT'}"


def _sqlite(path: Path) -> Engine:
    def opened() -> sqlite3.Connection:
        refuse_stranger(path)
        return sqlite3.connect(
            address(path), uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )

    engine = create_engine("sqlite://", creator=opened, poolclass=QueuePool, max_overflow=_BEYOND)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def address(path: Path, mode: str = "rw") -> str:
    """Returns the URI with which SQLite opens this file, and never creates one."""
    return f"file:{quote(os.fsencode(path))}?mode={mode}"


def refuse_stranger(path: Path) -> None:
    """Refuses a user who may read the file and not write it, if that would lock its owner out.

    SQLite would create the log and the index beside the file for this user, and the owner could not write them. A user
    who may not write the folder either creates nothing, and reads while a process of the owner has both open.

    Raises:
        RegistryUnavailable: it would; the message names the files.
    """
    if not path.exists() or _may_write(path):
        return
    beside = [path.with_name(path.name + end) for end in ("-wal", "-shm")]
    if _may_write(path.parent):
        problem = f"its owner could not write {beside[0].name} and {beside[1].name} any more, if this user made them"
    elif not all(file.exists() for file in beside):
        problem = f"{beside[0].name} and {beside[1].name} are there only while a process that may write it has it open"
    else:
        return
    raise RegistryUnavailable(
        f"this user may read {path}, but not write it; {problem}",
        hint="Run this as the owner of the file, ask a server, or let this user write the file and those two.",
    )


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":
        _back_to_wal(connection, mode)


def _back_to_wal(connection: sqlite3.Connection, mode: str) -> None:
    """Sets the journal mode of a registry again after a tool for SQLite changed it. No promptops had the file open
    then, since the mode cannot be changed beside others. A file of another application stays as it is.
    """
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    if not is_registry(tables):
        raise RegistryNotInitialised("the database is not a registry yet")
    try:
        turn_on_wal(connection)
    except sqlite3.OperationalError as error:
        raise RegistryUnavailable(
            f"another program changed the registry's journal mode to '{mode}', and it cannot be changed back: {error}",
            hint=Sentence(
                "End that program, and run ",
                Advice(Action.UPGRADE, words="the upgrade of the registry"),
                " as the owner of the file.",
            ),
        ) from error


def turn_on_wal(connection: sqlite3.Connection) -> None:
    """Switches the file to WAL, in which readers and a writer do not wait for each other, for good. The switch does not
    wait for other connections, so it is repeated until it works.

    Raises:
        sqlite3.OperationalError: it does not work within 15 s, or cannot work.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > until:
                raise
            time.sleep(0.05)


def _begin(connection: Connection) -> None:
    kind = connection.get_execution_options().get("promptops_begin", "DEFERRED")
    relaxed = kind == "unflushed"
    if connection.info.get("relaxed", False) is not relaxed:
        # With WAL, NORMAL leaves out the flush of a commit, and nothing else: https://sqlite.org/wal.html
        connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if relaxed else 'FULL'}")
        connection.info["relaxed"] = relaxed
    connection.exec_driver_sql(f"BEGIN {'IMMEDIATE' if relaxed else kind}")


def _postgresql(place: Place) -> Engine:
    # `begin` below starts transactions; nothing is prepared, because the next transaction may get another session.
    settings: dict[str, Any] = {"autocommit": True, "prepare_threshold": None, "client_encoding": "utf8"}
    settings |= {"connect_timeout": 5, "application_name": "promptops"}
    try:
        engine = create_engine(place.url, connect_args=settings, use_native_hstore=False, max_overflow=_BEYOND)
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            "a registry in PostgreSQL needs the package psycopg", hint="pip install 'promptops-registry[postgres]'"
        ) from error
    begins = {name: beginning(place.schemas, name).replace("%", "%%") for name in _BEGIN}

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(begins[connection.get_execution_options().get("promptops_begin", "reading")])

    event.listen(engine, "begin", begin)
    event.listen(engine, "checkin", _rest)
    event.listen(engine, "checkout", partial(_wake, engine.dialect))
    return engine


def beginning(schemas: tuple[str, ...], kind: str = "reading") -> str:
    """Returns one message that begins a transaction and sets everything that it depends on."""
    limits = _UNHURRIED if kind in ("unhurried", "copying") else ()
    return "; ".join((*_BEGIN[kind], *_SETTINGS, *limits, search_path(schemas)))


def _rest(connection: Any, entry: ConnectionPoolEntry) -> None:
    """Notes when a connection goes back to the pool."""
    if connection is not None:
        entry.info["idle_since"] = time.monotonic()


def _wake(dialect: Dialect, connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
    """Tests a connection that was idle, which may be dead, and lets the pool replace it."""
    idle_since = entry.info.get("idle_since")
    if idle_since is None or time.monotonic() - idle_since < _PING_AFTER or dialect.loaded_dbapi is None:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise DisconnectionError from error

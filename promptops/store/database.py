"""A registry's URL -> connections that behave the same on SQLite and PostgreSQL.

SQLite: the driver's own transaction control is off and SQLAlchemy begins for it, so that a writer really holds the
write lock from its first statement (``BEGIN IMMEDIATE``); the default loses updates silently under contention. WAL is
set once, when the database is created, because setting it at every connect races; here it is only checked. Connections
are never shared over a fork: open a registry after forking.

PostgreSQL: writers are READ COMMITTED and lock the rows they decide on; readers see one snapshot.
"""

from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from promptops.core.errors import ExtraMissing, Invalid, RegistryNotInitialised, RegistryUnavailable

BUSY_SECONDS = 15.0
"""How long a SQLite writer waits for its turn; SQLite's waiting has no queue, so the tail is long."""

TOPIC = "promptops"
"""What PostgreSQL notifies those of who watch the registry: with every fact, at its commit."""

_PING_AFTER = 1.0
_PRAGMAS = "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON", "trusted_schema=OFF", "cell_size_check=ON"
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "lustre"})
_LIMITS = (
    "SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '15s';"
    " SET LOCAL idle_in_transaction_session_timeout = '10s'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a registry is: a SQLite file (``path``), or a PostgreSQL database."""

    url: URL
    path: Path | None = None

    def __str__(self) -> str:
        return str(self.path) if self.path else self.url.render_as_string(hide_password=True)


def locate(url: str) -> Place:
    """Read a URL: ``sqlite:///path``, ``postgresql://…``, or the plain path of a SQLite file.

    Raises:
        Invalid: for any other database, and for one in memory, which no second process could read.
    """
    try:
        parsed = make_url(url) if "://" in url else URL.create("sqlite", database=url)
    except (ArgumentError, ValueError) as error:
        raise Invalid("the registry's URL cannot be read", hint="postgresql://user:password@host:5432/name") from error
    family = parsed.drivername.partition("+")[0]
    if family in ("postgresql", "postgres"):
        return Place(url=parsed.set(drivername="postgresql+psycopg"))
    if family != "sqlite":
        raise Invalid(f"'{family}' is not a database promptops keeps a registry in", hint="Use SQLite or PostgreSQL.")
    if not parsed.database or parsed.database == ":memory:":
        raise Invalid("a registry in memory is gone when the process ends", hint="Name a file: sqlite:///registry.db")
    return Place(url=parsed, path=Path(parsed.database).expanduser().absolute())


def connect(place: Place) -> tuple[Engine, Engine]:
    """Two engines over one pool: for reading one snapshot, and for writing."""
    if place.path is not None:
        engine = _sqlite(place.path)
        return engine, engine.execution_options(promptops_begin="IMMEDIATE")
    engine = _postgresql(place.url)
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return reading, engine.execution_options(isolation_level="READ COMMITTED")


def limit_waiting(connection: Connection) -> None:
    """On PostgreSQL, bound how long this transaction may wait for locks, run a statement, or sit idle."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_LIMITS)


def refuse_network_file_system(path: Path) -> None:
    """WAL needs memory shared by all who have the file open, which they do not have over a network.

    Raises:
        RegistryUnavailable: naming the file system. Only Linux can tell.
    """
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    kind = network_file_system(os.path.realpath(path), mounts)
    if kind:
        raise RegistryUnavailable(
            f"{path} is on a network file system ({kind}), where SQLite loses data when two hosts write",
            hint="Keep the file on a local disk or use PostgreSQL; if one host writes, PROMPTOPS_ALLOW_NETWORK_FS=1.",
        )


def network_file_system(path: str, mounts: str) -> str:
    """The kind of network file system a path is on, by a table of mounts as in fstab(5); empty for a local one."""
    longest, kind = -1, ""
    for line in mounts.splitlines():
        _, folder, found, *_ = line.split(" ")
        folder = folder.replace("\\040", " ").rstrip("/")
        # The last of equals is mounted on top.
        if len(folder) >= longest and f"{path}/".startswith(f"{folder}/"):
            longest, kind = len(folder), found
    return kind if kind in _NETWORK else ""


def _sqlite(path: Path) -> Engine:
    address = f"file:{quote(os.fsencode(path))}?mode=rw"

    def opened() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)

    engine = create_engine("sqlite://", creator=opened, poolclass=QueuePool)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":
        raise RegistryNotInitialised(
            f"the database is not a registry yet (its journal mode is '{mode}', not 'wal')",
            hint="Run `promptops init`.",
        )


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN " + connection.get_execution_options().get("promptops_begin", "DEFERRED"))


def _postgresql(url: URL) -> Engine:
    settings = {"connect_timeout": 5, "application_name": "promptops"}
    try:
        engine = create_engine(url, connect_args=settings)
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            "a registry in PostgreSQL needs the package psycopg", hint="pip install 'promptops-registry[postgres]'"
        ) from error
    event.listen(engine, "checkin", _rest)
    event.listen(engine, "checkout", partial(_wake, engine.dialect))
    return engine


def _rest(connection: Any, entry: ConnectionPoolEntry) -> None:
    """A connection goes back to the pool."""
    if connection is not None:
        # After a reader, SQLAlchemy leaves it demanding READ WRITE, whatever the server's default is.
        connection.read_only = None
        entry.info["idle_since"] = time.monotonic()


def _wake(dialect: Dialect, connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
    """A connection that lay idle may be dead: ask it, and let the pool make a new one. One just used is not asked."""
    idle_since = entry.info.get("idle_since")
    if idle_since is None or time.monotonic() - idle_since < _PING_AFTER or dialect.loaded_dbapi is None:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise DisconnectionError from error

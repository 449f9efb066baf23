"""Handles errors of a database: repeats the whole transaction, or words what is wrong.

A repetition is safe because every change carries an idempotency key in its own transaction: after a COMMIT whose
outcome is unknown, the key shows whether it took effect. Repeated are serialisation failures, deadlocks, busy SQLite
files, rows of PostgreSQL that stay locked, lost races for a unique key, and lost connections; at most 5 tries in 10
seconds.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from promptops.core.backoff import backoff
from promptops.core.errors import Conflict, PromptopsError, RegistryDamaged, RegistryUnavailable
from promptops.store.schema.guards import TAKEN

TRIES = 5
SECONDS = 10.0
"""Bounds of one change: most conflicts are over after one or two tries, and a caller waits for the last."""

LOCK_SECONDS = 3
"""How long a try on PostgreSQL waits for what another transaction holds: three tries end within the 10 seconds, and so
before the deadline of a request to a server."""

_LOCKED = "55P03"
_FIRST_PAUSE = 0.08
"""Seconds before the second try, about as long as a writer holds its locks; each further pause is four times longer."""

_TRANSIENT = ("40001", "40P01", _LOCKED, "SQLITE_BUSY", "SQLITE_LOCKED")
_UNIQUE = ("23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")
_DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "XX001", "XX002", "58P01")
_MEANING = (
    (("SQLITE_BUSY", "SQLITE_LOCKED", "55P03"), "another process has held the registry's lock for too long"),
    (("SQLITE_READONLY", "25006"), "it is read-only"),
    (("SQLITE_FULL", "53100"), "its disk is full"),
    (("SQLITE_IOERR",), "its disk reports errors"),
    (("SQLITE_CANTOPEN",), "its file cannot be opened"),
    (_DAMAGED, "its files are damaged, or no database at all"),
    (("28",), "it refused the user name or password"),
    (("3D000",), "there is no database of that name"),
    (("42501",), "the database user lacks a right"),
    (("57014",), "a statement took too long"),
    (("53300",), "it has too many connections"),
    (("22P05", "22021"), "its encoding lacks a character"),
)
_HINTS = (
    (
        ("SQLITE_READONLY", "SQLITE_CANTOPEN"),
        "Check with `ls -l` who may write the file, its folder, and the files beside it that end in -wal and -shm. Give"
        " those two to the owner of the file (chown), and never delete them.",
    ),
    (("25006",), "Is it a standby, or is default_transaction_read_only on, for the database or for this role?"),
    (("42501",), "The operations guide lists the rights that a role needs."),
    (("22P05", "22021"), "A registry needs a database whose encoding is UTF8: move it there with `db backup`."),
)


class Retries:
    """Decides, error by error, whether one transaction is tried again."""

    def __init__(self) -> None:
        self._tries = 0
        self._until = time.monotonic() + SECONDS

    def wait(self, error: StatementError | PoolTimeout) -> None:
        """Sleep before the next try; if there is to be no other, raise the error of :func:`explain`."""
        self._tries += 1
        pause = backoff(self._tries, first=_FIRST_PAUSE, factor=4)
        soonest = time.monotonic() + pause + (LOCK_SECONDS if _code(error) == _LOCKED else 0)
        if not _worth_retrying(error) or self._tries >= TRIES or soonest > self._until:
            raise explain(error) from error
        time.sleep(pause)


def explain(error: StatementError | PoolTimeout) -> PromptopsError:
    """Returns the error in the registry's words. An error of ours that SQLAlchemy wrapped comes out unchanged."""
    cause = error.orig if isinstance(error, StatementError) else error
    if isinstance(cause, PromptopsError):
        return cause
    code = _code(error)
    if _is_unique(error, code):
        return Conflict("another process is changing the same thing; nothing was changed", hint="Try again.")
    meaning = next((words for codes, words in _MEANING if code.startswith(codes)), "")
    detail = " ".join(str(cause).split())
    kind = RegistryDamaged if code.startswith(_DAMAGED) else RegistryUnavailable
    hint = next((words for codes, words in _HINTS if code.startswith(codes)), "")
    why = f"{meaning} ({detail})" if meaning else detail
    return kind(f"the registry cannot be used: {why}", hint=hint)


@contextmanager
def saying(what: str) -> Iterator[None]:
    """Raise errors of the disk as errors of the registry."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise RegistryUnavailable(f"{what}: {error}") from error


def _worth_retrying(error: StatementError | PoolTimeout) -> bool:
    code = _code(error)
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return lost or code.startswith(_TRANSIENT) or _is_unique(error, code)


def _is_unique(error: StatementError | PoolTimeout, code: str) -> bool:
    return code in _UNIQUE or (code == "SQLITE_CONSTRAINT_TRIGGER" and TAKEN in str(error))


def _code(error: StatementError | PoolTimeout) -> str:
    """Returns SQLite's symbolic error name or PostgreSQL's SQLSTATE; empty if the driver has none."""
    cause = getattr(error, "orig", None)
    return getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""

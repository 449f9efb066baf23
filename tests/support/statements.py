"""SQL is compiled once in a process of the tests, and not once for each registry that is opened.

SQLAlchemy keeps what it compiled with each engine, by the engine's dialect. An application opens one registry. Tests
open thousands, and compiling the same statements for each of them took a third of their CPU. Here all engines of one
kind of database, version and default schema have one memory.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache

_STATEMENTS: Final[LRUCache[Any, Any]] = LRUCache(10_000)


def compile_once() -> None:
    """From now on, engines of this process that are alike share what they compiled."""
    for dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        dialect.__eq__, dialect.__hash__ = _is_alike, _kind  # type: ignore[assignment,method-assign]
    begin = Engine.__init__

    def begin_sharing(self: Engine, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        self._compiled_cache = _STATEMENTS

    Engine.__init__ = begin_sharing  # type: ignore[method-assign]


def _is_alike(self: DefaultDialect, other: object) -> bool:
    return type(other) is type(self) and _traits(other) == _traits(self)


def _kind(self: DefaultDialect) -> int:
    return hash(type(self))


def _traits(dialect: DefaultDialect) -> tuple[object, ...]:
    return dialect.server_version_info, dialect.default_schema_name, dialect.paramstyle

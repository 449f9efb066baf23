"""What all tables are made of, above all column types that make both databases keep the same values: the last door
before SQL.

In come Python values, out go the same values: text without NUL or lone surrogates, sorted by code point on both; aware
UTC times; booleans; tuples of text. SQLite has none of these in its STRICT tables, so it keeps times as ISO 8601 text,
which sorts as time does, and booleans as 0 and 1.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import TIMESTAMP, BigInteger, Boolean, Column, Dialect, Integer, MetaData, Text, TypeDecorator
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine, UserDefinedType

from promptops.core.digest import check_text
from promptops.core.errors import Invalid

STRICT: dict[str, Any] = {"sqlite_strict": True}
CLUSTERED: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)
"""All tables, with names of constraints that are the same on both databases."""


def column(
    name: str,
    kind: type[TypeEngine[Any]],
    *constraints: SchemaItem,
    primary_key: bool = False,
    nullable: bool = False,
    autoincrement: bool | Literal["auto"] = "auto",
) -> Column[Any]:
    """A column, which is NOT NULL unless it says otherwise."""
    return Column(name, kind, *constraints, primary_key=primary_key, nullable=nullable, autoincrement=autoincrement)


class _ByCodePoint(UserDefinedType[str]):
    """PostgreSQL's text in collation C. SQLAlchemy's own collated text casts parameters to it, which is no SQL."""

    cache_ok = True

    def get_col_spec(self, **_context: object) -> str:
        return 'TEXT COLLATE "C"'


class Words(TypeDecorator[str]):
    """Text. PostgreSQL compares it by code point, as SQLite and Python do, so every order is one order."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return Text() if dialect.name == "sqlite" else _ByCodePoint()

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is not None:
            check_text(value, "text")
        return value


class TextTuple(TypeDecorator[tuple[str, ...]]):
    """A tuple of texts, as a JSON array."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        for item in value:
            check_text(item, "text")
        return json.dumps(value, ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        return None if value is None else tuple(json.loads(value))


class Moment(TypeDecorator[datetime]):
    """An aware UTC time, to the microsecond."""

    impl = TIMESTAMP(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return Text() if dialect.name == "sqlite" else dialect.type_descriptor(TIMESTAMP(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise Invalid(f"{value.isoformat()} has no time zone")
        moment = value.astimezone(UTC)
        return moment.isoformat(timespec="microseconds") if dialect.name == "sqlite" else moment

    def process_result_value(self, value: str | datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return datetime.fromisoformat(value) if isinstance(value, str) else value.astimezone(UTC)


class Flag(TypeDecorator[bool]):
    """True or false."""

    impl = Boolean
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return Integer() if dialect.name == "sqlite" else dialect.type_descriptor(Boolean())

    def process_result_value(self, value: int | bool | None, dialect: Dialect) -> bool | None:
        return None if value is None else bool(value)


class Number(TypeDecorator[int]):
    """A whole number of 64 bits; as a primary key, one that counts up."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[int]:
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())

"""Compares the schema that the migrations make with the database: foreign objects on our tables, missing objects.

A trigger, a rule, a row policy or a view in a table's place can swallow, change or hide rows; a constraint or a column
can refuse them. Other tables of the same schema, and their triggers, are another application's and are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Index, Inspector, Table, UniqueConstraint, inspect
from sqlalchemy.engine.interfaces import ReflectedIndex

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.faults import Condition, Fault
from promptops.store.faults import damage
from promptops.store.schema import guards
from promptops.store.schema.tables import metadata

_ON_SQLITE = "SELECT type, name, lower(tbl_name) FROM sqlite_master WHERE type IN ('trigger', 'view')"
_OURS = "pg_table_is_visible(c.oid) AND c.relname = ANY(%(names)s)"
_ON_POSTGRESQL = f"""
SELECT 'trigger', t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE NOT t.tgisinternal AND {_OURS}
UNION ALL SELECT 'rule', r.rulename, c.relname FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
 WHERE r.rulename <> '_RETURN' AND {_OURS}
UNION ALL SELECT 'row policy', p.polname, c.relname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE {_OURS}
UNION ALL SELECT 'row level security', c.relname, c.relname FROM pg_class c WHERE c.relrowsecurity AND {_OURS}
UNION ALL SELECT 'view or other relation', c.relname, c.relname FROM pg_class c WHERE c.relkind <> 'r' AND {_OURS}
UNION ALL SELECT 'heir', i.inhrelid::regclass::text, c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent
 WHERE {_OURS}
UNION ALL SELECT 'ancestor', i.inhparent::regclass::text, c.relname FROM pg_inherits i
 JOIN pg_class c ON c.oid = i.inhrelid WHERE {_OURS}
"""  # noqa: S608 words of ours
_SWITCHED_OFF = f"""
SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE t.tgisinternal AND t.tgenabled <> 'O' AND {_OURS}
UNION SELECT c.relname FROM pg_class c WHERE c.relpersistence <> 'p' AND {_OURS}
"""  # noqa: S608 words of ours
_REMOVE = "find out who put it there; as the owner of the database, remove it: promptops removes only its own objects"
_MAKE = Sentence(
    Advice(Action.REPAIR, words="a repair of the registry"),
    " makes it again, and so does ",
    Advice(Action.UPGRADE, words="an upgrade"),
)


def strangers(connection: Connection) -> Iterator[tuple[str, str]]:
    """Foreign objects that can swallow, change or hide rows of our tables: the object and the table."""
    known = guards.names(connection)
    if connection.dialect.name == "sqlite":
        objects = connection.exec_driver_sql(_ON_SQLITE)
    else:
        objects = connection.exec_driver_sql(_ON_POSTGRESQL, {"names": [*metadata.tables]})
    for kind, name, table in objects:
        if table in metadata.tables and known.get(name) != table:
            yield (f"the {kind} {name}" if name != table else f"a {kind}"), table


def check_schema(connection: Connection) -> Iterator[Fault]:
    """Everything on our tables that no migration made, and everything that a migration made and is not there."""
    for what, name in strangers(connection):
        yield _foreign(what, name)
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    for table in metadata.sorted_tables:
        if table.name in there:
            yield from _columns(inspector, table)
            yield from _constraints(inspector, table)
            yield from _indexes(inspector, table)
        else:
            yield damage("schema-incomplete", "it is missing, or is not a table", table.name)
    if connection.dialect.name != "sqlite":
        for (name,) in connection.exec_driver_sql(_SWITCHED_OFF, {"names": [*metadata.tables]}):
            yield damage("schema-incomplete", "its foreign keys are switched off, or it does not survive a crash", name)


def make_indexes(connection: Connection) -> None:
    """Put the indexes back that are missing."""
    inspector = inspect(connection)
    for table in metadata.sorted_tables:
        existing = {index["name"] for index in inspector.get_indexes(table.name)}
        for index in table.indexes:
            if index.name not in existing:
                index.create(connection)


def _columns(inspector: Inspector, table: Table) -> Iterator[Fault]:
    dialect = inspector.dialect
    existing = {column["name"]: column for column in inspector.get_columns(table.name)}
    for name in existing.keys() - table.c.keys():
        yield _foreign(f"the column {name}", table.name)
    for column in table.c:
        if (there := existing.get(column.name)) is None:
            yield damage("schema-incomplete", f"the column {column.name} is not there", table.name)
            continue
        wanted = (column.type.compile(dialect), bool(column.nullable))
        if (there["type"].compile(dialect), there["nullable"]) != wanted or there.get("computed"):
            yield damage("schema-incomplete", f"the column {column.name} is not as it was made", table.name)


def _constraints(inspector: Inspector, table: Table) -> Iterator[Fault]:
    existing = {("primary key", tuple(inspector.get_pk_constraint(table.name)["constrained_columns"]), "")}
    existing |= {
        ("unique key", tuple(each["column_names"]), "") for each in inspector.get_unique_constraints(table.name)
    }
    for each in inspector.get_foreign_keys(table.name):
        refers = f" to {each['referred_table']} ({', '.join(each['referred_columns'])})"
        existing.add(("foreign key", tuple(each["constrained_columns"]), refers))
    for check in inspector.get_check_constraints(table.name):
        yield _foreign(f"the check {check['name'] or check['sqltext']}", table.name)
    wanted = {("primary key", tuple(table.primary_key.columns.keys()), "")}
    wanted |= {
        ("unique key", tuple(c.columns.keys()), "") for c in table.constraints if isinstance(c, UniqueConstraint)
    }
    for key in table.foreign_key_constraints:
        columns = ", ".join(element.column.name for element in key.elements)
        wanted.add(("foreign key", tuple(key.column_keys), f" to {key.referred_table.name} ({columns})"))
    for kind, columns_of, refers in sorted(existing - wanted):
        yield _foreign(f"the {kind} ({', '.join(columns_of)}){refers}", table.name)
    for kind, columns_of, refers in sorted(wanted - existing):
        yield damage("schema-incomplete", f"the {kind} ({', '.join(columns_of)}){refers} is not there", table.name)


def _indexes(inspector: Inspector, table: Table) -> Iterator[Fault]:
    wanted: Mapping[Any, Index] = {index.name: index for index in table.indexes}
    existing = {index["name"]: index for index in inspector.get_indexes(table.name) if not _of_key(index)}
    for name in sorted(wanted.keys() | existing.keys(), key=str):
        there, ours = existing.get(name), wanted.get(name)
        if ours is None:
            unique = there is not None and there["unique"]
            yield (
                _foreign(f"the index {name}", table.name)
                if unique
                else _pending("schema-foreign", f"the index {name} is not one of promptops", table.name, _REMOVE)
            )
        elif there is None:
            yield _pending("schema-incomplete", f"the index {name} is not there", table.name, _MAKE)
        elif there["column_names"] != ours.columns.keys() or there["unique"] or _partial(there):
            yield damage("schema-incomplete", f"the index {name} is not as it was made", table.name)


def _of_key(index: ReflectedIndex) -> bool:
    return bool(index.get("duplicates_constraint"))


def _partial(index: ReflectedIndex) -> bool:
    options = index.get("dialect_options", {})
    return bool(index.get("expressions")) or any(name.endswith("_where") for name in options)


def _foreign(what: str, table: str) -> Fault:
    return damage("schema-foreign", f"{what} is not one of promptops", table)


def _pending(code: str, what: str, table: str, repair: str) -> Fault:
    return Fault(code=code, severity=Condition.PENDING, what=what, where=table, repair=repair)

"""The triggers that make history immutable, on both databases: installed by migrations, required at every open.

Guarded rows can be inserted and read. UPDATE, DELETE, UPSERT, TRUNCATE and both forms of SQLite's ``INSERT OR REPLACE``
(by primary key and by any unique key) are refused for every user: on PostgreSQL the triggers are ENABLE ALWAYS, which a
replication role does not skip. An owner can still drop a trigger, so a registry without its guards is not opened.

SQLite's REPLACE deletes the old row without firing delete triggers, hence the third trigger there, which looks for the
row that would go. It is also why a second insert of a key reports itself as a trigger there and not as a unique key.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, UniqueConstraint

from promptops.core.errors import GuardsMissing
from promptops.store.schema.outcome_tables import MEASURED
from promptops.store.schema.tables import metadata

_MUTABLE = ("head", "audit_head", "outbox", "drained", "client", "delivery", "idempotency", "report_key", *MEASURED)


def _keys(table: Table) -> tuple[tuple[str, ...], ...]:
    """Every key of the table that is unique; their order is part of the guards' text, so of every registry."""
    places = list(table.c.keys())
    uniques = [tuple(c.columns.keys()) for c in table.constraints if isinstance(c, UniqueConstraint)]
    primary = tuple(table.primary_key.columns.keys())
    return (primary, *sorted(uniques, key=lambda names: [places.index(name) for name in names]))


GUARDED = {name: _keys(table) for name, table in metadata.tables.items() if name not in _MUTABLE}
"""Each guarded table and every key of it that is unique: a table is guarded unless it is listed here as mutable."""

TAKEN = "promptops: this key is taken"
"""How SQLite's third trigger refuses; :mod:`promptops.store.engine.retry` reads it as a unique violation."""

_FUNCTION_NAME = "promptops_refuse_change"
_FUNCTION_BODY = """
BEGIN
  RAISE EXCEPTION 'promptops: % on % refused, its rows are immutable', tg_op, tg_table_name
    USING errcode = 'restrict_violation';
END
"""
_FUNCTION = (
    f"CREATE OR REPLACE FUNCTION {_FUNCTION_NAME}() RETURNS trigger LANGUAGE plpgsql"
    f" AS $promptops${_FUNCTION_BODY}$promptops$"
)


def install(connection: Connection) -> None:
    """Put every guard on every guarded table that exists, anew where one is missing, changed or disabled."""
    if connection.dialect.name == "sqlite":
        _install_sqlite(connection)
    else:
        _install_postgresql(connection)


def missing(connection: Connection, tables: frozenset[str] = frozenset(GUARDED)) -> tuple[str, ...]:
    """The guards of these tables that are gone, changed or disabled; one query."""
    wanted = {name for name, table in names(connection).items() if table in tables}
    return tuple(sorted(wanted - _present(connection)))


def require(connection: Connection) -> None:
    """Raise :class:`GuardsMissing` unless every guard of every guarded table is there, as written here and enabled."""
    gone = missing(connection)
    if gone:
        raise GuardsMissing(gone)


def require_existing(connection: Connection) -> None:
    """:func:`require` for the tables that exist, which half-way through the migrations are not all."""
    gone = missing(connection, _tables(connection))
    if gone:
        raise GuardsMissing(gone)


def _tables(connection: Connection) -> frozenset[str]:
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    else:
        query = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND pg_table_is_visible(oid)"
    return frozenset(row[0] for row in connection.exec_driver_sql(query)) & GUARDED.keys()


def names(connection: Connection) -> dict[str, str]:
    """Each guard's name and its table."""
    parts = (
        ("no_update", "no_delete", "no_replace")
        if connection.dialect.name == "sqlite"
        else ("no_change", "no_truncate")
    )
    return {f"{table}_{part}": table for table in GUARDED for part in parts}


def _present(connection: Connection) -> set[str]:
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all()
        expected = _sqlite_statements()
        return {name for name, statement in rows if expected.get(name) == statement}
    rows = connection.exec_driver_sql(
        "SELECT t.tgname, p.prosrc FROM pg_trigger t"
        " JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid"
        " WHERE NOT t.tgisinternal AND t.tgenabled = 'A' AND t.tgqual IS NULL AND pg_table_is_visible(c.oid)"
        " AND t.tgname LIKE c.relname || '\\_no\\_%%'"
    ).all()
    return {name for name, source in rows if source == _FUNCTION_BODY}


def _sqlite_statements() -> dict[str, str]:
    statements = {}
    for table, keys in GUARDED.items():
        refusal = f"BEGIN SELECT RAISE(ABORT, 'promptops: {table} is immutable'); END"
        statements[f"{table}_no_update"] = f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refusal}"
        statements[f"{table}_no_delete"] = f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refusal}"
        same = " OR ".join("(" + " AND ".join(f"{column} = NEW.{column}" for column in key) + ")" for key in keys)
        taken = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 names of ours
        statements[f"{table}_no_replace"] = (
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {taken}"
            f" BEGIN SELECT RAISE(ABORT, '{TAKEN}'); END"
        )
    return statements


def _install_sqlite(connection: Connection) -> None:
    tables, present = _tables(connection), _present(connection)
    tables_of = names(connection)
    for name, statement in _sqlite_statements().items():
        if tables_of[name] in tables and name not in present:
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
            connection.exec_driver_sql(statement)


def _install_postgresql(connection: Connection) -> None:
    connection.exec_driver_sql(_FUNCTION.replace("%", "%%"))
    for table in sorted(_tables(connection)):
        for name, when in (
            (f"{table}_no_change", "BEFORE UPDATE OR DELETE ON {} FOR EACH ROW"),
            (f"{table}_no_truncate", "BEFORE TRUNCATE ON {} FOR EACH STATEMENT"),
        ):
            connection.exec_driver_sql(f'DROP TRIGGER IF EXISTS {name} ON "{table}"')
            connection.exec_driver_sql(
                f"CREATE TRIGGER {name} {when.format(chr(34) + table + chr(34))} EXECUTE FUNCTION {_FUNCTION_NAME}()"
            )
            connection.exec_driver_sql(f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER {name}')

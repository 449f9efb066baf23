"""The database's own view of itself: files, pages, indexes, references, guards."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, ForeignKeyConstraint, Select, and_, func, select
from sqlalchemy.exc import DBAPIError

from promptops.core.faults import Fault
from promptops.store.faults import damage
from promptops.store.schema import guards, tables

_INDEXES = (
    "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_am a ON a.oid = c.relam JOIN pg_class t ON t.oid = i.indrelid"
    " WHERE a.amname = 'btree' AND pg_table_is_visible(t.oid) AND t.relname = ANY(%(names)s) ORDER BY 1"
)


def check_files(connection: Connection) -> Iterator[Fault]:
    """SQLite's ``integrity_check``; on PostgreSQL every row is read, and ``amcheck`` asked where it is installed."""
    if connection.dialect.name == "sqlite":
        for (finding,) in connection.exec_driver_sql("PRAGMA integrity_check(20)"):
            if finding != "ok":
                yield damage("database-corrupt", str(finding), "database")
        return
    for table in tables.metadata.sorted_tables:
        # As text: so that every column is read, also one that is stored apart.
        connection.exec_driver_sql(f'SELECT count(t::text) FROM "{table.name}" t')  # noqa: S608 names of ours
    if connection.exec_driver_sql("SELECT 1 FROM pg_extension WHERE extname = 'amcheck'").first():
        names = {"names": [table.name for table in tables.metadata.sorted_tables]}
        for (index,) in connection.exec_driver_sql(_INDEXES, names).all():
            try:
                with connection.begin_nested():
                    connection.exec_driver_sql("SELECT bt_index_check(%(index)s::regclass)", {"index": index})
            except DBAPIError as error:
                yield damage("database-corrupt", " ".join(str(error.orig).split()), str(index))


def check_restore(connection: Connection) -> Iterator[Fault]:
    """The mark that a restore leaves in a PostgreSQL database until all of it is there."""
    if connection.dialect.name != "sqlite":
        mark = connection.exec_driver_sql("SELECT to_regclass('promptops_restoring')::text").scalar()
        if mark is not None:
            yield damage("restore-unfinished", "a restore into this database was not finished", str(mark))


def check_references(connection: Connection) -> Iterator[Fault]:
    """Finds rows that refer to missing rows: a connection can switch the enforcement of foreign keys off."""
    for table in tables.metadata.sorted_tables:
        for constraint in sorted(table.foreign_key_constraints, key=lambda each: str(each.name)):
            count = connection.execute(_orphans(constraint)).scalar_one()
            if count:
                what = f"{count} of its rows refer to rows of {constraint.referred_table.name} that are not there"
                yield damage("reference-broken", what, table.name)


def _orphans(constraint: ForeignKeyConstraint) -> Select[int]:
    table, other = constraint.table, constraint.referred_table.alias("other")
    same = and_(*(element.parent == other.c[element.column.name] for element in constraint.elements))
    refers = and_(*(element.parent.is_not(None) for element in constraint.elements))
    return select(func.count()).select_from(table).where(refers, ~select(1).select_from(other).where(same).exists())


def check_guards(connection: Connection) -> Iterator[Fault]:
    """The triggers that keep history immutable: there, as they were written, and enabled."""
    for name in guards.missing(connection):
        yield damage("guard-missing", f"the guard {name} is missing, changed or disabled", name)

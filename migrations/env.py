"""Alembic's entry: runs the migrations on one connection, in one transaction, and does not leave without the guards.

promptops hands over a connection (``promptops init``, ``promptops db upgrade``). From Alembic's own command line the
URL comes from ``-x url=…``, or from ``sqlalchemy.url`` of the configuration.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from promptops.store.engine.database import connect, locate, unhurried
from promptops.store.schema import guards, revisions, tables


def run(connection: Connection) -> None:
    """Migrate; the transaction is the caller's."""
    revisions.adopt(connection)
    context.configure(
        connection=connection,
        target_metadata=tables.metadata,
        compare_type=True,
        version_table=revisions.VERSION_TABLE,
        include_name=lambda name, kind, _: kind != "table" or name in tables.metadata.tables,
    )
    with context.begin_transaction():
        context.run_migrations()
    # A migration that recreates a table (batch mode on SQLite) silently drops its triggers.
    guards.require_existing(connection)


def main() -> None:
    if context.is_offline_mode():
        raise SystemExit("promptops migrates a live registry only: its guards are checked there. Leave out --sql.")
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        run(given)
        return
    url = context.get_x_argument(as_dictionary=True).get("url") or context.config.get_main_option("sqlalchemy.url")
    if not url:
        raise SystemExit("Which registry? alembic -x url=sqlite:///path …")
    _, writing = connect(locate(str(url)))
    try:
        with unhurried(writing).begin() as connection:
            run(connection)
    finally:
        writing.dispose()


main()

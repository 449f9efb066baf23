"""Somebody who owns the database and changes it past promptops: guards off, statements, guards on again."""

from __future__ import annotations

import sqlite3

import psycopg

from promptops.store.engine.database import connect, locate
from promptops.store.schema import guards
from promptops.store.schema.tables import metadata


def vandalise(url: str, *statements: str) -> None:
    """Run these statements with nothing in their way, and leave no trace in the schema."""
    path = locate(url).path
    if path is not None:
        _on_sqlite(str(path), statements)
    else:
        _on_postgresql(url, statements)
    _, writing = connect(locate(url))
    with writing.begin() as connection:
        guards.install(connection)
    writing.dispose()


def _on_sqlite(path: str, statements: tuple[str, ...]) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")  # waiting for the disk after each of 50 statements takes a while
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    connection.close()


def _on_postgresql(url: str, statements: tuple[str, ...]) -> None:
    place = locate(url)
    with psycopg.connect(place.url.set(drivername="postgresql").render_as_string(False), autocommit=True) as connection:
        if place.schemas:
            connection.execute(f"SET search_path = {', '.join(place.schemas)}".encode())
        for table in metadata.tables:
            connection.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER ALL'.encode())
        for statement in statements:
            connection.execute(statement.encode())
        for table in metadata.tables:
            connection.execute(f'ALTER TABLE "{table}" ENABLE TRIGGER ALL'.encode())

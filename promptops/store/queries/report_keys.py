"""The secret of reporting clients: made once for a registry, by the process that is asked first."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select, text

from promptops.store.schema import tables

_key = tables.report_key
_FIND = select(_key.c.secret).where(_key.c.lineage == bindparam("lineage"))
# Of two processes that make it at once, the first one's stays.
_KEEP = text("INSERT INTO report_key (lineage, secret) VALUES (:lineage, :secret) ON CONFLICT (lineage) DO NOTHING")


def find_secret(connection: Connection, lineage: str) -> str:
    """Returns the secret in hex; an empty text before it was made."""
    secret: str | None = connection.execute(_FIND, {"lineage": lineage}).scalar()
    return secret or ""


def keep_secret(connection: Connection, lineage: str, secret: str) -> str:
    """Keeps a secret unless there is one, and returns the one that is there."""
    connection.execute(_KEEP, {"lineage": lineage, "secret": secret})
    return find_secret(connection, lineage)

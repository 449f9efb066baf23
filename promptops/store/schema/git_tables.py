"""The tables about the way to git: what waits, how far each chain of commits has come, where its home is,
and with which key it is signed.

A part of :mod:`promptops.store.schema.tables`, through which the other modules of ``store`` reach them.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, Table

from promptops.store.schema.columns import CLUSTERED, STRICT, Flag, Moment, Number, Words, column, metadata

outbox = Table(
    "outbox",
    metadata,
    column("seq", Number, ForeignKey("journal.seq"), primary_key=True),
    **STRICT,
)
"""A line of the journal that its home in git does not have yet; deleted when it has."""

drained = Table(
    "drained",
    metadata,
    column("algorithm", Words, primary_key=True),
    column("seq", Number),
    column("commit", Words),
    **CLUSTERED,
)
"""The newest line that is in git, and its commit, for each hash function of git; mutable, and only a shortcut: all
commits can be computed again from the rows.
"""

home = Table(
    "home",
    metadata,
    column("number", Number, primary_key=True, autoincrement=False),
    column("address", Words),
    column("workspace", Words),
    column("hint", Words),
    column("ref", Words),
    column("actor", Words),
    column("reason", Words),
    column("at", Moment),
    **STRICT,
)
"""A repository in which the journal lives; the newest counts."""

registry_key = Table(
    "registry_key",
    metadata,
    column("number", Number, primary_key=True, autoincrement=False),
    column("key", Words),
    column("required", Flag),
    column("endorsement", Words),
    column("actor", Words),
    column("reason", Words),
    column("at", Moment),
    **STRICT,
)
"""The public half of a key with which lines of the journal are signed; the newest counts."""

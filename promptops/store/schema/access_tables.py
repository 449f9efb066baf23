"""The tables about those who use a registry from afar: tokens, and the clients that run.

A part of :mod:`promptops.store.schema.tables`, through which the other modules of ``store`` reach them.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, Table, UniqueConstraint

from promptops.store.schema.columns import CLUSTERED, Flag, Moment, Number, TextTuple, Words, column, metadata

token = Table(
    "token",
    metadata,
    column("id", Words, primary_key=True),
    column("name", Words),
    column("scopes", TextTuple),
    column("channels", TextTuple),
    column("apps", TextTuple),
    column("prefix", Words),
    column("created_by", Words),
    column("created_at", Moment),
    column("expires_at", Moment, nullable=True),
    column("commitment", Words),
    column("person", Words),
    **CLUSTERED,
)
"""A token: all that is known of it but its secret."""

token_secret = Table(
    "token_secret",
    metadata,
    column("digest", Words, primary_key=True),
    column("token", Words, ForeignKey("token.id")),
    UniqueConstraint("token"),
    **CLUSTERED,
)
"""The SHA-256 of a token's secret. It never leaves the database, but in a backup."""

token_revocation = Table(
    "token_revocation",
    metadata,
    column("token", Words, ForeignKey("token.id"), primary_key=True),
    column("reason", Words),
    column("actor", Words),
    column("at", Moment),
    **CLUSTERED,
)
"""A token was taken back, for ever."""

client = Table(
    "client",
    metadata,
    column("token", Words, primary_key=True),
    column("id", Words, primary_key=True),
    column("channel", Words),
    column("name", Words),
    column("sdk", Words),
    column("state", Words),
    column("lineage", Words),
    column("epoch", Number),
    column("revisions", Words),
    column("cannot_load", Words),
    column("leaving", Flag),
    column("understands", Words),
    column("asks", Words),
    column("seen_at", Moment),
    Index(None, "token", "seen_at"),
    **CLUSTERED,
)
"""A running client and its last report; mutable, and outdated after a while.

``token`` is the id of its token, empty if the server requires none.
"""

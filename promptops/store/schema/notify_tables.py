"""The tables about notifications: who receives them, and how far each receiver is.

A part of :mod:`promptops.store.schema.tables`, through which the other modules of ``store`` reach them.
"""

from __future__ import annotations

from sqlalchemy import Table

from promptops.store.schema.columns import CLUSTERED, Moment, Number, Words, column, metadata

receiver = Table(
    "receiver",
    metadata,
    column("name", Words, primary_key=True),
    column("version", Number, primary_key=True),
    column("settings", Words),
    column("repository", Words),
    column("path", Words),
    column("root", Words),
    column("actor", Words),
    column("reason", Words),
    column("at", Moment),
    **CLUSTERED,
)
"""A version of a receiver's settings, as canonical JSON; the newest counts, and an empty one removes the receiver."""

delivery = Table(
    "delivery",
    metadata,
    column("receiver", Words, primary_key=True),
    column("seq", Number),
    column("holder", Words),
    column("held_until", Moment),
    column("next_try", Moment),
    column("failures", Number),
    column("failing_since", Moment, nullable=True),
    column("error", Words),
    column("sent_at", Moment, nullable=True),
    column("given_up", Number),
    column("tests", Number),
    column("tested", Number),
    column("test_error", Words),
    **CLUSTERED,
)
"""How far a receiver is: everything up to the line ``seq`` of the audit log was sent, or is not for it; mutable.

The process ``holder`` sends until ``held_until``. ``tests`` counts the tests that people wanted,
``tested`` those that were made.
"""

"""The tables of what people say of a release: approvals and waivers.

A part of :mod:`promptops.store.schema.tables`, through which the other modules of ``store`` reach them.
"""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index, Table

from promptops.store.schema.columns import STRICT, Flag, Moment, Number, Words, column, metadata

approval = Table(
    "approval",
    metadata,
    column("number", Number, primary_key=True, autoincrement=False),
    column("app", Words),
    column("channel", Words),
    column("digest", Words),
    column("version", Words),
    column("policy_version", Number),
    column("position", Number),
    column("subject", Words),
    column("person", Words),
    column("proven", Flag),
    column("token", Words),
    column("withdraws", Number, nullable=True),
    column("reason", Words),
    column("actor", Words),
    column("at", Moment),
    ForeignKeyConstraint(["app", "digest"], ["release.app", "release.digest"]),
    Index(None, "app", "channel", "digest", "number"),
    **STRICT,
)
"""A person approved of a release for a channel, or took an approval back (``withdraws``)."""

waiver = Table(
    "waiver",
    metadata,
    column("number", Number, primary_key=True, autoincrement=False),
    column("app", Words),
    column("channel", Words),
    column("digest", Words),
    column("version", Words),
    column("check", Words),
    column("expires_at", Moment),
    column("person", Words),
    column("token", Words),
    column("reason", Words),
    column("actor", Words),
    column("at", Moment),
    ForeignKeyConstraint(["app", "digest"], ["release.app", "release.digest"]),
    Index(None, "app", "channel", "digest", "number"),
    **STRICT,
)
"""A person let a release go to a channel without one check of its gate, until a time."""

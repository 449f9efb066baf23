"""The tables about evidence: opened runs and what they reported, evidence itself, the suites of releases.

A part of :mod:`promptops.store.schema.tables`, through which the other modules of ``store`` reach them. Evidence may
come before the release that it names, so nothing of it refers to one.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, LargeBinary, Table, UniqueConstraint

from promptops.store.schema.columns import CLUSTERED, STRICT, Flag, Moment, Number, TextTuple, Words, column, metadata

run = Table(
    "run",
    metadata,
    column("id", Words, primary_key=True),
    column("app", Words),
    column("arms", Words),
    column("suites", Words),
    column("source", Words),
    column("purpose", Words),
    column("hosts", TextTuple),
    column("actor", Words),
    column("at", Moment),
    column("token", Words),
    column("token_name", Words),
    column("person", Words),
    column("plan_digest", Words),
    column("plan", LargeBinary),
    Index(None, "app", "at"),
    **STRICT,
)
"""A run that was opened; ``arms`` and ``suites`` are canonical JSON, ``plan`` is the table of its cases.

Its row is the lock of its rows and of its closing.
"""

run_row = Table(
    "run_row",
    metadata,
    column("run", Words, ForeignKey("run.id"), primary_key=True),
    column("place", Number, primary_key=True, autoincrement=False),
    column("arm", Words, primary_key=True),
    column("repeat", Number, primary_key=True, autoincrement=False),
    column("outcome", Words),
    column("measured", Words),
    **CLUSTERED,
)
"""What came of one try of a case, as the run reported it; ``measured`` is canonical JSON. The first one stands.

It is no fact of its own: the evidence of the run has it, and only that goes to git.
"""

evidence = Table(
    "evidence",
    metadata,
    column("id", Words, primary_key=True),
    column("app", Words),
    column("digest", Words),
    column("source", Words),
    column("run", Words, ForeignKey("run.id"), nullable=True),
    column("number", Number),
    column("complete", Flag),
    column("external", Words),
    column("verdict", Words, nullable=True),
    column("expires_at", Moment, nullable=True),
    column("suites", Words),
    column("tools", TextTuple),
    column("hosts", TextTuple),
    column("served_models", TextTuple),
    column("prices", Words),
    column("counts", Words),
    column("note", Words),
    column("actor", Words),
    column("at", Moment),
    column("token", Words),
    column("token_name", Words),
    column("person", Words),
    column("table_digest", Words),
    column("case_table", LargeBinary),
    UniqueConstraint("run", "number"),
    Index(None, "app", "digest"),
    **STRICT,
)
"""One piece of evidence for the digest of a release; ``external`` is the name of another system's check."""

release_suites = Table(
    "release_suites",
    metadata,
    column("app", Words, primary_key=True),
    column("number", Number, primary_key=True, autoincrement=False),
    column("digest", Words),
    column("suites", Words),
    column("commit", Words),
    column("dirty", Flag),
    column("actor", Words),
    column("at", Moment),
    ForeignKeyConstraint(["app", "digest"], ["release.app", "release.digest"]),
    Index(None, "app", "digest", "number"),
    **CLUSTERED,
)
"""The suites that an app had when this content was released; the newest of a clean commit counts."""

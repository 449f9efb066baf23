"""The tables of a registry: what the other modules of ``store`` select from and insert into.

Every table is insert-only and guarded by triggers (:mod:`promptops.store.schema.guards`) except a few: ``head``, the
revision each app is at on each channel and the row that writers lock; ``audit_head``, the same for the audit log;
``outbox``, whose rows go when they are in git; ``drained``, how far git is; ``client``, each running client's last
heartbeat; ``delivery``, how far each receiver of notifications is; ``idempotency``, whose rows are thrown away after a
while; and those of ``outcome_tables``, which hold measurements. Indexes are what keeps a rollback as fast at
10,000 releases as at 10. A change here needs a migration; ``alembic check`` compares the two.

They are plain tables, not classes of an ORM: every command declares all of them when it starts, and declaring classes
took longer than a whole ``status`` of a small registry.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, LargeBinary, Table, UniqueConstraint

from promptops.store.schema.access_tables import client as client
from promptops.store.schema.access_tables import token as token
from promptops.store.schema.access_tables import token_revocation as token_revocation
from promptops.store.schema.access_tables import token_secret as token_secret
from promptops.store.schema.approval_tables import approval as approval
from promptops.store.schema.approval_tables import waiver as waiver
from promptops.store.schema.canary_tables import canary_decision as canary_decision
from promptops.store.schema.canary_tables import rollout as rollout
from promptops.store.schema.canary_tables import rollout_state as rollout_state
from promptops.store.schema.canary_tables import rollout_unit as rollout_unit
from promptops.store.schema.columns import (
    CLUSTERED,
    STRICT,
    Flag,
    Moment,
    Number,
    TextTuple,
    Words,
    column,
)
from promptops.store.schema.columns import metadata as metadata
from promptops.store.schema.evidence_tables import evidence as evidence
from promptops.store.schema.evidence_tables import release_suites as release_suites
from promptops.store.schema.evidence_tables import run as run
from promptops.store.schema.evidence_tables import run_row as run_row
from promptops.store.schema.git_tables import drained as drained
from promptops.store.schema.git_tables import home as home
from promptops.store.schema.git_tables import outbox as outbox
from promptops.store.schema.git_tables import registry_key as registry_key
from promptops.store.schema.notify_tables import delivery as delivery
from promptops.store.schema.notify_tables import receiver as receiver
from promptops.store.schema.outcome_tables import bad_unit as bad_unit
from promptops.store.schema.outcome_tables import declaration as declaration
from promptops.store.schema.outcome_tables import erasure as erasure
from promptops.store.schema.outcome_tables import feedback as feedback
from promptops.store.schema.outcome_tables import kept_call as kept_call
from promptops.store.schema.outcome_tables import outcome as outcome
from promptops.store.schema.outcome_tables import outcome_client as outcome_client
from promptops.store.schema.outcome_tables import report_key as report_key
from promptops.store.schema.outcome_tables import sample_unit as sample_unit


def _of_release(digest: str = "digest") -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["app", digest], ["release.app", "release.digest"])


registry = Table(
    "registry",
    metadata,
    column("id", Number, primary_key=True),
    column("name", Words),
    column("lineage", Words),
    column("created_at", Moment),
    **STRICT,
)
"""The registry itself: one row. ``lineage`` distinguishes it from other registries of the same name."""

app = Table(
    "app",
    metadata,
    column("name", Words, primary_key=True),
    **CLUSTERED,
)
"""An app that was released at least once; its row is the lock of a release."""

release = Table(
    "release",
    metadata,
    column("id", Number, primary_key=True),
    column("app", Words, ForeignKey("app.name")),
    column("version", Words),
    column("digest", Words),
    column("bump", Words),
    column("changes", TextTuple),
    column("notes", Words),
    column("created_by", Words),
    column("created_at", Moment),
    column("content", LargeBinary),
    UniqueConstraint("app", "version"),
    UniqueConstraint("app", "digest"),
    Index(None, "digest"),
    **STRICT,
)
"""A release; ``content`` are the canonical bytes that were hashed, last so that lists need not read past them."""

provenance = Table(
    "provenance",
    metadata,
    column("id", Number, primary_key=True),
    column("app", Words),
    column("digest", Words),
    column("repository", Words),
    column("commit", Words),
    column("path", Words),
    column("author", Words),
    column("builder", Words),
    column("dirty", Flag),
    column("actor", Words),
    column("at", Moment),
    column("root", Words),
    column("authors", TextTuple),
    _of_release(),
    Index(None, "app", "digest"),
    **STRICT,
)
"""Where a release came from; one that was cut twice has two."""

transfer = Table(
    "transfer",
    metadata,
    column("app", Words, ForeignKey("app.name"), primary_key=True),
    column("number", Number, primary_key=True),
    column("repository", Words),
    column("path", Words),
    column("root", Words),
    column("reason", Words),
    column("actor", Words),
    column("at", Moment),
    **CLUSTERED,
)
"""An app belongs to another repository or path from then on; the newest counts."""

archival = Table(
    "archival",
    metadata,
    column("app", Words, ForeignKey("app.name"), primary_key=True),
    column("number", Number, primary_key=True, autoincrement=False),
    column("archived", Flag),
    column("successor", Words),
    column("reason", Words),
    column("actor", Words),
    column("at", Moment),
    **CLUSTERED,
)
"""An app is archived or comes back; the newest counts. Its successor is the app that it was renamed to, or empty."""

profile = Table(
    "profile",
    metadata,
    column("id", Number, primary_key=True),
    column("app", Words, ForeignKey("app.name")),
    column("title", Words),
    column("description", Words),
    column("owner", Words),
    column("on_call", Words),
    column("runbook", Words),
    column("actor", Words),
    column("at", Moment),
    Index(None, "app", "id"),
    **STRICT,
)
"""A version of an app's profile; the newest counts."""

channel_policy = Table(
    "channel_policy",
    metadata,
    column("channel", Words, primary_key=True),
    column("version", Number, primary_key=True),
    column("promote_from", TextTuple),
    column("allow_dirty", Flag),
    column("protected", Flag),
    column("actor", Words),
    column("at", Moment),
    column("repository", Words),
    column("path", Words),
    column("root", Words),
    column("reason", Words),
    column("gate", Words),
    column("rollout", Words),
    **CLUSTERED,
)
"""A version of a channel's policy; the newest counts, and the first one makes the channel.

Where the workspace that declared it is not known, its repository, path and root are empty.
"""

channel_removal = Table(
    "channel_removal",
    metadata,
    column("channel", Words, primary_key=True),
    column("version", Number, primary_key=True, autoincrement=False),
    column("reason", Words),
    column("actor", Words),
    column("at", Moment),
    **CLUSTERED,
)
"""A channel was removed at this version of its policy; the next version makes it anew."""

head = Table(
    "head",
    metadata,
    column("app", Words, ForeignKey("app.name"), primary_key=True),
    column("channel", Words, primary_key=True),
    column("revision", Number),
    Index(None, "channel", "app"),
    **CLUSTERED,
)
"""The revision an app is at on a channel, 0 before the first; mutable, and the lock of every change there."""

deployment = Table(
    "deployment",
    metadata,
    column("app", Words, primary_key=True),
    column("channel", Words, primary_key=True),
    column("revision", Number, primary_key=True),
    column("kind", Words),
    column("version", Words, nullable=True),
    column("digest", Words, nullable=True),
    column("before_version", Words, nullable=True),
    column("before_digest", Words, nullable=True),
    column("restores", Number, nullable=True),
    column("actor", Words),
    column("reason", Words),
    column("at", Moment),
    column("canary_version", Words, nullable=True),
    column("canary_digest", Words, nullable=True),
    column("canary_weight", Number, nullable=True),
    column("canary_rollout", Words, nullable=True),
    column("canary_salt", Words, nullable=True),
    column("canary_step", Number, nullable=True),
    column("canary_action", Words, nullable=True),
    _of_release(),
    _of_release("canary_digest"),
    Index(None, "app", "channel", "digest", "revision"),
    **CLUSTERED,
)
"""One entry in the log of an app on a channel. The primary key is the compare-and-swap.

Without ``version`` and ``digest`` the app is off; without the columns of a canary it has no canary.
"""

quarantine = Table(
    "quarantine",
    metadata,
    column("id", Number, primary_key=True),
    column("app", Words),
    column("channel", Words),
    column("version", Words),
    column("digest", Words),
    column("lifted", Flag),
    column("reason", Words),
    column("actor", Words),
    column("at", Moment),
    _of_release(),
    Index(None, "app", "channel", "digest", "id"),
    **STRICT,
)
"""A release was put in quarantine on a channel, or let out (``lifted``); the newest row of the three counts."""

yank = Table(
    "yank",
    metadata,
    column("app", Words, primary_key=True),
    column("digest", Words, primary_key=True),
    column("reason", Words),
    column("actor", Words),
    column("at", Moment),
    _of_release(),
    **CLUSTERED,
)
"""A release that must never be served again."""

idempotency = Table(
    "idempotency",
    metadata,
    column("token", Words, primary_key=True),
    column("key", Words, primary_key=True),
    column("request", Words),
    column("at", Moment),
    column("body", LargeBinary),
    **CLUSTERED,
)
"""The answer to the request that carried ``key`` with the token of this id; empty without one."""

audit = Table(
    "audit",
    metadata,
    column("seq", Number, primary_key=True, autoincrement=False),
    column("at", Moment),
    column("actor", Words),
    column("action", Words),
    column("app", Words),
    column("channel", Words),
    column("before", Words),
    column("after", Words),
    column("reason", Words),
    column("key", Words),
    column("previous", Words),
    column("hash", Words),
    column("record", Words),
    Index(None, "channel", "seq"),
    **STRICT,
)
"""One line of the audit log, chained to the one before by ``previous``."""

audit_head = Table(
    "audit_head",
    metadata,
    column("id", Number, primary_key=True),
    column("seq", Number),
    column("hash", Words),
    **STRICT,
)
"""The newest line of the audit log: one mutable row, locked last by every change."""

journal = Table(
    "journal",
    metadata,
    column("seq", Number, ForeignKey("audit.seq"), primary_key=True),
    column("ref", Words),
    UniqueConstraint("ref"),
    **STRICT,
)
"""The name of the fact that a line of the audit log is about."""

binding = Table(
    "binding",
    metadata,
    column("seq", Number, ForeignKey("audit.seq"), primary_key=True),
    column("record", Words),
    column("secret", Words),
    **STRICT,
)
"""The digest of the fact of a line that has none itself, and of a token's the commitment to its secret."""

epoch = Table(
    "epoch",
    metadata,
    column("epoch", Number, primary_key=True, autoincrement=False),
    column("at", Moment),
    column("actor", Words),
    column("reason", Words),
    column("leaves", Words),
    **STRICT,
)
"""The registry came back from a backup or from git. Before the first of these rows the epoch is 1."""

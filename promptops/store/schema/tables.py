"""The tables of a registry, one class each: what the other modules of ``store`` select from and insert into.

Every table is insert-only and guarded by triggers (:mod:`promptops.store.schema.guards`) except five: ``head``, the
revision each app is at on each channel and the row that writers lock; ``audit_head``, the same for the audit log;
``outbox``, whose rows go when they are in git; ``client``, each running client's last heartbeat; and ``idempotency``,
whose rows may be thrown away some day. Indexes are what keeps a rollback as fast at 10,000 releases as at 10. A change
here needs a migration; ``alembic check`` compares the two.

Annotations are real objects, not text: resolving text costs each start of the program some milliseconds.
"""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, Table, UniqueConstraint
from sqlmodel import Field

from promptops.store.schema import access_tables
from promptops.store.schema.columns import CLUSTERED, STRICT, Flag, Moment, Number, Row, TextTuple, Words


def _of_release() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["app", "digest"], ["release.app", "release.digest"])


class RegistryRow(Row, table=True):
    """The registry itself: one row. ``lineage`` tells it from every other registry of the same name."""

    __tablename__ = "registry"
    __table_args__ = (STRICT,)
    id: int = Field(sa_type=Number, primary_key=True)
    name: str = Field(sa_type=Words)
    lineage: str = Field(sa_type=Words)
    created_at: datetime = Field(sa_type=Moment)


class AppRow(Row, table=True):
    """An app that was released at least once; its row is the lock of a release."""

    __tablename__ = "app"
    __table_args__ = (CLUSTERED,)
    name: str = Field(sa_type=Words, primary_key=True)


class ReleaseRow(Row, table=True):
    """A release; ``content`` are the canonical bytes that were hashed, last so that lists need not read past them."""

    __tablename__ = "release"
    __table_args__ = (
        UniqueConstraint("app", "version"),
        UniqueConstraint("app", "digest"),
        Index(None, "digest"),
        STRICT,
    )
    id: int = Field(sa_type=Number, primary_key=True)
    app: str = Field(sa_type=Words, foreign_key="app.name")
    version: str = Field(sa_type=Words)
    digest: str = Field(sa_type=Words)
    bump: str = Field(sa_type=Words)
    changes: tuple[str, ...] = Field(sa_type=TextTuple)
    notes: str = Field(sa_type=Words)
    created_by: str = Field(sa_type=Words)
    created_at: datetime = Field(sa_type=Moment)
    content: bytes = Field(sa_type=LargeBinary)


class ProvenanceRow(Row, table=True):
    """Where a release came from; one that was cut twice has two."""

    __tablename__ = "provenance"
    __table_args__ = (_of_release(), Index(None, "app", "digest"), STRICT)
    id: int = Field(sa_type=Number, primary_key=True)
    app: str = Field(sa_type=Words)
    digest: str = Field(sa_type=Words)
    repository: str = Field(sa_type=Words)
    commit: str = Field(sa_type=Words)
    path: str = Field(sa_type=Words)
    author: str = Field(sa_type=Words)
    builder: str = Field(sa_type=Words)
    dirty: bool = Field(sa_type=Flag)
    actor: str = Field(sa_type=Words)
    at: datetime = Field(sa_type=Moment)


class ProfileRow(Row, table=True):
    """A version of an app's profile; the newest counts."""

    __tablename__ = "profile"
    __table_args__ = (Index(None, "app", "id"), STRICT)
    id: int = Field(sa_type=Number, primary_key=True)
    app: str = Field(sa_type=Words, foreign_key="app.name")
    title: str = Field(sa_type=Words)
    description: str = Field(sa_type=Words)
    owner: str = Field(sa_type=Words)
    on_call: str = Field(sa_type=Words)
    runbook: str = Field(sa_type=Words)
    actor: str = Field(sa_type=Words)
    at: datetime = Field(sa_type=Moment)


class ChannelPolicyRow(Row, table=True):
    """A version of a channel's policy; the newest counts, and the first one makes the channel."""

    __tablename__ = "channel_policy"
    __table_args__ = (CLUSTERED,)
    channel: str = Field(sa_type=Words, primary_key=True)
    version: int = Field(sa_type=Number, primary_key=True, sa_column_kwargs={"autoincrement": False})
    promote_from: tuple[str, ...] = Field(sa_type=TextTuple)
    allow_dirty: bool = Field(sa_type=Flag)
    protected: bool = Field(sa_type=Flag)
    actor: str = Field(sa_type=Words)
    at: datetime = Field(sa_type=Moment)


class HeadRow(Row, table=True):
    """The revision an app is at on a channel, 0 before the first; mutable, and the lock of every change there."""

    __tablename__ = "head"
    __table_args__ = (Index(None, "channel", "app"), CLUSTERED)
    app: str = Field(sa_type=Words, primary_key=True, foreign_key="app.name")
    channel: str = Field(sa_type=Words, primary_key=True)
    revision: int = Field(sa_type=Number)


class DeploymentRow(Row, table=True):
    """One entry in the log of an app on a channel. The primary key is the compare-and-swap."""

    __tablename__ = "deployment"
    __table_args__ = (_of_release(), Index(None, "app", "channel", "digest", "revision"), CLUSTERED)
    app: str = Field(sa_type=Words, primary_key=True)
    channel: str = Field(sa_type=Words, primary_key=True)
    revision: int = Field(sa_type=Number, primary_key=True, sa_column_kwargs={"autoincrement": False})
    kind: str = Field(sa_type=Words)
    version: str = Field(sa_type=Words)
    digest: str = Field(sa_type=Words)
    before_version: str | None = Field(sa_type=Words, nullable=True)
    before_digest: str | None = Field(sa_type=Words, nullable=True)
    restores: int | None = Field(sa_type=Number, nullable=True)
    actor: str = Field(sa_type=Words)
    reason: str = Field(sa_type=Words)
    at: datetime = Field(sa_type=Moment)


class QuarantineRow(Row, table=True):
    """A release was put in quarantine on a channel, or let out (``lifted``); the newest row of the three counts."""

    __tablename__ = "quarantine"
    __table_args__ = (_of_release(), Index(None, "app", "channel", "digest", "id"), STRICT)
    id: int = Field(sa_type=Number, primary_key=True)
    app: str = Field(sa_type=Words)
    channel: str = Field(sa_type=Words)
    version: str = Field(sa_type=Words)
    digest: str = Field(sa_type=Words)
    lifted: bool = Field(sa_type=Flag)
    reason: str = Field(sa_type=Words)
    actor: str = Field(sa_type=Words)
    at: datetime = Field(sa_type=Moment)


class YankRow(Row, table=True):
    """A release that must never be served again."""

    __tablename__ = "yank"
    __table_args__ = (_of_release(), CLUSTERED)
    app: str = Field(sa_type=Words, primary_key=True)
    digest: str = Field(sa_type=Words, primary_key=True)
    reason: str = Field(sa_type=Words)
    actor: str = Field(sa_type=Words)
    at: datetime = Field(sa_type=Moment)


class IdempotencyRow(Row, table=True):
    """The answer to the request that carried ``key`` with the token of this id; empty without one."""

    __tablename__ = "idempotency"
    __table_args__ = (CLUSTERED,)
    token: str = Field(sa_type=Words, primary_key=True)
    key: str = Field(sa_type=Words, primary_key=True)
    request: str = Field(sa_type=Words)
    at: datetime = Field(sa_type=Moment)
    body: bytes = Field(sa_type=LargeBinary)


class AuditRow(Row, table=True):
    """One line of the audit log, chained to the one before by ``previous``."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "channel", "seq"), STRICT)
    seq: int = Field(sa_type=Number, primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=Moment)
    actor: str = Field(sa_type=Words)
    action: str = Field(sa_type=Words)
    app: str = Field(sa_type=Words)
    channel: str = Field(sa_type=Words)
    before: str = Field(sa_type=Words)
    after: str = Field(sa_type=Words)
    reason: str = Field(sa_type=Words)
    key: str = Field(sa_type=Words)
    previous: str = Field(sa_type=Words)
    hash: str = Field(sa_type=Words)
    record: str = Field(sa_type=Words)


class AuditHeadRow(Row, table=True):
    """The newest line of the audit log: one mutable row, locked last by every change."""

    __tablename__ = "audit_head"
    __table_args__ = (STRICT,)
    id: int = Field(sa_type=Number, primary_key=True)
    seq: int = Field(sa_type=Number)
    hash: str = Field(sa_type=Words)


class JournalRow(Row, table=True):
    """The name, relative to ``refs/promptops/``, of the fact that a line of the audit log is about."""

    __tablename__ = "journal"
    __table_args__ = (UniqueConstraint("ref"), STRICT)
    seq: int = Field(
        sa_type=Number, primary_key=True, foreign_key="audit.seq", sa_column_kwargs={"autoincrement": False}
    )
    ref: str = Field(sa_type=Words)


class BindingRow(Row, table=True):
    """The digest of the fact of a line that has none itself, and of a token's the commitment to its secret."""

    __tablename__ = "binding"
    __table_args__ = (STRICT,)
    seq: int = Field(
        sa_type=Number, primary_key=True, foreign_key="audit.seq", sa_column_kwargs={"autoincrement": False}
    )
    record: str = Field(sa_type=Words)
    secret: str = Field(sa_type=Words)


class OutboxRow(Row, table=True):
    """A line of the journal that is not in git yet; deleted when it is."""

    __tablename__ = "outbox"
    __table_args__ = (STRICT,)
    seq: int = Field(
        sa_type=Number, primary_key=True, foreign_key="journal.seq", sa_column_kwargs={"autoincrement": False}
    )


class EpochRow(Row, table=True):
    """The registry came back from a backup or from git. Before the first of these rows the epoch is 1."""

    __tablename__ = "epoch"
    __table_args__ = (STRICT,)
    epoch: int = Field(sa_type=Number, primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=Moment)
    actor: str = Field(sa_type=Words)
    reason: str = Field(sa_type=Words)


metadata = Row.metadata
registry: Table = metadata.tables["registry"]
app: Table = metadata.tables["app"]
release: Table = metadata.tables["release"]
provenance: Table = metadata.tables["provenance"]
profile: Table = metadata.tables["profile"]
channel_policy: Table = metadata.tables["channel_policy"]
head: Table = metadata.tables["head"]
deployment: Table = metadata.tables["deployment"]
quarantine: Table = metadata.tables["quarantine"]
yank: Table = metadata.tables["yank"]
idempotency: Table = metadata.tables["idempotency"]
audit: Table = metadata.tables["audit"]
audit_head: Table = metadata.tables["audit_head"]
journal: Table = metadata.tables["journal"]
binding: Table = metadata.tables["binding"]
outbox: Table = metadata.tables["outbox"]
epoch: Table = metadata.tables["epoch"]
token: Table = access_tables.metadata.tables["token"]
token_secret: Table = access_tables.metadata.tables["token_secret"]
token_revocation: Table = access_tables.metadata.tables["token_revocation"]
client: Table = access_tables.metadata.tables["client"]

"""The first schema: releases, channels, deployments, quarantines, yanks, the audit log, and their guards.

The types are written out here and not taken from the code, which moves on: a migration stays what it was.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STRICT: dict[str, Any] = {"sqlite_strict": True}
_CLUSTERED: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}


def _words(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=nullable)


def _number(name: str, *, nullable: bool = False, counts: bool = False) -> sa.Column[Any]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, nullable=nullable, autoincrement=counts)


def _moment(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite"), nullable=False)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _of_app(table: str, column: str = "app") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["app.name"], name=f"fk_{table}_{column}")


def _of_release(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["app", "digest"], ["release.app", "release.digest"], name=f"fk_{table}_app_digest")


def upgrade() -> None:
    _create_registry()
    _create_releases()
    _create_channels()
    _create_deployments()
    _create_records()
    guards.install(op.get_bind())


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")


def _create_registry() -> None:
    op.create_table(
        "registry",
        _number("id", counts=True),
        _words("name"),
        _words("lineage"),
        _moment("created_at"),
        _key("registry", "id"),
        **_STRICT,
    )
    op.create_table("app", _words("name"), _key("app", "name"), **_CLUSTERED)


def _create_releases() -> None:
    op.create_table(
        "release",
        _number("id", counts=True),
        *map(_words, ("app", "version", "digest", "bump")),
        sa.Column("changes", sa.Text(), nullable=False),
        *map(_words, ("notes", "created_by")),
        _moment("created_at"),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        _key("release", "id"),
        sa.UniqueConstraint("app", "version", name="uq_release_app_version"),
        sa.UniqueConstraint("app", "digest", name="uq_release_app_digest"),
        _of_app("release"),
        **_STRICT,
    )
    op.create_table(
        "provenance",
        _number("id", counts=True),
        *map(_words, ("app", "digest", "repository", "commit", "path", "author", "builder")),
        _flag("dirty"),
        _words("actor"),
        _moment("at"),
        _key("provenance", "id"),
        _of_release("provenance"),
        **_STRICT,
    )
    op.create_index("ix_provenance_app_digest", "provenance", ["app", "digest"])
    op.create_table(
        "profile",
        _number("id", counts=True),
        *map(_words, ("app", "title", "description", "owner", "on_call", "runbook", "actor")),
        _moment("at"),
        _key("profile", "id"),
        _of_app("profile"),
        **_STRICT,
    )
    op.create_index("ix_profile_app_id", "profile", ["app", "id"])
    op.create_table(
        "yank",
        *map(_words, ("app", "digest", "reason", "actor")),
        _moment("at"),
        _key("yank", "app", "digest"),
        _of_release("yank"),
        **_CLUSTERED,
    )


def _create_channels() -> None:
    op.create_table(
        "channel_policy",
        _words("channel"),
        _number("version"),
        sa.Column("promote_from", sa.Text(), nullable=False),
        _flag("allow_dirty"),
        _flag("protected"),
        _words("actor"),
        _moment("at"),
        _key("channel_policy", "channel", "version"),
        **_CLUSTERED,
    )
    op.create_table(
        "head",
        _words("app"),
        _words("channel"),
        _number("revision"),
        _key("head", "app", "channel"),
        _of_app("head"),
        **_CLUSTERED,
    )
    op.create_index("ix_head_channel_app", "head", ["channel", "app"])


def _create_deployments() -> None:
    op.create_table(
        "deployment",
        _words("app"),
        _words("channel"),
        _number("revision"),
        *map(_words, ("kind", "version", "digest")),
        _words("before_version", nullable=True),
        _words("before_digest", nullable=True),
        _number("restores", nullable=True),
        *map(_words, ("actor", "reason")),
        _moment("at"),
        _key("deployment", "app", "channel", "revision"),
        _of_release("deployment"),
        **_CLUSTERED,
    )
    op.create_index("ix_deployment_app_channel_digest_revision", "deployment", ["app", "channel", "digest", "revision"])
    op.create_table(
        "quarantine",
        _number("id", counts=True),
        *map(_words, ("app", "channel", "version", "digest")),
        _flag("lifted"),
        *map(_words, ("reason", "actor")),
        _moment("at"),
        _key("quarantine", "id"),
        _of_release("quarantine"),
        **_STRICT,
    )
    op.create_index("ix_quarantine_app_channel_digest_id", "quarantine", ["app", "channel", "digest", "id"])


def _create_records() -> None:
    op.create_table(
        "idempotency",
        *map(_words, ("key", "request")),
        _moment("at"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        _key("idempotency", "key"),
        **_CLUSTERED,
    )
    op.create_table(
        "audit",
        _number("seq"),
        _moment("at"),
        *map(_words, ("actor", "action", "app", "channel", "before", "after", "reason", "key", "previous", "hash")),
        _key("audit", "seq"),
        **_STRICT,
    )
    op.create_table(
        "audit_head",
        _number("id", counts=True),
        _number("seq"),
        _words("hash"),
        _key("audit_head", "id"),
        **_STRICT,
    )

"""Tokens and what becomes of them, the clients that run, and indexes: the audit log by channel, releases by digest."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_CLUSTERED: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}


def _words(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=False)


def _number(name: str) -> sa.Column[Any]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, nullable=False, autoincrement=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    kind = sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite")
    return sa.Column(name, kind, nullable=nullable)


def upgrade() -> None:
    _create_tokens()
    _create_clients()
    op.create_index("ix_audit_channel_seq", "audit", ["channel", "seq"])
    op.create_index("ix_release_digest", "release", ["digest"])
    guards.install(op.get_bind())


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")


def _create_tokens() -> None:
    op.create_table(
        "token",
        *map(_words, ("id", "name")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("scopes", "channels", "apps")),
        *map(_words, ("prefix", "created_by")),
        _moment("created_at"),
        _moment("expires_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        **_CLUSTERED,
    )
    op.create_table(
        "token_secret",
        *map(_words, ("digest", "token")),
        sa.PrimaryKeyConstraint("digest", name="pk_token_secret"),
        sa.UniqueConstraint("token", name="uq_token_secret_token"),
        sa.ForeignKeyConstraint(["token"], ["token.id"], name="fk_token_secret_token"),
        **_CLUSTERED,
    )
    op.create_table(
        "token_revocation",
        *map(_words, ("token", "reason", "actor")),
        _moment("at"),
        sa.PrimaryKeyConstraint("token", name="pk_token_revocation"),
        sa.ForeignKeyConstraint(["token"], ["token.id"], name="fk_token_revocation_token"),
        **_CLUSTERED,
    )


def _create_clients() -> None:
    op.create_table(
        "client",
        *map(_words, ("id", "channel", "name", "sdk", "state", "lineage")),
        _number("epoch"),
        _words("revisions"),
        _moment("seen_at"),
        sa.PrimaryKeyConstraint("id", name="pk_client"),
        **_CLUSTERED,
    )

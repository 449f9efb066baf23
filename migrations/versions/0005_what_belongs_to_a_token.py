"""A heartbeat and an idempotency key belong to the token that they came with; what a client cannot load, and goodbyes.

Heartbeats are not carried over: their token is not known, and clients send a new one within half a minute. Keys are
carried over: each still finds the answer to exactly the request that it was used for, with any token.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None

_CLUSTERED: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}
_BEFORE = "*"
"""In place of the token of a key from before this: the id of no token."""


def _words(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=False)


def _moment(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite"), nullable=False)


def upgrade() -> None:
    op.drop_table("client")
    _create_clients()
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_keys()
    else:
        _widen_keys()


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")


def _create_clients() -> None:
    op.create_table(
        "client",
        *map(_words, ("token", "id", "channel", "name", "sdk", "state", "lineage")),
        sa.Column("epoch", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=False),
        *map(_words, ("revisions", "cannot_load")),
        sa.Column("leaving", sa.Boolean().with_variant(sa.Integer(), "sqlite"), nullable=False),
        _moment("seen_at"),
        sa.PrimaryKeyConstraint("token", "id", name="pk_client"),
        **_CLUSTERED,
    )
    op.create_index("ix_client_token_seen_at", "client", ["token", "seen_at"])


def _rebuild_keys() -> None:
    """SQLite cannot change a primary key."""
    op.rename_table("idempotency", "idempotency_before")
    op.create_table(
        "idempotency",
        *map(_words, ("token", "key", "request")),
        _moment("at"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("token", "key", name="pk_idempotency"),
        **_CLUSTERED,
    )
    op.execute(
        f"INSERT INTO idempotency (token, key, request, at, body)"  # noqa: S608 a constant of ours
        f" SELECT '{_BEFORE}', key, request, at, body FROM idempotency_before"
    )
    op.drop_table("idempotency_before")


def _widen_keys() -> None:
    op.execute(f"ALTER TABLE idempotency ADD COLUMN token TEXT COLLATE \"C\" NOT NULL DEFAULT '{_BEFORE}'")
    op.execute("ALTER TABLE idempotency ALTER COLUMN token DROP DEFAULT")
    op.drop_constraint("pk_idempotency", "idempotency", type_="primary")
    op.create_primary_key("pk_idempotency", "idempotency", ["token", "key"])

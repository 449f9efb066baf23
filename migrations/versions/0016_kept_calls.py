"""Calls that are kept by themselves."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def _words(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=False)


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "kept_call",
        *map(_words, ("call", "app", "channel")),
        sa.Column("minute", number, nullable=False, autoincrement=False),
        *map(_words, ("unit", "trace", "response", "about", "variables")),
        sa.PrimaryKeyConstraint("call", name="pk_kept_call"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_kept_call_app_channel_minute", "kept_call", ["app", "channel", "minute"])
    for column in ("minute", "unit", "trace", "response"):
        op.create_index(f"ix_kept_call_{column}", "kept_call", [column])
    guards.install(op.get_bind())


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")

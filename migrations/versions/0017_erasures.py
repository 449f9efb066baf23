"""What was captured of calls can be erased."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def _words(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=False)


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "erasure",
        sa.Column("number", number, nullable=False, autoincrement=False),
        *map(_words, ("app", "call")),
        sa.Column("units", sa.Text(), nullable=False),
        sa.Column("calls", number, nullable=False, autoincrement=False),
        *map(_words, ("reason", "actor")),
        sa.Column("at", sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_erasure"),
        sqlite_strict=True,
    )
    op.create_index("ix_erasure_at", "erasure", ["at"])
    guards.install(op.get_bind())


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")

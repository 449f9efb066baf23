"""The journal may be signed, with keys that the registry names."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def _words(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=False)


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "registry_key",
        sa.Column("number", number, nullable=False, autoincrement=False),
        _words("key"),
        sa.Column("required", sa.Boolean().with_variant(sa.Integer(), "sqlite"), nullable=False),
        *map(_words, ("endorsement", "actor", "reason")),
        sa.Column("at", sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_registry_key"),
        sqlite_strict=True,
    )
    guards.install(op.get_bind())


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")

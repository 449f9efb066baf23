"""The journal in git has a home, and the newest commit that is there is known."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_CLUSTERED: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}


def _words(name: str, *, default: str | None = None) -> sa.Column[Any]:
    kind = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
    return sa.Column(name, kind, nullable=False, server_default=default)


def _number(name: str) -> sa.Column[Any]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, nullable=False, autoincrement=False)


def upgrade() -> None:
    op.create_table(
        "drained",
        _words("algorithm"),
        _number("seq"),
        _words("commit"),
        sa.PrimaryKeyConstraint("algorithm", name="pk_drained"),
        **_CLUSTERED,
    )
    op.create_table(
        "home",
        _number("number"),
        *map(_words, ("address", "workspace", "hint", "ref", "actor", "reason")),
        sa.Column("at", sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_home"),
        sqlite_strict=True,
    )
    op.add_column("epoch", _words("leaves", default=""))
    guards.install(op.get_bind())


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")

"""Apps that are archived, perhaps for a successor, and channels that were removed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _words(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=False)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, _NUMBER, nullable=False, autoincrement=False)


def _at() -> sa.Column[Any]:
    return sa.Column("at", sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "archival",
        _words("app"),
        _number("number"),
        sa.Column("archived", sa.Boolean().with_variant(sa.Integer(), "sqlite"), nullable=False),
        *map(_words, ("successor", "reason", "actor")),
        _at(),
        sa.ForeignKeyConstraint(["app"], ["app.name"], name="fk_archival_app"),
        sa.PrimaryKeyConstraint("app", "number", name="pk_archival"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "channel_removal",
        _words("channel"),
        _number("version"),
        *map(_words, ("reason", "actor")),
        _at(),
        sa.PrimaryKeyConstraint("channel", "version", name="pk_channel_removal"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    guards.install(op.get_bind())


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")

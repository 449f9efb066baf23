"""Who receives notifications, and how far each receiver is."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def _words(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=False)


def _number(name: str) -> sa.Column[Any]:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, number, nullable=False, autoincrement=False)


def _at(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite"), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "receiver",
        _words("name"),
        _number("version"),
        *map(_words, ("settings", "repository", "path", "root", "actor", "reason")),
        _at("at"),
        sa.PrimaryKeyConstraint("name", "version", name="pk_receiver"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "delivery",
        _words("receiver"),
        _number("seq"),
        _words("holder"),
        _at("held_until"),
        _at("next_try"),
        _number("failures"),
        _at("failing_since", nullable=True),
        _words("error"),
        _at("sent_at", nullable=True),
        *map(_number, ("given_up", "tests", "tested")),
        _words("test_error"),
        sa.PrimaryKeyConstraint("receiver", name="pk_delivery"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    guards.install(op.get_bind())


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")

"""A policy may take releases in steps; what a canary began with, why a step was taken, and what its keys showed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _words(name: str, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=False, **more)


def _at() -> sa.Column[Any]:
    return sa.Column("at", sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite"), nullable=False)


def upgrade() -> None:
    op.add_column("channel_policy", _words("rollout", server_default=""))  # an older policy has none
    _facts()
    _measurements()
    guards.install(op.get_bind())


def _facts() -> None:
    op.create_table(
        "rollout",
        *map(_words, ("app", "channel", "rollout", "settings", "limits", "off", "keys")),
        sa.Column("keys_a_day", _NUMBER, nullable=False, autoincrement=False),
        sa.Column("blind", sa.Boolean().with_variant(sa.Integer(), "sqlite"), nullable=False),
        _words("actor"),
        _at(),
        sa.ForeignKeyConstraint(["app"], ["app.name"], name="fk_rollout_app"),
        sa.PrimaryKeyConstraint("app", "channel", "rollout", name="pk_rollout"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "canary_decision",
        *map(_words, ("app", "channel")),
        sa.Column("revision", _NUMBER, nullable=False, autoincrement=False),
        *map(_words, ("rollout", "verb", "cause", "guardrail", "shown", "numbers", "actor")),
        _at(),
        sa.ForeignKeyConstraint(["app"], ["app.name"], name="fk_canary_decision_app"),
        sa.PrimaryKeyConstraint("app", "channel", "revision", name="pk_canary_decision"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _measurements() -> None:
    op.create_table(
        "rollout_state",
        *map(_words, ("app", "channel", "rollout", "state")),
        _at(),
        sa.PrimaryKeyConstraint("app", "channel", "rollout", name="pk_rollout_state"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_rollout_state_at", "rollout_state", ["at"])
    op.create_table(
        "rollout_unit",
        *map(_words, ("app", "channel", "rollout", "unit", "counted")),
        sa.PrimaryKeyConstraint("app", "channel", "rollout", "unit", name="pk_rollout_unit"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")

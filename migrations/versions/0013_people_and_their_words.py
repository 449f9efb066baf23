"""A token may be a person's; a release knows its authors; a policy has a gate; people approve and waive."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _words(name: str, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=False, **more)


def _number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, nullable=nullable, autoincrement=False)


def _moment(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite"), nullable=False)


def upgrade() -> None:
    # With defaults: an older token is of no person, an older release names no authors, an older policy has no gate.
    op.add_column("token", _words("person", server_default=""))
    op.add_column("channel_policy", _words("gate", server_default=""))
    op.add_column("provenance", sa.Column("authors", sa.Text(), nullable=False, server_default="[]"))
    flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "approval",
        _number("number"),
        *map(_words, ("app", "channel", "digest", "version")),
        *map(_number, ("policy_version", "position")),
        *map(_words, ("subject", "person")),
        sa.Column("proven", flag, nullable=False),
        _words("token"),
        _number("withdraws", nullable=True),
        *map(_words, ("reason", "actor")),
        _moment("at"),
        sa.PrimaryKeyConstraint("number", name="pk_approval"),
        sa.ForeignKeyConstraint(["app", "digest"], ["release.app", "release.digest"], name="fk_approval_app_digest"),
        sqlite_strict=True,
    )
    op.create_table(
        "waiver",
        _number("number"),
        *map(_words, ("app", "channel", "digest", "version", "check")),
        _moment("expires_at"),
        *map(_words, ("person", "token", "reason", "actor")),
        _moment("at"),
        sa.PrimaryKeyConstraint("number", name="pk_waiver"),
        sa.ForeignKeyConstraint(["app", "digest"], ["release.app", "release.digest"], name="fk_waiver_app_digest"),
        sqlite_strict=True,
    )
    for table in ("approval", "waiver"):
        columns = ["app", "channel", "digest", "number"]
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
    guards.install(op.get_bind())


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")

"""Provenance has the first commit of its repository, and apps can be transferred to another repository."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_CLUSTERED: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}


def _words(name: str, **more: Any) -> sa.Column[Any]:
    kind = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
    return sa.Column(name, kind, nullable=False, **more)


def upgrade() -> None:
    # With a default: an older promptops that is still running meanwhile writes provenance without it.
    op.add_column("provenance", _words("root", server_default=""))
    op.create_table(
        "transfer",
        _words("app"),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=False),
        *map(_words, ("repository", "path", "root", "reason", "actor")),
        sa.Column("at", sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("app", "number", name="pk_transfer"),
        sa.ForeignKeyConstraint(["app"], ["app.name"], name="fk_transfer_app"),
        **_CLUSTERED,
    )
    guards.install(op.get_bind())


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")

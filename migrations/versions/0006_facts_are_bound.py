"""Lines of the audit log seal their whole fact; what older lines are about is bound by a new line."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_STRICT: dict[str, Any] = {"sqlite_strict": True}


def _words(name: str, *, default: str | None = None) -> sa.Column[Any]:
    kind = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
    return sa.Column(name, kind, nullable=False, server_default=default)


def upgrade() -> None:
    # With a default: an older promptops that is still running meanwhile writes lines without it, which are bound later.
    op.add_column("audit", _words("record", default=""))
    op.add_column("token", _words("commitment", default=""))
    op.create_table(
        "binding",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=False),
        _words("record"),
        _words("secret"),
        sa.PrimaryKeyConstraint("seq", name="pk_binding"),
        sa.ForeignKeyConstraint(["seq"], ["audit.seq"], name="fk_binding_seq"),
        **_STRICT,
    )
    guards.install(op.get_bind())


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")

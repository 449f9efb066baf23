"""A version of a policy names the workspace that declared it, and the reason."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With a default: of older versions of a policy the workspace is not known, and there was no reason.
    kind = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
    for name in ("repository", "path", "root", "reason"):
        op.add_column("channel_policy", sa.Column(name, kind, nullable=False, server_default=""))


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")

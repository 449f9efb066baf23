"""A heartbeat names the prompts that its client asks for, and the variables that it passes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With a default: an older promptops that is still running meanwhile writes heartbeats without it.
    kind = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
    op.add_column("client", sa.Column("asks", kind, nullable=False, server_default="null"))


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")

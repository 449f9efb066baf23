"""The migration that makes the table of stamps."""

from alembic import op

from promptops.store.schema import guards, tables
from promptops.store.schema.revisions import REVISIONS

revision = "toy"
down_revision = REVISIONS[-2]
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables.metadata.tables["stamp"].create(op.get_bind())
    guards.install(op.get_bind())

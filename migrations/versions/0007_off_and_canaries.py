"""A deployment may serve nothing, and may have a canary: the columns of the release become optional, the canary's come.

Rows keep what they say, and so do their records: where there is no canary, none of this is written anywhere.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_CLUSTERED: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}
_KEPT = "app, channel, revision, kind, version, digest, before_version, before_digest, restores, actor, reason, at"
_OF_CANARY = "fk_deployment_app_canary_digest"


def _words(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, nullable=nullable, autoincrement=False)


def _of_canary() -> list[sa.Column[Any]]:
    texts = ("canary_version", "canary_digest", "canary_rollout", "canary_salt", "canary_action")
    numbers = ("canary_weight", "canary_step")
    return [
        *(_words(name, nullable=True) for name in texts),
        *(_number(name, nullable=True) for name in numbers),
    ]


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _rebuild()
    else:
        _widen()
    guards.install(op.get_bind())


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")


def _widen() -> None:
    for name in ("version", "digest"):
        op.alter_column("deployment", name, nullable=True)
    for column in _of_canary():
        op.add_column("deployment", column)
    op.create_foreign_key(_OF_CANARY, "deployment", "release", ["app", "canary_digest"], ["app", "digest"])


def _rebuild() -> None:
    """SQLite cannot make a column optional. The guards of the old table go with it, and are put on the new one."""
    op.rename_table("deployment", "deployment_before")
    op.drop_index("ix_deployment_app_channel_digest_revision", "deployment_before")
    op.create_table(
        "deployment",
        *map(_words, ("app", "channel")),
        _number("revision"),
        _words("kind"),
        *(_words(name, nullable=True) for name in ("version", "digest", "before_version", "before_digest")),
        _number("restores", nullable=True),
        *map(_words, ("actor", "reason")),
        sa.Column("at", sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite"), nullable=False),
        *_of_canary(),
        sa.PrimaryKeyConstraint("app", "channel", "revision", name="pk_deployment"),
        sa.ForeignKeyConstraint(["app", "digest"], ["release.app", "release.digest"], name="fk_deployment_app_digest"),
        sa.ForeignKeyConstraint(["app", "canary_digest"], ["release.app", "release.digest"], name=_OF_CANARY),
        **_CLUSTERED,
    )
    op.execute(f"INSERT INTO deployment ({_KEPT}) SELECT {_KEPT} FROM deployment_before")  # noqa: S608 names of ours
    op.drop_table("deployment_before")
    op.create_index("ix_deployment_app_channel_digest_revision", "deployment", ["app", "channel", "digest", "revision"])

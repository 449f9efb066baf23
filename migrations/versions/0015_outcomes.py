"""What clients report of their calls, and the secret that they report with."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _words(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, _NUMBER, nullable=nullable, autoincrement=False)


def upgrade() -> None:
    op.create_table(
        "report_key",
        *map(_words, ("lineage", "secret")),
        sa.PrimaryKeyConstraint("lineage", name="pk_report_key"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    _declarations()
    _sums()
    _units()
    _once()
    guards.install(op.get_bind())


def _declarations() -> None:
    op.create_table(
        "declaration",
        _words("app"),
        _number("number"),
        *map(_words, ("settings", "actor")),
        sa.Column("at", sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["app"], ["app.name"], name="fk_declaration_app"),
        sa.PrimaryKeyConstraint("app", "number", name="pk_declaration"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _sums() -> None:
    op.create_table(
        "outcome",
        *map(_words, ("app", "channel")),
        *map(_number, ("span", "start")),
        _words("series"),
        *map(_number, ("epoch", "revision")),
        *map(_words, ("arm", "prompt", "model")),
        _number("tier", nullable=True),
        *map(_words, ("tags", "sums")),
        sa.PrimaryKeyConstraint("app", "channel", "span", "start", "series", name="pk_outcome"),
        sqlite_strict=True,
    )
    op.create_index("ix_outcome_span_start", "outcome", ["span", "start"])


def _units() -> None:
    op.create_table(
        "bad_unit",
        *map(_words, ("app", "channel")),
        *map(_number, ("epoch", "revision")),
        *map(_words, ("arm", "guardrail", "unit")),
        _number("bucket", nullable=True),
        _words("minutes"),
        _number("minute"),
        sa.PrimaryKeyConstraint("app", "channel", "epoch", "revision", "arm", "guardrail", "unit", name="pk_bad_unit"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_bad_unit_minute", "bad_unit", ["minute"])
    op.create_table(
        "sample_unit",
        *map(_words, ("app", "channel")),
        _number("day"),
        _words("unit"),
        *map(_number, ("epoch", "revision")),
        _words("arm"),
        _number("bucket", nullable=True),
        _number("minute"),
        *map(_words, ("could", "bad")),
        sa.PrimaryKeyConstraint("app", "channel", "day", "unit", "epoch", "revision", "arm", name="pk_sample_unit"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sample_unit_day", "sample_unit", ["day"])


def _once() -> None:
    op.create_table(
        "feedback",
        *map(_number, ("mark", "day")),
        sa.PrimaryKeyConstraint("mark", name="pk_feedback"),
        sqlite_strict=True,
    )
    op.create_index("ix_feedback_day", "feedback", ["day"])
    op.create_table(
        "outcome_client",
        *map(_words, ("token", "client", "channel")),
        _number("number"),
        _words("counted"),
        _number("day"),
        sa.PrimaryKeyConstraint("token", "client", "channel", name="pk_outcome_client"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_outcome_client_day", "outcome_client", ["day"])


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")

"""Runs, what they reported, evidence, and the suites of releases."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _words(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=nullable)


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=False)


def _at(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite"), nullable=nullable)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, _NUMBER, nullable=False, autoincrement=False)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _bytes(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def upgrade() -> None:
    _runs()
    _evidence()
    _release_suites()
    guards.install(op.get_bind())


def _runs() -> None:
    op.create_table(
        "run",
        *map(_words, ("id", "app", "arms", "suites", "source", "purpose")),
        _text("hosts"),
        _words("actor"),
        _at("at"),
        *map(_words, ("token", "token_name", "person", "plan_digest")),
        _bytes("plan"),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sqlite_strict=True,
    )
    op.create_index("ix_run_app_at", "run", ["app", "at"])
    op.create_table(
        "run_row",
        _words("run"),
        _number("place"),
        _words("arm"),
        _number("repeat"),
        *map(_words, ("outcome", "measured")),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_run_row_run"),
        sa.PrimaryKeyConstraint("run", "place", "arm", "repeat", name="pk_run_row"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _evidence() -> None:
    op.create_table(
        "evidence",
        *map(_words, ("id", "app", "digest", "source")),
        _words("run", nullable=True),
        _number("number"),
        _flag("complete"),
        _words("external"),
        _words("verdict", nullable=True),
        _at("expires_at", nullable=True),
        _words("suites"),
        *map(_text, ("tools", "hosts", "served_models")),
        *map(_words, ("prices", "counts", "note", "actor")),
        _at("at"),
        *map(_words, ("token", "token_name", "person", "table_digest")),
        _bytes("case_table"),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_evidence_run"),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
        sa.UniqueConstraint("run", "number", name="uq_evidence_run_number"),
        sqlite_strict=True,
    )
    op.create_index("ix_evidence_app_digest", "evidence", ["app", "digest"])


def _release_suites() -> None:
    op.create_table(
        "release_suites",
        _words("app"),
        _number("number"),
        *map(_words, ("digest", "suites", "commit")),
        _flag("dirty"),
        _words("actor"),
        _at("at"),
        sa.ForeignKeyConstraint(
            ["app", "digest"], ["release.app", "release.digest"], name="fk_release_suites_app_digest"
        ),
        sa.PrimaryKeyConstraint("app", "number", name="pk_release_suites"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_release_suites_app_digest_number", "release_suites", ["app", "digest", "number"])


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")

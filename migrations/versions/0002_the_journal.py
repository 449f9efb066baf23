"""The journal: each line of the audit log names the fact it is about; what is not in git yet; epochs.

What a registry holds already gets its names from the audit log, whose order gives the revisions. All of it then waits
to go to git.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from promptops.store.schema import guards

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STRICT: dict[str, Any] = {"sqlite_strict": True}
_PAGE = 1000


def _words(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=False)


def _number(name: str) -> sa.Column[Any]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, nullable=False, autoincrement=False)


def _moment(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.TIMESTAMP(timezone=True).with_variant(sa.Text(), "sqlite"), nullable=False)


def upgrade() -> None:
    _create_tables()
    _name_what_there_is(op.get_bind())
    guards.install(op.get_bind())


def downgrade() -> None:
    raise RuntimeError("a registry is not taken back to an older schema: restore a backup")


def _create_tables() -> None:
    op.create_table(
        "journal",
        _number("seq"),
        _words("ref"),
        sa.PrimaryKeyConstraint("seq", name="pk_journal"),
        sa.UniqueConstraint("ref", name="uq_journal_ref"),
        sa.ForeignKeyConstraint(["seq"], ["audit.seq"], name="fk_journal_seq"),
        **_STRICT,
    )
    op.create_table(
        "outbox",
        _number("seq"),
        sa.PrimaryKeyConstraint("seq", name="pk_outbox"),
        sa.ForeignKeyConstraint(["seq"], ["journal.seq"], name="fk_outbox_seq"),
        **_STRICT,
    )
    op.create_table(
        "epoch",
        _number("epoch"),
        _moment("at"),
        _words("actor"),
        _words("reason"),
        sa.PrimaryKeyConstraint("epoch", name="pk_epoch"),
        **_STRICT,
    )


def _name_what_there_is(connection: sa.Connection) -> None:
    add_name = sa.text("INSERT INTO journal (seq, ref) VALUES (:seq, :ref)")
    add_waiting = sa.text("INSERT INTO outbox (seq) VALUES (:seq)")
    revisions: Counter[tuple[str, str]] = Counter()
    for page in _audit(connection):
        named = [{"seq": row.seq, "ref": ref} for row in page if (ref := _ref(row, revisions))]
        if named:
            connection.execute(add_name, named)
            connection.execute(add_waiting, [{"seq": each["seq"]} for each in named])


def _audit(connection: sa.Connection) -> Iterator[Any]:
    query = sa.text("SELECT seq, action, app, channel, after FROM audit WHERE seq > :last ORDER BY seq LIMIT :page")
    last = 0
    while page := connection.execute(query, {"last": last, "page": _PAGE}).all():
        yield page
        last = page[-1].seq


def _ref(row: Any, revisions: Counter[tuple[str, str]]) -> str:
    """The name of the fact a line is about. A line that this schema never wrote has none, and fsck will say so."""
    version = row.after.partition(" ")[0]
    match row.action:
        case "init":
            return f"registry/{row.after.rpartition(' ')[2]}"
        case "release":
            return f"releases/{row.app}/{version}"
        case "confirm":
            return f"confirmations/{row.app}/{version}/{row.seq}"
        case "profile":
            return f"profiles/{row.app}/{row.seq}"
        case "yank":
            return f"yanks/{row.app}/{version}"
        case "policy":
            return f"policies/{row.channel}/{row.after.removeprefix('version ')}"
        case "promote" | "rollback":
            revisions[row.channel, row.app] += 1
            return f"channels/{row.channel}/{row.app}/{revisions[row.channel, row.app]}"
        case "quarantine" | "unquarantine":
            return f"quarantines/{row.channel}/{row.app}/{row.seq}"
    return ""

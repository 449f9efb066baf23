"""Who changes the audit log behind promptops' back is found, on both databases: one row a way to do it.

Each of them takes the guards away first, as the owner of a database can.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from promptops.core.audit import GENESIS, seal
from promptops.core.errors import Invalid
from promptops.core.model import AuditEntry
from promptops.operations.audit import Audited, verify
from promptops.source.git.repository import Repository
from promptops.store import Registry
from promptops.store.engine.database import locate
from tests.support.factory import go_back, go_live, make_channels, make_releases, make_workspace
from tests.support.journal import drain

Owner = Callable[[str], object]
_MOVED = 1000  # a number that no line has


@pytest.fixture
def filled(registry: Registry) -> Registry:
    """A registry with a dozen lines in its log."""
    make_channels(registry)
    for release in make_releases(registry):
        go_live(registry, f"bot@{release.version}")
    go_back(registry, "bot", reason="wrong refunds")
    return registry


@pytest.fixture
def owner(filled: Registry, registry_url: str) -> Iterator[Owner]:
    """Runs SQL as somebody who may do everything, with no guard and no foreign key in the way."""
    path = locate(registry_url).path
    if path is not None:
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                file.execute(f"DROP TRIGGER {name}")
            yield file.execute
    else:
        url = make_url(registry_url).set(drivername="postgresql").render_as_string(False)
        with psycopg.connect(url, autocommit=True) as server:
            for table in ("audit", "journal", "outbox"):
                server.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
            yield lambda statement: server.execute(statement.encode())


def log(registry: Registry) -> list[AuditEntry]:
    with registry.read() as reader:
        return list(reader.audit_trail())


def found(audited: Audited) -> list[tuple[str, int]]:
    return [(fault.tampering.value, fault.seq) for fault in audited.faults]


def set_head(owner: Owner, entry: AuditEntry) -> None:
    owner(f"UPDATE audit_head SET seq = {entry.seq}, hash = '{entry.hash}'")


def cut(owner: Owner, entries: list[AuditEntry], keep: int) -> None:
    """Cut the end off, and make the head row say so too."""
    for table in ("outbox", "journal", "audit"):
        owner(f"DELETE FROM {table} WHERE seq > {keep}")
    set_head(owner, entries[keep - 1])


def rewrite(owner: Owner, entries: list[AuditEntry]) -> None:
    """Give line 3 another actor, and seal everything from there anew, the head row included."""
    previous = GENESIS
    for entry in entries:
        actor = "Mallory <m@example.org>" if entry.seq == 3 else entry.actor
        changed = replace(entry, actor=actor, previous=previous)
        changed = replace(changed, hash=seal(changed))
        owner(
            f"UPDATE audit SET actor = '{changed.actor}', previous = '{changed.previous}', hash = '{changed.hash}' "
            f"WHERE seq = {changed.seq}"
        )
        previous = changed.hash
    set_head(owner, replace(entries[-1], hash=previous))


def test_an_untouched_log_is_whole(filled: Registry) -> None:
    entries = log(filled)
    audited = verify(filled, anchor=entries[2].hash.upper())
    assert audited == Audited(
        entries=len(entries), head=entries[-1].hash, faults=(), unread="there is no workspace here"
    )


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["UPDATE audit SET reason = 'all good' WHERE seq = 4"], [("edited", 4)]),
        (
            ["UPDATE audit SET actor = 'Eve' WHERE seq = 2", "UPDATE audit SET after = '' WHERE seq = 6"],
            [("edited", 2), ("edited", 6)],
        ),
        (["DELETE FROM audit WHERE seq = 4"], [("removed", 4)]),
        (["DELETE FROM audit WHERE seq IN (3, 4, 5)"], [("removed", 3)]),
        (["DELETE FROM audit WHERE seq = 1"], [("removed", 1)]),
        (["DELETE FROM audit WHERE seq > 7"], [("cut", 8)]),
        (["DELETE FROM audit"], [("cut", 1)]),
        (["UPDATE audit_head SET hash = 'no'"], [("rewritten", 0)]),
    ],
)
def test_a_change_in_the_database_is_found_where_it_is(
    filled: Registry, owner: Owner, statements: list[str], expected: list[tuple[str, int]]
) -> None:
    last = log(filled)[-1].seq
    for statement in statements:
        owner(statement)
    assert found(verify(filled)) == [(what, seq or last) for what, seq in expected]


def test_lines_that_changed_places_are_found(filled: Registry, owner: Owner) -> None:
    for old, new in ((4, _MOVED), (5, 4), (_MOVED, 5)):
        owner(f"UPDATE audit SET seq = {new} WHERE seq = {old}")
    assert {("reordered", 4), ("reordered", 5)} <= set(found(verify(filled)))


def test_an_end_that_was_cut_off_with_its_head_is_found_by_an_anchor(filled: Registry, owner: Owner) -> None:
    entries = log(filled)
    cut(owner, entries, keep=6)
    assert found(verify(filled)) == []  # the database alone agrees with itself
    assert found(verify(filled, anchor=entries[6].hash)) == [("rewritten", 0)]
    assert found(verify(filled, anchor=entries[5].hash)) == []


def test_a_log_that_was_rewritten_is_found_by_an_anchor(filled: Registry, owner: Owner) -> None:
    entries = log(filled)
    rewrite(owner, entries)
    assert found(verify(filled)) == []
    assert found(verify(filled, anchor=entries[-1].hash)) == [("rewritten", 0)]


@pytest.mark.parametrize("anchor", ["abc", "g" * 64, "0" * 63])
def test_an_anchor_is_a_hash(filled: Registry, anchor: str) -> None:
    with pytest.raises(Invalid, match="64 hex digits"):
        verify(filled, anchor=anchor)


# --- git as a witness ----------------------------------------------------------------------------


@pytest.fixture
def root(filled: Registry, tmp_path: Path) -> Path:
    """A workspace whose git has all of the registry's history."""
    root = make_workspace(tmp_path / "prompts")
    with closing(Repository.open(root)) as repository:
        drain(filled, repository)
    return root


def test_git_agrees_with_an_untouched_log(filled: Registry, root: Path) -> None:
    audited = verify(filled, root=root)
    assert (audited.faults, audited.unread) == ((), "")
    assert audited.anchors == audited.entries


def test_git_sees_an_end_that_was_cut_off_with_its_head(filled: Registry, root: Path, owner: Owner) -> None:
    entries = log(filled)
    cut(owner, entries, keep=len(entries) - 2)
    assert found(verify(filled, root=root)) == [("cut", len(entries) - 1), ("cut", len(entries))]


def test_git_sees_a_log_that_was_rewritten(filled: Registry, root: Path, owner: Owner) -> None:
    entries = log(filled)
    rewrite(owner, entries)
    assert found(verify(filled, root=root)) == [("rewritten", seq) for seq in range(3, len(entries) + 1)]


def test_git_that_has_nothing_or_is_none_is_said(filled: Registry, tmp_path: Path) -> None:
    assert "none of the registry's history" in verify(filled, root=make_workspace(tmp_path / "new")).unread
    (tmp_path / "plain").mkdir()
    assert "not in a git repository" in verify(filled, root=tmp_path / "plain").unread

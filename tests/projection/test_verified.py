"""A check begins behind what this machine has verified, if the registry and its git still have that."""

from __future__ import annotations

import itertools
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from promptops.operations.fsck import Extent, FsckReport, RegistryLocation, check
from promptops.source.git.repository import Repository
from promptops.source.vouched import read, update
from promptops.store import Registry
from promptops.store.checks.verified import rows_up_to
from promptops.store.schema.guards import GUARDED
from tests.projection.conftest import Tamper, codes, cut
from tests.support import factory
from tests.support.factory import NAME, git, minutes
from tests.support.journal import REF, commit_of, sync

FIRST, SECOND = minutes(600), minutes(700)


@pytest.fixture
def place(world: Registry, repository: Repository, registry_url: str, root: Path) -> RegistryLocation:
    """The world, all of it in git and verified once."""
    sync(world, root, at=minutes(500))
    place = RegistryLocation(url=registry_url, root=root, name=NAME)
    assert check(place, now=FIRST).extent == Extent(first=1, last=end(world))
    return place


def end(registry: Registry) -> int:
    with registry.read() as reader:
        return reader.audit_head()[0]


def again(place: RegistryLocation, *, everything: bool = False, repair: bool = False) -> FsckReport:
    return check(place, now=SECOND, everything=everything, repair=repair)


def test_only_what_is_new_is_read(place: RegistryLocation, registry: Registry, root: Path) -> None:
    known = end(registry)
    found = again(place)
    assert (found.faults, found.extent) == ((), Extent(first=known + 1, last=known, verified_at=FIRST))
    cut(registry, root, 40)
    factory.go_live(registry, "bot@0.1.4", now=minutes(610))
    pending = again(place)
    assert (codes(pending.faults), pending.exit_code) == ({"outbox-pending"}, 1)
    assert pending.extent == Extent(first=known + 1, last=known + 2, verified_at=FIRST)
    sync(registry, root)
    assert again(place).extent == Extent(first=known + 1, last=known + 2, verified_at=FIRST)
    assert again(place).extent == Extent(first=known + 3, last=known + 2, verified_at=FIRST)
    whole = again(place, everything=True)
    assert (whole.faults, whole.extent) == ((), Extent(first=1, last=known + 2))
    newest = again(place).extent
    assert newest is not None and newest.verified_at == SECOND


def test_rows_belong_to_lines(place: RegistryLocation, registry: Registry) -> None:
    """Rows of newer lines are taken off exactly: after each line, the tables have what they had then."""
    with registry.read() as reader:
        last, _ = reader.audit_head()
        whole = rows_up_to(reader, last)
        steps = [sum(rows_up_to(reader, seq).values()) for seq in range(last + 1)]
        bare = rows_up_to(reader, 0)
    assert set(whole) == set(GUARDED)
    assert whole["release"] == 4 and whole["audit"] == last
    assert all(before < after for before, after in itertools.pairwise(steps))
    assert {name for name, count in bare.items() if count} <= {"app", "token_secret"}  # of no line by themselves


@pytest.mark.parametrize(
    ("statements", "code"),
    [
        (["DELETE FROM yank"], "fact-missing"),
        (["DELETE FROM provenance WHERE id = 1"], "fact-missing"),
        (["DELETE FROM token_revocation"], "fact-missing"),
        (["DELETE FROM journal WHERE seq = 5", "DELETE FROM audit WHERE seq = 5"], "audit-broken"),
        (["DELETE FROM journal WHERE seq = 5"], "journal-incomplete"),
        (["UPDATE head SET revision = 1"], "head-moved"),
    ],
)
def test_a_row_before_that_is_gone_is_named(
    place: RegistryLocation, registry: Registry, tamper: Tamper, statements: list[str], code: str
) -> None:
    factory.go_live(registry, "bot@0.1.3", now=minutes(610))  # what is new does not hide it
    tamper(*statements)
    for _ in range(2):  # and a check that found damage is none that counts
        found = again(place)
        assert code in codes(found.faults) and found.exit_code == 2
    assert again(place, everything=True).exit_code == 2


def test_what_is_new_is_checked_in_every_way(
    place: RegistryLocation, registry: Registry, root: Path, tamper: Tamper
) -> None:
    version, known = cut(registry, root, 40), read(registry.lineage)
    sync(registry, root)
    git(root, "tag", "-d", f"bot/v{version}")
    blob = git(root, "rev-parse", f"{REF}:content.json")
    (root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    assert codes(again(place).faults) == {"tag-missing", "objects-missing"}
    update(registry.lineage, lambda _: known)
    tamper(
        "UPDATE release SET content = :data WHERE version = :version",
        "UPDATE provenance SET at = replace(at, '+00:00', 'Z') WHERE id = (SELECT max(id) FROM provenance)"
        if registry.path
        else "UPDATE provenance SET author = 'Eve' WHERE id = (SELECT max(id) FROM provenance)",
        "UPDATE audit SET reason = 'x' WHERE seq = :seq",
        data=b'{"app":"bot"}',
        version=version,
        seq=end(registry),
    )
    found = again(place)
    assert {"content-changed", "audit-broken", "audit-rewritten"} <= codes(found.faults)
    assert "fact-changed" in codes(found.faults) or not registry.path
    assert found.extent is not None and found.extent.first > 1


def test_what_was_verified_is_not_read_again(
    place: RegistryLocation, registry: Registry, root: Path, tamper: Tamper
) -> None:
    """The limits, as the manual says them: rows that are there, files in git and tags."""
    blob = git(root, "rev-parse", commit_of(root, "releases/bot/0.1.0") + ":content.json")
    (root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    git(root, "tag", "-d", "bot/v0.1.0")
    tamper("UPDATE quarantine SET reason = 'x'")
    assert again(place).faults == ()
    found = codes(again(place, everything=True).faults)
    assert {"objects-missing", "tag-missing", "fact-missing"} <= found
    assert again(place).faults != ()  # and so it is from then on


@pytest.mark.parametrize("fault", ["a tag that is missing", "a commit that is no line", "damage"])
def test_once_something_is_wrong_nothing_counts_as_verified(
    place: RegistryLocation, registry: Registry, root: Path, tamper: Tamper, fault: str
) -> None:
    factory.go_live(registry, "bot@0.1.3", now=minutes(610))
    sync(registry, root)
    if fault == "a tag that is missing":
        git(root, "tag", "-d", "bot/v0.1.0")
    elif fault == "damage":
        tamper("UPDATE audit SET reason = 'x' WHERE seq = 3")
    else:
        git(root, "update-ref", REF, git(root, "commit-tree", "HEAD^{tree}", "-p", REF, "-m", "mine"))
    for _ in range(2):
        assert check(place, now=SECOND).faults != ()
        assert read(registry.lineage).checked == ()
    assert read(registry.lineage).seq > 0  # what came before a rebuild, a machine may still vouch for


@pytest.mark.parametrize("other", ["place", "epoch", "version", "sha", "seq", "rows", "form"])
def test_what_does_not_fit_counts_for_nothing(place: RegistryLocation, registry: Registry, other: str) -> None:
    known = read(registry.lineage)
    (checked,) = known.checked
    changed = {
        "place": replace(checked, place="elsewhere"),
        "epoch": replace(checked, epoch=2),
        "version": replace(checked, version="0.1.0"),
        "sha": replace(checked, sha="0" * 40),
        "seq": replace(checked, seq=-1),
        "rows": replace(checked, rows={"audit": -1}),
        "form": replace(checked, sha="--all"),
    }
    update(registry.lineage, lambda _: replace(known, checked=(changed[other],)))
    found = again(place)
    assert (found.faults, found.extent) == ((), Extent(first=1, last=end(registry)))


def test_another_clone_is_checked_by_itself(place: RegistryLocation, registry: Registry, root: Path) -> None:
    """It has objects and tags of its own."""
    other = root.parent / "other"
    shutil.copytree(root, other)
    git(other, "tag", "-d", "bot/v0.1.0")
    found = again(replace(place, root=other))
    assert (codes(found.faults), found.extent) == ({"tag-missing"}, Extent(first=1, last=end(registry)))
    begun = again(place).extent
    assert begun is not None and begun.first > 1


def test_an_end_that_was_cut_off_is_named_although_git_was_shortened_too(
    place: RegistryLocation, registry: Registry, root: Path, tamper: Tamper
) -> None:
    with registry.read() as reader:
        last, before = reader.audit(limit=2)
    assert last.action == "home"
    tamper(
        "DELETE FROM journal WHERE seq = :seq",
        "DELETE FROM audit WHERE seq = :seq",
        "UPDATE audit_head SET seq = :before, hash = :hash",
        "DELETE FROM home",
        "DELETE FROM drained",
        seq=last.seq,
        before=before.seq,
        hash=before.hash,
    )
    git(root, "update-ref", REF, f"{REF}~1")
    assert check(place).faults == ()  # nothing in database and git shows it
    for everything in (False, True, False):
        (fault,) = again(place, everything=everything).faults
        assert fault.code == "registry-behind"
        assert (
            f"line {last.seq} of the audit log was verified here, and the registry ends at {before.seq}" in fault.what
        )
    (cache,) = Path(os.environ["XDG_CACHE_HOME"]).rglob("*.json")
    assert str(cache) in fault.repair
    cache.unlink()
    assert again(place).faults == ()


def test_a_verified_line_that_was_rewritten_is_named(
    place: RegistryLocation, registry: Registry, root: Path, tamper: Tamper
) -> None:
    tamper("UPDATE audit SET hash = :hash WHERE seq = :seq", hash="0" * 64, seq=end(registry))
    assert codes(again(place).faults) == {"audit-broken", "audit-rewritten"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_copy_of_the_database_is_another_one(place: RegistryLocation, tmp_path: Path) -> None:
    copy = shutil.copy(str(make_url(place.url).database), tmp_path / "copy.db")
    extent = again(replace(place, url=f"sqlite:///{copy}")).extent
    assert extent is not None and extent.first == 1


def test_a_journal_that_was_moved_back_is_read_whole(place: RegistryLocation, registry: Registry, root: Path) -> None:
    git(root, "update-ref", REF, f"{REF}~3")
    found = again(place)
    assert codes(found.faults) == {"journal-shortened"}
    assert found.extent == Extent(first=1, last=end(registry))


def test_a_repair_reads_everything(place: RegistryLocation, registry: Registry, root: Path) -> None:
    git(root, "tag", "-d", "bot/v0.1.0")
    found = again(place, repair=True)
    assert (found.faults, codes(found.repaired), found.extent) == (
        (),
        {"tag-missing"},
        Extent(first=1, last=end(registry)),
    )


def test_where_git_cannot_be_checked_the_database_is_read_whole(place: RegistryLocation, registry: Registry) -> None:
    alone = RegistryLocation(url=place.url)
    known = read(registry.lineage)
    assert again(alone).extent == Extent(first=1, last=end(registry))
    update(registry.lineage, lambda _: replace(known, checked=()))
    assert again(alone).faults == ()
    assert read(registry.lineage).checked == ()

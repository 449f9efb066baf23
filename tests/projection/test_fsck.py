"""Every damage has a name: in the database, in git, on a remote; and what can be written again is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from promptops.core.faults import Condition
from promptops.operations.fsck import FsckReport, RegistryLocation, check
from promptops.operations.git_sync import sync
from promptops.projection import drain
from promptops.source.git.repository import Repository
from promptops.store import Registry
from tests.projection.conftest import Tamper, codes
from tests.support import factory
from tests.support.factory import NAME, git


@pytest.fixture
def place(world: Registry, repository: Repository, registry_url: str, root: Path) -> RegistryLocation:
    """The world, all of it in git."""
    assert drain(world, repository).pending == 0
    return RegistryLocation(url=registry_url, root=root, name=NAME)


def named(report: FsckReport, code: str) -> list[str]:
    return [fault.where for fault in report.faults if fault.code == code]


def damage(report: FsckReport) -> set[str]:
    return {fault.code for fault in report.faults if fault.severity is Condition.DAMAGE}


def test_a_whole_registry_is_clean(place: RegistryLocation) -> None:
    assert check(place) == FsckReport(faults=())
    assert check(place, repair=True).exit_code == 0


def test_what_waits_for_git_is_pending_and_repaired(place: RegistryLocation, registry: Registry) -> None:
    factory.go_live(registry, "bot@0.1.3")
    found = check(place)
    assert (codes(found.faults), found.exit_code) == ({"outbox-pending"}, 1)
    mended = check(place, repair=True)
    assert (mended.faults, codes(mended.repaired), mended.exit_code) == ((), {"outbox-pending"}, 1)
    assert check(place).exit_code == 0


def test_without_a_workspace_only_the_database_is_checked(place: RegistryLocation) -> None:
    found = check(RegistryLocation(url=place.url))
    assert (found.faults, found.exit_code) == ((), 0)
    assert "no workspace" in found.notes[0]
    elsewhere = check(RegistryLocation(url=place.url, root=place.root, name="another"))
    assert "'another'" in elsewhere.notes[0]


def test_a_deleted_archive_is_named_and_made_again(place: RegistryLocation, root: Path) -> None:
    """Case 22."""
    before = git(root, "for-each-ref", "refs/promptops", "refs/tags")
    shutil.rmtree(root / ".git/refs/promptops")
    shutil.rmtree(root / ".git/refs/tags")
    (root / ".git/refs/tags").mkdir()
    git(root, "gc", "--quiet", "--prune=now")
    found = check(place)
    assert codes(found.faults) == {"ref-missing", "tag-missing"}
    assert found.exit_code == 1
    mended = check(place, repair=True)
    assert (mended.faults, mended.exit_code) == ((), 1)
    assert git(root, "for-each-ref", "refs/promptops", "refs/tags") == before


def test_objects_that_are_gone_behind_a_ref_are_written_again(place: RegistryLocation, root: Path) -> None:
    blob = git(root, "rev-parse", "refs/promptops/releases/bot/0.1.0:content.json")
    (root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    assert named(check(place), "ref-missing") == ["refs/promptops/releases/bot/0.1.0"]
    assert check(place, repair=True).faults == ()


def test_a_ref_that_was_moved_is_damage_and_stays(place: RegistryLocation, root: Path) -> None:
    other = git(root, "rev-parse", "refs/promptops/channels/prod/bot/1")
    git(root, "update-ref", "refs/promptops/channels/prod/bot/2", other)
    for found in (check(place), check(place, repair=True)):
        assert (named(found, "ref-differs"), found.exit_code) == (["refs/promptops/channels/prod/bot/2"], 2)
    assert git(root, "rev-parse", "refs/promptops/channels/prod/bot/2") == other


def test_a_strange_ref_is_named(place: RegistryLocation, root: Path) -> None:
    git(root, "update-ref", "refs/promptops/mine", "HEAD")
    assert named(check(place), "ref-foreign") == ["refs/promptops/mine"]


@pytest.mark.parametrize("how", ["moved", "other name", "lightweight", "other digest"])
def test_a_tag_that_is_not_what_its_name_says_is_damage(place: RegistryLocation, root: Path, how: str) -> None:
    """Case 39, and its relatives."""
    commit = git(root, "rev-parse", "bot/v0.1.1^{commit}")
    target = {
        "moved": ["tag", "-f", "bot/v0.1.1", "bot/v0.1.0^{commit}", "-m", "x"],
        "other name": ["update-ref", "refs/tags/bot/v0.1.1", git(root, "rev-parse", "bot/v0.1.0")],
        "lightweight": ["tag", "-f", "bot/v0.1.1", commit],
        "other digest": ["tag", "-f", "bot/v0.1.1", commit, "-m", f"bot 0.1.1\n\nDigest: sha256:{'0' * 64}"],
    }
    git(root, *target[how])
    found = check(place)
    assert (named(found, "tag-differs"), found.exit_code) == (["refs/tags/bot/v0.1.1"], 2)
    assert check(place, repair=True).exit_code == 2


def test_a_stale_lock_is_named_and_removed_when_no_git_of_ours_lives(
    place: RegistryLocation, root: Path, registry: Registry, repository: Repository
) -> None:
    """Case 20."""
    import os

    lock = root / ".git/refs/promptops/channels/prod/bot/6.lock"
    lock.touch()
    os.utime(lock, (1_000_000_000, 1_000_000_000))
    factory.go_live(registry, "bot@0.1.3")
    found = check(place)
    assert codes(found.faults) == {"outbox-pending", "lock-stale"}
    with repository.lock.shared():
        pass
    mended = check(place, repair=True)
    assert (mended.faults, lock.exists()) == ((), False)


# --- damage in the database ----------------------------------------------------------------------


def test_a_release_that_was_deleted_is_named_from_git(place: RegistryLocation, tamper: Tamper) -> None:
    """Case 34."""
    tamper("DELETE FROM provenance WHERE app = 'bot'", "DELETE FROM release WHERE version = '0.1.0'")
    found = check(place)
    assert "refs/promptops/releases/bot/0.1.0" in named(found, "fact-missing")
    assert found.exit_code == 2


def test_the_bytes_of_a_release_that_were_changed_are_named(place: RegistryLocation, tamper: Tamper) -> None:
    """Case 33."""
    tamper("UPDATE release SET content = :data WHERE version = '0.1.2'", data=b'{"app":"bot"}')
    found = check(place)
    assert "content-changed" in damage(found)
    assert check(place, repair=True).exit_code == 2


def test_guards_that_were_dropped_are_named_and_put_back(place: RegistryLocation, database: str) -> None:
    """Cases 31 and 32."""
    from sqlalchemy import create_engine, text

    engine = create_engine(place.url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        gone = {
            "sqlite": "DROP TRIGGER audit_no_update",
            "postgresql": 'ALTER TABLE "audit" DISABLE TRIGGER audit_no_change',
        }
        connection.execute(text(gone[database]))
    engine.dispose()
    found = check(place)
    assert (codes(found.faults), found.exit_code) == ({"guard-missing"}, 2)
    mended = check(place, repair=True)
    assert (mended.faults, codes(mended.repaired), mended.exit_code) == ((), {"guard-missing"}, 1)


@pytest.mark.parametrize(
    ("statements", "code"),
    [
        (["UPDATE audit SET actor = 'Eve' WHERE seq = 5"], "audit-rewritten"),
        (["DELETE FROM journal WHERE seq = 5", "DELETE FROM audit WHERE seq = 5"], "registry-behind"),
        (["UPDATE audit SET reason = 'x', hash = '0' WHERE seq = 9"], "audit-rewritten"),
    ],
)  # fmt: skip
def test_an_audit_log_that_was_tampered_with_is_named(
    place: RegistryLocation, tamper: Tamper, statements: list[str], code: str
) -> None:
    """Case 36."""
    tamper(*statements)
    found = check(place)
    assert {code, "audit-broken"} <= damage(found)
    assert found.exit_code == 2


def test_a_tail_that_was_cut_cleanly_is_known_from_git_alone(
    place: RegistryLocation, tamper: Tamper, registry: Registry
) -> None:
    """Case 36: head row and all. The database by itself looks whole."""
    with registry.read() as reader:
        last, previous = reader.audit(limit=2)
    assert last.action == "confirm"
    tamper(
        "DELETE FROM journal WHERE seq = :seq",
        "DELETE FROM audit WHERE seq = :seq",
        "UPDATE audit_head SET seq = :before, hash = :hash",
        "DELETE FROM provenance WHERE id = (SELECT max(id) FROM provenance)",
        seq=last.seq,
        before=previous.seq,
        hash=previous.hash,
    )
    assert check(RegistryLocation(url=place.url)).exit_code == 0
    found = check(place)
    assert named(found, "registry-behind") == [f"refs/promptops/confirmations/bot/0.1.3/{last.seq}"]
    assert found.exit_code == 2


def test_a_log_that_was_rewritten_as_a_whole_is_known_from_git(
    place: RegistryLocation, tamper: Tamper, registry: Registry
) -> None:
    """Case 36: every seal is right, and none is what it was."""
    from dataclasses import replace

    from promptops.core.audit import GENESIS, seal

    with registry.read() as reader:
        entries = list(reader.audit_trail())
    previous = GENESIS
    for entry in entries:
        changed = replace(entry, key="another", previous=previous)
        previous = seal(changed)
        tamper(
            "UPDATE audit SET key = 'another', previous = :previous, hash = :hash WHERE seq = :seq",
            previous=changed.previous,
            hash=previous,
            seq=entry.seq,
        )
    tamper("UPDATE audit_head SET hash = :hash", hash=previous)
    assert check(RegistryLocation(url=place.url)).exit_code == 0
    found = check(place)
    assert "audit-rewritten" in damage(found)
    assert len(found.faults) <= 25  # not one for each line there is


# --- remotes -------------------------------------------------------------------------------------


@pytest.fixture
def origin(place: RegistryLocation, registry: Registry, root: Path, tmp_path: Path) -> Path:
    """A remote that has everything."""
    there = tmp_path / "origin.git"
    git(tmp_path, "init", "--quiet", "--bare", str(there))
    git(root, "remote", "add", "origin", str(there))
    done = sync(registry, root, name=NAME, remote="origin")
    assert done.exchanged is not None
    assert (done.exchanged.refused, len(done.exchanged.pushed) > 20) == ({}, True)
    return there


def test_a_remote_that_has_the_same_is_clean(place: RegistryLocation, origin: Path) -> None:
    assert check(place, remote="origin").exit_code == 0


def test_a_tag_that_was_moved_or_deleted_on_the_remote_is_reported(place: RegistryLocation, origin: Path) -> None:
    """Case 38."""
    git(origin, "update-ref", "refs/tags/bot/v0.1.0", git(origin, "rev-parse", "bot/v0.1.2"))
    git(origin, "update-ref", "-d", "refs/tags/bot/v0.1.1")
    git(origin, "update-ref", "-d", "refs/promptops/policies/dev/1")
    found = check(place, remote="origin")
    assert named(found, "remote-differs") == ["refs/tags/bot/v0.1.0"]
    assert named(found, "remote-behind") == ["refs/promptops/policies/dev/1", "refs/tags/bot/v0.1.1"]
    mended = check(place, remote="origin", repair=True)
    assert (named(mended, "remote-differs"), mended.exit_code) == (["refs/tags/bot/v0.1.0"], 2)
    assert named(mended, "remote-behind") == []
    assert git(origin, "rev-parse", "bot/v0.1.0") == git(origin, "rev-parse", "bot/v0.1.2")  # nothing is moved


def test_what_others_brought_to_the_remote_is_ahead_and_comes_in(
    place: RegistryLocation, origin: Path, registry: Registry, root: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(origin), str(other))
    factory.write(other, {"promptops.yml": factory.WORKSPACE})
    factory.go_live(registry, "bot@0.1.3")
    done = sync(registry, other, name=NAME, remote="origin")
    assert done.exchanged is not None
    assert done.exchanged.pushed == ("refs/promptops/channels/prod/bot/6",)
    assert len(done.exchanged.fetched) > 20  # it had no ref before
    found = check(place, remote="origin")
    assert (codes(found.faults), found.exit_code) == ({"ref-missing", "remote-ahead"}, 1)
    back = sync(registry, root, name=NAME, remote="origin").exchanged
    assert back is not None
    assert back.fetched == ("refs/promptops/channels/prod/bot/6",)
    assert check(place, remote="origin").exit_code == 0


def test_two_hosts_that_push_different_things_under_one_name_alarm(
    place: RegistryLocation, origin: Path, registry: Registry, root: Path
) -> None:
    """Case 25."""
    factory.go_live(registry, "bot@0.1.3")
    git(origin, "update-ref", "refs/promptops/channels/prod/bot/6", git(origin, "rev-parse", "bot/v0.1.0^{commit}"))
    done = sync(registry, root, name=NAME, remote="origin").exchanged
    assert done is not None
    assert list(done.refused) == ["refs/promptops/channels/prod/bot/6"]
    assert named(check(place, remote="origin"), "remote-differs") == ["refs/promptops/channels/prod/bot/6"]


def test_a_remote_that_does_not_answer_is_pending(place: RegistryLocation, root: Path, tmp_path: Path) -> None:
    git(root, "remote", "add", "gone", str(tmp_path / "nowhere.git"))
    found = check(place, remote="gone")
    assert (codes(found.faults), found.exit_code) == ({"remote-silent"}, 1)


def test_another_registrys_repository_is_refused(place: RegistryLocation, root: Path) -> None:
    git(root, "update-ref", "refs/promptops/registry/another", "HEAD")
    found = check(place, repair=True)
    assert (codes(found.faults), found.exit_code) == ({"lineage-foreign"}, 2)

"""Every damage has a name: in the database, in git, on a remote; and what can be written again is."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from promptops.core.errors import RegistryMismatch
from promptops.core.faults import Condition
from promptops.operations.fsck import FsckReport, RegistryLocation, check
from promptops.operations.git_sync import Synced, sync
from promptops.operations.homes import Changed, Declared, change_home
from promptops.projection import Drained
from promptops.source.git.repository import Repository
from promptops.store import Registry, create
from tests.projection.conftest import Tamper, codes
from tests.support import factory
from tests.support.factory import ACTOR, NAME, git, minutes
from tests.support.journal import REF, commit_of

LATER = factory.minutes(500)


@pytest.fixture
def place(world: Registry, repository: Repository, registry_url: str, root: Path) -> RegistryLocation:
    """The world, all of it in git."""
    assert synced(world, root).drained.pending == 0
    return RegistryLocation(url=registry_url, root=root, name=NAME)


def synced(registry: Registry, root: Path, remote: str = "") -> Synced:
    return sync(registry, root, Declared(registry=NAME), Changed(actor=factory.ACTOR, at=LATER), remote=remote)


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
    before = git(root, "for-each-ref", "refs/heads/promptops", "refs/tags")
    git(root, "update-ref", "-d", REF)
    shutil.rmtree(root / ".git/refs/tags")
    (root / ".git/refs/tags").mkdir()
    git(root, "reflog", "expire", "--expire=now", "--all")
    git(root, "gc", "--quiet", "--prune=now")
    found = check(place)
    assert codes(found.faults) == {"journal-missing", "tag-missing"}
    assert found.exit_code == 1
    mended = check(place, repair=True)
    assert (mended.faults, mended.exit_code) == ((), 1)
    assert git(root, "for-each-ref", "refs/heads/promptops", "refs/tags") == before


def test_a_journal_that_was_shortened_is_named_and_made_again(place: RegistryLocation, root: Path) -> None:
    before = git(root, "rev-parse", REF)
    git(root, "update-ref", REF, f"{REF}~7")
    found = check(place)
    assert (codes(found.faults), found.exit_code) == ({"journal-shortened"}, 1)
    assert check(place, repair=True).faults == ()
    assert git(root, "rev-parse", REF) == before


@pytest.mark.parametrize("what", [":content.json", ":record.json", "^{tree}", ""])
def test_objects_that_are_gone_are_written_again(
    place: RegistryLocation, registry: Registry, root: Path, what: str
) -> None:
    blob = git(root, "rev-parse", commit_of(root, "releases/bot/0.1.0") + what)
    (root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    found = check(place)
    assert codes(found.faults) == {"objects-missing" if what else "git-unreadable"}
    assert check(place, repair=True).faults == ()


def test_a_commit_in_place_of_another_is_damage_and_stays(
    place: RegistryLocation, registry: Registry, root: Path
) -> None:
    """Somebody writes the whole chain anew, with one line in other words."""
    shas = git(root, "rev-list", "--first-parent", "--reverse", REF).splitlines()
    at, tip = shas.index(commit_of(root, "channels/prod/bot/2")), ""
    for place_, sha in enumerate(shas):
        words = "forged" if place_ == at else git(root, "log", "-1", "--format=%B", sha)
        tip = git(root, "commit-tree", f"{sha}^{{tree}}", *(["-p", tip] if tip else []), "-m", words)
    git(root, "update-ref", REF, tip)
    for found in (check(place), check(place, repair=True)):
        assert (damage(found), found.exit_code) == ({"line-differs"}, 2)
    assert git(root, "rev-parse", REF) == tip


def test_what_is_no_line_on_top_of_the_journal_is_named(place: RegistryLocation, root: Path) -> None:
    git(root, "update-ref", REF, git(root, "commit-tree", "HEAD^{tree}", "-p", REF, "-m", "mine"))
    assert damage(check(place)) == {"line-foreign"}


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

    lock = root / f".git/{REF}.lock"
    lock.touch()
    os.utime(lock, (1_000_000_000, 1_000_000_000))
    factory.go_live(registry, "bot@0.1.3")
    found = check(place)
    assert codes(found.faults) == {"outbox-pending", "lock-stale"}
    with repository.lock.shared():
        pass
    mended = check(place, repair=True)
    assert (mended.faults, lock.exists()) == ((), False)


def test_a_stale_lock_of_a_journal_with_a_ref_of_its_own_is_named_and_removed(
    place: RegistryLocation, root: Path, registry: Registry
) -> None:
    import os

    declared = Declared(registry=NAME, ref="refs/journal/main")
    change_home(registry, root, declared, Changed(actor=ACTOR, at=minutes(80)), reason="nobody sees it")
    lock = root / ".git/refs/journal/main.lock"
    other = root / ".git/refs/journal/other.lock"
    for each in (lock, other):
        each.touch()
        os.utime(each, (1_000_000_000, 1_000_000_000))
    assert codes(check(place).faults) == {"outbox-pending", "lock-stale"}
    assert (check(place, repair=True).faults, lock.exists(), other.exists()) == ((), False, True)


# --- damage in the database ----------------------------------------------------------------------


def test_a_release_that_was_deleted_is_named_from_git(place: RegistryLocation, tamper: Tamper) -> None:
    """Case 34."""
    tamper("DELETE FROM provenance WHERE app = 'bot'", "DELETE FROM release WHERE version = '0.1.0'")
    found = check(place)
    assert "releases/bot/0.1.0" in named(found, "fact-missing")
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
    assert last.action == "home"
    tamper(
        "DELETE FROM journal WHERE seq = :seq",
        "DELETE FROM audit WHERE seq = :seq",
        "UPDATE audit_head SET seq = :before, hash = :hash",
        "DELETE FROM home",
        seq=last.seq,
        before=previous.seq,
        hash=previous.hash,
    )
    assert check(RegistryLocation(url=place.url)).exit_code == 0
    found = check(place)
    assert named(found, "registry-behind") == ["homes/1"]
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
    done = synced(registry, root, "origin")
    assert done.exchanged is not None
    assert (done.exchanged.refused, done.exchanged.pushed) == (
        {},
        (REF, *(f"refs/tags/bot/v0.1.{n}" for n in range(4))),
    )
    return there


def test_a_remote_that_has_the_same_is_clean(place: RegistryLocation, origin: Path) -> None:
    assert check(place, remote="origin").exit_code == 0


def test_a_tag_that_was_moved_or_deleted_on_the_remote_is_reported(place: RegistryLocation, origin: Path) -> None:
    """Case 38."""
    git(origin, "update-ref", "refs/tags/bot/v0.1.0", git(origin, "rev-parse", "bot/v0.1.2"))
    git(origin, "update-ref", "-d", "refs/tags/bot/v0.1.1")
    git(origin, "update-ref", REF, f"{REF}~1")
    found = check(place, remote="origin")
    assert named(found, "remote-differs") == ["refs/tags/bot/v0.1.0"]
    assert named(found, "remote-behind") == [f"{REF} of origin", "refs/tags/bot/v0.1.1"]
    mended = check(place, remote="origin", repair=True)
    assert (named(mended, "remote-differs"), mended.exit_code) == (["refs/tags/bot/v0.1.0"], 2)
    assert named(mended, "remote-behind") == []
    assert git(origin, "rev-parse", "bot/v0.1.0") == git(origin, "rev-parse", "bot/v0.1.2")  # nothing is moved


def test_a_clone_brings_nothing_to_a_home_that_it_does_not_reach(
    place: RegistryLocation, origin: Path, registry: Registry, root: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(origin), str(other))
    factory.write(other, {"promptops.yml": factory.WORKSPACE})
    factory.go_live(registry, "bot@0.1.3")
    away = synced(registry, other, "origin").drained
    assert (away.done, away.pending, len(away.waiting)) == (0, 1, 1)
    assert "the home of the journal is another workspace" in away.waiting[0].why
    found = check(place)
    assert (codes(found.faults), found.exit_code) == ({"outbox-pending"}, 1)
    elsewhere = check(replace(place, root=other))
    assert (codes(elsewhere.faults), elsewhere.exit_code) == ({"outbox-pending"}, 1)
    assert "another workspace" in elsewhere.notes[0]
    back = synced(registry, root, "origin")
    assert (back.drained.done, back.exchanged and back.exchanged.pushed) == (1, (REF,))
    assert check(place, remote="origin").exit_code == 0


@pytest.mark.parametrize("forged", ["a commit without a record", "a line of its own"])
def test_what_a_remote_has_that_the_registry_does_not_know_stays_there_and_is_named(
    place: RegistryLocation, origin: Path, registry: Registry, root: Path, forged: str
) -> None:
    """Cases 25 and 31."""
    before = git(root, "rev-parse", REF)
    tree = "HEAD^{tree}" if forged == "a commit without a record" else f"{REF}~2^{{tree}}"
    junk = git(root, "commit-tree", tree, "-p", REF, "-m", "mine")
    git(root, "push", "--quiet", "origin", f"{junk}:{REF}")
    done = synced(registry, root, "origin")
    assert (done.drained.alarms, done.exchanged and list(done.exchanged.refused)) == ((), [REF])
    codes_there = codes(check(place, remote="origin").faults)
    assert codes_there == {"line-foreign" if tree.startswith("HEAD") else "registry-behind"}
    factory.go_live(registry, "bot@0.1.3")
    done = synced(registry, root, "origin")
    assert (done.drained.done, done.exchanged and list(done.exchanged.refused)) == (1, [REF])
    assert git(root, "rev-parse", f"{REF}~1") == before
    assert codes(check(place, remote="origin").faults) == {"journal-diverged"}


def test_a_home_elsewhere_gets_changes_from_every_clone_that_reaches_it(
    place: RegistryLocation, origin: Path, registry: Registry, root: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(origin), str(other))
    moved = Declared(registry=NAME, git=str(origin))
    before, home = change_home(registry, root, moved, Changed(actor=factory.ACTOR, at=LATER), reason="for CI")
    assert (before is not None and before.workspace != "", home.address) == (True, str(origin))
    for number, clone in enumerate((other, root, other), 1):
        factory.write(clone, {"promptops.yml": factory.WORKSPACE})
        factory.go_live(registry, "bot@0.1.3" if number % 2 else "bot@0.1.0")
        assert synced(registry, clone).drained == Drained(done=2 if number == 1 else 1)
        assert check(replace(place, root=clone)).faults == ()
    assert git(root, "rev-list", "--count", REF) != git(origin, "rev-list", "--count", REF)
    git(origin, "update-ref", REF, f"{REF}~1")
    assert codes(check(place).faults) == {"journal-shortened"}
    assert check(place, repair=True).faults == ()


def test_a_remote_that_does_not_answer_is_pending(place: RegistryLocation, root: Path, tmp_path: Path) -> None:
    git(root, "remote", "add", "gone", str(tmp_path / "nowhere.git"))
    found = check(place, remote="gone")
    assert (codes(found.faults), found.exit_code) == ({"remote-silent"}, 1)


def test_another_registrys_history_is_named(
    place: RegistryLocation, registry: Registry, root: Path, empty_url: str
) -> None:
    git(root, "update-ref", "refs/promptops/registry/another", "HEAD")
    found = check(place, repair=True)
    assert (codes(found.faults), found.exit_code) == ({"lineage-foreign"}, 2)
    git(root, "update-ref", "-d", "refs/promptops/registry/another")
    create(empty_url, name=NAME, now=factory.START, actor=factory.ACTOR)
    with closing(Registry.open(empty_url)) as other, pytest.raises(RegistryMismatch, match="another registry"):
        synced(other, root)

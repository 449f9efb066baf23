"""A signed journal: a process that has the key signs every line, one that has not writes none, and a line without the
right signature never counts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.errors import GitUnavailable, Invalid
from promptops.core.signing import PrivateKey
from promptops.operations.fsck import FsckReport, RegistryLocation, check
from promptops.operations.homes import Changed, Declared, change_home
from promptops.operations.journal_key import journal_key
from promptops.projection import draining, fsck
from promptops.projection.homes import Here
from promptops.projection.keyring import Locked, signer
from promptops.projection.objects import link
from promptops.projection.signatures import Sign
from promptops.source import vouched
from promptops.source.git.pack import Algorithm
from promptops.source.git.repository import Repository
from promptops.store import Registry
from tests.projection.conftest import codes
from tests.support import factory
from tests.support.factory import ACTOR, NAME, git, minutes
from tests.support.journal import REF, commits, drain, names, set_key, sync, unlocked, unsigned
from tests.support.signing import signing_key

each_algorithm = pytest.mark.parametrize("algorithm", list(Algorithm))
sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def folder(tmp_path: Path, algorithm: Algorithm) -> Path:
    """An empty repository with this hash function."""
    git(tmp_path, "init", "--quiet", f"--object-format={algorithm}", "signed")
    return tmp_path / "signed"


def fscked(registry_url: str, root: Path, **more: object) -> FsckReport:
    return check(RegistryLocation(url=registry_url, root=root, name=NAME), **more)  # type: ignore[arg-type]


@each_algorithm
def test_every_line_is_signed_and_two_processes_write_the_same(
    world: Registry, tmp_path: Path, algorithm: Algorithm, folder: Path
) -> None:
    set_key(world)
    git(tmp_path, "init", "--quiet", f"--object-format={algorithm}", "second")
    for place in (folder, tmp_path / "second"):
        with closing(Repository.open(place)) as repository:
            brought = draining.bring(world, repository, Here(repository, REF), new=True, unlock=unlocked())
        assert (brought.alarms, brought.locked) == ([], "")
    assert commits(folder) == commits(tmp_path / "second")
    assert (unsigned(folder), names(folder)[-1]) == ([], "registry-keys/1")


@pytest.mark.parametrize(
    ("unlock", "why"),
    [(lambda: None, "is not set here"), (unlocked(7), "is another one")],
)
def test_a_process_without_the_key_leaves_the_outbox_alone(
    world: Registry, root: Path, unlock: Callable[[], PrivateKey | None], why: str
) -> None:
    sync(world, root)
    before = commits(root)
    set_key(world)
    factory.go_live(world, "bot@0.1.3", now=minutes(61))
    synced = sync(world, root, unlock=unlock)
    assert (synced.drained.done, synced.drained.pending, commits(root)) == (0, 2, before)
    assert why in synced.drained.waiting[0].why
    assert sync(world, root, unlock=unlocked()).drained.done == 2
    assert unsigned(root) == names(root)[:-2]
    assert sync(world, root, unlock=unlock).drained.waiting == ()


def test_a_key_that_cannot_be_read_is_a_reason_to_wait() -> None:
    def broken() -> PrivateKey | None:
        raise Invalid("the file cannot be read", hint="Look at it.")

    with pytest.raises(Locked, match=r"is signed with SHA256:\S+, and the file cannot be read: Look at it\."):
        signer(signing_key().public, broken)


@sqlite
def test_a_first_key_that_is_set_meanwhile_stops_a_process_that_does_not_have_it(world: Registry, root: Path) -> None:
    class Late(Here):
        """Its chain is asked for just before another process sets the first key."""

        def tip(self) -> str:
            if not journal_key(world).key:
                set_key(world)
            return self.repository.refs.tip(self.ref)

    with closing(Repository.open(root)) as repository:
        brought = draining.bring(world, repository, Late(repository, REF))
    assert "is not set here" in brought.locked
    assert git(root, "for-each-ref", REF) == ""


@sqlite
def test_keys_follow_each_other_and_signing_ends_and_begins_again(
    world: Registry, root: Path, registry_url: str
) -> None:
    sync(world, root)
    count = len(commits(root))
    for step, (number, off) in enumerate([(0, False), (7, False), (7, True), (8, False)]):
        set_key(world, number, off=off)
        factory.make_token(world, f"t{step}", now=minutes(62))
        assert sync(world, root, unlock=unlocked(number)).drained.done == 2
        assert fscked(registry_url, root).faults == ()
    assert unsigned(root) == [*names(root)[:count], *names(root)[count + 4 : count + 6]]


@sqlite
def test_lines_from_before_the_end_of_signing_may_wait_until_after_it(
    world: Registry, root: Path, registry_url: str
) -> None:
    set_key(world)
    set_key(world, off=True)
    assert sync(world, root).drained.pending == 0
    assert (fscked(registry_url, root).faults, unsigned(root)) == ((), names(root))


# --- what is forged --------------------------------------------------------------------------------


def _wrong_namespace(data: bytes) -> str:
    return signing_key().sign(data, "file")


def _other_bytes(data: bytes) -> str:
    return signing_key().sign(data + b"\n", "git")


def _strange_lines(data: bytes) -> str:
    first, *rest, last = signing_key().sign(data, "git").split("\n")
    return "\n".join([first, "".join(rest), last])


FORGED: dict[str, tuple[Sign | None, str]] = {
    "no signature": (None, "signature-missing"),
    "another key": (lambda data: signing_key(7).sign(data, "git"), "signature-wrong"),
    "another purpose": (_wrong_namespace, "signature-wrong"),
    "other bytes": (_other_bytes, "signature-wrong"),
    "other lines": (_strange_lines, "signature-wrong"),
    "no base64": (lambda data: "-----BEGIN SSH SIGNATURE-----\n*\n-----END SSH SIGNATURE-----", "signature-wrong"),
    "another kind": (lambda data: "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----", "signature-wrong"),
}


@each_algorithm
@sqlite
@pytest.mark.parametrize("what", FORGED)
def test_a_line_that_the_key_did_not_sign_never_counts(
    world: Registry, folder: Path, what: str, tmp_path: Path, registry_url: str
) -> None:
    sign, code = FORGED[what]
    set_key(world)
    with closing(Repository.open(folder)) as repository:
        drain(world, repository, unlock=unlocked())
        right = commits(folder)
        with world.read() as reader:
            last = reader.facts(reader.journal())[-1]
        forged = link(last, repository.refs.algorithm, right[-2], sign=sign)
        repository.refs.write(forged.objects)
        git(folder, "update-ref", REF, forged.sha)
        factory.make_token(world, "later", now=minutes(62))
        drained = drain(world, repository, unlock=unlocked())
        assert ([fault.code for fault in drained.alarms], drained.done, drained.pending) == ([code], 0, 1)
        assert git(folder, "rev-parse", REF) == forged.sha
        faults = fsck.check(world, repository, Here(repository, REF))
        assert code in codes(faults)
        fsck.restore(world, repository, Here(repository, REF), unlocked())
        assert git(folder, "rev-parse", REF) == forged.sha
        git(folder, "update-ref", REF, right[-1])
        assert drain(world, repository, unlock=unlocked()).pending == 0


# --- homes and repairs -----------------------------------------------------------------------------


@sqlite
def test_a_new_home_gets_the_same_commits(world: Registry, root: Path, tmp_path: Path) -> None:
    sync(world, root)
    set_key(world)
    sync(world, root, unlock=unlocked())
    set_key(world, 7)
    before = commits(root)
    git(tmp_path, "init", "--quiet", "--bare", "home.git")
    declared = Declared(registry=NAME, git=str(tmp_path / "home.git"))
    with pytest.raises(GitUnavailable, match="is not set here"):
        change_home(world, root, declared, Changed(actor=ACTOR, at=minutes(63)), reason="")
    change_home(world, root, declared, Changed(actor=ACTOR, at=minutes(63), unlock=unlocked(7)), reason="")
    there = git(tmp_path / "home.git", "rev-list", "--first-parent", "--reverse", REF).splitlines()
    assert (there[: len(before)], len(there)) == (before, len(before) + 1)


@sqlite
def test_a_repair_of_a_shortened_journal_needs_no_key(world: Registry, root: Path, registry_url: str) -> None:
    sync(world, root)
    set_key(world)
    sync(world, root, unlock=unlocked())
    before = commits(root)
    for to in (before[3], ""):
        git(root, "update-ref", *([REF, to] if to else ["-d", REF]))
        assert fscked(registry_url, root, repair=True).exit_code == 1
        assert (commits(root), fscked(registry_url, root).faults) == (before, ())


@sqlite
def test_lines_that_are_lost_are_signed_again(world: Registry, root: Path, registry_url: str) -> None:
    sync(world, root)
    set_key(world)
    sync(world, root, unlock=unlocked())
    git(root, "update-ref", "-d", REF)
    git(root, "reflog", "expire", "--expire=now", "--all")
    git(root, "gc", "--quiet", "--prune=now")
    report = fscked(registry_url, root, repair=True)
    assert [note for note in report.notes if "were not written again" in note and "is not set here" in note]
    assert codes(report.faults) >= {"journal-missing"}
    assert fscked(registry_url, root, repair=True, unlock=unlocked()).exit_code == 1
    assert (fscked(registry_url, root).faults, unsigned(root)) == ((), [])


@sqlite
def test_without_the_extra_only_ids_are_compared_and_fsck_says_so(
    world: Registry, root: Path, registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_key(world)
    sync(world, root, unlock=unlocked())
    monkeypatch.setitem(sys.modules, "cryptography", None)
    report = fscked(registry_url, root)
    assert report.faults == ()
    assert [note for note in report.notes if "promptops-registry[sign]" in note]
    factory.make_token(world, "later", now=minutes(62))
    assert sync(world, root).drained.pending == 1


@sqlite
def test_a_check_that_could_not_verify_signatures_is_not_remembered(
    world: Registry, root: Path, registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_key(world)
    sync(world, root, unlock=unlocked())
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "cryptography", None)
        fscked(registry_url, root, now=minutes(63))
        assert vouched.read(world.lineage).checked == ()
    fscked(registry_url, root, now=minutes(63))
    known = vouched.read(world.lineage)
    assert (known.keys, known.checked is not None) == ((signing_key().public,), True)
    set_key(world, 7)
    sync(world, root, unlock=unlocked(7))
    assert vouched.read(world.lineage).keys == (signing_key(7).public,)

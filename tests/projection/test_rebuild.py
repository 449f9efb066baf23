"""A registry comes back from git alone, equal by every question, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from promptops.core.deployment_parts import Action, Kind
from promptops.core.errors import Conflict, Invalid, Unavailable
from promptops.operations.fsck import RegistryLocation, check
from promptops.operations.git_sync import sync
from promptops.operations.homes import Changed, Declared
from promptops.operations.rebuild import rebuild
from promptops.projection.objects import project
from promptops.source.git.repository import Repository
from promptops.store import Reader, Registry
from promptops.store.facts.record import bind, encode
from promptops.store.facts.yank import Withdrawal
from tests.projection.conftest import write_older
from tests.support.factory import ACTOR, NAME, by_hand, canary_of, git, minutes
from tests.support.journal import REF, commit_of, drain

NOW = minutes(1000)


def answers(reader: Reader, until: int) -> Iterator[object]:
    """What every question of a reader is answered with, up to a line of the audit log."""
    channels = [channel.name for channel in reader.channels()]
    yield reader.channels()
    yield reader.apps()
    for app in reader.apps():
        yield reader.profile(app)
        yield reader.releases(app)
        yield reader.newest_release(app)
        for release in reader.releases(app):
            yield reader.find_release(app, version=release.version)
            yield reader.channels_serving(app, release.digest)
            yield [reader.quarantine(app, channel, release.digest) for channel in channels]
            yield [reader.was_stable(app, channel, release.digest) for channel in channels]
        for channel in channels:
            yield reader.history(app, channel)
            yield reader.quarantines(app, channel)
            yield reader.live(app, channel)
            yield tuple(reader.past(app, channel, before=99))
    yield reader.overview()
    yield [replace(token, has_secret=False) for token in reader.tokens()]  # secrets do not come back
    yield [entry for entry in reader.audit() if entry.seq <= until]
    yield reader.facts([entry for entry in reader.journal() if entry.seq <= until])


@pytest.fixture
def archive(world: Registry, repository: Repository, root: Path) -> Path:
    """The world's repository, with everything in it."""
    assert drain(world, repository).pending == 0
    return root


@pytest.fixture
def older(world: Registry, repository: Repository, root: Path) -> Path:
    """The world's repository as an older promptops filled it."""
    write_older(world, repository)
    return root


@pytest.mark.parametrize("kept", ["archive", "older"])
def test_the_database_that_was_deleted_comes_back_equal(
    world: Registry, request: pytest.FixtureRequest, empty_url: str, root: Path, kept: str
) -> None:
    """Case 23."""
    done = rebuild(str(request.getfixturevalue(kept)), empty_url, actor=ACTOR, now=NOW)
    new = Registry.open(empty_url)
    try:
        assert (new.name, new.lineage) == (world.name, world.lineage)
        with world.read() as reader, new.read() as other:
            seq, hash_ = reader.audit_head()
            assert list(answers(other, seq)) == list(answers(reader, seq))
            assert (done.seq, done.hash, done.records) == (seq, hash_, seq)
            assert (reader.epoch(), other.epoch(), done.epoch) == (1, 2, 2)
            assert other.audit(limit=1)[0].previous == hash_
    finally:
        new.close()
    with closing(Registry.open(empty_url)) as new:
        synced = sync(new, root, Declared(registry=NAME), Changed(actor=ACTOR, at=NOW))
        assert (synced.drained.alarms, synced.drained.pending) == ((), 0)
    assert check(RegistryLocation(url=empty_url, root=root, name=NAME)).faults == ()


def test_an_app_that_is_off_and_a_canary_come_back(
    world: Registry, repository: Repository, empty_url: str, root: Path
) -> None:
    with world.read() as reader:
        trial = reader.find_release("bot", version="0.1.0")
    canary = replace(canary_of(trial, weight=250), action=Action("hold"))
    written = [
        by_hand(world, "bot", kind=Kind.CANARY, canary=canary, now=minutes(200)),
        by_hand(world, "bot", kind=Kind("later"), now=minutes(201)),
        by_hand(world, "bot", kind=Kind.OFF, now=minutes(202)),
    ]
    assert drain(world, repository).pending == 0
    rebuild(str(root), empty_url, actor=ACTOR, now=NOW)
    with closing(Registry.open(empty_url)) as new, world.read() as reader, new.read() as other:
        until, _ = reader.audit_head()
        assert list(answers(other, until)) == list(answers(reader, until))
        assert [other.deployment(made.app, made.channel, made.revision) for made in written] == written
    assert check(RegistryLocation(url=empty_url, root=root, name=NAME), repair=True).faults == ()


@pytest.mark.parametrize("clone", [(), ("--bare",), ("--mirror",)])
def test_it_comes_back_from_an_address_and_from_any_clone(
    world: Registry, archive: Path, tmp_path: Path, clone: tuple[str, ...]
) -> None:
    git(tmp_path, "clone", "--quiet", *clone, str(archive), "clone")
    for number, source in enumerate([str(tmp_path / "clone"), f"file://{archive}"]):
        done = rebuild(source, f"sqlite:///{tmp_path}/{number}.db", actor=ACTOR, now=NOW)
        with world.read() as reader:
            assert (done.seq, done.hash, done.ignored) == (*reader.audit_head(), ())


def test_a_branch_that_lags_behind_its_remote_hides_nothing(world: Registry, archive: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(archive), "clone")
    git(tmp_path / "clone", "branch", "--quiet", "promptops/test", "origin/promptops/test~9")
    done = rebuild(str(tmp_path / "clone"), f"sqlite:///{tmp_path}/new.db", actor=ACTOR, now=NOW)
    with world.read() as reader:
        assert done.hash == reader.audit_head()[1]


@pytest.mark.parametrize("what", ["a file", "nothing", "a doubled line", "a line of another place"])
def test_junk_stops_nothing_and_is_named(
    world: Registry, archive: Path, repository: Repository, empty_url: str, what: str
) -> None:
    empty = git(archive, "mktree", "--missing", "/dev/null") if what == "nothing" else ""
    trees = {"a file": "HEAD^{tree}", "nothing": empty, "a doubled line": f"{REF}^{{tree}}"}
    tree = trees.get(what, f"{REF}~9^{{tree}}")
    git(archive, "update-ref", REF, git(archive, "commit-tree", tree, "-p", REF, "-m", "junk"))
    git(archive, "update-ref", REF, git(archive, "commit-tree", f"{REF}~1^{{tree}}", "-p", REF, "-m", "more"))
    git(archive, "branch", "promptops/mine", "HEAD")
    git(archive, "update-ref", "refs/promptops/channels/dev/bot/2", "HEAD")
    done = rebuild(str(archive), empty_url, actor=ACTOR, now=NOW)
    with world.read() as reader:
        assert (done.seq, done.hash) == reader.audit_head()
    assert len(done.ignored) == 3
    assert "refs/heads/promptops/mine: no registry begins there" in done.ignored


def test_a_lost_object_is_named_and_nothing_is_made(archive: Path, empty_url: str, world: Registry, root: Path) -> None:
    for what in (":record.json", ":content.json"):
        blob = git(root, "rev-parse", commit_of(root, "releases/bot/0.1.1") + what)
        file = root / ".git/objects" / blob[:2] / blob[2:]
        kept = file.read_bytes()
        file.unlink()
        with pytest.raises(Invalid, match="nothing was made"):
            rebuild(str(archive), empty_url, actor=ACTOR, now=NOW)
        file.write_bytes(kept)
    with pytest.raises(Unavailable):
        Registry.open(empty_url)


def test_a_gap_is_named_and_nothing_is_made(older: Path, empty_url: str, world: Registry) -> None:
    with world.read() as reader:
        entries = reader.journal([5, 6, 9])
    for entry in entries:
        git(older, "update-ref", "-d", f"refs/promptops/{entry.ref}")
    with pytest.raises(Invalid, match="lines 5 to 6, 9 of the audit log are not in"):
        rebuild(str(older), empty_url, actor=ACTOR, now=NOW)
    with pytest.raises(Unavailable):
        Registry.open(empty_url)


def test_a_record_that_was_changed_is_named_and_nothing_is_made(
    older: Path, empty_url: str, world: Registry, repository: Repository
) -> None:
    """Somebody made a good-looking commit with another reason in it, and moved the ref there."""
    with world.read() as reader:
        [record] = reader.facts([entry for entry in reader.journal() if entry.ref == "yanks/bot/0.1.1"])
    assert isinstance(record.fact, Withdrawal)
    fact = replace(record.fact, yank=replace(record.fact.yank, reason="x"))
    forged = replace(record, audit=replace(record.audit, reason="x", record=bind(record.ref, fact)), fact=fact)
    made = project(forged, repository.refs.algorithm)
    repository.refs.write(made.objects)
    git(older, "update-ref", f"refs/promptops/{made.name}", made.sha)
    with pytest.raises(Invalid, match="does not follow the audit log"):
        rebuild(str(older), empty_url, actor=ACTOR, now=NOW)
    assert encode(forged) != encode(record)


@pytest.mark.parametrize(
    ("commands", "said"),
    [
        ([["update-ref", "refs/promptops/mine", "HEAD"]], "cannot be read"),
        ([["update-ref", "refs/promptops/registry/other", "HEAD"]], "exactly one registry"),
        (
            [["update-ref", "refs/promptops/policies/dev/9", "refs/promptops/policies/dev/1"]],
            "policies/dev/1 and .*policies/dev/9 ",
        ),
        (
            [["update-ref", "refs/promptops/releases/bot/0.1.0", "refs/promptops/releases/bot/0.1.1"]],
            "releases/bot/0.1.0 and .*bot/0.1.1 ",
        ),
    ],
)
def test_what_is_not_a_whole_archive_is_refused(
    older: Path, empty_url: str, commands: list[list[str]], said: str
) -> None:
    for command in commands:
        git(older, *command)
    with pytest.raises(Invalid, match=said):
        rebuild(str(older), empty_url, actor=ACTOR, now=NOW)


def test_a_clone_without_the_branch_says_how_to_get_it(archive: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--single-branch", str(archive), "clone")
    with pytest.raises(Invalid, match="holds no registry") as refused:
        rebuild(str(tmp_path / "clone"), f"sqlite:///{tmp_path}/new.db", actor=ACTOR, now=NOW)
    assert "git fetch" in refused.value.hint


def test_a_registry_that_is_there_is_never_overwritten(archive: Path, registry_url: str, world: Registry) -> None:
    with pytest.raises(Conflict):
        rebuild(str(archive), registry_url, actor=ACTOR, now=NOW)


@pytest.mark.parametrize("address", ["ext::sh -c x", "--upload-pack=x", "/no/such/place"])
def test_what_is_no_address_is_refused(address: str, tmp_path: Path) -> None:
    """Case 84."""
    with pytest.raises(Invalid):
        rebuild(address, f"sqlite:///{tmp_path}/new.db", actor=ACTOR, now=NOW)

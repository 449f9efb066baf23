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
from promptops.operations.git_sync import rebuild
from promptops.projection import drain
from promptops.projection.objects import project
from promptops.source.git.repository import Repository
from promptops.store import Reader, Registry
from promptops.store.facts.record import bind, encode
from promptops.store.facts.yank import Withdrawal
from tests.support.factory import ACTOR, NAME, by_hand, canary_of, git, minutes

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


def test_the_database_that_was_deleted_comes_back_equal(
    world: Registry, archive: Path, empty_url: str, root: Path
) -> None:
    """Case 23."""
    done = rebuild(str(archive), empty_url, actor=ACTOR, now=NOW)
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
    place = RegistryLocation(url=empty_url, root=root, name=NAME)
    assert [fault.code for fault in check(place).faults] == ["outbox-pending"]  # that it was rebuilt
    assert check(place, repair=True).faults == ()


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


def test_it_comes_back_from_an_address_and_from_a_mirror(
    world: Registry, archive: Path, empty_url: str, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", "--mirror", str(archive), "mirror.git")
    done = rebuild(f"file://{tmp_path}/mirror.git", empty_url, actor=ACTOR, now=NOW)
    with world.read() as reader:
        assert (done.seq, done.hash) == reader.audit_head()


def test_a_gap_is_named_and_nothing_is_made(archive: Path, empty_url: str, world: Registry) -> None:
    with world.read() as reader:
        entries = reader.journal([5, 6, 9])
    for entry in entries:
        git(archive, "update-ref", "-d", f"refs/promptops/{entry.ref}")
    with pytest.raises(Invalid, match="lines 5 to 6, 9 of the audit log are not in"):
        rebuild(str(archive), empty_url, actor=ACTOR, now=NOW)
    with pytest.raises(Unavailable):
        Registry.open(empty_url)


def test_a_record_that_was_changed_is_named_and_nothing_is_made(
    archive: Path, empty_url: str, world: Registry, repository: Repository
) -> None:
    """Somebody made a good-looking commit with another reason in it, and moved the ref there."""
    with world.read() as reader:
        [record] = reader.facts([entry for entry in reader.journal() if entry.ref == "yanks/bot/0.1.1"])
    assert isinstance(record.fact, Withdrawal)
    fact = replace(record.fact, yank=replace(record.fact.yank, reason="x"))
    forged = replace(record, audit=replace(record.audit, reason="x", record=bind(record.ref, fact)), fact=fact)
    made = project(forged, repository.refs.algorithm)
    repository.refs.write(made.objects)
    git(archive, "update-ref", made.ref, made.sha)
    with pytest.raises(Invalid, match="does not follow the audit log"):
        rebuild(str(archive), empty_url, actor=ACTOR, now=NOW)
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
    archive: Path, empty_url: str, commands: list[list[str]], said: str
) -> None:
    for command in commands:
        git(archive, *command)
    with pytest.raises(Invalid, match=said):
        rebuild(str(archive), empty_url, actor=ACTOR, now=NOW)


def test_a_clone_without_the_refs_says_how_to_get_them(archive: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(archive), "clone")
    with pytest.raises(Invalid, match="no ref below refs/promptops/") as refused:
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

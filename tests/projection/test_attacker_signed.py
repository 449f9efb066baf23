"""A person who can push to a signed journal and has no key: each forgery is named, none counts, and the owner goes on.

They have what everybody can read: the records, the commits, and the signatures in them; and keys of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from promptops.core.registry_key import RegistryKey, endorse
from promptops.operations.fsck import RegistryLocation, check
from promptops.projection import fsck
from promptops.projection.homes import Here
from promptops.projection.objects import link
from promptops.projection.remote import check_remote
from promptops.projection.signatures import NAMESPACE, Sign, as_it_is, read_commits, signature_in
from promptops.source.git.repository import Repository
from promptops.store import Registry
from promptops.store.facts.record import Record
from tests.projection.test_attacker import FORGED, Attacker, Forge
from tests.support import factory
from tests.support.factory import ACTOR, NAME, git, minutes
from tests.support.journal import REF, commits, set_key, sync, unlocked
from tests.support.signing import signing_key


def _theirs(data: bytes) -> str:
    return signing_key(5).sign(data, NAMESPACE)


def _written(attacker: Attacker, records: list[Record], after: str, sign: Sign) -> str:
    with closing(Repository.open(attacker.clone)) as repository:
        for record in records:
            made = link(record, repository.refs.algorithm, *([after] if after else []), sign=sign)
            repository.refs.write(list(made.objects))
            after = made.sha
    return after


def _signature_of(attacker: Attacker, commit: str) -> str:
    with closing(Repository.open(attacker.clone)) as repository:
        sha = git(attacker.clone, "rev-parse", commit)
        return signature_in(next(read_commits(repository.refs, [sha])), repository.refs.algorithm)


def _copied(attacker: Attacker) -> str:
    """The last line with the signature of the line before."""
    sign = as_it_is(_signature_of(attacker, f"{attacker.tip}~1"))
    return _written(attacker, attacker.records[-1:], git(attacker.clone, "rev-parse", f"{attacker.tip}~1"), sign)


def _next_line(attacker: Attacker, sign: Sign) -> str:
    return _written(attacker, [attacker.sealed(attacker.records[-1])], attacker.tip, sign)


def _own_key(attacker: Attacker) -> str:
    """A fact that their key is in force, signed and endorsed by itself, and a line after it."""
    fact = RegistryKey(number=2, key=signing_key(5).public, required=True, actor=ACTOR, at=minutes(70))
    fact = replace(fact, endorsement=endorse(signing_key(5), "theirs", 2, fact.key, required=True))
    record = next(each for each in attacker.records if isinstance(each.fact, RegistryKey))
    forged = replace(record, ref="registry-keys/2", fact=fact, audit=replace(record.audit, after=str(fact)))
    return _written(attacker, [attacker.sealed(forged)], attacker.tip, _theirs)


def _unsigned(attacker: Attacker) -> str:
    """The whole journal again, byte by byte what it would be without signatures."""
    return attacker.write(attacker.records, "")


SIGNED: dict[str, Forge] = {
    "the last line unsigned": lambda attacker: attacker.write(
        attacker.records[-1:], git(attacker.clone, "rev-parse", f"{attacker.tip}~1")
    ),
    "the last line with another signature": _copied,
    "the last line with their signature": lambda attacker: _written(
        attacker, attacker.records[-1:], git(attacker.clone, "rev-parse", f"{attacker.tip}~1"), _theirs
    ),
    "a next line with their signature": lambda attacker: _next_line(attacker, _theirs),
    "a next line with the signature before": lambda attacker: _next_line(
        attacker, as_it_is(_signature_of(attacker, attacker.tip))
    ),
    "a key of their own": _own_key,
    "everything unsigned": _unsigned,
    "everything with their signature": lambda attacker: _written(attacker, attacker.records, "", _theirs),
}


@pytest.fixture
def attacked(world: Registry, root: Path, tmp_path: Path) -> Iterator[Attacker]:
    """The owner's repository and its remote, with a signed journal in both; and the attacker's clone of the remote."""
    git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    git(root, "remote", "add", "origin", str(tmp_path / "origin.git"))
    git(root, "push", "--quiet", "origin", "HEAD:refs/heads/main")
    set_key(world, required=True)
    factory.go_live(world, "bot@0.1.3", now=minutes(61))
    sync(world, root, remote="origin", unlock=unlocked())
    git(tmp_path, "clone", "--quiet", "--branch", "main", str(tmp_path / "origin.git"), "attacker")
    with world.read() as reader:
        yield Attacker(tmp_path / "attacker", list(reader.facts(reader.journal())))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_nothing_forged_counts_on_a_remote(
    world: Registry, root: Path, attacked: Attacker, registry_url: str, tmp_path: Path
) -> None:
    before, place = commits(root), RegistryLocation(url=registry_url, root=root, name=NAME)
    origin = tmp_path / "origin.git"
    for what, forge in {**FORGED, **SIGNED}.items():
        git(origin, "update-ref", REF, before[-1])
        git(attacked.clone, "push", "--quiet", "--force", "origin", f"{forge(attacked)}:{REF}")
        with closing(Repository.open(root)) as repository:
            assert check_remote(world, repository, "origin", Here(repository, REF)), what
        synced = sync(world, root, remote="origin", unlock=unlocked())
        assert (synced.drained.alarms, synced.drained.pending) == ((), 0), what
        assert synced.exchanged is not None
        there = git(origin, "rev-parse", REF)
        assert REF in {*synced.exchanged.refused, *synced.exchanged.pushed}, what
        assert (REF in synced.exchanged.pushed) == (there == before[-1]), what
        assert commits(root) == before, what
    git(origin, "update-ref", REF, before[-1])
    factory.make_token(world, "later", now=minutes(62))
    assert sync(world, root, remote="origin", unlock=unlocked()).drained.done == 1
    assert check(place, remote="origin").faults == ()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_nothing_forged_counts_at_the_home(
    world: Registry, root: Path, attacked: Attacker, registry_url: str, tmp_path: Path
) -> None:
    """They write into the home itself: what is there waits for the owner, and what is not brought stays pending."""
    before, place = commits(root), RegistryLocation(url=registry_url, root=root, name=NAME)
    factory.make_token(world, "later", now=minutes(62))
    for what, forge in {**FORGED, **SIGNED}.items():
        forged = forge(attacked)
        git(attacked.clone, "push", "--quiet", "--force", str(root), f"{forged}:{REF}")
        if what == "shortened":
            continue  # the beginning of the owner's own journal
        synced = sync(world, root, unlock=unlocked())
        assert synced.drained.alarms, what
        assert (synced.drained.pending, git(root, "rev-parse", REF)) == (1, forged), what
        with closing(Repository.open(root)) as repository:
            found = {fault.code for fault in fsck.check(world, repository, Here(repository, REF))}
        assert found - {"outbox-pending", "tag-missing"}, what
        git(root, "update-ref", REF, before[-1])
    git(root, "update-ref", REF, before[-1])
    assert sync(world, root, unlock=unlocked()).drained.pending == 0
    assert check(place).faults == ()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "what", ["the last line unsigned", "the last line with their signature", "everything unsigned"]
)
def test_what_is_wrong_with_a_signature_is_named_as_that(
    world: Registry, root: Path, attacked: Attacker, registry_url: str, what: str
) -> None:
    git(attacked.clone, "push", "--quiet", "--force", str(root), f"{SIGNED[what](attacked)}:{REF}")
    synced = sync(world, root, unlock=unlocked())
    code = "signature-missing" if "unsigned" in what else "signature-wrong"
    assert [fault.code for fault in synced.drained.alarms] == [code]
    found = check(RegistryLocation(url=registry_url, root=root, name=NAME))
    assert (code in {fault.code for fault in found.faults}, found.exit_code) == (True, 2)

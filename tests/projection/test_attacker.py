"""A person who can push to the remote, and has neither the database nor an anchor: nothing of theirs becomes live."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from promptops.core.audit import seal
from promptops.core.errors import Invalid, PromptopsError, Unavailable
from promptops.core.model import AuditEntry, Release
from promptops.operations.fsck import RegistryLocation, check
from promptops.operations.rebuild import RebuildRequest, rebuild
from promptops.projection.objects import link
from promptops.source.git.repository import Repository
from promptops.store import Registry, create
from promptops.store.facts.record import Record, bind
from tests.support import factory
from tests.support.factory import ACTOR, NAME, git, minutes
from tests.support.journal import REF, bring, commits, sync

Forge = Callable[["Attacker"], str]
"""Makes what is pushed in place of the journal; returns its newest commit."""


class Attacker:
    """Their clone of the remote, and the owner's records, which everybody can read there."""

    def __init__(self, clone: Path, records: list[Record]) -> None:
        self.clone = clone
        self.records = records

    @property
    def tip(self) -> str:
        return git(self.clone, "rev-parse", "origin/promptops/test")

    def commit(self, tree: str, *parents: str) -> str:
        options = [part for parent in parents for part in ("-p", parent)]
        return git(self.clone, "commit-tree", tree, *options, "-m", "promote bot@0.1.3 on prod")

    def write(self, records: list[Record], after: str) -> str:
        """Write records on top of a commit exactly as promptops would."""
        with closing(Repository.open(self.clone)) as repository:
            git_refs = repository.refs
            for record in records:
                made = link(record, git_refs.algorithm, *([after] if after else []))
                git_refs.write(list(made.objects))
                after = made.sha
        return after

    def sealed(self, record: Record, **changes: Any) -> Record:
        """A record with other values in its audit line, sealed as if it followed the last one."""
        last = self.records[-1].audit
        line = replace(record.audit, seq=last.seq + 1, previous=last.hash, **changes)
        line = replace(line, record=bind(record.ref, record.fact))
        return replace(record, audit=replace(line, hash=seal(line)))


def _with_field(name: str) -> Forge:
    """The last line again, as a commit of its own, with one field of its audit line changed."""

    def forge(attacker: Attacker) -> str:
        record = attacker.records[-1]
        value = getattr(record.audit, name)
        other = value + 1 if isinstance(value, int) else value + timedelta(1) if name == "at" else f"{value}x"
        changed: dict[str, Any] = {name: other}
        forged = replace(record, audit=replace(record.audit, **changed))
        return attacker.write([forged], git(attacker.clone, "rev-parse", f"{attacker.tip}~1"))

    return forge


def _next_line(attacker: Attacker) -> str:
    """What the owner did last, once more: a line that follows, and is right in every way that can be computed."""
    return attacker.write([attacker.sealed(attacker.records[-1])], attacker.tip)


def _other_release(attacker: Attacker) -> str:
    """The newest release with another content under the same digest."""
    record = next(r for r in reversed(attacker.records) if isinstance(r.fact, Release))
    fact = replace(record.fact, content=b'{"app":"bot","evil":1}')
    return attacker.write([attacker.sealed(replace(record, fact=fact))], attacker.tip)


def _from_the_start(change: Callable[[list[Record]], list[Record]]) -> Forge:
    """A whole chain of the owner's records, in another order or number."""
    return lambda attacker: attacker.write(change(attacker.records), "")


def _second_lineage(attacker: Attacker) -> str:
    """A registry of the attacker's own under the owner's name, pushed in place of the journal."""
    root = factory.make_workspace(attacker.clone.parent / "their-prompts")
    url = f"sqlite:///{attacker.clone.parent}/theirs.db"
    create(url, name=NAME, now=minutes(0), actor=ACTOR)
    with closing(Registry.open(url)) as theirs:
        factory.make_channels(theirs)
        factory.make_releases(theirs)
        factory.go_live(theirs, "bot@0.1.2")
        bring(theirs, root)
    git(attacker.clone, "fetch", "--quiet", str(root), REF)
    return git(attacker.clone, "rev-parse", "FETCH_HEAD")


def _junk(tree: str) -> Forge:
    return lambda attacker: attacker.commit(
        git(attacker.clone, "mktree") if tree == "nothing" else git(attacker.clone, "rev-parse", tree), attacker.tip
    )


def _deep(attacker: Attacker) -> str:
    """A record of two thousand levels."""
    blob = git(attacker.clone, "hash-object", "-w", "--stdin", stdin="[" * 2000 + "]" * 2000)
    return attacker.commit(git(attacker.clone, "mktree", stdin=f"100644 blob {blob}\trecord.json\n"), attacker.tip)


def _huge_numbers(attacker: Attacker) -> str:
    value = {"ref": "epochs/9007199254740991", "audit": {"seq": 2**63, "hash": "f" * 64, "previous": "0" * 64}}
    blob = git(attacker.clone, "hash-object", "-w", "--stdin", stdin=json.dumps(value))
    return attacker.commit(git(attacker.clone, "mktree", stdin=f"100644 blob {blob}\trecord.json\n"), attacker.tip)


FORGED: dict[str, Forge] = {
    **{f"the {field.name} of the last line": _with_field(field.name) for field in fields(AuditEntry)},
    "a next line": _next_line,
    "another content": _other_release,
    "an empty commit": _junk("nothing"),
    "a commit of a workspace": _junk("HEAD^{tree}"),
    "the last line doubled": _junk("origin/promptops/test^{tree}"),
    "an older line again": _junk("origin/promptops/test~3^{tree}"),
    "a deep record": _deep,
    "huge numbers": _huge_numbers,
    "reordered": _from_the_start(lambda records: [*records[:-2], records[-1], records[-2]]),
    "doubled": _from_the_start(lambda records: [*records, records[-1]]),
    "a gap": _from_the_start(lambda records: [*records[:-3], *records[-2:]]),
    "shortened": lambda attacker: git(attacker.clone, "rev-parse", f"{attacker.tip}~4"),
    "a second lineage": _second_lineage,
    "a merge": lambda attacker: attacker.commit("origin/promptops/test^{tree}", attacker.tip, f"{attacker.tip}~2"),
}
REFS = (
    "refs/heads/promptops/mine",
    "refs/promptops/channels/prod/bot/2",
    "refs/promptops/registry/other",
    "refs/promptops/epochs/9007199254740991",
    "refs/tags/bot/v9.9.9",
)


@pytest.fixture
def attacked(world: Registry, root: Path, tmp_path: Path) -> Iterator[Attacker]:
    """The owner's repository and its remote, with everything in both; and the attacker's clone of the remote."""
    git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    git(root, "remote", "add", "origin", str(tmp_path / "origin.git"))
    git(root, "push", "--quiet", "origin", "HEAD:refs/heads/main")
    sync(world, root, remote="origin")
    git(tmp_path, "clone", "--quiet", "--branch", "main", str(tmp_path / "origin.git"), "attacker")
    with world.read() as reader:
        yield Attacker(tmp_path / "attacker", list(reader.facts(reader.journal())))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_nothing_forged_is_taken_over_and_the_owner_goes_on(
    world: Registry, root: Path, attacked: Attacker, registry_url: str, tmp_path: Path
) -> None:
    before, anchor = commits(root), attacked.records[-1].audit.hash
    place = RegistryLocation(url=registry_url, root=root, name=NAME)
    origin = tmp_path / "origin.git"
    for what, forge in FORGED.items():
        git(origin, "update-ref", REF, before[-1])
        forged = forge(attacked)
        git(attacked.clone, "push", "--quiet", "--force", "origin", f"{forged}:{REF}")
        assert check(place, remote="origin").faults, what
        synced = sync(world, root, remote="origin")
        assert (synced.drained.alarms, synced.drained.pending) == ((), 0), what
        assert synced.exchanged is not None
        there = git(origin, "rev-parse", REF)
        assert REF in {*synced.exchanged.refused, *synced.exchanged.pushed}, what  # what is only shortened goes on
        assert (REF in synced.exchanged.pushed) == (there == before[-1]), what
        assert commits(root) == before, what
        _rebuilt(origin, tmp_path / f"{forged}.db", anchor, what, there=forged)
    git(origin, "update-ref", REF, before[-1])
    factory.go_live(world, "bot@0.1.3")
    assert sync(world, root, remote="origin").drained.done == 1
    assert check(place, remote="origin").faults == ()


def _rebuilt(origin: Path, target: Path, anchor: str, what: str, *, there: str) -> None:
    """With an anchor, a rebuild gives what the owner had, or refuses by name; it never gives anything else."""
    try:
        anchored = RebuildRequest(anchor=anchor)
        done = rebuild(str(origin), f"sqlite:///{target}", anchored, actor=ACTOR, now=minutes(900))
    except PromptopsError as error:
        assert isinstance(error, Invalid), what
        with pytest.raises(Unavailable):
            Registry.open(f"sqlite:///{target}")
    else:
        assert done.hash == anchor, what


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_refs_beside_the_journal_stop_nothing(
    world: Registry, root: Path, attacked: Attacker, registry_url: str, tmp_path: Path
) -> None:
    origin = tmp_path / "origin.git"
    head = git(attacked.clone, "rev-parse", "HEAD")
    for name in REFS:
        git(attacked.clone, "push", "--quiet", "--force", "origin", f"{head}:{name}")
    factory.go_live(world, "bot@0.1.3")
    synced = sync(world, root, remote="origin")
    assert (synced.drained.done, synced.exchanged and dict(synced.exchanged.refused)) == (1, {})
    assert not [name for name in REFS if git(root, "for-each-ref", name)]
    assert check(RegistryLocation(url=registry_url, root=root, name=NAME), remote="origin").faults == ()
    done = rebuild(str(origin), f"sqlite:///{tmp_path}/rebuilt.db", actor=ACTOR, now=minutes(900))
    with world.read() as reader:
        assert (done.seq, done.hash) == reader.audit_head()
    assert any("refs/heads/promptops/mine" in each for each in done.ignored)


@pytest.mark.parametrize("anchor", ["0" * 64, "f" * 64, "abc"])
def test_an_anchor_that_is_not_there_is_refused(attacked: Attacker, tmp_path: Path, anchor: str) -> None:
    with pytest.raises(Invalid):
        url, anchored = f"sqlite:///{tmp_path}/new.db", RebuildRequest(anchor=anchor)
        rebuild(str(tmp_path / "origin.git"), url, anchored, actor=ACTOR, now=minutes(9))

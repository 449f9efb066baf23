"""A person who can push and has no key of a signed registry, after a disaster: nothing of theirs comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from promptops.core.audit import seal
from promptops.core.errors import PromptopsError
from promptops.core.reference import parse_reference
from promptops.core.registry_key import RegistryKey
from promptops.core.signing import fingerprint
from promptops.operations.fsck import RegistryLocation, check
from promptops.operations.homes import Changed, Declared, change_home
from promptops.operations.override import InGit, OverrideRequest, create_from_git
from promptops.operations.rebuild import RebuildRequest, rebuild
from promptops.projection.offer import Doubt
from promptops.source import vouched
from promptops.source.vouched import Vouched
from promptops.store import Registry
from promptops.store.facts.record import Record, bind
from tests.projection.test_attacker import FORGED, REFS, Attacker, Forge
from tests.support import factory
from tests.support.factory import ACTOR, NAME, git, minutes
from tests.support.journal import REF, put_key, records_of, sync, unlocked, write_signed
from tests.support.signing import signing_key

KEY, EVE = signing_key(), signing_key(2)
PRINT = fingerprint(KEY.public)


def asked(doubt: Doubt) -> bool:
    raise AssertionError(f"asked about {[line.seq for line in doubt.lines]}")


def _new_key(attacker: Attacker) -> str:
    """A key of the attacker's own takes over, and signs a next line."""
    last = attacker.records[-1].audit
    at = minutes(800)
    fact = RegistryKey(number=2, key=EVE.public, required=True, actor=ACTOR, at=at)
    line = replace(
        last, seq=last.seq + 1, previous=last.hash, action="registry-key", app="", channel="", at=at, actor=ACTOR,
        before=f"{PRINT} required", after=str(fact), reason="", record=bind("registry-keys/2", fact),
    )  # fmt: skip
    record = Record(ref="registry-keys/2", audit=replace(line, hash=seal(line)), fact=fact)
    return write_signed([record], attacker.clone, lambda _: EVE, after=attacker.tip, ref="")


def _signed_by_eve(forge: Forge) -> Forge:
    """Forged lines, and the newest commit once more with the signature of another key."""

    def signed(attacker: Attacker) -> str:
        record = attacker.sealed(attacker.records[-1])
        return write_signed([record], attacker.clone, lambda _: EVE, after=forge(attacker), ref="")

    return signed


def _no_signatures(attacker: Attacker) -> str:
    """The owner's own lines, without what they are signed with."""
    return write_signed(attacker.records, attacker.clone, lambda _: None, ref="")


def _eves_signatures(attacker: Attacker) -> str:
    """The owner's own lines, signed with a key that is not in them."""
    return write_signed(attacker.records, attacker.clone, lambda _: EVE, ref="")


SIGNED: dict[str, Forge] = {
    **FORGED,
    "a next line that is signed with another key": _signed_by_eve(lambda attacker: attacker.tip),
    "a key of the attacker's": _new_key,
    "all without signatures": _no_signatures,
    "all with other signatures": _eves_signatures,
}


@pytest.fixture
def attacked(world: Registry, root: Path, tmp_path: Path) -> Iterator[Attacker]:
    """A signed registry whose home is a bare repository, and the attacker's clone of that."""
    git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    git(root, "remote", "add", "origin", str(tmp_path / "origin.git"))
    git(root, "push", "--quiet", "origin", "HEAD:refs/heads/main")
    put_key(world, KEY, required=True)
    changed = Changed(actor=ACTOR, at=minutes(70), unlock=unlocked())
    change_home(world, root, Declared(registry=NAME, git=str(tmp_path / "origin.git")), changed, reason="all reach it")
    factory.go_live(world, "bot@0.1.3", now=minutes(71))
    sync(world, root, unlock=unlocked())
    git(tmp_path, "clone", "--quiet", "--branch", "main", str(tmp_path / "origin.git"), "attacker")
    yield Attacker(tmp_path / "attacker", records_of(world))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_nothing_forged_comes_back_by_a_rebuild_or_an_override(
    world: Registry, root: Path, attacked: Attacker, tmp_path: Path
) -> None:
    origin = tmp_path / "origin.git"
    right = git(origin, "rev-parse", REF)
    ours = [record.audit.hash for record in attacked.records]
    for number, (what, forge) in enumerate(SIGNED.items()):
        git(origin, "update-ref", REF, right)
        forged = forge(attacked)
        git(attacked.clone, "push", "--quiet", "--force", "origin", f"{forged}:{REF}")
        git(attacked.clone, "update-ref", "refs/remotes/origin/promptops/test", right)
        vouched.update(world.lineage, lambda _: Vouched())
        _only_ours(origin, tmp_path / f"{number}.db", ours, what, shortened=what == "shortened")
        _override_of_ours(world, origin, what)


def _only_ours(origin: Path, target: Path, ours: list[str], what: str, *, shortened: bool) -> None:
    """A rebuild with the key takes lines of the owner's and names the rest, or refuses by name."""
    request = RebuildRequest(keys=(PRINT,))
    try:
        done = rebuild(str(origin), f"sqlite:///{target}", request, actor=ACTOR, now=minutes(900), confirm=asked)
    except PromptopsError as error:
        assert error.message and not target.exists(), what
        return
    assert done.hash == ours[done.seq - 1], what
    assert shortened or done.ignored or done.seq == len(ours), what


def _override_of_ours(world: Registry, origin: Path, what: str) -> None:
    request = OverrideRequest(
        reference=parse_reference("bot@0.1.3"), channel="prod", reason="it burns", lifetime=timedelta(hours=1)
    )
    with world.read() as reader:
        right = reader.find_release("bot", version="0.1.3")
    try:
        made = create_from_git(origin, request, actor=ACTOR, now=minutes(900), how=InGit(keys=(PRINT,), confirm=asked))
    except PromptopsError as error:
        assert error.message, what
    else:
        assert (made.digest, made.content) == (right.digest, right.content), what


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("what", ["a next line", "an empty commit", "a key of the attacker's", "a merge"])
def test_after_the_disaster_the_owner_goes_on_past_what_was_forged(
    world: Registry, root: Path, attacked: Attacker, tmp_path: Path, what: str
) -> None:
    origin, head = tmp_path / "origin.git", git(tmp_path / "origin.git", "rev-parse", REF)
    forged = SIGNED[what](attacked)
    git(attacked.clone, "push", "--quiet", "--force", "origin", f"{forged}:{REF}")
    for name in REFS:
        git(attacked.clone, "push", "--quiet", "--force", "origin", f"HEAD:{name}")
    vouched.update(world.lineage, lambda _: Vouched())
    url, request = f"sqlite:///{tmp_path}/rebuilt.db", RebuildRequest(keys=(PRINT,))
    done = rebuild(str(origin), url, request, actor=ACTOR, now=minutes(900), confirm=asked)
    assert (done.hash, done.leaves) == (attacked.records[-1].audit.hash, forged)
    with closing(Registry.open(url)) as again:
        factory.go_back(again, "bot", now=minutes(901))
        synced = sync(again, root, unlock=unlocked())
        assert (synced.drained.alarms, synced.drained.pending) == ((), 0)
        with again.read() as reader:
            newest = reader.audit_head()
    assert git(origin, "merge-base", "--is-ancestor", forged, REF) == ""
    assert git(origin, "rev-list", "--first-parent", REF).split().count(head) == 1
    assert check(RegistryLocation(url=url, root=root, name=NAME)).faults == ()
    vouched.update(world.lineage, lambda _: Vouched())
    url = f"sqlite:///{tmp_path}/once-more.db"
    more = rebuild(str(origin), url, request, actor=ACTOR, now=minutes(910), confirm=asked)
    assert (more.seq, more.hash) == newest

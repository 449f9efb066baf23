"""A remote <-> this repository: fetches tags of releases, pushes them and the chain, and never moves what is there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import GitUnavailable
from promptops.core.faults import Fault
from promptops.projection.chain import Astray, locate
from promptops.projection.fsck import damage, pending, shortened
from promptops.projection.homes import Here
from promptops.projection.tags import TAGS, tag_name
from promptops.source.git.refs import Refs

if TYPE_CHECKING:
    from promptops.projection.homes import HomeRef
    from promptops.source.git.repository import Repository
    from promptops.store import Registry

_FETCHED = "refs/promptops-remotes/{}/journal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """The refs that were fetched from a remote, that were pushed to it, and that either refused, with the reason."""

    remote: str
    fetched: tuple[str, ...] = ()
    pushed: tuple[str, ...] = ()
    refused: Mapping[str, str]


def exchange(registry: Registry, repository: Repository, remote: str, home: HomeRef | None) -> Exchanged:
    """Fetch the release tags that only the remote has, and push those of this repository.

    If this repository is the home of the journal, the remote gets the chain too.

    Raises:
        Invalid: there is no such remote.
        GitUnavailable: it does not answer.
    """
    git = repository.refs
    git.require_remote(remote)
    chain = home.ref if isinstance(home, Here) else ""
    theirs = git.list_remote(remote, TAGS, *([chain] if chain else []))
    names = release_tags(registry)
    before = git.list(TAGS)
    wanted = sorted(names & theirs.keys() - before.keys())
    if complaint := git.fetch(remote, [f"{name}:{name}" for name in wanted]):
        raise GitUnavailable(f"git fetch from {remote} failed: {complaint}")
    here = _tags(git, names)
    pushed = git.push(remote, sorted(here.keys() - theirs.keys()))
    moved, refused = _push_chain(registry, git, remote, home, theirs.get(chain, "")) if chain and home else ((), {})
    return Exchanged(
        remote=remote,
        fetched=tuple(wanted),
        pushed=(*moved, *pushed.taken),
        refused={**refused, **_different(here, theirs, f"the remote {remote}"), **pushed.refused},
    )


def push_tags(repository: Repository, remote: str, names: Sequence[str]) -> Exchanged:
    """Push those of these tags that the remote lacks; nothing else."""
    git = repository.refs
    git.require_remote(remote)
    theirs = git.list_remote(remote, TAGS)
    here = _tags(git, names)
    pushed = git.push(remote, sorted(here.keys() - theirs.keys()))
    different = _different(here, theirs, f"the remote {remote}")
    return Exchanged(remote=remote, pushed=pushed.taken, refused={**different, **pushed.refused})


def release_tags(registry: Registry) -> frozenset[str]:
    """Returns the names of the tags of every release."""
    with registry.read() as reader:
        return frozenset(TAGS + tag_name(release) for app in reader.apps() for release in reader.releases(app))


def check_remote(registry: Registry, repository: Repository, remote: str, home: HomeRef | None) -> tuple[Fault, ...]:
    """Everything in which a remote is not what this repository is."""
    git = repository.refs
    git.require_remote(remote)
    chain = home.ref if isinstance(home, Here) else ""
    try:
        theirs = git.list_remote(remote, TAGS, *([chain] if chain else []))
        faults = list(_compare_chain(registry, git, remote, home, theirs.get(chain, ""))) if chain and home else []
    except GitUnavailable as error:
        return (pending("remote-silent", error.message, remote, "Try again, or look at the network."),)
    names = release_tags(registry)
    here, there = _tags(git, names), {name: sha for name, sha in theirs.items() if name in names}
    sync = Advice(Action.SYNC, words="a sync with the remote", remote=remote)
    pushes = Sentence(sync, " pushes it.")
    faults += [
        pending("remote-behind", f"it is not on {remote}: never pushed, or deleted there", name, pushes)
        for name in sorted(here.keys() - there.keys())
    ]
    faults += [
        pending("remote-ahead", f"it is on {remote} and not here", name, Sentence(sync, " fetches it."))
        for name in sorted(there.keys() - here.keys())
    ]
    faults += [
        damage(
            "remote-differs",
            f"it is {there[name][:12]} on {remote} and {here[name][:12]} here",
            name,
            f"Find out who moved it. The right one goes there with: git push --force {remote} {name}",
        )
        for name in sorted(here.keys() & there.keys())
        if here[name] != there[name]
    ]
    return shortened(faults)


def _push_chain(
    registry: Registry, git: Refs, remote: str, home: HomeRef, theirs: str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Moves the remote's chain forward to ours; returns its name if it moved, or the reason why not."""
    ours = home.tip()
    if not ours or theirs == ours:
        return (), {}
    why = git.push_commit(remote, ours, home.ref)
    if not why:
        return (home.ref,), {}
    found = next(_compare_chain(registry, git, remote, home, git.list_remote(remote, home.ref).get(home.ref, "")), None)
    return (), {home.ref: found.what if found and found.code != "remote-behind" else why}


def _compare_chain(registry: Registry, git: Refs, remote: str, home: HomeRef, theirs: str) -> Iterator[Fault]:
    """What the chain of a remote is, if it is not ours."""
    ours = home.tip()
    if theirs == ours:
        return
    sync = Advice(Action.SYNC, words="a sync with the remote", remote=remote)
    where = f"{home.ref} of {remote}"
    if theirs and not git.has(theirs):
        # Never to a name that counts: what a remote offers is compared with the registry first.
        complaint = git.fetch(remote, [f"+{home.ref}:{_FETCHED.format(remote)}"])
        if complaint:
            raise GitUnavailable(f"git fetch from {remote} failed: {complaint}")
    if not theirs or theirs in {sha for sha, _ in git.history(ours)}:
        yield pending("remote-behind", f"the journal of {remote} lacks lines", where, Sentence(sync, " pushes them."))
        return
    try:
        at = locate(registry, git, theirs, where, known=False)
    except Astray as astray:
        yield astray.fault
    else:
        yield pending(
            "remote-ahead", f"{remote} has the journal up to line {at.seq}", where, Sentence(sync, " goes on.")
        )


def _tags(git: Refs, names: Collection[str]) -> dict[str, str]:
    return {name: sha for name, sha in git.list(TAGS).items() if name in names}


def _different(here: Mapping[str, str], there: Mapping[str, str], remote: str) -> dict[str, str]:
    both = sorted(here.keys() & there.keys())
    return {
        name: f"it is {there[name][:12]} on {remote} and {here[name][:12]} here; neither is moved"
        for name in both
        if here[name] != there[name]
    }

"""A remote <-> this repository: fetches its refs and tags, pushes ours, and never moves a ref on either side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptops.core.errors import GitUnavailable
from promptops.projection.archive import lineages, require_lineage
from promptops.projection.objects import ROOT
from promptops.projection.tags import TAGS

if TYPE_CHECKING:
    from promptops.source.git.repository import Repository

_RELEASES = ROOT + "releases/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """The refs that were fetched from a remote, that were pushed to it, and that either refused, with the reason."""

    remote: str
    fetched: tuple[str, ...] = ()
    pushed: tuple[str, ...] = ()
    refused: Mapping[str, str]


def exchange(repository: Repository, remote: str, lineage: str) -> Exchanged:
    """Fetch the refs and release tags that only the remote has, push those that only this repository has.

    Raises:
        Invalid: there is no such remote.
        RegistryMismatch: it holds another registry's history.
        GitUnavailable: it does not answer.
    """
    git = repository.refs
    git.require_remote(remote)
    theirs = git.list_remote(remote, ROOT, TAGS)
    require_lineage(lineages(theirs), lineage, f"the remote {remote}")
    before = ours(repository)
    wanted = release_tags(theirs)
    apps = sorted({name.removeprefix(TAGS).partition("/")[0] for name in wanted & theirs.keys()})
    complaint = git.fetch(remote, ROOT, *(f"{TAGS}{app}/v" for app in apps))
    after = ours(repository)
    different = _different(after, theirs, f"the remote {remote}")
    if complaint and not different:
        raise GitUnavailable(f"git fetch from {remote} failed: {complaint}")
    pushed = git.push(remote, sorted(after.keys() - theirs.keys()))
    return Exchanged(
        remote=remote,
        fetched=tuple(sorted(after.keys() - before.keys())),
        pushed=pushed.taken,
        refused={**different, **pushed.refused},
    )


def push(repository: Repository, remote: str, lineage: str) -> Exchanged:
    """Push the refs and release tags that the remote lacks."""
    git = repository.refs
    git.require_remote(remote)
    theirs = git.list_remote(remote, ROOT, TAGS)
    require_lineage(lineages(theirs), lineage, f"the remote {remote}")
    here = ours(repository)
    pushed = git.push(remote, sorted(here.keys() - theirs.keys()))
    different = _different(here, theirs, f"the remote {remote}")
    return Exchanged(remote=remote, pushed=pushed.taken, refused={**different, **pushed.refused})


def push_tags(repository: Repository, remote: str, names: Sequence[str]) -> Exchanged:
    """Push those of these tags that the remote lacks; nothing else."""
    git = repository.refs
    git.require_remote(remote)
    theirs = git.list_remote(remote, TAGS)
    here = {name: sha for name, sha in git.list(TAGS).items() if name in names}
    pushed = git.push(remote, sorted(here.keys() - theirs.keys()))
    different = _different(here, theirs, f"the remote {remote}")
    return Exchanged(remote=remote, pushed=pushed.taken, refused={**different, **pushed.refused})


def ours(repository: Repository) -> dict[str, str]:
    """Returns the registry's refs in this repository, and the tags of the releases among them."""
    refs = repository.refs.list(ROOT, TAGS)
    tags = release_tags(refs)
    return {name: sha for name, sha in refs.items() if name.startswith(ROOT) or name in tags}


def release_tags(refs: Mapping[str, str]) -> set[str]:
    """Returns the names of the tags of every release that has a ref among these."""
    releases = (name.removeprefix(_RELEASES).partition("/") for name in refs if name.startswith(_RELEASES))
    return {f"{TAGS}{app}/v{version}" for app, _, version in releases}


def _different(here: Mapping[str, str], there: Mapping[str, str], remote: str) -> dict[str, str]:
    both = sorted(here.keys() & there.keys())
    return {
        name: f"it is {there[name][:12]} on {remote} and {here[name][:12]} here; neither is moved"
        for name in both
        if here[name] != there[name]
    }

"""The registry and git: bring changes there, exchange them with a remote, check both, and make a registry from git.

Releases, promotions and rollbacks need none of this: they are done with the commit in the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from promptops.core.advice import WHICH_REGISTRY, Sentence
from promptops.core.errors import GitUnavailable, PromptopsError, RegistryMismatch
from promptops.core.model import Release
from promptops.operations.unloadable import unloadable
from promptops.projection import draining, rebuilding, tags
from promptops.projection import remote as remotes
from promptops.projection.draining import Drained
from promptops.projection.objects import ROOT
from promptops.projection.rebuilding import Rebuilt
from promptops.projection.remote import Exchanged
from promptops.source.git.pack import Algorithm
from promptops.source.git.refs import require_address
from promptops.source.git.repository import Repository

if TYPE_CHECKING:
    from promptops.store import Registry

RELEASE_SECONDS = 10.0
"""Seconds that a release waits for git in all, long enough for a push; the rest is left to `promptops sync`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What was brought to git, and what was exchanged with a remote."""

    drained: Drained
    exchanged: Exchanged | None = None


def sync(registry: Registry, root: Path, *, name: str, remote: str = "", seconds: float | None = None) -> Synced:
    """Bring every pending change to the repository of a workspace, which belongs to the registry ``name``.

    With a remote, also fetch the refs that others pushed, and push those of this repository.

    Raises:
        RegistryMismatch: workspace, repository or remote belong to another registry.
        GitUnavailable: git or the remote does not answer within ``seconds``.
    """
    require_same(registry, name)
    with closing(Repository.open(root)) as repository:
        repository.patience.limit(seconds)
        drained = draining.drain(registry, repository)
        exchanged = remotes.exchange(repository, remote, registry.lineage) if remote else None
        return Synced(drained=drained, exchanged=exchanged)


def require_same(registry: Registry, name: str) -> None:
    """Checks that a workspace of the registry ``name`` belongs to this registry.

    Raises:
        RegistryMismatch: it does not.
    """
    if name != registry.name:
        raise RegistryMismatch(
            f"promptops.yml belongs to the registry '{name}', and this is '{registry.name}'",
            hint=WHICH_REGISTRY,
        )


def rebuild(source: str, url: str, *, actor: str, now: datetime) -> Rebuilt:
    """Make a new registry at ``url`` from git alone: from the path of a repository, or an address to fetch from.

    Raises:
        Invalid: there are no records, or a record is missing or was changed; nothing was made.
        Conflict: there is a registry already.
        GitUnavailable: git or the remote does not answer.
    """
    if Path(source).is_dir():
        with closing(Repository.archive(Path(source).absolute())) as repository:
            return _rebuild(repository, url, source=source, actor=actor, now=now)
    with TemporaryDirectory(prefix="promptops-") as folder, closing(fetched(source, Path(folder))) as repository:
        return _rebuild(repository, url, source=source, actor=actor, now=now)


def _rebuild(repository: Repository, url: str, *, source: str, actor: str, now: datetime) -> Rebuilt:
    """Rebuilds the whole history, and names the releases in it that no client could load."""
    done = rebuilding.rebuild(repository, url, source=source, actor=actor, now=now)
    from promptops.store import Registry

    with closing(Registry.open(url)) as registry:
        return replace(done, unloadable=tuple(map(str, unloadable(registry))))


def fetched(address: str, folder: Path) -> Repository:
    """A bare repository in an empty folder with the refs below ``refs/promptops/`` of another one.

    Raises:
        Invalid: git may not be sent to this address.
        GitUnavailable: nothing answers there.
    """
    require_address(address)
    repository = Repository.make_bare(folder / "sha1")
    there = repository.refs.list_remote(address, ROOT)
    if any(len(sha) > 40 for sha in there.values()):
        repository = Repository.make_bare(folder / "sha256", Algorithm.SHA256)
    if there and (problem := repository.refs.fetch(address, ROOT)):
        raise GitUnavailable(f"git fetch from {address} failed: {problem}")
    return repository


# --- tags of releases ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """The tag of a release, and the problem that kept it from being written or pushed, if there was one."""

    name: str
    problem: str = ""


def tag(
    registry: Registry | None,
    repository: Repository,
    releases: Iterable[Release],
    *,
    remote: str = "",
    seconds: float = RELEASE_SECONDS,
) -> tuple[Tagged, ...]:
    """Bring pending changes to the repository, with the annotated tag of each of these releases that has a clean
    commit.

    With a ``remote``, push them too. Without a registry, if a server keeps it, only these tags are written and pushed.
    A release is valid without its tag, so a failure of git is returned as ``problem``.
    """
    clean = [release for release in releases if not release.provenance.dirty]
    try:
        problems = _tag(registry, repository, clean, remote, seconds)
    except PromptopsError as error:
        problem = Sentence(error.message.rstrip("."), *([". ", error.hint] if error.hint else []))
        return tuple(Tagged(name=tags.tag_name(release), problem=problem) for release in clean)
    return tuple(Tagged(name=name, problem=problems.get(name, "")) for name in map(tags.tag_name, clean))


def _tag(
    registry: Registry | None, repository: Repository, releases: list[Release], remote: str, seconds: float
) -> dict[str, str]:
    """Returns the problems of the tags of these releases afterwards, by name."""
    repository.patience.limit(seconds)
    try:
        tagged = draining.bring(registry, repository).tagged if registry else frozenset()
        problems = _write(repository, [r for r in releases if tags.TAGS + tags.tag_name(r) not in tagged])
    finally:
        repository.patience.limit(None)
    if remote:
        names = [tags.TAGS + tags.tag_name(release) for release in releases]
        pushed = (
            remotes.push(repository, remote, registry.lineage)
            if registry
            else remotes.push_tags(repository, remote, names)
        )
        problems |= {name.removeprefix(tags.TAGS): f"not pushed: {why}" for name, why in pushed.refused.items()}
    return problems


def _write(repository: Repository, releases: list[Release]) -> dict[str, str]:
    """Write the tags of releases whose records are in git already, or whose tags failed when those were written."""
    if not releases:
        return {}
    git = repository.refs
    known = draining.commits(git, releases)
    here = [release for release in releases if release.provenance.commit in known]
    with repository.lock.shared():
        refused = draining.write(git, (), draining.untagged(git, here))
    problems = {tags.tag_name(r): draining.no_commit(r) for r in releases if r not in here}
    for name, refusal in refused.items():
        short = name.removeprefix(tags.TAGS)
        problems[short] = refusal.why + (f". Look at it first: git show {short}" if refusal.exists_as else "")
    return problems

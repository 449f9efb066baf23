"""The registry and git: bring changes there, and exchange them with a remote.

Releases, promotions and rollbacks need none of this: they are done with the commit in the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from promptops.core.advice import WHICH_REGISTRY, Sentence
from promptops.core.errors import GitUnavailable, PromptopsError, RegistryMismatch
from promptops.core.model import Release
from promptops.operations import homes, remembered, verified
from promptops.operations.homes import Changed, Declared
from promptops.projection import draining, older, tagging, tags
from promptops.projection import remote as remotes
from promptops.projection.chain import HEADS
from promptops.projection.draining import Drained, Waiting
from promptops.projection.homes import HomeRef, NotTheHome, reach
from promptops.projection.keyring import Unlock, no_key
from promptops.projection.objects import ROOT
from promptops.projection.older import Removed
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
    """What was brought to git, what was exchanged with a remote, and which refs of an older promptops were removed."""

    drained: Drained
    exchanged: Exchanged | None = None
    older: Removed | None = None


def sync(
    registry: Registry,
    root: Path,
    declared: Declared,
    changed: Changed,
    *,
    remote: str = "",
    seconds: float | None = None,
    claim: bool = True,
    remove_older: bool = False,
) -> Synced:
    """Bring every pending change to the home of the journal, from the repository of a workspace, and write its tags.

    ``declared`` is what promptops.yml says. Where no home was named yet, the repository becomes it if ``claim`` is set,
    or if it has been it (:func:`promptops.operations.homes.settle`). If the home is a workspace elsewhere, everything
    waits for a sync there. With a remote, also fetch the tags of releases that others pushed, and push those of this
    repository, and the journal if it lives here. Then ``remove_older`` removes the refs of versions before 0.4.0.

    Raises:
        RegistryMismatch: the workspace belongs to another registry, or names another home.
        GitUnavailable: git, the home or the remote does not answer within ``seconds``.
    """
    require_same(registry, declared.registry)
    with closing(Repository.open(root)) as repository:
        repository.patience.limit(seconds)
        home, drained = _drain(registry, repository, declared, changed, claim=claim)
        drained = drained.with_tags(tagging.write_tags(repository.refs, _missing_tags(registry, repository)))
        exchanged = remotes.exchange(registry, repository, remote, home) if remote else None
        removed = older.remove_older(registry, repository, home, remote) if remove_older and home else None
        return Synced(drained=drained, exchanged=exchanged, older=removed)


def _drain(
    registry: Registry, repository: Repository, declared: Declared, changed: Changed, *, claim: bool
) -> tuple[HomeRef | None, Drained]:
    try:
        home = homes.settle(registry, repository, declared, changed, claim=claim)
    except NotTheHome as error:
        with registry.read() as reader:
            pending = reader.pending_count()
        why = Sentence(f"{error.message}. ", error.hint)
        return None, Drained(pending=pending, waiting=(Waiting(what="the journal", why=why),) if pending else ())
    if lost := remembered.behind(registry):
        with registry.read() as reader:
            return home, Drained(pending=reader.pending_count(), alarms=lost)
    drained = draining.drain(registry, repository, home, unlock=changed.unlock)
    if drained.at.seq and not drained.alarms:
        verified.vouch(registry, repository.refs, drained.at)
    return home, drained


def _missing_tags(registry: Registry, repository: Repository) -> list[Release]:
    """The releases whose commits are here and whose tags are not: cut in another clone, or before the commit came."""
    with registry.read() as reader:
        releases = [release for app in reader.apps() for release in reader.releases(app)]
    there = repository.refs.list(tags.TAGS)
    missing = [r for r in releases if not r.provenance.dirty and tags.TAGS + tags.tag_name(r) not in there]
    known = tagging.commits(repository.refs, missing)
    return [release for release in missing if release.provenance.commit in known]


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


@contextmanager
def reading(source: str, ref: str = "") -> Iterator[Repository]:
    """The repository at a path; or of an address, a bare one with the journals that were fetched from there.

    ``ref`` is fetched too: that of a journal which is not on a usual branch.

    Raises:
        Invalid: git may not be sent to this address. GitUnavailable: nothing answers there.
    """
    if Path(source).is_dir():
        with closing(Repository.archive(Path(source).absolute())) as repository:
            yield repository
        return
    with TemporaryDirectory(prefix="promptops-") as folder, closing(fetched(source, Path(folder), ref)) as repository:
        yield repository


def fetched(address: str, folder: Path, ref: str = "") -> Repository:
    """A bare repository in an empty folder with the journals that another one has, as branches or as older refs, and
    this ``ref`` if it is there.

    Raises:
        Invalid: git may not be sent to this address.
        GitUnavailable: nothing answers there.
    """
    require_address(address)
    repository = Repository.make_bare(folder / "sha1")
    there = repository.refs.list_remote(address, HEADS, ROOT, *([ref] if ref else []))
    if any(len(sha) > 40 for sha in there.values()):
        repository = Repository.make_bare(folder / "sha256", Algorithm.SHA256)
    specs = [f"{prefix}*:{prefix}*" for prefix in (HEADS, ROOT) if any(name.startswith(prefix) for name in there)]
    specs += [f"{ref}:{ref}"] if ref in there and not ref.startswith((HEADS, ROOT)) else []
    if problem := repository.refs.fetch(address, specs):
        raise GitUnavailable(f"git fetch from {address} failed: {problem}")
    return repository


# --- tags of releases ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """The tag of a release, and the problem that kept it from being written or pushed, if there was one.

    ``waits`` says why the journal was not brought to git with it, if this process cannot sign it.
    """

    name: str
    problem: str = ""
    waits: str = ""


def tag(
    registry: Registry | None,
    repository: Repository,
    releases: Iterable[Release],
    *,
    remote: str = "",
    seconds: float = RELEASE_SECONDS,
    unlock: Unlock = no_key,
) -> tuple[Tagged, ...]:
    """Bring pending changes to the repository, with the annotated tag of each of these releases that has a clean
    commit.

    With a ``remote``, push them too. Without a registry, if a server keeps it, only these tags are written and pushed.
    A release is valid without its tag, so a failure of git is returned as ``problem``.
    """
    clean = [release for release in releases if not release.provenance.dirty]
    try:
        problems, waits = _tag(registry, repository, clean, remote, seconds, unlock)
    except PromptopsError as error:
        problem = Sentence(error.message.rstrip("."), *([". ", error.hint] if error.hint else []))
        return tuple(Tagged(name=tags.tag_name(release), problem=problem) for release in clean)
    names = map(tags.tag_name, clean)
    return tuple(Tagged(name=name, problem=problems.get(name, ""), waits=waits) for name in names)


def _tag(
    registry: Registry | None,
    repository: Repository,
    releases: list[Release],
    remote: str,
    seconds: float,
    unlock: Unlock,
) -> tuple[dict[str, str], str]:
    """Returns the problems of the tags of these releases afterwards, by name; and why the journal is not signed."""
    repository.patience.limit(seconds)
    try:
        home = _home(registry, repository)
        brought = draining.bring(registry, repository, home, unlock=unlock) if registry and home else draining.Brought()
        problems = _write(repository, [r for r in releases if tags.TAGS + tags.tag_name(r) not in brought.tagged])
    finally:
        repository.patience.limit(None)
    if remote:
        names = [tags.TAGS + tags.tag_name(release) for release in releases]
        pushed = (
            remotes.exchange(registry, repository, remote, home)
            if registry
            else remotes.push_tags(repository, remote, names)
        )
        problems |= {name.removeprefix(tags.TAGS): f"not pushed: {why}" for name, why in pushed.refused.items()}
        journal = next((why for name, why in pushed.refused.items() if not name.startswith(tags.TAGS)), "")
        if journal:
            problems = {tags.tag_name(r): f"the journal was not pushed: {journal}" for r in releases} | problems
    return problems, brought.locked


def _home(registry: Registry | None, repository: Repository) -> HomeRef | None:
    """The home of the journal; None if this repository does not reach it, so that changes wait there."""
    if registry is None:
        return None
    with registry.read() as reader:
        home = reader.home()
    try:
        return reach(home, repository)
    except NotTheHome:
        return None


def _write(repository: Repository, releases: list[Release]) -> dict[str, str]:
    """Write the tags of releases whose records are in git already, or whose tags failed when those were written."""
    if not releases:
        return {}
    git = repository.refs
    known = tagging.commits(git, releases)
    here = [release for release in releases if release.provenance.commit in known]
    with repository.lock.shared():
        refused = tagging.write_tags(git, tagging.untagged(git, here))
    problems = {tags.tag_name(r): tagging.no_commit(r) for r in releases if r not in here}
    for name, refusal in refused.items():
        short = name.removeprefix(tags.TAGS)
        problems[short] = refusal.why + (f". Look at it first: git show {short}" if refusal.exists_as else "")
    return problems

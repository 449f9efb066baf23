"""Files in git -> apps that are ready to be released.

All slow work happens here, before any transaction: git, parsing, linting, canonical bytes, digests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.core.advice import Sentence, option
from promptops.core.declarations import Declarations
from promptops.core.digest import digest
from promptops.core.errors import DirtyTree, GitUnavailable, Invalid, WorkspaceNotFound
from promptops.core.finding import Finding, Severity
from promptops.core.model import Content, Profile, Provenance, Release
from promptops.core.origin import Origin
from promptops.core.release_bytes import encode

if TYPE_CHECKING:
    from promptops.core.evidence.run import SuiteRef
    from promptops.core.suite.suite import Suite
    from promptops.source.git.repository import CommitInfo, Repository
    from promptops.source.load import AppSource, Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One app at one commit: its content, the canonical bytes and their digest, and where it came from.

    ``loads`` is true if the content was compiled when it was read, so that it is not compiled twice. ``suites`` are
    those of the app, None where they are not known; ``suites_dirty`` says that their files are not the commit's.
    ``declared`` is what the app declares of its calls, None where that is not known.
    """

    content: Content
    data: bytes
    digest: str
    profile: Profile
    provenance: Provenance
    warnings: tuple[Finding, ...] = ()
    loads: bool = False
    suites: tuple[SuiteRef, ...] | None = None
    suites_dirty: bool = False
    declared: Declarations | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltWorkspace:
    """A built workspace: the name of the registry it belongs to, and its apps in order of their names.

    ``marker`` is the path of its ``promptops.yml`` in the repository.
    """

    registry: str
    built: tuple[Built, ...]
    marker: str = "promptops.yml"


def build(
    repository: Repository,
    root: Path,
    apps: Collection[str] = (),
    *,
    commit: str = "HEAD",
    allow_dirty: bool = False,
    builder: str,
) -> BuiltWorkspace:
    """Build some apps of the workspace at ``root`` (none named: all of them) from a commit of the repository it is in.

    With ``allow_dirty`` they are built from the files as they are, and their provenance records whether those differ
    from the commit.

    Raises:
        SourceInvalid: the files of these apps have errors; it has all of them.
        DirtyTree: the commit is HEAD, and some of their files are not committed.
        NotFound, GitUnavailable: no such app or commit, or git does not answer.
    """
    from promptops.source.lint.lint import lint_app
    from promptops.source.load import load_workspace
    from promptops.source.tree import WorkingTree

    if allow_dirty and commit != "HEAD":
        as_they_are, named = option("allow_dirty", "a dirty release"), option("commit", "a named commit")
        raise Invalid(
            Sentence(as_they_are, " is about the files as they are, ", named, " about a commit"),
            hint="Give one of them.",
        )
    info = repository.resolve(commit)
    repository.seek_first_commit(info.sha)
    under = workspace_folder(repository, root, info.sha)
    tree = WorkingTree(root) if allow_dirty else repository.tree(info.sha, under)
    loaded = load_workspace(tree, apps=frozenset(apps) or None, lint=lint_app, suites=True)
    if loaded.workspace is None:
        raise WorkspaceNotFound(
            f"promptops.yml is not in commit {info.sha[:12]}", hint="Commit it: git add promptops.yml && git commit"
        )
    chosen = tuple(loaded.app(name) for name in sorted(apps)) if apps else loaded.apps
    if not chosen:
        raise Invalid("the workspace has no apps", hint="`apps:` in promptops.yml lists their directories.")
    loaded.require_valid([app.name for app in chosen])
    prefix = f"{under}/" if under else ""
    dirty = _dirty(repository, prefix, chosen, as_they_are=allow_dirty) if commit == "HEAD" else ()
    changed = _changed_suites(repository, prefix, chosen) if allow_dirty else frozenset()
    if dirty and not allow_dirty:
        raise DirtyTree(dirty)
    place = Origin(repository=info.repository, path=prefix, root=repository.first_commit(info.sha))
    built = tuple(
        replace(_build(app, loaded, info, place, dirty, builder), suites_dirty=app.name in changed)
        for app in sorted(chosen, key=lambda app: app.name)
    )
    return BuiltWorkspace(registry=loaded.workspace.registry, built=built, marker=f"{prefix}promptops.yml")


def with_authors(
    repository: Repository, workspace: BuiltWorkspace, newest: Callable[[str], Release | None]
) -> BuiltWorkspace:
    """Adds to the provenance of each app who wrote what it changes since its ``newest`` release.

    A content that was released from a commit before needs none, since its provenance stays.

    Raises:
        GitUnavailable: git cannot list its commits.
    """
    from promptops.source.git.authors import authors

    def named(built: Built) -> Built:
        before, made = newest(built.content.app), built.provenance
        if before is not None and before.digest == built.digest and not before.provenance.dirty:
            return built
        since = before.provenance.commit if before is not None else ""
        # Changes that came before the app moved were made in its old folder.
        paths = dict.fromkeys((made.path, before.provenance.path if before is not None else made.path))
        if built.content.models:  # what the content says of models was written there
            paths[workspace.marker] = None
        people = authors(repository.begin, made.commit, *paths, since=since)
        return replace(built, provenance=replace(made, authors=people))

    return replace(workspace, built=tuple(map(named, workspace.built)))


def origin_of(repository: Repository, root: Path, app: str) -> Origin:
    """Where an app of the workspace at ``root`` is: what its next release will say.

    Raises:
        AppNotFound: the workspace has no app of this name. GitUnavailable, Invalid: there is no commit.
    """
    from promptops.source.load import load
    from promptops.source.tree import WorkingTree

    path = load(WorkingTree(root), apps={app}).app(app).path
    info = repository.resolve()
    under = workspace_folder(repository, root, info.sha)
    first = repository.first_commit(info.sha)
    return Origin(repository=info.repository, path="/".join(filter(None, (under, path))), root=first)


def workspace_origin(root: Path) -> Origin | None:
    """Where the workspace at ``root`` is; None if it is in no repository that could be recognised."""
    from promptops.source.git.repository import Repository

    try:
        repository = Repository.open(root)
    except GitUnavailable:
        return None
    with closing(repository):
        try:
            sha = repository.resolve().sha
        except Invalid:  # nothing is committed yet
            sha = ""
        first = repository.first_commit(sha) if sha else ""
        origin = Origin(repository=repository.remote(), path=workspace_folder(repository, root, sha), root=first)
    return origin if origin.is_known else None


def workspace_folder(repository: Repository, root: Path, sha: str) -> str:
    """The folder of a workspace in its repository, as a commit writes it; empty for the whole repository."""
    under = repository.inside(root)
    return repository.spelling(sha, under) if sha else under


def _dirty(repository: Repository, prefix: str, apps: Sequence[AppSource], *, as_they_are: bool) -> tuple[str, ...]:
    """Returns the files of these apps that a release reads and that the commit does not have like that.

    A release of the files as they are has their bytes, so every other byte counts; a release of the commit does not.
    """
    from promptops.source.app_source import may_be_read
    from promptops.source.tree import below

    paths = [f"{prefix}{app.path}" for app in apps]
    marker = f"{prefix}promptops.yml"
    read = {marker, *(f"{prefix}{path}" for app in apps for path in app.files)}  # with those that messages embed

    def reads(file: str) -> bool:
        return file in read or any(below(file, path) and may_be_read(file[len(path) :].strip("/")) for path in paths)

    ask = repository.different if as_they_are else repository.dirty
    return ask([*paths, marker], reads=reads)


def _changed_suites(repository: Repository, prefix: str, apps: Iterable[AppSource]) -> frozenset[str]:
    """The apps with files in ``evals/`` that are not as the commit has them."""
    folders = {app.name: "/".join(filter(None, (f"{prefix}{app.path}", "evals"))) for app in apps}
    changed = repository.different([*folders.values()], reads=lambda file: True)
    return frozenset(name for name, folder in folders.items() if any(file.startswith(f"{folder}/") for file in changed))


def suite_refs(suites: Mapping[str, Suite]) -> tuple[SuiteRef, ...] | None:
    """The suites of an app in order of their names; None if they are too large to be recorded. They stop no release."""
    from promptops.core.evidence.release_suites import MOST_CASES, require_suites
    from promptops.core.evidence.suite_refs import suite_ref

    few = sum(len(suite.cases) for suite in suites.values()) <= MOST_CASES
    try:
        refs = tuple(suite_ref(suite, cases=few) for _, suite in sorted(suites.items()))
        require_suites(refs)
    except Invalid:
        return None
    return refs


def _build(
    app: AppSource, loaded: Loaded, info: CommitInfo, place: Origin, dirty: tuple[str, ...], builder: str
) -> Built:
    assert app.content is not None  # require_valid has seen to it
    data = encode(app.content)
    path = f"{place.path}{app.path}"
    return Built(
        loads=True,
        suites=suite_refs(app.suites),
        content=app.content,
        data=data,
        digest=digest(data),
        profile=app.profile,
        declared=app.declared,
        provenance=Provenance(
            repository=place.repository,
            commit=info.sha,
            path=path,
            author=info.author,
            builder=builder,
            dirty=any(
                file == path or file.startswith(f"{path}/") or file == f"{place.path}promptops.yml" for file in dirty
            ),
            root=place.root,
        ),
        warnings=tuple(
            finding
            for finding in loaded.findings
            if finding.severity is Severity.WARNING
            and finding.path.startswith(f"{app.path}/")
            and finding.path not in app.suite_files
        ),
    )

"""Two commits of a repository -> what changed between them: apps, findings, suites. Needs no registry.

Everything is read from git's objects, so the files on disk do not matter, and a bare repository will do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from promptops.ci.report import ChangedApp, Report, SuiteChange
from promptops.core.contract import bump_of, compare
from promptops.core.digest import digest
from promptops.core.errors import WorkspaceNotFound
from promptops.core.finding import Finding, Severity
from promptops.core.release_bytes import encode
from promptops.core.suite.suite import Suite, SuiteKind, case_digest, check_digest
from promptops.source.tree import below

if TYPE_CHECKING:
    from promptops.source.git.repository import Repository
    from promptops.source.git.tree import GitTree
    from promptops.source.load import AppSource, Loaded


def changes(repository: Repository, folder: str, base: str, head: str = "HEAD", *, exact: bool = False) -> Report:
    """Returns what changed in the workspace in ``folder`` since ``head`` left ``base``; or, ``exact``, since ``base``.

    An app is among them if its content, its suites or its errors are others; files of other texts do not count.
    An empty ``base`` stands for no commit: then everything is new.

    Raises:
        WorkspaceNotFound: there is no ``promptops.yml`` at the head.
        Invalid, GitUnavailable: there is no such commit, or git does not answer.
    """
    from promptops.source.text.findings import RULES

    now, before = repository.resolve(head).sha, "" if exact else _base(repository, base, head)
    notes = repository.ignored() if not before else ()
    if base and not before and not exact:
        notes = (f"{base} and {head} have no commit in common here, so they are compared as they are.", *notes)
    before = before or (repository.resolve(base).sha if base else "")
    new = _checked(repository, now, folder)
    if new is None:
        raise WorkspaceNotFound(f"promptops.yml is not in commit {now[:12]}")
    touched = _touched(repository, folder, before, now, new)
    old = _checked(repository, before, folder, touched) if before else None
    prefix = f"{folder}/" if folder else ""
    findings = tuple(replace(finding, path=f"{prefix}{finding.path}") for finding in new.findings)
    known = Counter(map(_same, old.findings if old else ()))
    fresh = [
        replace(finding, path=f"{prefix}{finding.path}")
        for finding in new.findings
        if _is_of(finding, new, touched) and not _seen(known, finding)
    ]
    return Report(
        base=before,
        head=now,
        folder=folder,
        apps=tuple(_changed(old, new, touched, prefix)),
        findings=findings,
        new=tuple(fresh),
        notes=notes,
        changed_lines=_lines(repository, before, now, folder, fresh),
        meanings={code: rule.meaning for code, rule in RULES.items()},
    )


def _lines(
    repository: Repository, before: str, now: str, folder: str, fresh: Collection[Finding]
) -> Mapping[str, frozenset[int]] | None:
    """Returns which lines are others, where something was found: git reads the texts of all changed files for that."""
    if not before:
        return None
    return repository.changed_lines(before, now, folder) if fresh else {}


def _is_of(finding: Finding, loaded: Loaded, apps: Collection[str]) -> bool:
    """Whether a finding is of one of these apps, or of a file that belongs to none: promptops.yml."""
    owner = [app for app in loaded.apps if below(finding.path, app.path)]
    return not owner or any(app.name in apps for app in owner)


def _base(repository: Repository, base: str, head: str) -> str:
    """Returns the newest commit that both have: what else happened on the base's branch is no change of this one."""
    return repository.common(base, head) if base else ""


def _checked(repository: Repository, sha: str, folder: str, apps: Collection[str] | None = None) -> Loaded | None:
    from promptops.source.lint.lint import check

    try:
        return check(repository.tree(sha, folder), apps=apps)
    except WorkspaceNotFound:
        return None


def _touched(repository: Repository, folder: str, before: str, now: str, new: Loaded) -> frozenset[str]:
    """Returns the apps that may be others: a file of theirs is, or promptops.yml; and the names that only one has."""
    names = frozenset(app.name for app in new.apps)
    if not before:
        return names
    one, other = repository.tree(before, folder), repository.tree(now, folder)
    if _blobs(one, "promptops.yml") != _blobs(other, "promptops.yml"):
        return names | frozenset(_known(repository, before, folder))
    same = {app.name for app in new.apps if _blobs(one, app.path) == _blobs(other, app.path)}
    return (names | frozenset(_known(repository, before, folder))) - same


def _known(repository: Repository, sha: str, folder: str) -> tuple[str, ...]:
    loaded = _checked(repository, sha, folder, ())
    return loaded.known if loaded else ()


def _blobs(tree: GitTree, path: str) -> dict[str, str]:
    return {file: tree.blob(file) for file in (tree.files(path) or [path])}


def _changed(old: Loaded | None, new: Loaded, touched: frozenset[str], prefix: str) -> Iterator[ChangedApp]:
    before = {app.name: app for app in old.apps} if old else {}
    after = {app.name: app for app in new.apps}
    for name in sorted(touched & (before.keys() | after.keys())):
        app = _app(before.get(name), after.get(name), new, prefix)
        if app.digest != app.old_digest or app.suites or app.errors:
            yield app


def _app(old: AppSource | None, new: AppSource | None, loaded: Loaded, prefix: str) -> ChangedApp:
    source = new or old
    assert source is not None
    content, before = new.content if new else None, old.content if old else None
    found = tuple(compare(before, content)) if content is not None else ()
    data = encode(content) if content is not None else b""
    errors = [f for f in loaded.findings if f.severity is Severity.ERROR and below(f.path, source.path)]
    return ChangedApp(
        name=source.name,
        path=f"{prefix}{source.path}",
        old_digest=digest(encode(before)) if before is not None else "",
        digest=digest(data) if data else "",
        bump=bump_of(found),
        changes=found,
        suites=tuple(_suites(old.suites if old else {}, new.suites if new else {})),
        is_new=old is None,
        is_gone=new is None,
        errors=len(errors) if new else 0,
        content=data,
        suites_now=new.suites if new else {},
    )


def _suites(old: Mapping[str, Suite], new: Mapping[str, Suite]) -> Iterator[SuiteChange]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            count = len((before or after or Suite(name=name, prompts=())).cases)
            yield SuiteChange(
                suite=name,
                is_new=before is None,
                is_gone=after is None,
                added=count if before is None else 0,
                removed=count if after is None else 0,
            )
            continue
        change = _suite(before, after)
        if change != SuiteChange(suite=name):
            yield change


def _suite(old: Suite, new: Suite) -> SuiteChange:
    before, after = _cases(old), _cases(new)
    return SuiteChange(
        suite=new.name,
        added=len(after.keys() - before.keys()),
        removed=len(before.keys() - after.keys()),
        changed=sum(before[id] != after[id] for id in before.keys() & after.keys()),
        lowered=old.kind is SuiteKind.REQUIRED and new.kind is SuiteKind.SAMPLE,
        checks_changed=_asked(old) != _asked(new),
    )


def _asked(suite: Suite) -> object:
    held = suite.held.digest if suite.held else ""
    return sorted(suite.prompts), suite.repeats, suite.independent, held, sorted(map(check_digest, suite.checks))


def _cases(suite: Suite) -> dict[str, str]:
    """Returns the digest of each case by its id, of its own checks alone: those of the suite are compared once."""
    return {case.id: case_digest(case, list(map(check_digest, case.checks))) for case in suite.cases}


def _same(finding: Finding) -> tuple[str, str, str]:
    return finding.path, finding.code, finding.message


def _seen(known: Counter[tuple[str, str, str]], finding: Finding) -> bool:
    """Whether the base has this finding; each of its own counts for one."""
    if known[_same(finding)] == 0:
        return False
    known[_same(finding)] -= 1
    return True

"""Loads a workspace with its apps from a tree of files, and all findings about them.

One run reports all errors. An app with an error has no content, so it cannot be released by mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from promptops.core.compiled import require_loadable
from promptops.core.declarations import NOTHING, Declarations
from promptops.core.errors import AppNotFound, SourceInvalid, Unloadable
from promptops.core.finding import Finding, Severity
from promptops.core.model import Content, Profile
from promptops.core.suite.suite import Case, Suite
from promptops.source.app_source import ReadApp, duplicate_names, read_app, read_name
from promptops.source.apps import find_apps
from promptops.source.own_models import report_unused
from promptops.source.suites.read_suite import ReadSuite
from promptops.source.text.fields import read_text
from promptops.source.text.findings import Report
from promptops.source.tree import Tree
from promptops.source.workspace import MARKER, Workspace, parse_workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSource:
    """An app as its files have it. ``content`` is None if it has errors.

    ``suites`` are its suites that could be run, by name: those of prompt files, and those of ``evals/`` if they were
    read, whose files are ``suite_files``. ``held`` are those whose cases are held elsewhere, with or without
    their digest. ``files`` are those that a release is made of, and ``models`` those that it names, also of judges.
    ``test_data`` are the cases of prompt files, by the prompt's name, also where no evaluator makes a suite of them.
    """

    name: str
    path: str
    content: Content | None
    profile: Profile = field(default_factory=Profile)
    declared: Declarations = NOTHING
    suites: Mapping[str, Suite] = field(default_factory=dict)
    held: Mapping[str, ReadSuite] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    suite_files: tuple[str, ...] = ()
    test_data: Mapping[str, tuple[Case, ...]] = field(default_factory=dict)
    models: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The loaded workspace. ``apps`` are those that the caller wanted, ``known`` the names of all apps."""

    workspace: Workspace | None
    apps: tuple[AppSource, ...]
    findings: tuple[Finding, ...]
    known: tuple[str, ...] = ()

    def app(self, name: str) -> AppSource:
        """Returns the app of this name.

        Raises:
            AppNotFound: there is no such app; the hint lists the known ones.
        """
        for app in self.apps:
            if app.name == name:
                return app
        raise AppNotFound(f"there is no app '{name}' in this workspace", known=self.known)

    def require_valid(self, apps: Collection[str] | None = None) -> None:
        """Checks that ``promptops.yml`` and these apps (None: all) have no errors.

        Raises:
            SourceInvalid: with all their errors.
        """
        suites = {path for app in self.apps for path in app.suite_files}
        errors = [error for error in self.findings if error.severity is Severity.ERROR and error.path not in suites]
        if apps is not None:
            paths = {path for app in self.apps if app.name in apps for path in (*app.files, app.path or ".")}
            errors = [error for error in errors if error.path in paths or error.path == MARKER]
        if errors:
            raise SourceInvalid(errors)


Lint = Callable[[ReadApp], None]
"""Adds findings to the reports of a read app."""


def load(tree: Tree, *, apps: Collection[str] | None = None) -> Loaded:
    """Loads a workspace, or some of its apps by name. Only looks for problems that stop a release: no lint.

    Raises:
        WorkspaceNotFound: the tree has no ``promptops.yml``.
    """
    return load_workspace(tree, apps=apps, lint=None)


def load_workspace(tree: Tree, *, apps: Collection[str] | None, lint: Lint | None, suites: bool = False) -> Loaded:
    """Loads like :func:`load`, and calls ``lint`` for each app before its findings are collected.

    ``suites`` says whether the files of ``evals/`` are read too.
    """
    report = _marker(tree)
    workspace = parse_workspace(report)
    named = []
    if workspace is not None:
        matches = find_apps(tree, workspace)
        _unmatched(report, matches.unmatched)
        named = [(folder, *read_name(tree, folder, workspace.models)) for folder in matches.folders]
        duplicate_names((name, file) for _, name, file in named)
    read = [
        read_app(tree, folder, name, file, suites=suites)
        for folder, name, file in named
        if apps is None or name in apps
    ]
    if lint is not None and workspace is not None and workspace.models and apps is None:
        report_unused(report, workspace.models, {model for app in read for model in app.models()})
    return finish(report, workspace, read, lint=lint, known=tuple(name for _, name, _ in named))


def finish(
    marker: Report | None,
    workspace: Workspace | None,
    read: Iterable[ReadApp],
    *,
    lint: Lint | None,
    known: tuple[str, ...],
) -> Loaded:
    """Lints the read apps, applies the suppressions, and returns the loaded workspace."""
    sources = []
    findings = marker.findings(lint=lint is not None) if marker else []
    for app in read:
        if lint is not None:
            lint(app)
        of_app = _findings(app.reports(), lint=lint is not None)
        has_errors = any(finding.severity is Severity.ERROR for finding in of_app)
        content = None if has_errors else app.content()
        if content is not None and not _loads(app, content):
            of_app, content = _findings(app.reports(), lint=lint is not None), None
        findings += [*of_app, *_findings(app.suite_reports, lint=lint is not None)]
        sources.append(_source(app, content))
    findings.sort(key=lambda finding: (finding.path, finding.line, finding.column, finding.code))
    return Loaded(workspace=workspace, apps=tuple(sources), findings=tuple(findings), known=known)


def _findings(reports: Iterable[Report], *, lint: bool) -> list[Finding]:
    return [finding for report in reports if report for finding in report.findings(lint=lint)]


def _loads(app: ReadApp, content: Content) -> bool:
    """Returns whether every client can load the app; if not, its report gets the reason."""
    try:
        require_loadable(content)
    except Unloadable as error:
        files = {file.prompt.name: file.report for file in app.prompts if file.prompt is not None}
        files.get(error.prompt, app.file.report).add("unloadable", 0, error.message, error.hint)
        return False
    return True


def _source(app: ReadApp, content: Content | None) -> AppSource:
    return AppSource(
        name=app.name,
        path=app.folder.path,
        content=content,
        profile=app.file.profile,
        declared=app.file.declared,
        suites={read.suite.name: read.suite for read in app.suites() if read.is_complete},
        held={read.suite.name: read for read in app.suites() if read.suite.held is not None},
        files=tuple(report.path for report in app.reports()),
        suite_files=tuple(report.path for report in app.suite_reports),
        test_data={file.suite.suite.name: file.suite.suite.cases for file in app.prompts if file.suite is not None},
        models=frozenset(app.models()),
    )


def _marker(tree: Tree) -> Report:
    from promptops.core.errors import WorkspaceNotFound

    report = read_text(tree, MARKER)
    if any(finding.code == "file-unreadable" for finding in report.findings(lint=False)):
        raise WorkspaceNotFound(f"no {MARKER} here", hint="`promptops init` makes one.")
    return report


def _unmatched(report: Report, unmatched: Collection[str]) -> None:
    from promptops.source.text.strict_yaml import parse

    if not unmatched:
        return
    document = parse(report.text)
    written = document.value.get("apps") if isinstance(document.value, Mapping) else None
    places = {pattern: index for index, pattern in enumerate(written)} if isinstance(written, list) else {}
    for pattern in unmatched:
        offset = document.offset(("apps", places[pattern]) if pattern in places else ("apps",))
        hint = "An app is a folder with an app.yml or a prompt file (*.prompt.yml)."
        report.add("app-missing", offset, f"'{pattern[:80]}' holds no app", hint)

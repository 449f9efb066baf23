"""The checks of `promptops check` and `promptops release`: :mod:`promptops.source.load`, and lint.

Needs no registry, and for single files and folders no workspace either.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import date
from pathlib import Path

from promptops.core.errors import WorkspaceNotFound
from promptops.core.model import is_name
from promptops.source.app_file import APP_FILE, AppFile
from promptops.source.app_source import ReadApp, read_app, read_name
from promptops.source.apps import AppFolder, find_apps
from promptops.source.lint import characters, secrets
from promptops.source.lint.embedded import lint_embedded
from promptops.source.lint.models import lint_ends
from promptops.source.lint.suites import lint_suites
from promptops.source.load import Lint, Loaded, finish, load_workspace
from promptops.source.suites.folder import is_suite_file
from promptops.source.text.fields import read_text
from promptops.source.text.findings import Report
from promptops.source.tree import Tree, WorkingTree, below
from promptops.source.workspace import MARKER, find_root, parse_workspace


def check(tree: Tree, *, apps: Collection[str] | None = None, suites: bool = True, today: date | None = None) -> Loaded:
    """Loads a workspace, or some of its apps by name, and lints it. Without ``suites``, as a release needs it.

    With ``today``, models that end soon are findings too.

    Raises:
        WorkspaceNotFound: the tree has no ``promptops.yml``.
    """
    lint = _dated(_lint_all if suites else lint_app, today)
    return load_workspace(tree, apps=apps, lint=lint, suites=suites)


def _dated(lint: Lint, today: date | None) -> Lint:
    """Returns the lint with what depends on the day."""

    def dated(app: ReadApp) -> None:
        lint(app)
        if today is not None:
            lint_ends(app, today)

    return dated


def _here(tree: WorkingTree, lint: Lint, today: date | None) -> Lint:
    """Returns the lint with what depends on the day and on what of the files git has."""
    dated, embedded = _dated(lint, today), lint_embedded(tree.root)

    def here(app: ReadApp) -> None:
        dated(app)
        embedded(app)

    return here


def lint_app(app: ReadApp) -> None:
    """Adds the findings of lint to the reports of an app: secrets, strange characters, and unused parts."""
    _lint_one(app)
    _unused(app)


def _lint_all(app: ReadApp) -> None:
    lint_app(app)
    lint_suites(app)


def _lint_file(app: ReadApp) -> None:
    _lint_one(app)
    lint_suites(app)


def _lint_one(app: ReadApp) -> None:
    """Adds the findings that need no other file of the app."""
    for report in (*app.reports(), *(read.report for read in app.suite_files)):
        if report.text:
            characters.scan(report)
            secrets.scan(report)


def check_path(path: Path, *, today: date | None = None) -> Loaded:
    """Lints a workspace, the apps in a folder, or one prompt file. Works without a ``promptops.yml``.

    With ``today``, models that end soon are findings too.

    Paths of findings are relative to the workspace; without one, to the current folder where the path lies in it.

    Raises:
        WorkspaceNotFound: the path does not exist.
    """
    path = Path(os.path.abspath(path))
    if not path.exists():
        raise WorkspaceNotFound(f"there is nothing at {path}")
    if path.name == MARKER or (path.is_dir() and (path / MARKER).is_file()):
        tree = WorkingTree(path.parent if path.name == MARKER else path)
        return load_workspace(tree, apps=None, lint=_here(tree, _lint_all, today), suites=True)
    try:
        root = find_root(path if path.is_dir() else path.parent)
    except WorkspaceNotFound:
        return _check_alone(path, today)
    return _check_within(WorkingTree(root), path.relative_to(root).as_posix(), path, today)


def _check_within(tree: WorkingTree, inside: str, path: Path, today: date | None) -> Loaded:
    """Lints the apps of a workspace at or below a path, or else the app that contains it."""
    workspace = parse_workspace(read_text(tree, MARKER))
    folders = find_apps(tree, workspace).folders if workspace else ()
    contained = [folder for folder in folders if below(folder.path, inside)]
    owners = [folder for folder in folders if below(inside, folder.path)]
    if not contained and not owners:
        return _check_alone(path, today)
    only = _one_prompt(path, inside)
    read = []
    for folder in contained or owners[-1:]:
        name, file = read_name(tree, folder, workspace.models if workspace else None)
        read.append(read_app(tree, folder, name, file, only=only, suites=True))
    lint = _here(tree, _lint_file if only else _lint_all, today)
    return finish(None, workspace, read, lint=lint, known=tuple(app.name for app in read))


def _check_alone(path: Path, today: date | None) -> Loaded:
    """Lints a folder as one app, or a single file, outside of any workspace."""
    here = Path.cwd()
    folder = path if path.is_dir() else _home(path)
    tree = WorkingTree(here if folder.is_relative_to(here) else folder)
    inside = "" if folder == tree.root else folder.relative_to(tree.root).as_posix()
    app = AppFolder(path=inside, files=tree.files(inside), others=tree.others(inside))
    name, file = read_name(tree, app)
    if not is_name(name) and not file.document:  # the folder's name is not one that a user chose for an app
        name, file = "app", AppFile(report=Report(file.report.path))
    only = _one_prompt(path, path.relative_to(tree.root).as_posix())
    read = read_app(tree, app, name, file, only=only, suites=True)
    lint = _here(tree, _lint_file if only else _lint_all, today)
    return finish(None, None, [read], lint=lint, known=(name,))


def _one_prompt(path: Path, inside: str) -> str:
    """Returns the path inside the tree if it is one prompt file; empty for a whole app or another part of one."""
    whole = path.name == APP_FILE or "partials" in path.parts or is_suite_file(path.as_posix())
    return inside if path.is_file() and not whole else ""


def _home(path: Path) -> Path:
    """Returns the folder of the app that a single file belongs to."""
    for folder in list(path.parents)[:4]:
        if (folder / APP_FILE).is_file():
            return folder
    return path.parent


def _unused(app: ReadApp) -> None:
    document = app.file.document
    pins = {file.pin for file in app.prompts} | app.file.judge_pins
    variables = {name for file in app.prompts for name in file.variables}
    for name in app.file.pins if document else ():
        if name not in pins and document:
            app.file.report.add("unused-pin", document.key_offset(("models", name)), f"no prompt uses the pin '{name}'")
    for name in app.file.inputs if document else ():
        if name not in variables and document:
            offset = document.key_offset(("inputs", name))
            app.file.report.add("unused-variable", offset, f"no message uses '{name}'")
    for name, origin in app.partials.origins.items():
        if name not in app.partials.used and not origin.report:
            origin.report.add("unused-partial", 0, f"no prompt uses the partial '{name}'")

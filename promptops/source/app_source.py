"""Reads the folder of one app: its profile, its prompts with their suites, its partials, its files of suites."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from promptops.core.features import features_of
from promptops.core.model import Content, OwnFacts, Prompt, is_name, is_segment
from promptops.core.part_bytes import blobs_of
from promptops.core.parts import MAX_EMBEDDED
from promptops.source import placeholders
from promptops.source.app_file import APP_FILE, AppFile, read_app_file
from promptops.source.apps import AppFolder, is_prompt
from promptops.source.origin import Origin
from promptops.source.partials import Partials
from promptops.source.parts import AppFiles
from promptops.source.prompt_file import ENDINGS, Around, PromptFile, read_prompt
from promptops.source.suites.folder import read_suites
from promptops.source.suites.read_suite import ReadSuite
from promptops.source.text.fields import read_text
from promptops.source.text.findings import Report
from promptops.source.text.suppression import in_text, without
from promptops.source.tree import Tree

PROMPTS = "prompts/"
PARTIALS = "partials/"
_MAX_CONTENT = 1 << 20  # bytes, as of a release


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadApp:
    """A read app. It may have errors: look at its reports. ``uses`` are the files that its messages embed, each
    with the first place that names it.
    """

    folder: AppFolder
    name: str
    file: AppFile
    prompts: tuple[PromptFile, ...]
    partials: Partials
    embedded: Mapping[str, Report] = field(default_factory=dict)
    uses: Mapping[str, tuple[Report, int]] = field(default_factory=dict)
    suite_files: tuple[ReadSuite, ...] = ()
    suite_reports: tuple[Report, ...] = ()

    def suites(self) -> Iterator[ReadSuite]:
        """Yields all suites: those of prompt files, then those of ``evals/``."""
        yield from (prompt.suite for prompt in self.prompts if prompt.suite is not None)
        yield from self.suite_files

    def models(self) -> Iterator[str]:
        """Yields the models that its pins, its judges and its prompts name."""
        yield from (pin.model for pin in (*self.file.pins.values(), *self.file.judges.values()))
        yield from (file.prompt.model for file in self.prompts if file.prompt is not None and file.prompt.model)

    def reports(self) -> Iterator[Report]:
        """Yields the report of every file that a release is made of. ``suite_reports`` are those of ``evals/``."""
        yield self.file.report
        for prompt in self.prompts:
            yield prompt.report
        for origin in self.partials.origins.values():
            yield origin.report
        yield from self.embedded.values()

    def content(self) -> Content:
        """Returns the content as it would be released. Incomplete if the app has errors."""
        prompts = [file.prompt for file in self.prompts if file.prompt is not None]
        requires = {feature for prompt in prompts for feature in features_of(prompt)}
        own = {prompt.own_facts.model: prompt.own_facts for prompt in prompts if prompt.own_facts is not None}
        return Content(
            app=self.name,
            prompts=tuple(sorted(prompts, key=_by_name)),
            requires=tuple(sorted(requires)),
            models=tuple(own[model] for model in sorted(own)),
        )


def read_name(tree: Tree, folder: AppFolder, models: Mapping[str, OwnFacts] | None = None) -> tuple[str, AppFile]:
    """Returns an app's name, from its ``app.yml`` or else its folder, and the read file.

    ``models`` are what the workspace says of models.
    """
    path = f"{folder.path}/{APP_FILE}".removeprefix("/")
    if path in folder.files:
        file = read_app_file(read_text(tree, path), models)
    else:
        file = AppFile(report=Report(folder.path or "."), models=models or {})
    name = file.name or folder.path.rpartition("/")[2]
    if not file.name and not is_name(name):
        shown = f"the folder '{name}' is not an app's name" if name else "an app in the root folder needs a name"
        hint = "Lower case letters, digits, . _ and -. Rename the folder, or give it an app.yml with a `name`."
        file.report.add("name-invalid", 0, shown, hint)
    return name, file


def read_app(
    tree: Tree, folder: AppFolder, name: str, file: AppFile, *, only: str = "", suites: bool = False
) -> ReadApp:
    """Read an app's prompts and partials, and the files of its suites if ``suites``: no release needs those.

    ``only`` is the path of the one prompt to read, if not all.
    """
    tree.prepare([only] if only else [path for path in folder.files if is_source(folder, path)])
    partials = Partials(_partials(tree, folder, file.report))
    files = AppFiles.of(tree, folder.path, map(folder.inside, folder.files), map(folder.inside, folder.others))
    around = Around(
        pins=file.pins,
        judges=file.judges,
        inputs=file.inputs,
        aliases=file.aliases,
        partials=partials,
        models=file.models,
        files=files,
    )
    prompts = tuple(_prompts(tree, folder, file.report, around, only))
    app = ReadApp(
        folder=folder,
        name=name,
        file=file,
        prompts=prompts,
        partials=partials,
        embedded=files.reports,
        uses=files.uses,
    )
    _links(app)
    if not prompts and not file.report:
        file.report.add("no-prompts", 0, "the app has no prompt file", f"Files end in {', '.join(ENDINGS)}.")
    _size(app)
    if suites and not only:
        read, reports = read_suites(
            tree,
            folder.path,
            folder.files,
            folder.others,
            own=[prompt.name for prompt in prompts if prompt.suite is not None and prompt.suite.is_complete],
            prompts={prompt.name: prompt.prompt for prompt in prompts if prompt.prompt is not None},
            judges=file.judges,
        )
        return replace(app, suite_files=read, suite_reports=reports)
    return app


def _prompts(tree: Tree, folder: AppFolder, report: Report, around: Around, only: str) -> Iterator[PromptFile]:
    paths = [path for path in folder.files if is_prompt(path)]
    has_folder = any(folder.inside(path).startswith(PROMPTS) for path in folder.files)
    taken: dict[str, str] = {}
    for path in [only] if only else paths:
        inside = folder.inside(path)
        if has_folder and not inside.startswith(PROMPTS) and not only:
            hint = "Move it, or remove the folder."
            report.add("prompt-outside", 0, f"{inside} is not in {PROMPTS}, so it is not part of the app", hint)
            continue
        name = prompt_name(inside.removeprefix(PROMPTS) if has_folder else inside)
        file = read_text(tree, path)
        if not all(is_segment(step) for step in name.split("/")):
            hint = "Letters, digits, . _ and - in each step of the path."
            file.add("name-invalid", 0, f"'{name[:120]}' is not a prompt's name", hint)
        if name.lower() in taken:
            file.add("name-taken", 0, f"'{name}' is already the name of {taken[name.lower()]}")
        taken.setdefault(name.lower(), path)
        yield read_prompt(file, name, around) if file.text or not file else PromptFile(report=file, name=name)


def prompt_name(path: str) -> str:
    """A prompt's name: its path without the ending."""
    for ending in ENDINGS:
        if path.endswith(ending):
            return path.removesuffix(ending)
    return path.rpartition(".")[0] or path


def may_be_read(inside: str) -> bool:
    """Returns whether a release reads files of this path, relative to its app."""
    return inside == APP_FILE or is_prompt(inside) or inside.startswith(PARTIALS)


def is_source(folder: AppFolder, path: str) -> bool:
    """True for the path of an app's prompt or partial."""
    return is_prompt(path) or folder.inside(path).startswith(PARTIALS)


def _partials(tree: Tree, folder: AppFolder, report: Report) -> Mapping[str, Origin]:
    origins: dict[str, Origin] = {}
    taken: dict[str, str] = {}
    for path in folder.files:
        inside = folder.inside(path)
        if not inside.startswith(PARTIALS) or is_prompt(path) or inside.rpartition("/")[2].startswith("."):
            continue
        base, _, leaf = inside.removeprefix(PARTIALS).rpartition("/")
        name = f"{base}/{leaf.rpartition('.')[0] or leaf}".removeprefix("/")
        origin = _partial(read_text(tree, path))
        if not all(is_segment(step) for step in name.split("/")):
            origin.report.add("name-invalid", 0, f"'{name[:120]}' is not a partial's name")
        if name.lower() in taken:
            origin.report.add("name-taken", 0, f"'{name}' is already the name of {taken[name.lower()]}")
            name = path
        taken.setdefault(name.lower(), path)
        origins[name] = origin
    return origins


def _partial(report: Report) -> Origin:
    text, places = without(report.text)
    report.suppressions = in_text(report.text, 0, report)
    origin = Origin(report=report, text=text.removesuffix("\n"), place=places.at)
    placeholders.scan(origin)
    return origin


def _links(app: ReadApp) -> None:
    """Report links and the like where a source file would be."""
    for path in app.folder.others:
        inside = app.folder.inside(path) + "/"
        if is_prompt(path) or inside.startswith((PROMPTS, PARTIALS, f"{APP_FILE}/")):
            why, hint = "is not a regular file; links are not followed", "Put the file itself there."
            if "\ufffd" in path:
                why, hint = "has a name that is not UTF-8", "Give it another name."
            app.file.report.add("not-a-file", 0, f"{inside.removesuffix('/')} {why}", hint)


def _size(app: ReadApp) -> None:
    prompts = tuple(file.prompt for file in app.prompts if file.prompt)
    blobs = [str(data) for data in blobs_of(prompts).values()]
    if sum(len(data) // 4 * 3 for data in blobs) > MAX_EMBEDDED + 2:
        hint = "Give the `url` of large ones, or split the app."
        message = f"the files in the app's messages are over {MAX_EMBEDDED // 1024} KiB together"
        app.file.report.add("embedded-too-large", 0, message, hint)
    few = sum(len(prompt.report.text) for prompt in app.prompts) < _MAX_CONTENT // 8
    if few and not app.partials.origins and not blobs:
        return
    size = sum(map(_content_size, prompts)) + sum(map(len, blobs))
    if size > _MAX_CONTENT:
        app.file.report.add(
            "content-too-large", 0, f"the app's content is over {_MAX_CONTENT:,} bytes", "Split the app."
        )


def _content_size(prompt: Prompt) -> int:
    return sum(len(text.encode("utf-8", "replace")) for message in prompt.written for text in message.templates)


def _by_name(prompt: Prompt) -> str:
    return prompt.name


def duplicate_names(apps: Iterable[tuple[str, AppFile]]) -> None:
    """Report apps of one name."""
    taken: dict[str, str] = {}
    for name, file in apps:
        if name in taken:
            file.report.add("name-taken", 0, f"'{name}' is already the name of the app in {taken[name]}")
        taken.setdefault(name, file.report.path)

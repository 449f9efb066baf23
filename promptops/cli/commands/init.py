"""`promptops init`: makes a workspace where none exists, and its registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptops import config
from promptops.cli.command import command
from promptops.cli.commands.channels import change_lines
from promptops.cli.commands.scaffold import ignore_registry, scaffold
from promptops.cli.git_sync import bring_to_git
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import next_steps
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.session import Session, require_database
from promptops.cli.signing_key import first_key, trust
from promptops.core.errors import Conflict, Invalid, RegistryMismatch, WorkspaceNotFound
from promptops.core.server_url import hide_password
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.core.origin import Origin
    from promptops.operations.channels import ChannelChange
    from promptops.source.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What init did."""

    root: Path
    files: tuple[str, ...]
    ignored: bool
    name: str
    url: str
    created: bool
    channels: tuple[ChannelChange, ...]
    in_git: bool


@command("init")
@click.argument("path", metavar="[DIR]", required=False, type=click.Path())
@click.option("--example", is_flag=True, help="Start with a copy of the example workspace.")
def init(session: Session, /, path: str | None, example: bool) -> None:
    """Set up a workspace and its registry.

    If there is no promptops.yml yet, in DIR or above it, it writes one with a small app to start from. Then it makes
    the registry with the channels of promptops.yml, or brings an existing one to the newest schema. Doing it twice
    changes nothing. A new registry signs its journal if PROMPTOPS_SIGNING_KEY or PROMPTOPS_SIGNING_KEY_FILE is set.

    \b
      promptops init
      promptops init my-prompts --example
      promptops init --registry postgresql://user@host/promptops
    """
    actor = session.actor()
    target = session.path(path).resolve() if path else session.directory
    url = config.registry_url(session.registry_flag, target, session.directory)
    require_database(url, "promptops init")  # refused before anything is written
    root, files = _workspace(target, example=example)
    from promptops.operations.build import workspace_origin
    from promptops.source.tree import WorkingTree
    from promptops.source.workspace import read_workspace

    declared = read_workspace(WorkingTree(root))
    url = config.registry_url(session.registry_flag, root, session.directory)
    ignored = ignore_registry(root)
    with session.reaching(url):
        created, channels = _registry(session, url, declared, workspace_origin(root), actor)
    done = _Done(
        root=root,
        files=files,
        ignored=ignored,
        name=declared.registry,
        url=hide_password(url),
        created=created,
        channels=channels,
        in_git=any((folder / ".git").exists() for folder in (root, *root.parents)),
    )
    session.answer(lambda: _shape(done), lambda page: _lines(done, session.directory, page))
    if created or channels:
        bring_to_git(replace(session, directory=root), claim=True)


def _workspace(target: Path, *, example: bool) -> tuple[Path, tuple[str, ...]]:
    """Returns the workspace at or above ``target``, or makes one there, with the files that were written."""
    from promptops.source.workspace import find_root

    try:
        root = find_root(target)
    except WorkspaceNotFound:
        root = None
    if root is None:
        try:
            target.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError, FileNotFoundError) as error:
            raise Invalid(f"{target} cannot be a folder", hint="DIR is the folder of the workspace.") from error
        return target, scaffold(target, example=example)
    if example:
        raise Conflict(
            f"{root} is a workspace already, so the example would be inside of another",
            hint="Choose a folder outside of it: promptops init DIR --example",
        )
    return root, ()


def _registry(
    session: Session, url: str, declared: Workspace, origin: Origin | None, actor: str
) -> tuple[bool, tuple[ChannelChange, ...]]:
    """Make or upgrade the registry. Only a registry without channels gets those of promptops.yml: `channels apply`
    alone changes the policies of a registry that is in use.
    """
    from promptops import store
    from promptops.operations.channels import Terms, apply_channels
    from promptops.operations.journal_key import set_journal_key

    name, now = declared.registry, session.now
    allow = config.setting("PROMPTOPS_ALLOW_NETWORK_FS") == "1"
    key = first_key()  # refused before anything is made
    created = store.create(url, name=name, now=now, actor=actor, allow_network_fs=allow)
    registry = store.Registry.open(url, allow_network_fs=allow)
    try:
        if registry.name != name:
            raise RegistryMismatch(
                f"promptops.yml belongs to the registry '{name}', and {hide_password(url)} is '{registry.name}'",
                hint="Another database for this workspace, or the same `registry:` in promptops.yml.",
            )
        with registry.read() as reader:
            fresh = not reader.channels()
        if created and key is not None:
            trust(set_journal_key(registry, key, actor=actor, now=now))
        if not fresh:
            return created, ()
        terms = Terms(origin=origin)
        return created, apply_channels(registry, name, declared.channels, actor=actor, now=now, terms=terms)
    finally:
        registry.close()


def _shape(done: _Done) -> JsonObject:
    return {
        "workspace": str(done.root),
        "files": list(done.files),
        "registry": done.url,
        "name": done.name,
        "created": done.created,
        "channels": [written(change) for change in done.channels],
    }


def _lines(done: _Done, directory: Path, page: Page) -> list[Line]:
    place = _short(done.root, directory)
    lines: list[Line] = []
    if done.files:
        head: Line = [Span("✓ ", "good"), Span("New workspace ", "strong"), Span(place, "name")]
        shown = [["    ", name] for name in done.files[:16]]
        more = [[f"    … and {len(done.files) - 16} more"]] if len(done.files) > 16 else []
        lines += [head, *shown, *more]
    made = "New registry " if done.created else "Registry "
    state = "" if done.created else ": its schema is the newest, nothing was changed"
    where = _short_url(done.url, directory)
    lines.append([Span("✓ ", "good"), Span(made, "strong"), Span(done.name, "name"), f" at {where}{state}"])
    if done.ignored:
        lines.append([Span("✓ ", "good"), "Its folder is in .gitignore now"])
    if done.channels:
        lines += [[Span("✓ ", "good"), Span("Channels", "strong")], *change_lines(done.channels, page)]
    return [*lines, *next_steps(_next(done, directory))]


def _next(done: _Done, directory: Path) -> list[tuple[str, Sequence[str]]]:
    at = [] if done.root == directory else ["-C", _short(done.root, directory)]
    steps: list[tuple[str, Sequence[str]]] = [("look for mistakes", [*at, "check"])]
    if done.created:
        commit = "cut a release, once it is committed in git" if done.files or not done.in_git else "cut a release"
        return [*steps, (commit, [*at, "release"])]
    return [*steps, ("what is live", [*at, "status"])]


def _short(place: Path, directory: Path) -> str:
    return str(place.relative_to(directory)) if place.is_relative_to(directory) and place != directory else str(place)


def _short_url(url: str, directory: Path) -> str:
    path = Path(url.removeprefix("sqlite:///"))
    return _short(path, directory) if url.startswith("sqlite:///") else url

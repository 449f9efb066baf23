"""`promptops ls`: apps, their prompts, and the variables of each with their types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from promptops.cli import complete
from promptops.cli.command import command
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import next_steps
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.core.errors import AppNotFound
from promptops.core.model import Content, Json, Prompt
from promptops.core.published_inputs import published_inputs
from promptops.core.reference import Reference

if TYPE_CHECKING:
    from pathlib import Path

_PLACEHOLDER = "messages"


@command("ls")
@click.argument("apps", metavar="[APP]...", nargs=-1, shell_complete=complete.apps)
@click.option("--channel", default="", metavar="NAME", shell_complete=complete.channels, help="Of what is live there.")
def ls(session: Session, /, apps: tuple[str, ...], channel: str) -> None:
    """Apps, prompts, and variables with their types.

    Of the files here, if there is a workspace and no --channel; else of the newest release of each app.

    \b
      promptops ls
      promptops ls support-bot --channel prod
    """
    root = session.root()
    contents = _of_files(root, apps) if root is not None and not channel else _of_releases(session, apps, channel)
    session.answer(lambda: _shape(contents), lambda page: _lines(contents, page), long=True)


def _of_files(root: Path, apps: Sequence[str]) -> list[Content]:
    from promptops.source.load import load
    from promptops.source.tree import WorkingTree

    loaded = load(WorkingTree(root), apps=frozenset(apps) if apps else None)
    for name in apps:
        loaded.app(name)
    loaded.require_valid(apps or None)
    return [app.content for app in loaded.apps if app.content is not None]


def _of_releases(session: Session, apps: Sequence[str], channel: str) -> list[Content]:
    from promptops.use_cases.registry import APPS
    from promptops.use_cases.releases import NAMED, RELEASES, ReleasesRequest
    from promptops.use_cases.status import STATUS, StatusRequest

    with session.gateway() as gateway:
        known = gateway.run(APPS, None)
        for name in apps:
            if name not in known:
                raise AppNotFound(f"there is no app '{name}' in this registry", known=known)
        if channel:
            asked = () if apps else gateway.run(STATUS, StatusRequest(channel=channel)).standings
            live = [each.deployment.app for each in asked if each.deployment.stable is not None]
            wanted = [Reference(app=name, channel=channel) for name in apps or live]
        else:
            newest = {name: gateway.run(RELEASES, ReleasesRequest(app=name, limit=1)) for name in apps or known}
            wanted = [Reference(app=name, version=each[0].release.version) for name, each in newest.items() if each]
        return [gateway.run(NAMED, reference).content for reference in wanted]


def _variables(prompt: Prompt) -> Iterator[tuple[str, str, bool]]:
    """The variables of a prompt: name, type, and whether it is required."""
    placeholders = {placeholder.name for placeholder in prompt.placeholders}
    for item in published_inputs(prompt):
        kind = _PLACEHOLDER if item.name in placeholders else _type(item.schema)
        yield item.name, kind, item.required


def _type(schema: Mapping[str, Json]) -> str:
    """``string``, ``integer or null``, ``"de" | "en"``; ``any`` where the schema does not say."""
    kind = schema.get("type")
    if "enum" in schema and isinstance(values := schema["enum"], Sequence) and not isinstance(values, str):
        return " | ".join(map(str, values))
    if isinstance(kind, str):
        return kind
    return " or ".join(map(str, kind)) if isinstance(kind, Sequence) else "any"


def _shape(contents: Sequence[Content]) -> JsonObject:
    return {
        "apps": [
            {
                "app": content.app,
                "prompts": [
                    {
                        "prompt": prompt.name,
                        "model": prompt.model,
                        "variables": [
                            {"name": name, "type": kind, "required": required}
                            for name, kind, required in _variables(prompt)
                        ],
                    }
                    for prompt in content.prompts
                ],
            }
            for content in contents
        ]
    }


def _lines(contents: Sequence[Content], page: Page) -> list[Line]:
    if not contents:
        return ["There are no apps yet.", *next_steps([("begin with an example", ["init", "--example"])])]
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in ("PROMPT", "MODEL", "VARIABLES")]]
    for content in contents:
        for prompt in content.prompts:
            words = [f"{name}{'' if required else '?'}: {kind}" for name, kind, required in _variables(prompt)]
            model = prompt.model or Span("of the application", "quiet")
            rows.append([Span(f"{content.app}/{prompt.name}", "name"), model, ", ".join(words)])
    return page.columns(rows, indent=0, least=30, wrap=True, spare=("MODEL",))

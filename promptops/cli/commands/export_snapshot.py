"""`promptops export-snapshot`: a channel as plain files, for any web server, CDN or object store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from promptops.cli.command import channel_option, command
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import counted, facts
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.session import Session

if TYPE_CHECKING:
    from promptops.operations.export_snapshot import Exported


@command("export-snapshot")
@click.argument("folder", metavar="DIR", type=click.Path())
@channel_option
def export_snapshot(session: Session, /, folder: str, channel: str | None) -> None:
    """Write a channel as plain files for a web server or CDN.

    The files lie in DIR as they do on a server: v1/channels/NAME/snapshot, and below v1/releases every release that it
    names, so that clients follow a web server, or the folder itself, as they follow a server. The snapshot is written
    last and in one step. Run it again after every change; nothing is ever deleted.

    \b
      promptops export-snapshot --channel prod /srv/www/prompts
      Client("https://static.example/prompts", channel="prod")      in an application
      Client("file:/srv/www/prompts", channel="prod")
    """
    with session.gateway() as gateway:
        from promptops.cli.defaults import choose_channel
        from promptops.operations.export_snapshot import export

        place = choose_channel(gateway, session.channel(channel))
        done = export(gateway, place, session.path(folder))
    session.answer(lambda: _shape(done), lambda page: _lines(done, page))
    for why in done.unloadable.values():
        session.note(f"no client can load {why}; the folder does not serve it")
    if done.missing:
        session.note(
            f"the last good release of {', '.join(done.missing)} is not in the registry as it was released, and was"
            " not written: promptops fsck tells more"
        )


def _shape(done: Exported) -> JsonObject:
    found = done.snapshot
    return {
        "folder": str(done.folder),
        "registry": found.registry,
        "lineage": found.lineage,
        "epoch": found.epoch,
        "channel": found.channel,
        "cursor": found.cursor,
        "digest": done.digest,
        "apps": {app: pointer.revision for app, pointer in sorted(found.apps.items())},
        "written": done.written,
        "kept": done.kept,
        "missing": list(done.missing),
        "unloadable": dict(done.unloadable),
        "bytes": done.size,
        "changed": done.changed,
    }


def _lines(done: Exported, page: Page) -> list[Line]:
    found = done.snapshot
    head: Line = [
        Span("✓ ", "good"),
        Span("Exported" if done.changed else "Already exported", "strong"),
        " ",
        Span(found.channel, "name"),
        f" of registry {found.registry} to {done.folder}",
    ]
    rows = [
        ("snapshot", f"{counted(len(found.apps), 'app')}, as of change {found.cursor} in epoch {found.epoch}"),
        ("releases", f"{counted(done.written, 'release')} written, {done.kept:,} there already"),
        ("size", f"{done.size:,} bytes in all"),
    ]
    return [head, "", *facts(page, rows)]

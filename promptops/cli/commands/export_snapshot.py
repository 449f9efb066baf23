"""`promptops export-snapshot`: writes a channel as plain files, for any web server, CDN or object store."""

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
    names, so clients follow a web server, or the folder itself, like a server. The snapshot is written
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
        exported = export(gateway, place, session.path(folder))
    session.answer(lambda: _shape(exported), lambda page: _lines(exported, page))
    for why in exported.unloadable.values():
        session.note(f"no client can load {why}; the folder does not serve it")
    if exported.missing:
        session.note(
            f"the last good release of {', '.join(exported.missing)} is damaged in the registry and"
            " was not written: see promptops fsck"
        )


def _shape(exported: Exported) -> JsonObject:
    snapshot = exported.snapshot
    return {
        "folder": str(exported.folder),
        "registry": snapshot.registry,
        "lineage": snapshot.lineage,
        "epoch": snapshot.epoch,
        "channel": snapshot.channel,
        "cursor": snapshot.cursor,
        "digest": exported.digest,
        "apps": {app: pointer.revision for app, pointer in sorted(snapshot.apps.items())},
        "written": exported.written,
        "kept": exported.kept,
        "missing": list(exported.missing),
        "unloadable": dict(exported.unloadable),
        "bytes": exported.size,
        "changed": exported.changed,
    }


def _lines(exported: Exported, page: Page) -> list[Line]:
    snapshot = exported.snapshot
    head: Line = [
        Span("✓ ", "good"),
        Span("Exported" if exported.changed else "Already exported", "strong"),
        " ",
        Span(snapshot.channel, "name"),
        f" of registry {snapshot.registry} to {exported.folder}",
    ]
    rows = [
        ("snapshot", f"{counted(len(snapshot.apps), 'app')}, as of change {snapshot.cursor} in epoch {snapshot.epoch}"),
        ("releases", f"{counted(exported.written, 'release')} written, {exported.kept:,} there already"),
        ("size", f"{exported.size:,} bytes in all"),
    ]
    return [head, "", *facts(page, rows)]

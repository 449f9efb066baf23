"""`promptops clients`: which processes serve what right now."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli import complete
from promptops.cli.command import command
from promptops.cli.output.phrases import counted, enumerated
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.core.errors import AppNotFound
from promptops.core.heartbeat import LIVE_FOR, State

if TYPE_CHECKING:
    from promptops.core.heartbeat import LiveClient

SHOWN = 4
"""So many apps of a client are named, those that are behind first."""


@command("clients")
@click.argument("app", metavar="[APP]", required=False, shell_complete=complete.apps)
@click.option("--channel", default="", metavar="NAME", shell_complete=complete.channels, help="Only this channel.")
def clients(session: Session, /, app: str | None, channel: str) -> None:
    """Which processes serve what right now.

    A client tells the server it follows, when it starts, after every change and twice a minute, which revision of each
    app it serves, and which it cannot load. Behind is who serves an older revision than the one that is live. A client
    that closes says goodbye and is gone; one that fell silent without it is named for 10 minutes.

    \b
      promptops clients
      promptops clients support-bot --channel prod
    """
    from promptops.cli.defaults import app_and_channel

    name, place = app_and_channel(app, channel or None) if app else ("", channel)
    with session.gateway() as gateway:
        if name and name not in (known := gateway.apps()):
            raise AppNotFound(f"there is no app '{name}' in this registry", known=known)
        every = gateway.clients(place or "")
    found = [each for each in every.live if not name or name in each.apps]
    silent = [each for each in every.silent if not name or name in each.apps]
    from promptops.core.heartbeat import Clients
    from promptops.wire.heartbeat import clients_to_json

    session.answer(
        lambda: (
            clients_to_json(Clients(live=tuple(found), silent=tuple(silent)))
            | {"behind": [each.beat.id for each in found if _behind(each, name)]}
        ),
        lambda page: [*_lines(found, name, page), *silent_lines(silent, page)],
    )


def _behind(client: LiveClient, app: str) -> bool:
    return app in client.behind if app else bool(client.behind)


def _lines(found: Sequence[LiveClient], app: str, page: Page) -> list[Line]:
    if not found:
        seconds = int(LIVE_FOR.total_seconds())
        whose = f" that serves {app}" if app else ""
        return [
            f"No client{whose} was heard of in the last {seconds} s.",
            Span("Clients that follow a server say what they serve, unless they were told not to.", "quiet"),
        ]
    late = sum(_behind(each, app) for each in found)
    said = Span(f"{late:,} behind", "bad") if late else Span("none behind", "good")
    rows: list[list[Cell]] = [[Span(t, "quiet") for t in ("CLIENT", "CHANNEL", "SERVES", "STATE", "LAST SEEN")]]
    for each in sorted(found, key=lambda c: (not _behind(c, app), c.beat.channel, c.beat.name, c.beat.id)):
        beat = each.beat
        state = Span(beat.state.value.lower(), "" if beat.state is State.READY else "warn")
        age = clock.format_age(each.seen_at, page.now)
        rows.append([Span(beat.name, "name"), beat.channel, _serves(each, app), state, age])
    lines: list[Line] = [[Span(counted(len(found), "client"), "strong"), ", ", said], "", *page.columns(rows)]
    failures = [
        (each.beat.name, name, reason)
        for each in found
        for name, reason in sorted(each.beat.cannot_load.items())
        if not app or name == app
    ]
    return [*lines, *failure_lines(failures)]


def failure_lines(failures: Sequence[tuple[str, str, str]]) -> list[Line]:
    """The clients that cannot load an app, and why: a paragraph for each app and reason, of (client, app, reason)."""
    lines: list[Line] = []
    for (app, reason), group in groupby(sorted(failures, key=lambda each: each[1:]), key=lambda each: each[1:]):
        names = [client for client, _, _ in group]
        lines.append([Span(f"{app} cannot be loaded by {enumerated(names)}: ", "bad"), reason])
    return ["", *lines] if lines else []


def silent_lines(silent: Sequence[LiveClient], page: Page) -> list[Line]:
    """The clients that fell silent: a rollback does not wait for them, and they may still run."""
    if not silent:
        return []
    names = [f"{each.beat.name} ({clock.format_age(each.seen_at, page.now)})" for each in silent]
    said = f"Silent, without a goodbye: {enumerated(names)}"
    return ["", Span(said, "warn")]


def _serves(client: LiveClient, app: str) -> Cell:
    """``support-bot 7, faq 3 behind``; a client that counts differently is behind with all it has."""
    if not client.comparable:
        return Span("another registry's, or from before a restore", "bad")
    names = [app] if app else sorted(client.apps, key=lambda name: (name not in client.behind, name))
    shown = [_app(client, name) for name in names[:SHOWN]]
    more = [f"{len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return Span(", ".join(shown + more) or "nothing", "bad" if _behind(client, app) else "")


def _app(client: LiveClient, name: str) -> str:
    if name not in client.beat.revisions:
        return f"{name} not loaded"
    return f"{name} {client.beat.revisions[name]}{' behind' if name in client.behind else ''}"

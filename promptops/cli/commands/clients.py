"""`promptops clients`: lists which processes serve what right now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli import complete
from promptops.cli.command import command
from promptops.cli.output.client_lines import failure_lines, silent_lines
from promptops.cli.output.phrases import counted
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.core.errors import AppNotFound
from promptops.core.heartbeat import LIVE_FOR, State

if TYPE_CHECKING:
    from promptops.core.heartbeat import LiveClient

WIDE = 100
"""From this width on, the apps of a client are named with their revisions."""
Versions = Mapping[tuple[str, str, int], str]
"""The version that is live, by its channel, app and revision."""
SHOWN = 4
"""Apps of a client that are named, those that are behind first; more would not fit on a line."""


@command("clients")
@click.argument("app", metavar="[APP]", required=False, shell_complete=complete.apps)
@click.option("--channel", default="", metavar="NAME", shell_complete=complete.channels, help="Only this channel.")
def clients(session: Session, /, app: str | None, channel: str) -> None:
    """Which processes serve what right now.

    A client reports to its server which revision of each app it serves, and which it cannot load: when it starts, after
    every change and twice a minute. It is behind if it serves an older revision than the live one. A client that closes
    leaves the list at once; one that fell silent stays listed for 10 minutes.

    \b
      promptops clients
      promptops clients support-bot --channel prod
    """
    from promptops.cli.defaults import app_and_channel

    name, place = app_and_channel(app, channel or None) if app else ("", channel)
    with session.gateway() as gateway:
        from promptops.use_cases.registry import APPS, CLIENTS, ClientsRequest

        if name and name not in (known := gateway.run(APPS, None)):
            raise AppNotFound(f"there is no app '{name}' in this registry", known=known)
        following = gateway.run(CLIENTS, ClientsRequest(channel=place or ""))
        from promptops.use_cases.status import STATUS, StatusRequest

        asked = StatusRequest(channel=place or "")
        live_now = [each.deployment for each in gateway.run(STATUS, asked).standings] if following.live else []
    versions = {(each.channel, each.app, each.revision): each.version for each in live_now if each.version}
    live = [client for client in following.live if not name or name in client.apps]
    silent = [client for client in following.silent if not name or name in client.apps]
    from promptops.core.heartbeat import Clients
    from promptops.wire.heartbeat import clients_to_json

    session.answer(
        lambda: (
            clients_to_json(Clients(live=tuple(live), silent=tuple(silent)))
            | {"behind": [client.beat.id for client in live if _behind(client, name)]}
        ),
        lambda page: [*_lines(live, name, versions, page), *silent_lines(silent, page)],
        long=True,
    )


def _behind(client: LiveClient, app: str) -> bool:
    return app in client.behind if app else bool(client.behind)


def _lines(live: Sequence[LiveClient], app: str, versions: Versions, page: Page) -> list[Line]:
    if not live:
        seconds = int(LIVE_FOR.total_seconds())
        whose = f" that serves {app}" if app else ""
        return [
            f"No client{whose} has reported in the last {seconds} s.",
            Span(
                "Clients that follow a server report what they serve, unless heartbeat=False turns that off.", "quiet"
            ),
        ]
    late = sum(_behind(client, app) for client in live)
    serves = _serves if page.width is None or page.width >= WIDE else _counts
    verdict = Span(f"{late:,} behind", "bad") if late else Span("none behind", "good")
    rows: list[list[Cell]] = [[Span(t, "quiet") for t in ("CLIENT", "CHANNEL", "SERVES", "STATE", "LAST SEEN")]]
    for client in sorted(live, key=lambda c: (not _behind(c, app), c.beat.channel, c.beat.name, c.beat.id)):
        beat = client.beat
        state = Span(beat.state.value.lower(), "" if beat.state is State.READY else "warn")
        age = clock.format_age(client.seen_at, page.now)
        rows.append([Span(beat.name, "name"), beat.channel, serves(client, app, versions), state, age])
    lines: list[Line] = [
        [Span(counted(len(live), "client"), "strong"), ", ", verdict],
        "",
        *page.columns(rows, spare=("LAST SEEN",)),
    ]
    failures = [
        (client.beat.name, name, reason)
        for client in live
        for name, reason in sorted(client.beat.cannot_load.items())
        if not app or name == app
    ]
    return [*lines, *failure_lines(failures)]


def _serves(client: LiveClient, app: str, versions: Versions) -> Cell:
    """``support-bot 7 (1.4.0), faq 3 behind``; a client of another lineage or epoch is behind with every app."""
    if not client.comparable:
        return Span("another registry's, or from before a restore", "bad")
    names = [app] if app else sorted(client.apps, key=lambda name: (name not in client.behind, name))
    shown = [_app(client, name, versions) for name in names[:SHOWN]]
    more = [f"{len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return Span(", ".join(shown + more) or "nothing", "bad" if _behind(client, app) else "")


def _counts(client: LiveClient, app: str, versions: Versions) -> Cell:
    """``2 of 7 behind: faq, support-bot``, ``7 apps``; of one app its revision: that it is behind comes first."""
    late = _behind(client, app)
    if not client.comparable or not client.apps:
        return _serves(client, app, versions)
    if app:
        revision = client.beat.revisions.get(app)
        what = "not loaded" if revision is None else _revision(client, app, versions)
    else:
        behind = f"{len(client.behind)} of {len(client.apps)} behind: {', '.join(client.behind)}"
        what = behind if late else counted(len(client.apps), "app")
    return Span(what, "bad" if late else "")


def _app(client: LiveClient, name: str, versions: Versions) -> str:
    return f"{name} {_revision(client, name, versions) if name in client.beat.revisions else 'not loaded'}"


def _revision(client: LiveClient, name: str, versions: Versions) -> str:
    """``7 (1.4.0)``, with the version where it is the live one; ``6 behind``."""
    revision = client.beat.revisions[name]
    version = versions.get((client.beat.channel, name, revision), "")
    late = " behind" if name in client.behind else ""
    return f"{revision}{f' ({version})' if version and not late else ''}{late}"

"""`promptops history`: lists everything that was live on a channel, newest first, or what was live at a moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli import complete
from promptops.cli.command import channel_option, command, limit_option
from promptops.cli.output.phrases import (
    canary,
    counted,
    next_steps,
    one_line,
    origin,
    person,
    quoted,
    serving,
    trial,
    verb,
)
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.core.deployment_parts import Kind
from promptops.core.timestamp import timestamp
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.cli.channel_history import ChannelHistory
    from promptops.core.model import Deployment
    from promptops.operations.queries import History


WIDE = 100
"""From this width on, times are in full."""


@command("history")
@click.argument("app", metavar="[APP]", required=False, shell_complete=complete.apps)
@channel_option
@click.option("--at", default="", metavar="TIME", help="What was live then: 18:30, 2h ago, ISO 8601.")
@click.option(
    "--kind",
    metavar="KIND",
    type=click.Choice([kind.value for kind in Kind], case_sensitive=False),
    help="Only these: promote, rollback, canary, abort, off …",
)
@click.option("--by", default="", metavar="WHO", help="Only of actors with this in their name.")
@click.option("--since", default="", metavar="TIME", help="From then on: 2h, yesterday, 18:30, ISO 8601.")
@limit_option
def history(
    session: Session,
    /,
    app: str | None,
    channel: str | None,
    at: str,
    kind: str | None,
    by: str,
    since: str,
    limit: int | None,
) -> None:
    """Everything that was live on a channel, newest first.

    With --channel and without APP it shows all apps of the channel. Without both it shows the app and channel on which
    `promptops rollback` would act.

    \b
      promptops history support-bot --channel prod
      promptops history support-bot --at 18:30
      promptops history --channel prod --since 2h --kind rollback
    """
    from promptops.cli.channel_history import Filter, channel_history
    from promptops.cli.defaults import app_and_channel, choose_app, choose_channel
    from promptops.use_cases.status import HISTORY, STATUS, HistoryRequest, StatusRequest

    moment = clock.parse_as_of(at, session.now, session.zone) if at else None
    start = clock.parse_since(since, session.now, session.zone) if since else None
    chosen = Filter(kind=kind or "", by=by, since=start, limit=session.limit(limit))
    typed = channel
    if app:
        app, typed = app_and_channel(app, channel)
    with session.gateway() as gateway:
        place = choose_channel(gateway, session.channel(typed))
        asked = () if app or not typed else gateway.run(STATUS, StatusRequest(channel=place)).standings
        live = [standing.deployment for standing in asked]
        if len(live) > 1:
            found = channel_history(gateway, live, chosen, moment)
            session.answer(
                lambda: {
                    "app": None,
                    "channel": place,
                    "deployments": found.written(),
                    "live": None,
                    "at": _at(moment),
                },
                lambda page: _of_channel(place, found, page),
                long=True,
            )
            return
        name = app or (live[0].app if live else "") or choose_app(gateway, place, session, command="history")
        every = HistoryRequest(app=name, channel=place, at=moment, limit=None if chosen.narrows else chosen.limit)
        log = gateway.run(HISTORY, every)
    log = replace(log, deployments=tuple(chosen.of(log.deployments)))

    def lines(page: Page) -> list[Line]:
        when = clock.format_moment(moment, session.zone) if moment else ""
        return [_headline(log, when, page), *_log(log, page), *_more(log, at, is_whole=not chosen.narrows)]

    session.answer(lambda: written(log) | {"at": _at(moment)}, lines, long=True)


def _at(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment else None


def _of_channel(channel: str, found: ChannelHistory, page: Page) -> list[Line]:
    """All apps of a channel, a line for each deployment."""
    if not found.entries:
        return [["Nothing on ", Span(channel, "name"), " fits."]]
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in ("APP", "REV", "LIVE", "WHEN", "BY", "WHAT")]]
    for each, flaw in found.entries:
        reason = f": {one_line(each.reason)}" if each.reason else ""
        rows.append(
            [
                Span(each.app, "name"),
                str(each.revision),
                Span(serving(each), "bad" if flaw else "strong"),
                clock.format_age(each.at, page.now) if _is_narrow(page) else _when(each, page),
                person(each.actor),
                f"{_what(each)}{reason}",
            ]
        )
    lines: list[Line] = [[Span(channel, "name"), f": {counted(len(found.entries), 'deployment')}, newest first"], ""]
    lines += page.columns(rows, least=24, spare=("BY", "REV"))
    if found.more:
        lines += ["", [Span("  older ones are not shown: --limit N", "quiet")]]
    return lines


def _is_narrow(page: Page) -> bool:
    return page.width is not None and page.width < WIDE


def _headline(log: History, when: str, page: Page) -> Line:
    place: list[Cell] = [Span(log.app, "name"), " on ", Span(log.channel, "name")]
    if log.live is None:
        return [*place, " served nothing yet at " + when if when else ": never deployed."]
    live = log.live
    if not when:
        return [
            *place,
            " serves " if live.stable else " is ",
            Span(serving(live), "strong"),
            *_beside(live),
            f" (revision {live.revision})",
        ]
    served: list[Cell] = [" served " if live.stable else " was ", Span(serving(live), "strong"), *_beside(live)]
    by = f" (revision {live.revision}, {verb(live)} {clock.format_moment(live.at, page.zone)} by {person(live.actor)})"
    return ["At ", Span(when, "strong"), " ", *place, *served, by]


def _beside(live: Deployment) -> list[Cell]:
    """The canary beside the stable release."""
    return [" beside the ", Span(canary(live), "warn")] if live.canary else []


def _log(log: History, page: Page) -> list[Line]:
    """One line for each deployment, then its reason, then what is wrong with its release now."""
    if not log.deployments:
        return []
    titles = ("REV", "LIVE", "WHAT", "WHEN", "", "BY")
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in titles]]
    rows += [_row(log, deployment, page) for deployment in log.deployments]
    head, *lines = page.columns(rows, spare=("WHEN", "BY"))
    margin = " " * (4 + max(len(str(deployment.revision)) + 2 for deployment in log.deployments))
    shown: list[Line] = ["", head]
    for deployment, line in zip(log.deployments, lines, strict=True):
        flaw = log.flaws.get(deployment.digest, "")
        shown.append(line)
        shown += page.hanging([margin], quoted(one_line(deployment.reason))) if deployment.reason else []
        shown += page.hanging([margin], Span(f"✗ now {one_line(flaw)}", "warn")) if flaw else []
    return shown


def _what(deployment: Deployment) -> str:
    if deployment.canary is not None:
        return f"{deployment.kind.value} {deployment.canary.action.value}: {trial(deployment)}"
    if deployment.kind is Kind.ABORT:
        return "abort of the canary"
    if deployment.revision == 1:
        return f"{deployment.kind.value}, the first"
    return f"{deployment.kind.value} {origin(deployment)}"


def _row(log: History, deployment: Deployment, page: Page) -> list[Cell]:
    live = log.live is not None and deployment.revision == log.live.revision
    flawed = deployment.digest in log.flaws
    return [
        Span(f"{deployment.revision} {'●' if live else ' '}", "good" if live else ""),
        Span(serving(deployment), "bad" if flawed else "strong"),
        _what(deployment),
        _when(deployment, page),
        Span(clock.format_age(deployment.at, page.now), "quiet"),
        person(deployment.actor),
    ]


def _when(deployment: Deployment, page: Page) -> str:
    """The time to the second, which `--at` takes; on a narrow terminal to the minute."""
    if _is_narrow(page):
        return clock.format_short(deployment.at, page.now, page.zone)
    return clock.format_moment(deployment.at, page.zone)


def _more(log: History, at: str, *, is_whole: bool) -> list[Line]:
    lines: list[Line] = []
    older = log.deployments[-1].revision - 1 if log.deployments else 0
    if older and is_whole:
        lines += ["", [Span(f"  {counted(older, 'older deployment')} not shown: --limit N", "quiet")]]
    if log.live is None:
        newest = ["promote", f"{log.app}@VERSION", "--channel", log.channel]
        return [*lines, *next_steps([("what there is", ["releases", log.app]), ("make it live", newest)])]
    if at:
        back = ["rollback", log.app, "--channel", log.channel, "--at", at, "--dry-run"]
        return [*lines, *next_steps([("going back there", back)])]
    return lines

"""`promptops history`: lists everything that was live on a channel, newest first, or what was live at a moment."""

from __future__ import annotations

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
    from promptops.core.model import Deployment
    from promptops.operations.queries import History


WIDE = 100
"""From this width on, times are in full."""


@command("history")
@click.argument("app", metavar="[APP]", required=False, shell_complete=complete.apps)
@channel_option
@click.option("--at", default="", metavar="TIME", help="What was live then: 18:30, 2h ago, ISO 8601.")
@limit_option
def history(session: Session, /, app: str | None, channel: str | None, at: str, limit: int | None) -> None:
    """Everything that was live on a channel, newest first.

    Without APP and --channel it shows the app and channel on which `promptops rollback` would act.

    \b
      promptops history support-bot --channel prod
      promptops history support-bot --at 18:30
    """
    from promptops.cli.defaults import app_and_channel, choose_app, choose_channel
    from promptops.use_cases.status import HISTORY, HistoryRequest

    moment = clock.parse_as_of(at, session.now, session.zone) if at else None
    typed = channel
    if app:
        app, typed = app_and_channel(app, channel)
    with session.gateway() as gateway:
        place = choose_channel(gateway, session.channel(typed))
        name = app or choose_app(gateway, place, session, command="history")
        request = HistoryRequest(app=name, channel=place, at=moment, limit=session.limit(limit))
        log = gateway.run(HISTORY, request)

    def lines(page: Page) -> list[Line]:
        when = clock.format_moment(moment, session.zone) if moment else ""
        return [_headline(log, when, page), *_log(log, page), *_more(log, at)]

    session.answer(lambda: written(log) | {"at": timestamp(moment) if moment else None}, lines)


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
    if page.width is not None and page.width < WIDE:
        return clock.format_short(deployment.at, page.now, page.zone)
    return clock.format_moment(deployment.at, page.zone)


def _more(log: History, at: str) -> list[Line]:
    lines: list[Line] = []
    older = log.deployments[-1].revision - 1 if log.deployments else 0
    if older:
        lines += ["", [Span(f"  {counted(older, 'older deployment')} not shown: --limit N", "quiet")]]
    if log.live is None:
        newest = ["promote", f"{log.app}@VERSION", "--channel", log.channel]
        return [*lines, *next_steps([("what there is", ["releases", log.app]), ("make it live", newest)])]
    if at:
        back = ["rollback", log.app, "--channel", log.channel, "--at", at, "--dry-run"]
        return [*lines, *next_steps([("going back there", back)])]
    return lines

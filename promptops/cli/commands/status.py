"""`promptops status`: what is live, on one screen: a few standings in sentences, many in one line each."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from promptops import config
from promptops.cli import complete
from promptops.cli.command import command
from promptops.cli.defaults import USUAL
from promptops.cli.output.status_report import Seen, all_lines
from promptops.cli.session import Session
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.gateway import Gateway
    from promptops.operations.queries import RegistryStatus
    from promptops.operations.status import Standing
    from promptops.use_cases.status import StatusRequest


@command("status")
@click.argument("apps", metavar="[APP]...", nargs=-1, shell_complete=complete.apps)
@click.option("--channel", default="", metavar="NAME", shell_complete=complete.channels, help="Only this channel.")
@click.option("--watch", "watches", is_flag=True, help="Show it anew when it changes, until Ctrl-C.")
def status(session: Session, /, apps: tuple[str, ...], channel: str, watches: bool) -> None:
    """What is live where, since when, and what a rollback would do.

    What changed last comes first, and before it what clients do not follow.

    \b
      promptops status
      promptops status support-bot
      promptops status --channel prod
      promptops status --watch
    """
    from promptops.cli.defaults import apps_and_channel
    from promptops.use_cases.status import StatusRequest

    names, place = apps_and_channel(apps, channel or None)
    request = StatusRequest(apps=tuple(names), channel=place or "")
    if watches:
        from promptops.cli.status_watch import watch_status

        click.get_current_context().exit(watch_status(session, lambda gateway: _seen(session, gateway, request)))
    with session.gateway() as gateway:
        seen = _seen(session, gateway, request)
        waits = _waits(session, gateway) if seen.status.pending else ""
        lacks = gateway.lacks()
    session.answer(lambda: written(seen.status), lambda page: all_lines(seen, waits, page), long=True)
    if lacks:
        session.complain(lacks, "`promptops fsck` names what is lost.")


def _seen(session: Session, gateway: Gateway, request: StatusRequest) -> Seen:
    from promptops.use_cases.registry import CLIENTS, ClientsRequest
    from promptops.use_cases.status import STATUS

    live_now = gateway.run(STATUS, request)
    shown = {(each.deployment.app, each.deployment.channel) for each in live_now.standings}
    clients = gateway.run(CLIENTS, ClientsRequest(channel=request.channel)).live
    late = ((app, client.beat.channel) for client in clients for app in client.behind)
    behind = Counter(place for place in late if place in shown)
    live_now = replace(live_now, standings=_ordered(live_now, session.channel("") or USUAL))
    return Seen(status=live_now, behind=behind)


def _ordered(live_now: RegistryStatus, first: str) -> tuple[Standing, ...]:
    """Orders standings by app, with the channel ``first`` in front of the others, which stay downstream first."""
    return tuple(sorted(live_now.standings, key=lambda s: (s.deployment.app, s.deployment.channel != first)))


def _waits(session: Session, gateway: Gateway) -> str:
    """Why this process cannot bring changes to git, where its database is: it lacks the key that signs them."""
    if config.is_server(session.registry_url()):
        return ""
    from promptops.cli.signing_key import why_locked
    from promptops.use_cases.journal import JOURNAL

    return why_locked(gateway.run(JOURNAL, None))

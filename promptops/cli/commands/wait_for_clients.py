"""Waits, after a rollback, until every live client reports that it serves the release.

In: the rollback, and the registry that knows the clients. Out: lines or JSON, and an error after a timeout, or if only
clients are left that cannot load the release. The rules it keeps: the output always says that the
rollback itself is done; and it names a client that fell silent without a goodbye, and does not wait for it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from promptops.cli.output.client_lines import silent_lines
from promptops.cli.output.deployment_report import deployed_shape
from promptops.cli.output.phrases import counted, enumerated
from promptops.cli.output.screen import LiveLine
from promptops.core.errors import NotAcknowledged, PromptopsError, Unavailable
from promptops.operations.heartbeats import following, waiting_for
from promptops.use_cases.registry import CLIENTS, ClientsRequest
from promptops.wire.heartbeat import client_to_json

if TYPE_CHECKING:
    from promptops.cli.output.json_shapes import JsonObject
    from promptops.cli.output.render import Line
    from promptops.cli.session import Session
    from promptops.core.heartbeat import LiveClient
    from promptops.core.model import Deployment
    from promptops.gateway import Gateway
    from promptops.operations.deploy import Deployed

_PAUSE = 0.1
"""Seconds between two looks: short beside the time that a client needs, and few requests for a server."""
_NEVER = datetime.min.replace(tzinfo=UTC)
_SETTLED = timedelta(seconds=35)
"""This long after a change, an app in a client's ``cannot_load`` is that change: a client polls at least every 30 s."""


@dataclass(slots=True)
class Waited:
    """The progress: which clients serve the change, which do not, which are silent, and why the registry does not
    answer.
    """

    changed: Sequence[Deployment]
    acknowledged: tuple[LiveClient, ...] = ()
    waiting: tuple[LiveClient, ...] = ()
    silent: tuple[LiveClient, ...] = ()
    trouble: str = ""
    seconds: float = 0.0

    @property
    def done(self) -> bool:
        return not self.waiting and not self.trouble

    @property
    def names(self) -> list[str]:
        """Returns the names of the clients that do not serve the change yet."""
        return [each.beat.name for each in self.waiting]

    @property
    def stuck(self) -> bool:
        """True if every client that lacks the change has reported, long enough after it, that it cannot load it."""
        settled = max((each.at for each in self.changed), default=_NEVER) + _SETTLED
        return bool(self.waiting) and all(
            each.failing(self.changed) and each.seen_at >= settled for each in self.waiting
        )

    @property
    def descriptions(self) -> list[str]:
        """Returns the clients that do not serve the change, each with the apps that it cannot load and why."""
        return [_with_reasons(each, self.changed) for each in self.waiting]


def wait_for_clients(
    session: Session, gateway: Gateway, deployed: Deployed, *, seconds: float, first: Sequence[Callable[[], None]]
) -> None:
    """Run the steps of ``first``, wait for the clients, print the outcome; with --json that is the whole answer.

    Raises:
        NotAcknowledged: time is over, and not every live client serves it.
    """
    changed = (*deployed.deployments, *deployed.unchanged)
    waited = Waited(changed)
    try:
        for step in first:
            step()
            sys.stdout.flush()  # the outcome of the change is visible before the wait, also in a pipe
        _wait(gateway, waited, seconds)
    except KeyboardInterrupt:
        _tell(session, deployed, waited, interrupted=True)
        session.note(f"the rollback is done and stays; only the waiting was interrupted.{_whom(waited)}")
        raise
    _tell(session, deployed, waited)
    if not waited.done:
        channel = changed[0].channel if changed else ""
        raise NotAcknowledged(
            f"the rollback is done, but after {waited.seconds:.0f} s {_problem(waited)}",
            clients=waited.names,
            hint=f"Nothing needs to be repeated. Who serves what: promptops clients --channel {channel}",
        )


def _wait(gateway: Gateway, waited: Waited, seconds: float) -> None:
    began, changed = time.monotonic(), waited.changed
    line = LiveLine()
    try:
        while changed:
            try:
                clients = gateway.run(CLIENTS, ClientsRequest(channel=changed[0].channel))
                known = following(clients.live, changed)
                waited.waiting = waiting_for(known, changed)
                waited.acknowledged = tuple(client for client in known if client.acknowledged(changed))
                waited.silent = waiting_for(following(clients.silent, changed), changed)
                waited.trouble = ""
                over = waited.done or waited.stuck
            except PromptopsError as error:  # the rollback is done, so the error concerns only the wait
                waited.trouble = error.message
                over = not isinstance(error, Unavailable)
            waited.seconds = time.monotonic() - began
            if over or waited.seconds >= seconds:
                return
            line.show(f"waiting for {_missing(waited)}")
            time.sleep(min(_PAUSE, seconds - waited.seconds))
    finally:
        line.end()


def clients_shape(waited: Waited) -> JsonObject:
    return {
        "acknowledged": [client_to_json(client) for client in waited.acknowledged],
        "waiting": [client_to_json(client) for client in waited.waiting],
        "silent": [client_to_json(client) for client in waited.silent],
    }


def _tell(session: Session, deployed: Deployed, waited: Waited, *, interrupted: bool = False) -> None:
    if session.json or (waited.done and not interrupted):
        session.answer(
            lambda: deployed_shape(deployed) | {"clients": clients_shape(waited)},
            lambda page: [*_lines(waited), *silent_lines(waited.silent, page)],
        )


def _lines(waited: Waited) -> list[Line]:
    from promptops.cli.output.render import Span

    changed = waited.changed
    channel = changed[0].channel if changed else "it"
    if not waited.acknowledged:
        what = "these apps" if len(changed) != 1 else changed[0].app
        return [
            "",
            [
                Span(
                    f"No live client reports that it serves {what} on {channel}: there was no client to wait for.",
                    "warn",
                )
            ],
        ]
    count = len(waited.acknowledged)
    sentence = "The one live client serves it" if count == 1 else f"All {count:,} live clients serve it"
    return ["", [Span("✓ ", "good"), f"{sentence}, after {waited.seconds:.1f} s."]]


def _problem(waited: Waited) -> str:
    if waited.trouble:
        return f"the registry does not answer which clients follow it: {waited.trouble}"
    known = len(waited.waiting) + len(waited.acknowledged)
    verb = "does" if len(waited.waiting) == 1 else "do"
    who = f"{enumerated(waited.descriptions)}{_silent(waited)}"
    return f"{len(waited.waiting):,} of {counted(known, 'live client')} {verb} not serve it: {who}"


def _with_reasons(client: LiveClient, changed: Sequence[Deployment]) -> str:
    reasons = [f"{app}: {reason}" for app, reason in client.failing(changed).items()]
    return f"{client.beat.name} (cannot load {'; '.join(reasons)})" if reasons else client.beat.name


def _silent(waited: Waited) -> str:
    names = [client.beat.name for client in waited.silent]
    return f"; silent for over 90 s, without a goodbye: {enumerated(names)}" if names else ""


def _missing(waited: Waited) -> str:
    if waited.trouble:
        return f"the registry: {waited.trouble}"
    known = len(waited.waiting) + len(waited.acknowledged)
    return f"{len(waited.waiting):,} of {counted(known, 'client')}: {enumerated(waited.names, 4)}"


def _whom(waited: Waited) -> str:
    return f" Clients that have not reported it yet: {enumerated(waited.names)}." if waited.waiting else ""

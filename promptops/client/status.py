"""What a client reports of itself: its status, its changes, and the names of its log events.

Everything is logged by ``promptops.client`` and carries one of :data:`EVENTS` as ``record.event``. Neither a status nor
a line of the log has a token or the text of a prompt in it. A fact is in the status first, then in the log, and then a
hook is called with it: a log handler or a hook reads a status that shows at least as much.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from promptops.client.prompt import Source
from promptops.core.escape import one_line
from promptops.core.heartbeat import State

LOG = logging.getLogger("promptops.client")

_MOST = 1_000
"""Characters of a text in a line of the log: a server may send megabytes."""

EVENTS: Mapping[str, str] = {
    "started": "a client follows its channel; says from where, and what it serves meanwhile",
    "stopped": "it was closed",
    "changed": "an app has another release; says the revision, and from which version to which",
    "cannot-load": "the newest release of an app cannot be loaded; it keeps what it served, and other apps go on",
    "state": "the state changed",
    "refresh-failed": "a place did not answer, or with an error; once for each reason until one answers again",
    "refresh-rejected": "a place answered with something that is not believed; the same",
    "stream-opened": "changes come as they happen from now on",
    "stream-lost": "the stream of events ended; changes are found by asking until it is back",
    "pin-active": "an app is fixed at a version by PROMPTOPS_VERSION",
    "pin-missing": "a version that is fixed or wanted could not be had yet",
    "setting-ignored": "the environment has an earlier name of a variable beside the new one, which counts",
    "source-invalid": "a working tree has an error; the app keeps what it served before",
    "override-active": "an override file is served",
    "override-ignored": "an override file is not served; says why",
    "override-ended": "an override file's time is over",
    "disk-read": "prompts were read from disk: the last good ones, or a bundle",
    "disk-ignored": "a file on disk is not what it should be; it is not used",
    "disk-failed": "the last good prompts could not be written; once an hour",
    "fallback": "a call was answered by its own fallback; once for each prompt",
    "outcomes-off": "calls are not reported; the line has the reason, and the client looks again once an hour",
    "outcomes-failed": "a report of calls did not arrive, and is sent again; once for each reason until one arrives",
    "outcome-ignored": "an outcome or a score has no valid name, call or value; once",
    "hook-failed": "a hook of the application raised an error; it changes nothing here",
    "forked": "a forked process follows with threads of its own",
    "no-threads": "no threads run in this process, so calls ask the registry now and then; the line says what to set",
}
"""Every event that is logged, and what it means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An app of a channel is at another revision.

    ``version`` is the one that is served from now on, and ``before`` the one that was; each is empty for none: the app
    is off, or was.
    """

    channel: str
    app: str
    revision: int
    version: str
    before: str
    canary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One channel of a client, as it is now. Plain values, fit for a health page: text of a server is escaped.

    ``age`` are seconds since the last contact, None before the first. ``too_old`` says that this is over ``max_stale``.
    ``rejected`` counts refused arrivals by reason; ``problem`` is why the last attempt failed, or another problem.
    ``cannot_load`` has the apps whose newest release this process cannot load, each with the reason: it keeps the
    release before, if it had one, and other apps are not affected.
    ``revisions`` has an app that is off, and ``versions`` has not.
    ``notes`` name by app the ignored parts of its release: patterns that need more than linear time.
    ``outcomes`` is why calls are not reported; empty while they are. ``dropped`` has what this process had no room for
    or could not report: ``calls``, ``units``, ``sampled``, ``feedback``, and ``reports`` that the registry refused.
    """

    channel: str
    state: State
    source: Source | None
    age: float | None
    too_old: bool
    registry: str
    lineage: str
    epoch: int
    cursor: int
    revisions: Mapping[str, int]
    versions: Mapping[str, str]
    pinned: Mapping[str, str]
    overridden: Mapping[str, str]
    place: str
    streaming: bool
    polls: int
    failures: int
    rejected: Mapping[str, int]
    problem: str
    cannot_load: Mapping[str, str]
    notes: Mapping[str, tuple[str, ...]]
    disk: str
    running: bool
    outcomes: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)


def problem_of(unloaded: Mapping[str, str]) -> str:
    """Returns the problem of the apps that cannot be loaded, in one line; empty if every app loads."""
    if not unloaded:
        return ""
    app, message = next(iter(sorted(unloaded.items())))
    more = f" (and {len(unloaded) - 1} more apps: {', '.join(sorted(unloaded)[1:6])})" if len(unloaded) > 1 else ""
    return one_line(f"{app} cannot be loaded{more}: {message}")


OnChange = Callable[[Change], object]
OnState = Callable[[State, State], object]


def log(level: int, event: str, message: str, *arguments: object, exc_info: bool = False, **facts: object) -> None:
    """Log one line under the name of its event. Texts are escaped and cut, so it stays one printable line."""
    assert event in EVENTS, event
    shown = [one_line(argument, _MOST) if isinstance(argument, str) else argument for argument in arguments]
    extra = {name: one_line(fact, _MOST) if isinstance(fact, str) else fact for name, fact in facts.items()}
    LOG.log(level, message, *shown, exc_info=exc_info, extra={"event": event, **extra})

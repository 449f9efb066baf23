"""What is live and what was, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from promptops.core.errors import AppNotFound, ChannelNotFound
from promptops.core.names import AppName, ChannelName
from promptops.core.token import Scope
from promptops.operations import queries
from promptops.operations.queries import History, RegistryStatus
from promptops.use_cases.fields import MOMENT_OR_EMPTY, path, query
from promptops.use_cases.use_case import UseCase


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """The apps and the channel to look at; none named: all of them."""

    apps: tuple[AppName, ...] = ()
    channel: ChannelName = ""


STATUS = UseCase(
    name="status",
    method="GET",
    path="/v1/status",
    scope=Scope.READ,
    tag="Looking",
    doc="""The live releases, the target of a rollback for each, and the clients that cannot load a release.

    `pending` counts the changes of all apps that are not in git yet, and `pending_since` is when the oldest was made;
    they are 0 and null for a token that does not see everything. `looks` is what of an app's calls is worth a look, of
    seven days on the channels that the token may see, by the prices of the server's list.
    """,
    run=lambda registry, request, caller: queries.status(
        registry,
        apps=request.apps,
        channel=request.channel,
        now=caller.now,
        sees=lambda channel: caller.rights.sees(channel=channel),
    ),
    request=StatusRequest,
    answer=RegistryStatus,
    fields=(query("app", "apps"), query("channel", max_length=63)),
    errors=(AppNotFound, ChannelNotFound),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest:
    """An app on a channel, and how much of its log: up to a moment, and no more than so many entries."""

    app: AppName
    channel: ChannelName
    at: datetime | None = None
    limit: int | None = None


HISTORY = UseCase(
    name="history",
    method="GET",
    path="/v1/channels/{channel}/apps/{app}/history",
    scope=Scope.READ,
    tag="Looking",
    doc="""Everything that was live of an app on a channel, newest first.

    `flaws` says of a release's digest why it is not good now. With `at`, what was live then.
    """,
    run=lambda registry, request, caller: queries.history(
        registry, request.app, request.channel, at=request.at, limit=request.limit
    ),
    request=HistoryRequest,
    answer=History,
    fields=(
        path("channel"),
        path("app"),
        query(
            "at",
            form=MOMENT_OR_EMPTY,
            max_length=40,
            description="ISO 8601 with an offset.",
            examples=["2026-03-01T18:30:00Z"],
        ),
        query("limit", ge=1, le=10_000_000),
    ),
)

"""What people ask of a registry: what is live, what was, what a release is made of, and who did what.

Channels and apps that a token may not see are left out of every answer, as if they were not there.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Annotated, Final

from fastapi import Query
from starlette.responses import Response

from promptops.core.errors import (
    AppNotFound,
    ChannelNotFound,
    NotAllowed,
    NothingDeployed,
    ReleaseNotFound,
    RequestInvalid,
)
from promptops.core.model import AuditEntry, Channel
from promptops.core.reference import Reference, parse_reference
from promptops.core.token import Scope
from promptops.operations import queries
from promptops.operations.queries import History, Listed, Status
from promptops.server.api.arguments import Digits, moment_of
from promptops.server.http import openapi_examples
from promptops.server.http.call import Call, CallOf
from promptops.server.http.json_schema import answered, answers, list_of, object_of, schema_of
from promptops.server.http.routing import Routes
from promptops.wire.shapes import Described, bare, written

PAGE: Final = 1000
_PAGES: Final = 10
"""Pages of the audit log that one answer reads, to find the lines that a token may see."""

routes = Routes("Looking")

_TEXT: Final = {"type": "string"}
_NAMES: Final = {"type": "array", "items": _TEXT}
_HEAD: Final = object_of(seq={"type": "integer"}, hash=_TEXT)
_NEXT: Final = {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "Where to go on: ?before=…"}

Moment = Annotated[str, Query(max_length=40, description="ISO 8601 with an offset.", examples=["2026-03-01T18:30:00Z"])]
Name = Annotated[str, Query(max_length=63)]


@routes.get(
    "/v1/registry",
    scope=Scope.READ,
    **answers(
        object_of(registry=_TEXT, lineage=_TEXT, epoch={"type": "integer"}),
        {"registry": "parcelwise", "lineage": openapi_examples.LINEAGE, "epoch": openapi_examples.EPOCH},
    ),
)
def registry(call: CallOf) -> Response:
    """Which registry this is.

    The lineage tells it from every other one of its name; the epoch counts how often it came back from a backup.
    """
    with call.registry.read() as reader:
        epoch = reader.epoch()
    return answered({"registry": call.registry.name, "lineage": call.registry.lineage, "epoch": epoch})


@routes.get(
    "/v1/status",
    scope=Scope.READ,
    errors=(AppNotFound, ChannelNotFound),
    **answers(schema_of(Status), openapi_examples.STATUS),
)
def status(call: CallOf, app: Annotated[tuple[str, ...], Query()] = (), channel: Name = "") -> Response:
    """The live releases, the target of a rollback for each, and the clients that cannot load a release.

    `pending` counts the changes of all apps that are not in git yet; it is 0 for a token that does not see everything.
    """
    for name in app:
        call.require(Scope.READ, app=name)
    if channel:
        call.require(Scope.READ, channel=channel)
    found = queries.status(call.registry, apps=app, channel=channel, now=call.now)
    seen = replace(
        found,
        standings=tuple(
            each
            for each in found.standings
            if call.sees(channel=each.deployment.channel) and call.sees(app=each.deployment.app)
        ),
        idle=tuple(name for name in found.idle if call.sees(app=name)),
        channels=tuple(name for name in found.channels if call.sees(channel=name)),
        pending=found.pending if call.access.everything else 0,
        cannot_load=tuple(
            each for each in found.cannot_load if call.sees(channel=each.channel) and call.sees(app=each.app)
        ),
    )
    return answered(written(seen))


@routes.get(
    "/v1/channels",
    scope=Scope.READ,
    **answers(object_of(channels=list_of(Channel)), {"channels": [written(openapi_examples.CHANNEL)]}),
)
def channels(call: CallOf) -> Response:
    """Every channel with its policy, downstream first.

    A policy's list of source channels leaves out channels that the token may not see.
    """
    found = [each for each in queries.channels(call.registry) if call.sees(channel=each.name)]
    return answered({"channels": [written(replace(each, policy=call.limited(each.policy))) for each in found]})


@routes.get(
    "/v1/channels/{channel}/apps/{app}/history",
    scope=Scope.READ,
    **answers(schema_of(History), openapi_examples.HISTORY),
)
def history(
    call: CallOf,
    channel: str,
    app: str,
    at: Moment = "",
    limit: Annotated[int | None, Digits, Query(ge=1, le=10_000_000)] = None,
) -> Response:
    """Everything that was live of an app on a channel, newest first.

    `flaws` says of a release's digest why it is not good now. With `at`, what was live then.
    """
    found = queries.history(call.registry, app, channel, at=moment_of(at) if at else None, limit=limit)
    return answered(written(found))


@routes.get("/v1/apps", scope=Scope.READ, **answers(object_of(apps=_NAMES), {"apps": ["draft-bot", "support-bot"]}))
def apps(call: CallOf) -> Response:
    """The names of all apps, in order."""
    with call.registry.read() as reader:
        return answered({"apps": [name for name in reader.apps() if call.sees(app=name)]})


@routes.get(
    "/v1/apps/{app}/releases",
    scope=Scope.READ,
    **answers(object_of(releases=list_of(Listed)), {"releases": [written(openapi_examples.LISTED)]}),
)
def listed(call: CallOf, app: str) -> Response:
    """Every release of an app, newest first, and which channels serve it or keep it out."""
    found = queries.releases(call.registry, app)
    return answered({"releases": [written(_seen(call, each)) for each in found]})


@routes.get(
    "/v1/apps/{app}/release",
    scope=Scope.READ,
    errors=(ReleaseNotFound, ChannelNotFound, NothingDeployed),
    **answers(schema_of(Described), openapi_examples.DESCRIBED),
)
def described(
    call: CallOf,
    app: str,
    version: Annotated[str, Query(max_length=100, examples=["0.2.1"])] = "",
    digest: Annotated[str, Query(max_length=71, description="All of it, or its beginning.")] = "",
    channel: Name = "",
) -> Response:
    """One release with its content: of a version, of a digest, or what a channel serves.

    `content` is the canonical bytes as text: their SHA-256 is the digest.
    """
    if channel:
        call.require(Scope.READ, channel=channel)
    found = queries.named(call.registry, _reference(app, version=version, digest=digest, channel=channel))
    assert found.release is not None  # only files have none
    described = Described(
        release=bare(found.release),
        content=found.release.content.decode(),
        profile=found.profile,
        channels=tuple(name for name in found.channels if call.sees(channel=name)),
        quarantined={name: why for name, why in found.quarantined.items() if call.sees(channel=name)},
    )
    return answered(written(described))


def _reference(app: str, **given: str) -> Reference:
    named = {what: text for what, text in given.items() if text}
    if len(named) != 1:
        raise RequestInvalid("one of version, digest and channel is needed", hint="?version=1.4.0 or ?channel=prod")
    [(what, text)] = named.items()
    return parse_reference(f"{app}:{text}" if what == "channel" else f"{app}@{text}")


def _seen(call: Call, each: Listed) -> Listed:
    return replace(
        each,
        channels=tuple(name for name in each.channels if call.sees(channel=name)),
        quarantined={name: why for name, why in each.quarantined.items() if call.sees(channel=name)},
    )


@routes.get(
    "/v1/audit",
    scope=Scope.AUDIT,
    **answers(
        object_of(entries=list_of(AuditEntry), before=_NEXT),
        {"entries": [written(openapi_examples.ENTRY)], "before": None},
    ),
)
def audit(
    call: CallOf,
    app: Name = "",
    channel: Name = "",
    actor: Annotated[str, Query(max_length=300)] = "",
    since: Moment = "",
    until: Moment = "",
    before: Annotated[int | None, Digits, Query(ge=1, lt=2**53)] = None,
    limit: Annotated[int, Digits, Query(ge=1, le=PAGE)] = PAGE,
) -> Response:
    """Who did what, newest first.

    A page may have fewer lines than `limit`; `before` is null when there are no more. What is about the registry as
    a whole is only shown to a token that sees everything.
    """
    if not call.access.allows(Scope.AUDIT, channel=channel, app=app):
        return answered({"entries": [], "before": None})  # the same answer as for a name that does not exist
    page = limit if call.access.everything else PAGE
    shown: list[AuditEntry] = []
    with call.registry.read() as reader:
        for _ in range(_PAGES):
            found = reader.audit(
                app=app,
                channel=channel,
                actor=actor,
                since=moment_of(since) if since else None,
                until=moment_of(until) if until else None,
                before=before,
                limit=page,
            )
            shown += [entry for entry in found if _audited(call, entry)]
            before = found[-1].seq if len(found) == page else None
            if before is None or len(shown) >= limit:
                break
    if len(shown) > limit or (before is not None and len(shown) == limit):
        before = shown[limit - 1].seq  # and not the number of a line that may not be seen
    return answered({"entries": [written(entry) for entry in shown[:limit]], "before": before})


@routes.get(
    "/v1/audit/trail",
    scope=Scope.AUDIT,
    **answers(
        object_of(head=_HEAD, entries=list_of(AuditEntry)),
        {
            "head": {"seq": openapi_examples.ENTRY.seq, "hash": openapi_examples.ENTRY.hash},
            "entries": [written(openapi_examples.ENTRY)],
        },
    ),
)
def trail(call: CallOf, after: Annotated[int, Digits, Query(ge=0, lt=2**53)] = 0) -> Response:
    """The audit log oldest first, for who verifies it: up to 1,000 lines after one, and the head as of then.

    The hashes chain all lines, so the token has to see everything.
    """
    if not call.access.everything:
        raise NotAllowed(
            "this token does not see every channel and app, and the audit log is one chain",
            scope=Scope.AUDIT.value,
            hint="A token for all channels and apps with the scope audit is needed.",
        )
    with call.registry.read() as reader:
        entries = [written(entry) for entry in islice(reader.audit_trail(after=after, page=PAGE), PAGE)]
        seq, hash = reader.audit_head()
    return answered({"head": {"seq": seq, "hash": hash}, "entries": entries})


def _audited(call: Call, entry: AuditEntry) -> bool:
    if not entry.app and not entry.channel:
        return call.access.everything
    return call.access.allows(Scope.AUDIT, channel=entry.channel, app=entry.app)

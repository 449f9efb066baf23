"""Archive an app, bring it back, and remove a channel, as rows."""

from __future__ import annotations

from promptops.core import free_text
from promptops.core.errors import AppArchived, AppNotFound, ChannelInUse, KeyReused, StillServed
from promptops.core.token import Scope
from promptops.operations.archive import Archived, ArchiveRequest, UnarchiveRequest, archive, unarchive
from promptops.operations.remove_channel import RemoveChannelRequest, RemovedChannel, remove_channel
from promptops.use_cases.fields import CHANGE, KEY, body, path
from promptops.use_cases.use_case import UseCase

_REASON = body("reason", max_length=free_text.LONGEST, example="the desk closed")

ARCHIVE = UseCase(
    name="archive_app",
    method="POST",
    path="/v1/apps/{app}/archive",
    scope=Scope.POLICY,
    doc="""Archive an app, or rename it.

    It gets no release and goes live nowhere from now on. It may be live only if it gets a `successor`, the name that it
    has from now on: what is live of it is served until it is retired. The token has to cover both names. Nothing that
    exists changes, and the app can be brought back.
    """,
    run=lambda registry, request, caller: archive(
        registry,
        request,
        actor=caller.actor,
        now=caller.now,
        sees=lambda channel: caller.rights.sees(channel=channel),
    ),
    request=ArchiveRequest,
    answer=Archived,
    sample={"archived": True, "changed": True, "reason": "the desk closed"},
    body=("Archival", "Why an app is archived, and its new name."),
    fields=(
        KEY,
        path("app"),
        _REASON,
        body("successor", max_length=63, description="The name that the app has from now on; empty for none."),
    ),
    errors=(AppNotFound, StillServed, AppArchived, KeyReused),
    largest=CHANGE,
)

UNARCHIVE = UseCase(
    name="unarchive_app",
    method="POST",
    path="/v1/apps/{app}/unarchive",
    scope=Scope.POLICY,
    doc="""Bring an archived app back.

    It can be released and promoted again, also under the name that it had before it was renamed. Nothing goes live
    because of it.
    """,
    run=lambda registry, request, caller: unarchive(registry, request, actor=caller.actor, now=caller.now),
    request=UnarchiveRequest,
    answer=Archived,
    sample={"archived": False, "changed": True, "successor": "", "reason": "the desk is open again"},
    body=("Return", "Why an app comes back."),
    fields=(KEY, path("app"), _REASON),
    errors=(AppNotFound, KeyReused),
    largest=CHANGE,
)

REMOVE_CHANNEL = UseCase(
    name="remove_channel",
    method="POST",
    path="/v1/channels/{channel}/remove",
    scope=Scope.POLICY,
    doc="""Remove a channel.

    Nothing may be live there, and no other channel may take releases from it. Its log stays. To declare it again makes
    it anew, with the next version of its policy.
    """,
    run=lambda registry, request, caller: remove_channel(
        registry,
        request,
        actor=caller.actor,
        now=caller.now,
        sees=lambda channel, app: caller.rights.sees(channel=channel, app=app),
    ),
    request=RemoveChannelRequest,
    answer=RemovedChannel,
    sample={"reason": "the fair is over"},
    body=("Removal", "Why a channel is removed."),
    fields=(KEY, path("channel"), _REASON),
    errors=(ChannelInUse, KeyReused),
    largest=CHANGE,
)

"""Quarantine, unquarantine and yank, as rows."""

from __future__ import annotations

from promptops.core import free_text
from promptops.core.errors import KeyReused, NotQuarantined, ReleaseNotFound, StillServed
from promptops.core.model import Quarantine, Release
from promptops.core.token import Scope
from promptops.operations.quarantine import WithholdRequest, quarantine, unquarantine, yank
from promptops.use_cases.fields import CHANGE, KEY, REFERENCE, body, path
from promptops.use_cases.use_case import UseCase

_BODY = ("Withheld", "A release, and why.")
_FIELDS = (
    KEY,
    body("release", "reference", form=REFERENCE, max_length=300, example="support-bot@0.2.1"),
    body("reason", max_length=free_text.LONGEST, example="wrong refunds"),
)

QUARANTINE = UseCase(
    name="quarantine",
    method="POST",
    path="/v1/channels/{channel}/quarantine",
    scope=Scope.ROLLBACK,
    doc="""Keep a release out of a channel.

    It cannot be promoted there and no rollback goes to it, until it is let back in.
    """,
    run=lambda registry, request, caller: quarantine(registry, request, actor=caller.actor, now=caller.now),
    request=WithholdRequest,
    answer=Quarantine,
    body=_BODY,
    fields=(path("channel"), *_FIELDS),
    errors=(ReleaseNotFound, StillServed, KeyReused),
    largest=CHANGE,
)

UNQUARANTINE = UseCase(
    name="unquarantine",
    method="POST",
    path="/v1/channels/{channel}/unquarantine",
    scope=Scope.PROMOTE,
    doc="""Let a quarantined release back in.

    Needs what a promotion needs, since it makes one possible.
    """,
    run=lambda registry, request, caller: unquarantine(registry, request, actor=caller.actor, now=caller.now),
    request=WithholdRequest,
    answer=Quarantine,
    body=_BODY,
    fields=(path("channel"), *_FIELDS),
    errors=(ReleaseNotFound, NotQuarantined, KeyReused),
    largest=CHANGE,
)

YANK = UseCase(
    name="yank",
    method="POST",
    path="/v1/yanks",
    scope=Scope.RELEASE,
    doc="""Mark a release as never to be served again.

    On no channel, ever; its bytes stay readable. One that a channel serves now has to be rolled back there first.
    """,
    run=lambda registry, request, caller: yank(
        registry,
        request,
        actor=caller.actor,
        now=caller.now,
        sees=lambda channel: caller.rights.sees(channel=channel),
    ),
    request=WithholdRequest,
    answer=Release,
    sample={
        "yanked": True,
        "yank_reason": "a customer's name is in it",
        "yank": {"reason": "a customer's name is in it", "actor": "token ci", "at": "2026-03-01T18:30:05.120000Z"},
    },
    body=_BODY,
    fields=_FIELDS,
    errors=(ReleaseNotFound, StillServed, KeyReused),
    largest=CHANGE,
)

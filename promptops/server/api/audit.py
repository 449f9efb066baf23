"""The audit log in pages: newest first for people, oldest first for who verifies it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query
from starlette.responses import Response

from promptops.core.errors import NotAllowed
from promptops.core.model import AuditEntry
from promptops.core.token import Scope
from promptops.core.visibility import visible
from promptops.operations import audit as auditing
from promptops.server.api.arguments import Digits
from promptops.server.http.call import CallOf
from promptops.server.http.json_schema import answered, answers, list_of, object_of
from promptops.server.http.routing import Routes
from promptops.server.http.samples import sample_of
from promptops.use_cases.documents import written
from promptops.use_cases.fields import read_moment
from promptops.wire.documents.audit import AuditEntryDocument

PAGE: Final = 1000
_PAGES: Final = 10
"""Pages of the audit log that one answer reads, to find the lines that a token may see."""

routes = Routes("Looking")

_HEAD: Final = object_of(seq={"type": "integer"}, hash={"type": "string"})
_NEXT: Final = {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "Where to go on: ?before=…"}
_ENTRY: Final = sample_of(AuditEntryDocument)

Moment = Annotated[str, Query(max_length=40, description="ISO 8601 with an offset.", examples=["2026-03-01T18:30:00Z"])]
Name = Annotated[str, Query(max_length=63)]


@routes.get(
    "/v1/audit",
    scope=Scope.AUDIT,
    **answers(object_of(entries=list_of(AuditEntryDocument), before=_NEXT), {"entries": [_ENTRY], "before": None}),
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
    for _ in range(_PAGES):
        entries = auditing.entries(
            call.registry,
            app=app,
            channel=channel,
            actor=actor,
            since=read_moment(since) if since else None,
            until=read_moment(until) if until else None,
            before=before,
            limit=page,
        )
        shown += visible(entries, tuple[AuditEntry, ...], call.access)
        before = entries[-1].seq if len(entries) == page else None
        if before is None or len(shown) >= limit:
            break
    if len(shown) > limit or (before is not None and len(shown) == limit):
        before = shown[limit - 1].seq  # and not the number of a line that may not be seen
    return answered({"entries": [written(entry) for entry in shown[:limit]], "before": before})


@routes.get(
    "/v1/audit/trail",
    scope=Scope.AUDIT,
    **answers(
        object_of(head=_HEAD, entries=list_of(AuditEntryDocument)),
        {"head": {"seq": _ENTRY["seq"], "hash": _ENTRY["hash"]}, "entries": [_ENTRY]},
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
    entries, (seq, hash) = auditing.trail(call.registry, after=after, limit=PAGE)
    return answered({"head": {"seq": seq, "hash": hash}, "entries": [written(entry) for entry in entries]})

"""Why one call came out as it did, as a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.core.errors import AppNotFound, CallNotFound, ChannelNotFound, RegistryMismatch
from promptops.core.outcomes.call_id import LONGEST
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.why import WhyFound, WhyRequest, why
from promptops.use_cases.fields import query
from promptops.use_cases.use_case import Caller, UseCase

if TYPE_CHECKING:
    from promptops.store import Registry


def _require(request: WhyRequest, scope: Scope, rights: Rights) -> None:
    """Check the app and the channel that a call id names, before anything is said of them."""
    parts = request.id.split(":")
    app, channel = parts[2:4] if len(parts) == 8 else ("", "")
    rights.require(scope, channel=channel, app=app)


def _run(registry: Registry, request: WhyRequest, caller: Caller) -> WhyFound:
    rights = caller.rights
    return why(
        registry,
        request,
        now=caller.now,
        sees=lambda channel, app: rights.sees(channel=channel, app=app),
        reads_content=lambda channel, app: rights.allows(Scope.CONTENT, channel=channel, app=app),
    )


WHY = UseCase(
    name="why",
    method="GET",
    path="/v1/why",
    scope=Scope.READ,
    tag="Looking",
    doc="""Why one call came out as it did: its release, who made it live, what it changed, and how it does.

    That follows from the call's id, for ever. Bad calls and a sample are kept for 30 days, and are found by the id of
    their trace or of the provider's answer too. What was captured of them needs the scope `content`: without it, `sent`
    and `variables` are null.
    """,
    run=_run,
    request=WhyRequest,
    answer=WhyFound,
    sample={"rates": [], "others": []},
    fields=(
        query("id", min_length=1, max_length=LONGEST, description="The id of a call, `pc1:…`, a trace, or an answer."),
    ),
    require=_require,
    errors=(AppNotFound, ChannelNotFound, CallNotFound, RegistryMismatch),
)

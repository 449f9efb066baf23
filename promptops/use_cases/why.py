"""Why one call came out as it did, as a row."""

from __future__ import annotations

from promptops.core.errors import AppNotFound, ChannelNotFound, RegistryMismatch
from promptops.core.outcomes.call_id import LONGEST
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.why import WhyFound, WhyRequest, why
from promptops.use_cases.fields import query
from promptops.use_cases.use_case import UseCase


def _require(request: WhyRequest, scope: Scope, rights: Rights) -> None:
    """Check the app and the channel that the id names, before anything is said of them."""
    parts = request.call.split(":")
    app, channel = parts[2:4] if len(parts) == 8 else ("", "")
    rights.require(scope, channel=channel, app=app)


WHY = UseCase(
    name="why",
    method="GET",
    path="/v1/why",
    scope=Scope.READ,
    tag="Looking",
    doc="""Why one call came out as it did: its release, who made it live, what it changed, and how it does.

    All of it follows from the call's id, for ever: nothing has to be kept of the call.
    """,
    run=lambda registry, request, caller: why(registry, request, now=caller.now),
    request=WhyRequest,
    answer=WhyFound,
    fields=(query("id", "call", min_length=1, max_length=LONGEST, description="The id of the call, `pc1:…`."),),
    require=_require,
    errors=(AppNotFound, ChannelNotFound, RegistryMismatch),
)

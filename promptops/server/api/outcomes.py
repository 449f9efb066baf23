"""What running applications report of their calls, and the secret that they report with."""

from __future__ import annotations

import json

from promptops.core.errors import ChannelNotFound
from promptops.core.token import Scope
from promptops.operations.outcomes import report_key as find_report_key
from promptops.server.http.call import Call
from promptops.server.http.replies import JSON, NOT_KEPT, Reply
from promptops.server.http.routing import Routes
from promptops.wire.codec import to_json
from promptops.wire.documents.outcomes import ReportKeyDocument

routes = Routes("Reporting")


@routes.get(
    "/v1/channels/{channel}/report-key",
    scope=Scope.REPORT,
    direct=True,
    reads=True,
    errors=(ChannelNotFound,),
    answer="report-key",
)
async def report_key(call: Call) -> Reply:
    """The secret with which clients make units and call ids.

    It is the registry's, the same on every channel; the first request makes it. Keep it as you keep a token: with it,
    calls can be invented.
    """
    key = await call.state.ask(find_report_key, call.path["channel"])
    return Reply(json.dumps(to_json(ReportKeyDocument.of(key))).encode(), JSON, NOT_KEPT)

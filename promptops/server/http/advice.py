"""Advice -> the route by which it can be followed over HTTP, for the problem document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from promptops.core.advice import Action, Advice
from promptops.core.model import Json

ROUTES: Final[Mapping[Action, tuple[str, str]]] = {
    Action.ABORT_CANARY: ("POST", "/v1/channels/{channel}/apps/{app}/canary"),
    Action.APPLY_CHANNELS: ("PUT", "/v1/channels"),
    Action.APPROVE: ("POST", "/v1/channels/{channel}/approvals"),
    Action.CALIBRATE: ("POST", "/v1/judge-labels"),
    Action.CREATE_TOKEN: ("POST", "/v1/tokens"),
    Action.FINISH_CANARY: ("POST", "/v1/channels/{channel}/apps/{app}/canary"),
    Action.HISTORY: ("GET", "/v1/channels/{channel}/apps/{app}/history"),
    Action.LIST_TOKENS: ("GET", "/v1/tokens"),
    Action.MAKE_OVERRIDE: ("POST", "/v1/channels/{channel}/pins"),
    Action.PROMOTE: ("POST", "/v1/channels/{channel}/promote"),
    Action.READ_AUDIT: ("GET", "/v1/audit"),
    Action.RELEASE: ("POST", "/v1/releases"),
    Action.RETIRE: ("POST", "/v1/channels/{channel}/apps/{app}/retire"),
    Action.REVOKE_TOKEN: ("DELETE", "/v1/tokens/{token}"),
    Action.ROLLBACK: ("POST", "/v1/channels/{channel}/rollback"),
    Action.SIGN_JOURNAL: ("GET", "/v1/journal"),
    Action.START_CANARY: ("POST", "/v1/channels/{channel}/canaries"),
    Action.STATUS: ("GET", "/v1/status"),
    Action.TRANSFER_APP: ("POST", "/v1/apps/{app}/transfer"),
    Action.UNARCHIVE_APP: ("POST", "/v1/apps/{app}/unarchive"),
    Action.UNQUARANTINE: ("POST", "/v1/channels/{channel}/unquarantine"),
}
"""The actions that have a route. The others need the files, git or the database, so only the command line has them."""


def link(advice: Advice) -> Mapping[str, Json]:
    """Returns ``method`` and ``path`` of the route; nothing if there is no route, or its address is unknown."""
    method, path = ROUTES.get(advice.action, ("", ""))
    names = {name: value for name, value in advice.arguments.items() if isinstance(value, str) and value != "…"}
    if not method or not set(re.findall(r"\{(\w+)\}", path)) <= names.keys():
        return {}
    return {"method": method, "path": path.format_map({name: quote(value, safe="") for name, value in names.items()})}

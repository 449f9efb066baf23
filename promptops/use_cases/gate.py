"""Ask the gate of a channel about a release, as a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptops.core.errors import NothingDeployed, ReleaseNotFound
from promptops.core.reference import parse_reference
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.gate import GateReport, GateRequest, ask_gate
from promptops.use_cases.fields import Form, path, query
from promptops.use_cases.use_case import UseCase


def _request(values: Mapping[str, Any], rights: Rights) -> GateRequest:
    reference = parse_reference(f"{values['app']}@{values['release']}")
    return GateRequest(reference=reference, channel=values["channel"])


GATE = UseCase(
    name="gate",
    method="GET",
    path="/v1/channels/{channel}/apps/{app}/gate",
    scope=Scope.READ,
    tag="Looking",
    doc="""What the gate of a channel says of a release, check by check.

    `release` is a version or a digest. `outcome` is the worst of its checks; `opens` says whether a promotion would
    pass the gate now. Without a gate there are no checks, and it opens. An approval of the person who promotes does not
    count then.
    """,
    run=lambda registry, request, caller: ask_gate(registry, request, now=caller.now),
    request=GateRequest,
    answer=GateReport,
    sample={"outcome": "inconclusive", "release": "0.2.1"},
    fields=(
        path("channel"),
        path("app", "reference.app"),
        query("release", form=Form(hint=str, write=str, read=str), max_length=100, examples=["0.2.1"]),
    ),
    decode=_request,
    errors=(ReleaseNotFound, NothingDeployed),
)

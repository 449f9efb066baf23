"""Ask the gate of a channel about a release, as a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from promptops.core.errors import NothingDeployed, ReleaseNotFound
from promptops.core.evidence.run import MOST_SUITES, SuiteRef
from promptops.core.reference import parse_reference
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.gate import ContentRequest, GateReport, GateRequest, ask_gate, ask_gate_of_content
from promptops.use_cases.fields import Form, body, path, query
from promptops.use_cases.nouns import ELEMENTS, LARGEST, nouns
from promptops.use_cases.use_case import Caller, UseCase

if TYPE_CHECKING:
    from promptops.store import Registry


def _request(values: Mapping[str, Any], rights: Rights) -> GateRequest:
    reference = parse_reference(f"{values['app']}@{values['release']}")
    return GateRequest(reference=reference, channel=values["channel"])


def _run(registry: Registry, request: GateRequest, caller: Caller) -> GateReport:
    """Asks the gate. A caller who may record evidence records what it reads of what was measured."""
    rights, app = caller.rights, request.reference.app
    records = caller.actor or (rights.token.name if rights.token is not None else "promptops gate")
    if not rights.allows(Scope.EVIDENCE, channel=request.channel, app=app):
        records = ""
    return ask_gate(registry, request, now=caller.now, records=records)


GATE = UseCase(
    name="gate",
    method="GET",
    path="/v1/channels/{channel}/apps/{app}/gate",
    scope=Scope.READ,
    tag="Looking",
    doc="""What the gate of a channel says of a release, check by check.

    `release` is a version or a digest. `outcome` is the worst of its checks; `opens` says whether a promotion would
    pass the gate now. Without a gate there are no checks, and it opens. An approval of the person who promotes does not
    count then. A gate that reads what was measured records it as evidence first, once an hour, where the token has the
    scope `evidence`.
    """,
    run=_run,
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


GATE_OF_CONTENT = UseCase(
    name="gate_of_content",
    method="POST",
    asks=True,
    path="/v1/channels/{channel}/apps/{app}/gate",
    scope=Scope.READ,
    tag="Looking",
    doc="""What the gate of a channel would say of a content that need not be released.

    For a pull request: evidence of its digest counts already, and approvals once it is released. Nothing is kept of the
    content. `release` is empty if it is not released.
    """,
    run=lambda registry, request, caller: ask_gate_of_content(registry, request, now=caller.now),
    request=ContentRequest,
    answer=GateReport,
    sample={"outcome": "inconclusive", "release": ""},
    body=("GatedContent", "A content in canonical form, and the suites that its app has."),
    fields=(
        path("channel"),
        path("app"),
        body("content"),
        body("suites", form=nouns(SuiteRef), max_length=MOST_SUITES),
    ),
    largest=LARGEST,
    elements=ELEMENTS,
)

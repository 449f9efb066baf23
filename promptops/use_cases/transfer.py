"""Give an app to another repository or path, as a row."""

from __future__ import annotations

from promptops.core import free_text
from promptops.core.errors import AppNotFound, KeyReused
from promptops.core.origin import Ownership
from promptops.core.token import Scope
from promptops.operations.transfer import TransferRequest, transfer
from promptops.use_cases.fields import CHANGE, COMMIT_OR_EMPTY, KEY, body, path
from promptops.use_cases.use_case import UseCase

TRANSFER = UseCase(
    name="transfer",
    method="POST",
    path="/v1/apps/{app}/transfer",
    scope=Scope.POLICY,
    doc="""Give an app to another repository, or to another path of it.

    An app belongs to the repository and path that released it first, and no other can release it. From now on only
    this one can. If it can already, nothing is recorded.
    """,
    run=lambda registry, request, caller: transfer(registry, request, actor=caller.actor, now=caller.now),
    request=TransferRequest,
    answer=Ownership,
    body=("Transfer", "Where the app comes from now on, and why."),
    fields=(
        KEY,
        path("app"),
        body("repository", max_length=2000, example="https://github.com/acme/prompts"),
        body("path", max_length=2000, example="apps/support-bot"),
        body("root", pattern=COMMIT_OR_EMPTY, description="The first commit of the repository; empty if not known."),
        body("reason", max_length=free_text.LONGEST, example="the support team owns it now"),
    ),
    errors=(AppNotFound, KeyReused),
    largest=CHANGE,
)

"""Which apps a workspace does not have any more, as a row."""

from __future__ import annotations

from promptops.core.token import Scope
from promptops.operations.vanished import VanishedApp, WorkspaceRequest, vanished
from promptops.use_cases.fields import COMMIT_OR_EMPTY, Form, body
from promptops.use_cases.use_case import UseCase

VANISHED = UseCase(
    name="vanished_apps",
    method="POST",
    path="/v1/vanished-apps",
    scope=Scope.READ,
    tag="Looking",
    doc="""The apps that a workspace released and does not have any more.

    They belong to it and are not archived. `renamed_to` is an app of the workspace with the same content. Changes
    nothing.
    """,
    run=lambda registry, request, caller: vanished(registry, request),
    asks=True,
    request=WorkspaceRequest,
    answer=tuple[VanishedApp, ...],
    under="apps",
    body=("Workspace", "Where a workspace is, and the apps that it has."),
    fields=(
        body("repository", max_length=2000, example="https://github.com/acme/prompts"),
        body("path", max_length=2000, example="", description="The workspace in its repository; empty: all of it."),
        body("root", pattern=COMMIT_OR_EMPTY, description="The first commit of the repository; empty if not known."),
        body(
            "apps",
            form=Form(hint=dict[str, str], write=dict, read=lambda apps: apps),
            max_length=10_000,
            example={"support-bot": "sha256:" + "9f86d081" * 8},
            description="The digest of each app, by name.",
        ),
    ),
    largest=2 << 20,
    elements=80_000,
)

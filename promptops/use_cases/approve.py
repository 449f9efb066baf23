"""Approve of a release, and take that back, as rows."""

from __future__ import annotations

from promptops.core import free_text
from promptops.core.errors import KeyReused, NotApproved, NotIndependent, ReleaseNotFound
from promptops.core.token import Scope
from promptops.operations.approve import Approved, ApproveRequest, approve
from promptops.use_cases.fields import CHANGE, KEY, REFERENCE, body, path
from promptops.use_cases.use_case import UseCase

APPROVE = UseCase(
    name="approve",
    method="POST",
    path="/v1/channels/{channel}/approvals",
    scope=Scope.APPROVE,
    doc="""Approve of a release for a channel, or take an approval back.

    The person is the one that the token is bound to; without one, the address that the actor claims, which proves
    nothing. It holds for this version of the channel's policy and as long as the same release is live there. Those who
    made the release are refused. Without `subjects` it is about the release itself.
    """,
    run=lambda registry, request, caller: approve(
        registry, request, actor=caller.actor, now=caller.now, by=caller.rights.token
    ),
    request=ApproveRequest,
    answer=Approved,
    body=("Approval", "Which release, and what of it."),
    sample={"subjects": ["release"]},
    fields=(
        path("channel"),
        KEY,
        body("release", "reference", form=REFERENCE, max_length=300, example="support-bot@0.2.1"),
        body("subjects", min_length=1, max_length=100, example=["release"]),
        body("withdraw", description="Take the approval back."),
        body("reason", max_length=free_text.LONGEST, example="read every answer"),
    ),
    errors=(ReleaseNotFound, NotIndependent, NotApproved, KeyReused),
    largest=CHANGE,
)

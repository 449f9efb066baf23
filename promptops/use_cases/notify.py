"""Who receives notifications, how far each receiver is, and a test of one, as rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from promptops.core import free_text
from promptops.core.errors import Conflict, Invalid, NotAllowed, NotFound, Refused, RegistryMismatch, RequestInvalid
from promptops.core.json_codec import to_json
from promptops.core.notifications.receiver import MAX_RECEIVERS, receiver_flaw
from promptops.core.origin import Origin
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.channels import Terms
from promptops.operations.notify import (
    ReceiverChange,
    ReceiverState,
    TestAsked,
    apply_receivers,
    ask_test,
    receivers,
)
from promptops.use_cases.fields import CHANGE, COMMIT_OR_EMPTY, Form, body
from promptops.use_cases.use_case import UseCase


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiversDeclared:
    """All receivers that a workspace declares, for the registry of this name; where that workspace is; and the terms.

    Without ``repository`` the workspace is not known.
    """

    registry: str
    receivers: Mapping[str, Mapping[str, object]]
    repository: str = ""
    path: str = ""
    root: str = ""
    take_over: bool = False
    reason: str = ""
    dry_run: bool = False

    @classmethod
    def of(cls, registry: str, receivers: Mapping[str, Mapping[str, object]], terms: Terms) -> ReceiversDeclared:
        """The request to apply these receivers on these terms."""
        values = asdict(terms)
        del values["loosen"]
        return cls(registry=registry, receivers=receivers, **(values.pop("origin") or {}), **values)

    @property
    def terms(self) -> Terms:
        """Raises Invalid: it takes over without a reason, or without a workspace."""
        origin = Origin(repository=self.repository, path=self.path, root=self.root)
        known = origin if origin.is_known else None
        return Terms(origin=known, take_over=self.take_over, reason=self.reason, dry_run=self.dry_run)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRequest:
    """A test of the receiver of this name."""

    __test__ = False

    name: str


def _settings(declared: Mapping[str, Mapping[str, object]]) -> Mapping[str, Mapping[str, object]]:
    """Raises RequestInvalid: one cannot be a receiver."""
    for name, settings in declared.items():
        if problem := receiver_flaw(name, settings):
            raise RequestInvalid(problem.message, hint=problem.hint)
    return declared


def _require(request: object, scope: Scope, rights: Rights) -> None:
    """Refuse a token for some apps or channels: a receiver may get what happens to all.

    Raises:
        NotAllowed
    """
    rights.require(scope)
    if not rights.everything:
        raise NotAllowed("this token is not for all channels and apps, and receivers are", scope=scope.value)


NOTIFY: UseCase[None, tuple[ReceiverState, ...]] = UseCase(
    name="receivers",
    method="GET",
    path="/v1/notify",
    scope=Scope.AUDIT,
    tag="Looking",
    doc="""Who receives notifications, and how far each receiver is.

    No answer has a secret of a receiver: only the server's own files have those.
    """,
    run=lambda registry, request, caller: receivers(registry),
    answer=tuple[ReceiverState, ...],
    under="receivers",
    require=_require,
)

_EXAMPLE: Mapping[str, Any] = {"ops": {"url": "https://hooks.example.com/promptops", "channels": ["prod"]}}

DECLARE_RECEIVERS = UseCase(
    name="declare_receivers",
    method="PUT",
    path="/v1/notify",
    scope=Scope.POLICY,
    doc="""Make the registry's receivers of notifications those that are declared.

    All are applied or none is. Every version of a receiver's settings is kept. A receiver that the same workspace
    declared before and declares no longer is removed; those of other workspaces stay. Doing it again changes nothing.
    With `dry_run` the answer says what would happen.
    """,
    run=lambda registry, request, caller: apply_receivers(
        registry, request.registry, request.receivers, actor=caller.actor, now=caller.now, terms=request.terms
    ),
    request=ReceiversDeclared,
    answer=tuple[ReceiverChange, ...],
    under="receivers",
    body=("ReceiversDeclared", "All receivers that a workspace declares."),
    fields=(
        body("registry", example="parcelwise", max_length=63),
        body(
            "receivers",
            form=Form(hint=dict[str, dict[str, Any]], write=to_json, read=_settings),
            example=_EXAMPLE,
            max_length=MAX_RECEIVERS,
        ),
        body("repository", max_length=2000, example="https://github.com/acme/prompts"),
        body("path", max_length=2000, example="", description="The workspace in its repository; empty: all of it."),
        body("root", pattern=COMMIT_OR_EMPTY, description="The first commit of the repository; empty if not known."),
        body("take_over", description="Receivers that another workspace applied belong to this one from now on."),
        body("reason", max_length=free_text.LONGEST, example="ops moved to another service"),
        body("dry_run"),
    ),
    require=_require,
    errors=(RegistryMismatch, Refused, Conflict, Invalid),
    largest=1 << 20,
)

TEST_RECEIVER = UseCase(
    name="test_receiver",
    method="POST",
    path="/v1/notify/tests",
    scope=Scope.POLICY,
    doc="""Send a test to a receiver.

    The server sends it next, whatever waits for the receiver, and tries it once. `GET /v1/notify` says when `tested` is
    this number, and `test_error` what came of it.
    """,
    run=lambda registry, request, caller: ask_test(registry, request.name, now=caller.now),
    request=TestRequest,
    answer=TestAsked,
    body=("ReceiverTest", "The receiver to test."),
    fields=(body("name", example="ops", max_length=63),),
    require=_require,
    errors=(Conflict, NotFound),
    largest=CHANGE,
)

"""The channels of a registry, as rows: list them, and make them those that a workspace declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from promptops.core import free_text
from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import (
    Conflict,
    NotAllowed,
    PolicyLoosened,
    PolicyOwnedElsewhere,
    RegistryMismatch,
    RequestInvalid,
)
from promptops.core.json_codec import to_json
from promptops.core.model import Channel, Policy, is_name
from promptops.core.origin import Origin
from promptops.core.policy import gate_flaw, rollout_flaw
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.channels import ChannelChange, Terms, apply_channels
from promptops.operations.queries import channels
from promptops.use_cases.fields import COMMIT_OR_EMPTY, Form, Rules, body
from promptops.use_cases.use_case import UseCase


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredPolicy:
    """What a channel asks of a release."""

    promote_from: Annotated[tuple[str, ...], Rules(max_length=100)] = ()
    allow_dirty: bool = False
    protected: bool = False
    gate: Mapping[str, object] | None = None
    rollout: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """All channels that a workspace declares, for the registry of this name; where that workspace is; and the terms.

    Without ``repository`` the workspace is not known.
    """

    registry: str
    channels: Mapping[str, Policy]
    repository: str = ""
    path: str = ""
    root: str = ""
    loosen: bool = False
    take_over: bool = False
    reason: str = ""
    dry_run: bool = False

    @classmethod
    def of(cls, registry: str, channels: Mapping[str, Policy], terms: Terms) -> Declaration:
        """The request to apply these channels on these terms."""
        values = asdict(terms)
        return cls(registry=registry, channels=channels, **(values.pop("origin") or {}), **values)

    @property
    def terms(self) -> Terms:
        """Raises Invalid: it takes over without a reason, or without a workspace."""
        origin = Origin(repository=self.repository, path=self.path, root=self.root)
        return Terms(
            origin=origin if origin.is_known else None,
            loosen=self.loosen,
            take_over=self.take_over,
            reason=self.reason,
            dry_run=self.dry_run,
        )


def _policies(declared: Mapping[str, DeclaredPolicy]) -> Mapping[str, Policy]:
    """Raises RequestInvalid: for a name that no channel can have, or a source that is not declared."""
    for name, policy in declared.items():
        if not is_name(name):
            raise RequestInvalid(
                f"'{name[:80]}' is not a channel's name", hint="Lower case letters, digits, . _ and -."
            )
        unknown = [source for source in policy.promote_from if source not in declared]
        if unknown:
            raise RequestInvalid(f"the channel '{name}' is to take from '{unknown[0][:80]}', which is not declared")
        for settings, flaw in ((policy.gate, gate_flaw), (policy.rollout, rollout_flaw)):
            if settings is not None and (problem := flaw(settings)):
                raise RequestInvalid(f"the channel '{name}': {problem.message}", hint=problem.hint)
    return {
        name: Policy(
            promote_from=tuple(policy.promote_from),
            allow_dirty=policy.allow_dirty,
            protected=policy.protected,
            gate=policy.gate,
            rollout=policy.rollout,
        )
        for name, policy in declared.items()
    }


def _require(request: Declaration, scope: Scope, rights: Rights) -> None:
    """Refuse openly: a channel may be new, so to answer that it is not there would mislead.

    Raises:
        NotAllowed
    """
    for name in request.channels:
        if not rights.allows(scope, channel=name):
            raise NotAllowed(
                f"this token may not declare the channel '{name}'",
                scope=scope.value,
                hint=Sentence("Its patterns for apps or channels leave that out: ", Advice(Action.LIST_TOKENS)),
            )


CHANNELS: UseCase[None, tuple[Channel, ...]] = UseCase(
    name="channels",
    method="GET",
    path="/v1/channels",
    scope=Scope.READ,
    tag="Looking",
    doc="""Every channel with its policy, downstream first.

    A policy's list of source channels leaves out channels that the token may not see.
    """,
    run=lambda registry, request, caller: channels(registry),
    answer=tuple[Channel, ...],
    under="channels",
)

_EXAMPLE: Mapping[str, Any] = {"staging": {}, "prod": {"promote_from": ["staging"], "protected": True}}

DECLARE = UseCase(
    name="declare",
    method="PUT",
    path="/v1/channels",
    scope=Scope.POLICY,
    doc="""Make the registry's channels those that are declared.

    All are applied or none is. Every version of a policy is kept. A channel that is not declared stays as it is. Doing
    it again changes nothing. A policy that another workspace applied before is changed with `take_over` and a reason,
    and one that admits more than before with `loosen`. With `dry_run` the answer says what would happen.
    """,
    run=lambda registry, request, caller: apply_channels(
        registry,
        request.registry,
        request.channels,
        actor=caller.actor,
        now=caller.now,
        terms=request.terms,
        rights=caller.rights,
    ),
    request=Declaration,
    answer=tuple[ChannelChange, ...],
    under="channels",
    body=("Declaration", "All channels that a workspace declares."),
    fields=(
        body("registry", example="parcelwise", max_length=63),
        body(
            "channels",
            form=Form(hint=dict[str, DeclaredPolicy], write=to_json, read=_policies),
            example=_EXAMPLE,
            max_length=500,
        ),
        body("repository", max_length=2000, example="https://github.com/acme/prompts"),
        body("path", max_length=2000, example="", description="The workspace in its repository; empty: all of it."),
        body("root", pattern=COMMIT_OR_EMPTY, description="The first commit of the repository; empty if not known."),
        body("loosen", description="Policies may admit more than before."),
        body("take_over", description="Policies that another workspace applied belong to this one from now on."),
        body("reason", max_length=free_text.LONGEST, example="prod takes hot fixes"),
        body("dry_run"),
    ),
    require=_require,
    errors=(RegistryMismatch, PolicyOwnedElsewhere, PolicyLoosened, Conflict),
    largest=1 << 20,
    elements=80_000,
)

"""The channels of a registry, as rows: list them, and make them those that a workspace declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import Conflict, NotAllowed, RegistryMismatch, RequestInvalid
from promptops.core.json_codec import to_json
from promptops.core.model import Channel, Policy, is_name
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.channels import ChannelChange, apply_channels
from promptops.operations.queries import channels
from promptops.use_cases.fields import Form, Rules, body
from promptops.use_cases.use_case import UseCase


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredPolicy:
    """What a channel asks of a release."""

    promote_from: Annotated[tuple[str, ...], Rules(max_length=100)] = ()
    allow_dirty: bool = False
    protected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """All channels that a workspace declares, for the registry of this name."""

    registry: str
    channels: Mapping[str, Policy]


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
    return {
        name: Policy(
            promote_from=tuple(policy.promote_from), allow_dirty=policy.allow_dirty, protected=policy.protected
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

    Every version of a policy is kept. A channel that is not declared stays as it is. Doing it again changes nothing.
    """,
    run=lambda registry, request, caller: apply_channels(
        registry, request.registry, request.channels, actor=caller.actor, now=caller.now
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
    ),
    require=_require,
    errors=(RegistryMismatch, Conflict),
    largest=1 << 20,
    elements=80_000,
)

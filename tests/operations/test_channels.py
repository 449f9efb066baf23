"""Applying the declared channels: every version of a policy is kept, and belongs to the workspace that declared it."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.advice import Action
from promptops.core.errors import Invalid, PolicyLoosened, PolicyOwnedElsewhere, PromptopsError, RegistryMismatch
from promptops.core.model import Policy
from promptops.core.origin import Origin
from promptops.operations.channels import Applied, ChannelChange, Terms, apply_channels
from promptops.store import Registry
from tests.support import factory
from tests.support.factory import ACTOR, NAME, START

HERE = Origin(repository="git@h.org:acme/prompts.git", path="", root="a" * 40)
THERE = Origin(repository="https://h.org/acme/other", path="prompts", root="b" * 40)
STRICT = Policy(promote_from=("dev",), protected=True)


def apply(registry: Registry, channels: dict[str, Policy], **terms: Any) -> dict[str, ChannelChange]:
    declared = {"dev": Policy(), **channels}
    changes = apply_channels(registry, NAME, declared, actor=ACTOR, now=START, terms=Terms(**terms))
    return {change.name: change for change in changes}


def applied(registry: Registry, **declared: Policy) -> dict[str, tuple[Applied, int]]:
    changes = apply_channels(registry, NAME, declared, actor=ACTOR, now=START)
    return {change.name: (change.applied, change.version) for change in changes}


def head(registry: Registry) -> tuple[int, str]:
    with registry.read() as reader:
        return reader.audit_head()


def refusal(registry: Registry, error: type[PromptopsError], channels: dict[str, Policy], **terms: Any) -> Any:
    before = head(registry)
    with pytest.raises(error) as refused:
        apply(registry, channels, **terms)
    assert head(registry) == before, "nothing is applied"
    return refused.value


def test_applying_says_what_it_did_and_twice_does_nothing(registry: Registry) -> None:
    assert applied(registry, dev=Policy(), prod=Policy()) == {"dev": (Applied.CREATED, 1), "prod": (Applied.CREATED, 1)}
    assert applied(registry, dev=Policy(), prod=Policy(protected=True)) == {
        "dev": (Applied.UNCHANGED, 1),
        "prod": (Applied.CHANGED, 2),
    }
    with registry.read() as reader:
        assert reader.channel("prod").policy == Policy(protected=True)
        assert reader.channel("prod").version == 2


def test_a_channel_that_is_no_longer_declared_is_kept_and_reported(registry: Registry) -> None:
    applied(registry, dev=Policy(allow_dirty=True), prod=Policy())
    assert applied(registry, prod=Policy())["dev"] == (Applied.UNDECLARED, 1)
    with registry.read() as reader:
        assert [channel.name for channel in reader.channels()] == ["dev", "prod"]


def test_a_declaration_for_another_registry_changes_nothing(registry: Registry) -> None:
    with pytest.raises(RegistryMismatch):
        apply_channels(registry, "other", {"prod": Policy()}, actor=ACTOR, now=START)
    with registry.read() as reader:
        assert reader.channels() == ()


# --- to whom a policy belongs ---


def test_another_workspace_changes_no_policy(registry: Registry) -> None:
    apply(registry, {"prod": STRICT, "staging": Policy()}, origin=HERE)
    refused = refusal(
        registry,
        PolicyOwnedElsewhere,
        {"prod": Policy(protected=True), "staging": Policy(protected=True), "own": Policy()},
        origin=THERE,
        loosen=True,
    )
    assert (refused.code, refused.kind, refused.channels) == (
        "policy-owned-elsewhere",
        "Refused",
        ("prod", "staging"),
    )
    assert str(refused) == (
        "policies belong to the workspace that applied them before, and this is h.org/acme/other, path prompts:"
        " prod (promote_from: dev → any channel) belongs to h.org/acme/prompts, path .;"
        " staging (protected: false → true) belongs to h.org/acme/prompts, path .; nothing was applied"
    )
    assert [advice.action for advice in refused.advice] == [Action.APPLY_CHANNELS]


def test_another_workspace_that_declares_the_same_changes_nothing_and_may_add_channels(registry: Registry) -> None:
    apply(registry, {"prod": STRICT}, origin=HERE)
    done = apply(registry, {"prod": STRICT, "own": Policy()}, origin=THERE)
    assert (done["prod"].applied, done["own"].applied) == (Applied.UNCHANGED, Applied.CREATED)
    refusal(registry, PolicyOwnedElsewhere, {"own": Policy(protected=True)}, origin=HERE)


@pytest.mark.parametrize("origin", [None, THERE])
def test_only_a_workspace_that_is_known_changes_the_policies_of_another(
    registry: Registry, origin: Origin | None
) -> None:
    apply(registry, {"prod": Policy()}, origin=HERE)
    refused = refusal(registry, PolicyOwnedElsewhere, {"prod": Policy(protected=True)}, origin=origin)
    assert ("names no workspace" in str(refused)) is (origin is None)


def test_the_same_workspace_goes_on_however_its_remote_is_written(registry: Registry) -> None:
    apply(registry, {"prod": Policy()}, origin=Origin(repository="folder", path="", root="a" * 40))
    apply(registry, {"prod": Policy(protected=True)}, origin=HERE)
    ci = Origin(repository="https://ci:t@h.org/acme/prompts", path="")
    assert apply(registry, {"prod": STRICT}, origin=ci)["prod"].owner is None


def test_a_policy_of_an_earlier_version_belongs_to_the_first_workspace_that_changes_it(registry: Registry) -> None:
    apply(registry, {"prod": Policy()})
    assert apply(registry, {"prod": Policy()}, origin=THERE)["prod"].applied is Applied.UNCHANGED
    apply(registry, {"prod": Policy(protected=True)}, origin=HERE)
    refusal(registry, PolicyOwnedElsewhere, {"prod": STRICT}, origin=THERE)


def test_a_take_over_is_recorded_with_its_reason(registry: Registry) -> None:
    apply(registry, {"prod": STRICT}, origin=HERE)
    done = apply(registry, {"prod": STRICT}, origin=THERE, take_over=True, reason="platform owns prod")
    assert (done["prod"].applied, done["prod"].version, done["prod"].owner) == (Applied.CHANGED, 2, HERE)
    with registry.read() as reader:
        channel = reader.channel("prod")
        lines = [line for line in reader.audit() if line.channel == "prod"]
    assert (channel.policy, channel.origin, channel.reason) == (STRICT, THERE, "platform owns prod")
    assert [(line.after, line.reason) for line in lines] == [("version 2", "platform owns prod"), ("version 1", "")]
    again = apply(registry, {"prod": STRICT}, origin=THERE, take_over=True, reason="again")
    assert again["prod"].applied is Applied.UNCHANGED
    refusal(registry, PolicyOwnedElsewhere, {"prod": Policy()}, origin=HERE, loosen=True)


def test_a_take_over_does_not_loosen_by_itself(registry: Registry) -> None:
    apply(registry, {"prod": STRICT}, origin=HERE)
    over: dict[str, Any] = {"origin": THERE, "take_over": True, "reason": "ours"}
    refusal(registry, PolicyLoosened, {"prod": Policy()}, **over)
    done = apply(registry, {"prod": Policy()}, **over, loosen=True)
    assert (done["prod"].applied, done["prod"].owner) == (Applied.CHANGED, HERE)


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"origin": HERE, "reason": " "}, "taking over needs a reason"),
        ({"reason": "ours"}, "known by its repository, and this one is in none"),
    ],
)
def test_a_take_over_needs_a_reason_and_a_workspace(terms: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        Terms(take_over=True, **terms)


# --- what loosens ---


def test_a_policy_is_not_loosened_unless_that_is_said(registry: Registry) -> None:
    apply(registry, {"prod": STRICT, "qa": Policy(protected=True)}, origin=HERE)
    loose = {"prod": Policy(allow_dirty=True), "qa": STRICT}
    refused = refusal(registry, PolicyLoosened, loose, origin=HERE)
    assert (refused.code, refused.kind, refused.channels) == ("policy-loosened", "Refused", ("prod",))
    assert str(refused) == (
        "channels would take releases that they refuse now: prod (promote_from: dev → any channel,"
        " allow_dirty: false → true, protected: true → false); nothing was applied"
    )
    done = apply(registry, loose, origin=HERE, loosen=True)
    assert done["prod"].loosens == ("promote_from", "allow_dirty", "protected")
    assert (done["prod"].before, done["qa"].loosens) == (STRICT, ())


def test_a_refusal_names_no_channel_that_the_caller_may_not_see(registry: Registry) -> None:
    apply(registry, {"secret": Policy(), "prod": Policy(promote_from=("secret", "dev"))})
    narrow = factory.rights(channels=("dev", "prod"))
    with pytest.raises(PolicyLoosened) as refused:
        apply_channels(registry, NAME, {"prod": Policy()}, actor=ACTOR, now=START, rights=narrow)
    assert "promote_from: …, dev → any channel" in str(refused.value)


def test_a_dry_run_shows_what_would_happen_and_what_it_would_need(registry: Registry) -> None:
    apply(registry, {"prod": STRICT, "old": Policy()}, origin=HERE)
    before = head(registry)
    planned = apply(registry, {"prod": Policy(promote_from=("dev",)), "own": Policy()}, origin=THERE, dry_run=True)
    prod = planned["prod"]
    assert (prod.applied, prod.version, prod.before, prod.loosens) == (Applied.CHANGED, 2, STRICT, ("protected",))
    assert prod.owner == HERE
    assert [planned[name].applied for name in ("dev", "own", "old")] == [
        Applied.UNCHANGED,
        Applied.CREATED,
        Applied.UNDECLARED,
    ]
    assert head(registry) == before

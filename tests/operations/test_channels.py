"""Applying the declared channels: every version of a policy is kept."""

from __future__ import annotations

import pytest

from promptops.core.errors import RegistryMismatch
from promptops.core.model import Policy
from promptops.operations.channels import Applied, apply_channels
from promptops.store import Registry
from tests.support.factory import ACTOR, NAME, START


def applied(registry: Registry, **declared: Policy) -> dict[str, tuple[Applied, int]]:
    changes = apply_channels(registry, NAME, declared, actor=ACTOR, now=START)
    return {change.name: (change.applied, change.version) for change in changes}


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

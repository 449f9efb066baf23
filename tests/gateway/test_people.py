"""People through a server: an approval is proven by a token of a person, and only a person waives a check."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from promptops.core.model import Policy
from promptops.core.token import Scope
from promptops.operations.tokens import TokenRequest, create_token
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.gateway.serving import Serve, rows
from tests.support import factory

GATE = {
    "approvals": {"count": 1},
    "waivers": {"may": ["approvals"]},
    "apps": {"bot": {"approvals": {"count": 1}}, "faq": {"approvals": {"count": 2}}},
}
As = Callable[[str], None]


@pytest.fixture
def gated(told: Registry) -> Registry:
    """`bot` with 0.1.3 released by a pipeline, and a gate on prod that asks for one proven approval."""
    factory.make_release(told, factory.content("bot", "Hello {{name}}, again"))
    factory.make_channels(told, prod=Policy(gate=GATE))
    return told


@pytest.fixture
def as_(gated: Registry, registry_url: str, serve: Serve, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> As:
    """Types the next commands with a token of this name, through a server."""
    monkeypatch.setenv("PROMPTOPS_REGISTRY", serve(registry_url))
    secrets: dict[str, str] = {}
    tokens: dict[str, dict[str, Any]] = {
        "bob": {"scopes": (Scope.APPROVE,), "person": "bob@example.org"},
        "shared": {"scopes": (Scope.APPROVE, Scope.PROMOTE, Scope.WAIVE)},
        "ops": {"scopes": (Scope.PROMOTE,), "person": "dora@example.org"},
        "chief": {"scopes": (Scope.PROMOTE, Scope.WAIVE), "person": "eve@example.org"},
        "narrow": {"scopes": (Scope.APPROVE,), "apps": ("bot",)},
    }
    for name, more in tokens.items():
        request = TokenRequest(name=name, lifetime=None, **more)
        secrets[name] = create_token(gated, request, actor="Root <root@example.org>", now=datetime.now(UTC)).text

    def choose(name: str) -> None:
        monkeypatch.setenv("PROMPTOPS_TOKEN", secrets[name])
        monkeypatch.setenv("PROMPTOPS_ACTOR", f"{name} <{name}@claimed.example>")

    return choose


def test_a_token_of_a_person_proves_an_approval(as_: As, promptops: Promptops) -> None:
    as_("shared")
    promptops("approve", "bot@0.1.3", "--channel", "prod")
    shut = promptops("gate", "bot@0.1.3", "--channel", "prod", exits=5).out
    assert "shared@claimed.example is claimed and not proven" in shut
    assert "approves the release: promptops approve bot@0.1.3 --channel prod" in shut, "as on the database"
    as_("bob")
    assert "bob@example.org (proven)" in promptops("approve", "bot@0.1.3", "--channel", "prod").out
    [claimed, proven] = rows(promptops("gate", "bot@0.1.3", "--channel", "prod", "--json"), "approvals")
    assert (claimed["counts"], claimed["proven"], proven["proven"]) == (True, False, True)
    refused = promptops("promote", "bot@0.1.3", "--channel", "prod", "--json", exits=5).error
    assert (refused["code"], "lacks the scope 'promote'" in refused["message"]) == ("not-allowed", True)
    as_("ops")
    promptops("approve", "bot@0.1.3", "--channel", "prod", exits=5)  # the scope promote approves nothing
    promptops("promote", "bot@0.1.3", "--channel", "prod")


def test_only_a_person_with_the_scope_waives(as_: As, promptops: Promptops) -> None:
    waive = ("promote", "bot@0.1.3", "--channel", "prod", "--waive", "approvals", "--expires", "1d", "-m", "an outage")
    as_("ops")
    assert "lacks the scope 'waive'" in promptops(*waive, "--json", exits=5).error["message"]
    as_("shared")
    assert "this token is of no person" in promptops(*waive, "--json", exits=5).error["message"]
    as_("chief")
    shut = promptops("promote", "bot@0.1.3", "--channel", "prod", "--json", exits=5).error
    assert (shut["code"], "approvals: 0 of 1 people approved" in shut["message"]) == ("policy-refused", True)
    promptops(*waive)
    [waiver] = rows(promptops("status", "--json"), "waivers")
    assert (waiver["person"], waiver["check"]) == ("eve@example.org", "approvals")


def test_the_gate_of_an_app_that_a_token_may_not_see_is_not_there(as_: As, promptops: Promptops) -> None:
    as_("narrow")
    [prod] = [each for each in rows(promptops("channels", "--json"), "channels") if each["name"] == "prod"]
    assert list(prod["policy"]["gate"]["apps"]) == ["bot"]
    assert promptops("gate", "faq@0.1.0", "--channel", "prod", "--json", exits=3).error["code"] == "app-not-found"

"""What a change over HTTP answers where the command line would answer in its own words, or with more names."""

from __future__ import annotations

import json

from promptops.core.model import Policy
from promptops.core.token import Scope
from promptops.server.app import create_app
from promptops.server.settings import Settings
from promptops.store import Registry
from tests.server.conftest import mint
from tests.server.running import inside
from tests.support import factory


def test_a_refusal_with_several_reasons_names_no_hidden_channel(registry: Registry, registry_url: str) -> None:
    factory.make_channels(registry, secret=Policy(), prod=Policy(promote_from=("secret",)))
    factory.make_release(registry, dirty=True)
    token = mint(registry, "ci", Scope.READ, Scope.PROMOTE, channels=("prod",))
    with inside(create_app(Settings(registry=registry_url))) as server:
        path, headers = "/v1/channels/prod/promote", {"Idempotency-Key": "k-1"}
        reply = server.ask("POST", path, token=token, headers=headers, body={"release": "bot@0.1.0", "reason": "x"})
    problem = json.loads(reply.body)
    assert (problem["code"], problem["facts"]["rule"]) == ("policy-refused", "promote_from")
    assert "uncommitted" in problem["detail"], "the other reason is still told"
    assert "secret" not in reply.body.decode()

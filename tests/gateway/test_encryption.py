"""The command line and a server with TLS in front: the same work, and no token for whoever proves nothing."""

from __future__ import annotations

import pytest

from promptops.core.token import Scope
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.gateway.encrypting import AUTHORITY, encrypting
from tests.gateway.serving import Serve, mint
from tests.support import factory


@pytest.fixture
def server(
    told: Registry, registry_url: str, serve: Serve, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A server whose token is in the environment."""
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "ops", Scope.ADMIN).secret)
    return serve(registry_url)


def test_a_rollback_over_tls(
    server: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY))
    with encrypting(server, "good") as url:
        monkeypatch.setenv("PROMPTOPS_REGISTRY", url)
        before = factory.live_version(told)
        assert promptops("status", "--json").json
        done = promptops("rollback", "bot", "--channel", "prod", "--json").json
        after = factory.live_version(told)
    assert done["deployments"]
    assert after != before


@pytest.mark.parametrize("certificate", ["wrong-host", "expired", "self-signed"])
def test_a_server_that_proves_nothing_is_not_shown_the_token(
    server: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch, certificate: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY))
    before = factory.live_version(told)
    with encrypting(server, certificate) as url:
        monkeypatch.setenv("PROMPTOPS_REGISTRY", url)
        refused = promptops("rollback", "bot", "--channel", "prod", "--json", exits=6).error
    assert refused["code"] == "registry-unavailable"
    assert "certificate" in refused["message"]
    assert factory.live_version(told) == before


def test_whose_authority_is_not_known_is_told_how_to_trust_it(
    server: str, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    with encrypting(server, "good") as url:
        monkeypatch.setenv("PROMPTOPS_REGISTRY", url)
        refused = promptops("status", "--json", exits=6).error
    assert "SSL_CERT_FILE" in refused["hint"]

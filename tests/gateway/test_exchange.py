"""`promptops token exchange`: a job of CI gets a token into a file, and works with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptops.core.oidc import Grant, Issuer
from promptops.core.token import Scope
from promptops.server.app import create_app
from promptops.server.settings import Settings
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.gateway.serving import rows
from tests.server.issuing import AUDIENCE, URL, Issuing
from tests.server.running import inside


def test_a_job_exchanges_its_id_token_and_is_named_by_the_token(
    told: Registry, registry_url: str, promptops: Promptops, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    issuing = Issuing()
    (tmp_path / "keys.json").write_bytes(issuing.key_set())
    grant = Grant(name="ci", claims={"repository": ("acme/*",)}, scopes=(Scope.ROLLBACK, Scope.AUDIT))
    issuer = Issuer(url=URL, audience=AUDIENCE, keys=str(tmp_path / "keys.json"), grants=(grant,))
    out = tmp_path / "token"
    with inside(create_app(Settings(registry=registry_url, issuers=(issuer,)))) as server:
        monkeypatch.setenv("PROMPTOPS_REGISTRY", f"http://127.0.0.1:{server.port}")
        monkeypatch.setenv("PROMPTOPS_TOKEN_FILE", str(out))  # which is not there yet
        assert "id-token: write" in promptops("token", "exchange", "--json", exits=2).error["hint"]
        text = issuing.token()
        monkeypatch.setenv("PROMPTOPS_ID_TOKEN", text)
        answer = promptops("token", "exchange", "--out", str(out), "--json")
        assert answer.json["scopes"] == ["rollback", "audit"]
        assert out.stat().st_mode & 0o777 == 0o600
        assert out.read_text().strip() not in answer.out + answer.err
        name = answer.json["name"]
        promptops("rollback", "bot", "--channel", "prod")
        entries = rows(promptops("audit", "--json", "--limit", "5"), "entries")
        assert entries[0]["actor"].endswith(f" via token {name}")
        assert any(
            "repo:acme/prompts:ref:refs/heads/main at https://ci.example" in json.dumps(each) for each in entries
        )
        again = promptops("token", "exchange", "--json", exits=5).error
        assert "exchanged already" in again["message"] and text not in str(again)
        monkeypatch.setenv("PROMPTOPS_ID_TOKEN", issuing.token())
        assert promptops("token", "exchange", "--json").json["secret"].startswith("pops_op_")  # type: ignore[union-attr]
    monkeypatch.setenv("PROMPTOPS_REGISTRY", registry_url)
    assert "by a server" in promptops("token", "exchange", "--json", exits=2).error["message"]


def test_a_token_of_github_is_asked_for_only_over_https(promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPS_REGISTRY", "https://registry.invalid")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "http://registry.invalid/token?x=1")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "a-secret")
    error = promptops("token", "exchange", "--json", exits=2).error
    assert "not encrypted" in error["message"] and "a-secret" not in str(error)

"""The token of the command line: out of a file that is replaced, and as the name of a change."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from promptops.client.sources.credentials import TokenFile
from promptops.core.errors import NotAuthenticated
from promptops.core.token import Scope
from promptops.gateway.remote import Remote
from promptops.operations.tokens import revoke_token
from promptops.store import Registry
from promptops.use_cases.registry import APPS
from tests.cli.conftest import Promptops
from tests.gateway.serving import Serve, mint, rows
from tests.support import factory


@pytest.fixture
def nameless(promptops: Promptops, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Promptops:
    """A command line on a machine where neither a variable nor git has a name."""
    monkeypatch.delenv("PROMPTOPS_ACTOR")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return promptops


def revoked(registry: Registry) -> str:
    """A token that was taken back before a server saw it, since a server knows for a second what it saw."""
    held = mint(registry, "gone", Scope.READ)
    revoke_token(registry, "gone", actor=factory.ACTOR, now=datetime.now(UTC))
    return held.secret


def test_a_token_out_of_a_file_is_shown_to_the_server_and_nothing_else(
    told: Registry,
    registry_url: str,
    serve: Serve,
    promptops: Promptops,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    file, held = tmp_path / "token", mint(told, "reader", Scope.READ)
    file.write_text(f"{held.secret}\n")
    monkeypatch.setenv("PROMPTOPS_REGISTRY", serve(registry_url))
    monkeypatch.setenv("PROMPTOPS_TOKEN_FILE", str(file))
    assert len(rows(promptops("status", "--json"), "apps")) == 2
    wrong = held.secret[:-1] + "~"
    for content, exits, said in (
        ("", 2, "is empty"),
        (None, 2, "is missing"),
        (wrong, 5, f"{file}: this is not a token"),
    ):
        file.unlink() if content is None else file.write_text(content)
        error = promptops("status", "--json", exits=exits).error
        assert said in error["message"]
        assert wrong not in str(error)
        assert error["hint"]
    file.write_text(revoked(told))
    error = promptops("status", "--json", exits=5).error
    assert f"The token in {file} is not of this registry" in error["hint"]
    assert file.read_text() not in str(error)


def test_a_command_that_runs_for_long_goes_on_with_the_token_that_replaced_its_own(
    told: Registry, registry_url: str, serve: Serve, tmp_path: Path
) -> None:
    file, old, new = tmp_path / "token", mint(told, "old", Scope.READ), mint(told, "new", Scope.READ)
    file.write_text(old.secret)
    with Remote.open(serve(registry_url), token=TokenFile(file)) as remote:
        assert remote.run(APPS, None) == ("bot", "other")
        file.write_text(revoked(told))
        with pytest.raises(NotAuthenticated):
            remote.run(APPS, None)
        file.write_text(new.secret)
        assert remote.run(APPS, None) == ("bot", "other")


def test_a_token_that_is_replaced_between_two_answers_is_asked_with_once_more(
    told: Registry, registry_url: str, serve: Serve
) -> None:
    new = mint(told, "new", Scope.READ).secret
    gone = revoked(told)

    class Replaced:
        name = "a file"

        def current(self) -> str:
            return gone

        def renewed(self, refused: str) -> str:
            return new if refused == gone else ""

    with Remote.open(serve(registry_url), token=Replaced()) as remote:
        assert remote.run(APPS, None) == ("bot", "other")


def test_the_first_command_of_the_night_is_recorded_as_its_token(
    told: Registry, registry_url: str, serve: Serve, nameless: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = mint(told, "on-call", Scope.ROLLBACK, Scope.PROMOTE, Scope.AUDIT)
    monkeypatch.setenv("PROMPTOPS_REGISTRY", serve(registry_url))
    error = nameless("rollback", "bot", "--channel", "prod", "--json", exits=2).error
    assert error["code"] == "actor-unknown"
    monkeypatch.setenv("PROMPTOPS_TOKEN", held.secret)
    nameless("rollback", "bot", "--channel", "prod", "--reason", "wrong refunds")
    assert rows(nameless("audit", "--json", "--limit", "1"), "entries")[0]["actor"] == "token on-call"
    nameless("--actor", "Ada", "rollback", "other", "--channel", "prod")
    assert rows(nameless("audit", "--json", "--limit", "1"), "entries")[0]["actor"] == "Ada via token on-call"


def test_past_the_server_a_valid_token_names_the_change_too(
    told: Registry, registry_url: str, nameless: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = mint(told, "on-call", Scope.ROLLBACK)
    monkeypatch.setenv("PROMPTOPS_REGISTRY", "https://registry.invalid")
    monkeypatch.setenv("PROMPTOPS_DIRECT", registry_url)
    for text in ("", "no token", revoked(told)):
        monkeypatch.setenv("PROMPTOPS_TOKEN", text)
        assert (
            nameless("rollback", "bot", "--channel", "prod", "--direct", "--json", exits=2).error["code"]
            == "actor-unknown"
        )
    monkeypatch.setenv("PROMPTOPS_TOKEN", held.secret)
    nameless("rollback", "bot", "--channel", "prod", "--direct")
    monkeypatch.setenv("PROMPTOPS_REGISTRY", registry_url)
    assert rows(nameless("audit", "--json", "--limit", "1"), "entries")[0]["actor"] == "token on-call"

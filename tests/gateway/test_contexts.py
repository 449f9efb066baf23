"""`promptops login`, `logout` and `context`: a token is kept for one server, and flags and variables go before it."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from promptops.core.token import Scope
from promptops.store import Registry
from tests.cli.conftest import Answer, Promptops
from tests.gateway.serving import Serve, mint, rows


@pytest.fixture
def url(told: Registry, registry_url: str, serve: Serve) -> str:
    return serve(registry_url)


@pytest.fixture
def secret(told: Registry) -> str:
    return mint(told, "ada", Scope.READ, Scope.ROLLBACK, Scope.AUDIT).secret


@pytest.fixture
def config(promptops: Promptops, tmp_path: Path) -> Path:
    """The folder of contexts, which is not there yet."""
    return tmp_path / "config" / "promptops"


@pytest.fixture(autouse=True)
def _no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine of the test has none, whatever is installed there."""
    monkeypatch.setitem(sys.modules, "keyring", None)


class Keyring:
    """The part of `keyring` that is used, in memory; ``trouble`` is what it raises instead of an answer."""

    def __init__(self, priority: float = 5) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.priority = priority
        self.trouble: Exception | None = None

    def get_keyring(self) -> SimpleNamespace:
        return SimpleNamespace(priority=self.priority)

    def set_password(self, service: str, user: str, password: str) -> None:
        self._fail()
        self.kept[service, user] = password

    def get_password(self, service: str, user: str) -> str | None:
        self._fail()
        return self.kept.get((service, user))

    def delete_password(self, service: str, user: str) -> None:
        del self.kept[service, user]

    def _fail(self) -> None:
        if self.trouble is not None:
            raise self.trouble


def type_in(
    promptops: Promptops, monkeypatch: pytest.MonkeyPatch, token: str, *arguments: str, exits: int = 0
) -> Answer:
    """Types one command line, with a token on stdin."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{token}\n"))
    return promptops(*arguments, exits=exits)


def test_a_login_names_the_registry_and_shows_the_token_to_it(
    url: str, secret: str, config: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = type_in(promptops, monkeypatch, secret, "login", url, "--json")
    name = f"127.0.0.1-{url.rpartition(':')[2]}"
    assert answer.json == {"context": name, "registry": url, "token": "file", "current": True, "name": "test"}
    assert len(rows(promptops("status", "--json"), "apps")) == 2
    promptops("rollback", "bot", "--channel", "prod")
    assert rows(promptops("audit", "--json", "--limit", "1"), "entries")[0]["actor"].endswith(" via token ada")
    token = config / "tokens" / name
    assert token.read_text() == f"{secret}\n"
    for path, mode in ((config, 0o700), (config / "contexts.json", 0o600), (token.parent, 0o700), (token, 0o600)):
        assert path.stat().st_mode & 0o777 == mode
    assert secret not in (config / "contexts.json").read_text() + answer.out + answer.err
    listed = promptops("context", "list")
    assert name in listed.out and secret not in listed.out


def test_what_the_server_refuses_is_not_kept(
    url: str, secret: str, config: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    for token, place, exits, code in (
        (wrong, url, 5, "not-authenticated"),
        ("", url, 2, "invalid"),
        (secret, "http://registry.example", 2, "invalid"),  # not encrypted
        (secret, "https://user@registry.example", 2, "invalid"),
    ):
        error = type_in(promptops, monkeypatch, token, "login", place, "--json", exits=exits).error
        assert error["code"] == code
        assert token == "" or token not in str(error)
    assert not config.exists()
    assert promptops("context", "list", "--json").json == {"contexts": []}


def test_flags_variables_and_a_workspace_of_its_own_go_before_a_context(
    url: str,
    secret: str,
    told: Registry,
    registry_url: str,
    promptops: Promptops,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    type_in(promptops, monkeypatch, secret, "login", url, "--name", "night")
    workspace = tmp_path / "own"
    promptops("init", str(workspace), "--example")
    inside = ("-C", str(workspace))
    assert rows(promptops(*inside, "status", "--json"), "apps") != rows(promptops("status", "--json"), "apps")
    assert len(rows(promptops(*inside, "--registry", url, "status", "--json"), "apps")) == 2  # with the token for it
    (workspace / ".promptops" / "registry.db").unlink()
    assert len(rows(promptops(*inside, "status", "--json"), "apps")) == 2
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "weak", Scope.READ).secret)
    error = promptops("rollback", "bot", "--channel", "prod", "--json", exits=5).error
    assert error["code"] == "not-allowed"  # it is the token of the environment
    monkeypatch.setenv("PROMPTOPS_REGISTRY", "sqlite:///none.db")
    assert promptops("status", "--json", exits=6).error["code"] == "registry-not-initialised"


def test_a_token_goes_to_no_other_server_than_the_one_it_was_kept_for(
    url: str,
    secret: str,
    told: Registry,
    registry_url: str,
    serve: Serve,
    promptops: Promptops,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    type_in(promptops, monkeypatch, secret, "login", url)
    other = serve(registry_url)  # which would take it
    assert promptops("--registry", other, "status", "--json", exits=5).error["code"] == "not-authenticated"


def test_contexts_are_used_left_and_removed_with_their_tokens(
    url: str, secret: str, config: Path, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = mint(told, "weak", Scope.READ).secret
    type_in(promptops, monkeypatch, secret, "login", url, "--name", "strong")
    type_in(promptops, monkeypatch, weak, "login", url, "--name", "weak")
    assert promptops("audit", "--json", exits=5).error["code"] == "not-allowed"
    promptops("context", "use", "strong")
    promptops("audit", "--json")
    known = [(each["context"], each["current"]) for each in rows(promptops("context", "list", "--json"), "contexts")]
    assert known == [("strong", True), ("weak", False)]
    promptops("logout")
    assert promptops("audit", "--json", exits=5).error["code"] == "not-authenticated"
    assert sorted(path.name for path in (config / "tokens").iterdir()) == ["weak"]
    promptops("context", "remove", "weak")
    assert list((config / "tokens").iterdir()) == []
    assert "There are: strong" in promptops("context", "use", "weak", "--json", exits=3).error["hint"]
    taken = type_in(
        promptops, monkeypatch, secret, "login", url.replace("127.0.0.1", "localhost"), "--name", "strong", exits=2
    )
    assert "is for" in taken.err
    promptops("context", "remove", "strong")
    assert promptops("logout", "--json", exits=3).error["hint"] == "Make the first: promptops login URL"
    assert "promptops login" in promptops("status", "--json", exits=3).error["hint"]


def test_a_keyring_has_the_token_where_there_is_one(
    url: str, secret: str, config: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = Keyring()
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    assert type_in(promptops, monkeypatch, secret, "login", url, "--name", "a", "--json").json["token"] == "keyring"
    assert keyring.kept == {("promptops", "a"): secret}
    assert not (config / "tokens").exists()
    promptops("status")
    keyring.trouble = RuntimeError("it is locked")
    error = promptops("status", "--json", exits=2).error
    assert "it is locked" in error["message"] and "PROMPTOPS_TOKEN" in error["hint"]
    assert type_in(promptops, monkeypatch, secret, "login", url, "--name", "a", "--json").json["token"] == "file"
    promptops("status")
    keyring.trouble = None
    assert keyring.kept == {}
    keyring.priority = 0.5  # a makeshift that writes a file of its own
    assert type_in(promptops, monkeypatch, secret, "login", url, "--name", "b", "--json").json["token"] == "file"


def test_files_that_others_may_read_or_that_are_broken_are_refused_with_what_to_do(
    url: str, secret: str, config: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(promptops, monkeypatch, secret, "login", url, "--name", "a")
    token = config / "tokens" / "a"
    token.chmod(0o640)
    error = promptops("status", "--json", exits=2).error
    assert error["hint"] == f"chmod 600 {token}"
    monkeypatch.setenv("PROMPTOPS_TOKEN", secret)
    promptops("status")  # nothing of it is read
    for broken in ("", "[]", "{", '{"contexts": {"a": {"color": 1}}}'):
        (config / "contexts.json").write_text(broken)
        error = promptops("status", "--json", exits=2).error
        assert "contexts.json" in error["message"] and "PROMPTOPS_REGISTRY" in error["hint"]
        promptops("--registry", url, "status")

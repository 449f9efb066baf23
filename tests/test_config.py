"""Flag, then environment, then workspace; nobody acts without a name; passwords are never shown."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

import pytest

from promptops import config
from promptops.cli.git_identity import git_identity
from promptops.core.errors import ActorUnknown, Invalid, WorkspaceNotFound
from promptops.core.server_url import hide_password


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment in which nothing is said, and a git that knows nobody."""
    for name in config.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def test_the_flag_beats_the_environment_which_beats_the_workspace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert config.registry_url(None, tmp_path, tmp_path) == f"sqlite:///{tmp_path}/.promptops/registry.db"
    monkeypatch.setenv("PROMPTOPS_REGISTRY", "postgresql://db/prompts")
    assert config.registry_url(None, tmp_path, tmp_path) == "postgresql://db/prompts"
    assert config.registry_url("other.db", tmp_path, tmp_path) == f"sqlite:///{tmp_path}/other.db"


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("registry.db", "sqlite:///{here}/registry.db"),
        ("./sub/registry.db", "sqlite:///{here}/sub/registry.db"),
        ("/var/lib/registry.db", "sqlite:////var/lib/registry.db"),
        ("sqlite:///registry.db", "sqlite:///{here}/registry.db"),
        ("sqlite:////var/lib/registry.db", "sqlite:////var/lib/registry.db"),
        ("postgresql://u:p@host/db", "postgresql://u:p@host/db"),
        ("postgresql+psycopg://host/db", "postgresql+psycopg://host/db"),
        ("https://prompts.example", "https://prompts.example"),
        ("HTTPS://prompts.example:8443/base/", "https://prompts.example:8443/base"),
        ("http://127.0.0.1:8700", "http://127.0.0.1:8700"),
    ],
)
def test_a_registry_is_a_path_or_a_url(said: str, url: str, tmp_path: Path) -> None:
    assert config.registry_url(said, None, tmp_path) == url.format(here=tmp_path)


def test_another_database_is_refused_without_showing_its_password(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="sqlite") as refusal:
        config.registry_url("mysql://root:hunter2@host/db", None, tmp_path)
    assert "hunter2" not in refusal.value.message


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://ada:hunter2@prompts.example", "a user in it"),
        ("https://hunter2@prompts.example", "a user in it"),
        ("https://prompts.example?token=hunter2", "not the URL of a server"),
        ("https://prompts.example#x", "not the URL of a server"),
        ("https:///v1", "not the URL of a server"),
        ("https://prompts.example\\@evil.example", "a user in it"),
        ("https://prompts example", "not the URL of a server"),
    ],
)
def test_the_url_of_a_server_is_a_place_alone(url: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=why) as refusal:
        config.registry_url(url, None, tmp_path)
    assert "hunter2" not in refusal.value.message


def test_direct_is_the_registry_or_the_database_behind_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = f"sqlite:///{tmp_path}/.promptops/registry.db"
    assert config.direct_url(None, tmp_path, tmp_path) == own
    with pytest.raises(Invalid, match="is a server") as refusal:
        config.direct_url("https://prompts.example", tmp_path, tmp_path)
    assert "PROMPTOPS_DIRECT" in refusal.value.hint
    monkeypatch.setenv("PROMPTOPS_DIRECT", "postgresql://db/prompts")
    assert config.direct_url("https://prompts.example", tmp_path, tmp_path) == "postgresql://db/prompts"
    assert config.direct_url("other.db", tmp_path, tmp_path) == f"sqlite:///{tmp_path}/other.db"
    assert config.direct_url(None, tmp_path, tmp_path) == own
    monkeypatch.setenv("PROMPTOPS_DIRECT", "https://prompts.example")
    with pytest.raises(Invalid, match="is a server"):
        config.direct_url("https://prompts.example", tmp_path, tmp_path)


def test_no_registry_and_no_workspace_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceNotFound) as refusal:
        config.registry_url(None, None, tmp_path)
    assert "PROMPTOPS_REGISTRY" in refusal.value.hint


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:s3cret@host/db", "postgresql://ada:***@host/db"),
        ("postgresql://ada:s3@cr@et@host/db", "postgresql://ada:***@host/db"),
        ("postgresql://host/db?password=s3cret&x=1", "postgresql://host/db?password=***&x=1"),
        ("sqlite:////var/registry.db", "sqlite:////var/registry.db"),
    ],
)
def test_passwords_are_hidden(url: str, shown: str) -> None:
    assert hide_password(url) == shown


def actor(flag: str | None, folder: Path) -> str:
    return config.actor(flag, partial(git_identity, folder))


def test_the_actor_is_the_flag_then_the_environment_then_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "config", "user.name", "Git Ada"], check=True)
    assert actor(None, tmp_path) == "Git Ada"
    subprocess.run(["git", "-C", tmp_path, "config", "user.email", "ada@example.org"], check=True)
    assert actor(None, tmp_path) == "Git Ada <ada@example.org>"
    monkeypatch.setenv("PROMPTOPS_ACTOR", "ci-bot")
    assert actor(None, tmp_path) == "ci-bot"
    assert actor(" Grace ", tmp_path) == "Grace"


def test_nobody_is_an_error_that_says_how_to_be_somebody(tmp_path: Path) -> None:
    with pytest.raises(ActorUnknown) as refusal:
        actor(None, tmp_path)
    assert "--actor" in refusal.value.hint
    assert "git config" in refusal.value.hint


def test_an_actor_is_no_servers_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="via") as refusal:
        actor("Ada via token admin", tmp_path)
    assert [advice.arguments["name"] for advice in refusal.value.advice] == ["actor"]
    monkeypatch.setenv("PROMPTOPS_ACTOR", "Ada  VIA token admin")
    with pytest.raises(Invalid, match="via"):
        actor(None, tmp_path)
    monkeypatch.delenv("PROMPTOPS_ACTOR")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "config", "user.name", "Ada via token admin"], check=True)
    with pytest.raises(Invalid, match="via"):
        actor(None, tmp_path)


@pytest.mark.parametrize("name", ["two\nlines", "esc\x1b[31m", "x" * 201, "hidden\u202etext"])
def test_an_actor_is_one_line_of_printable_text(name: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="printable"):
        actor(name, tmp_path)


def test_a_setting_nobody_declared_cannot_be_asked_for() -> None:
    with pytest.raises(KeyError):
        config.setting("PROMPTOPS_UNHEARD_OF")

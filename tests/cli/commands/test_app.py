"""Two workspaces release into one registry: each has its apps, and one moves by `promptops app transfer` alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.gateway.serving import mint, serving
from tests.support import factory
from tests.support.journal import names

REMOTE = "https://ada:p@ss@GitHub.com/acme/prompts.git"


@pytest.fixture
def first(registry: Registry, tmp_path: Path) -> Path:
    """A workspace with a remote."""
    root = factory.make_workspace(tmp_path / "first")
    factory.git(root, "remote", "add", "origin", REMOTE)
    return root


@pytest.fixture
def second(registry: Registry, tmp_path: Path) -> Path:
    """A workspace of another repository with an app of the same name, and with one of its own."""
    files = {
        "promptops.yml": factory.WORKSPACE.replace("[bot]", "[bots/*]"),
        "bots/bot/prompts/greet.prompt.yml": factory.PROMPT.replace("hello", "good evening"),
        "bots/own/prompts/greet.prompt.yml": factory.PROMPT,
    }
    root = factory.make_workspace(tmp_path / "second", files)
    factory.git(root, "remote", "add", "origin", "git@gitlab.example:team/bots.git")
    return root


def head(registry: Registry) -> int:
    with registry.read() as reader:
        return reader.audit_head()[0]


def test_an_app_moves_to_another_repository_by_a_transfer(
    registry: Registry, first: Path, second: Path, promptops: Promptops
) -> None:
    promptops("-C", str(first), "release")
    before = head(registry)
    refused = promptops("-C", str(second), "release", exits=5).err
    assert refused == (
        "error: the app 'bot' belongs to github.com/acme/prompts, path bot (since release 0.1.0), and this is"
        " gitlab.example/team/bots, path bots/bot; nothing was released\n"
        "hint: If its owners agree that it comes from here from now on: promptops app transfer bot --reason …\n"
    )
    assert head(registry) == before
    promptops("-C", str(second), "release", "own")
    said = promptops("-C", str(second), "app", "transfer", "bot", "--reason", "the bots team has it now").out
    assert said == (
        "✓ Transferred bot\n\n"
        "  to    gitlab.example/team/bots, path bots/bot\n"
        "  from  github.com/acme/prompts, path bot\n\n"
        "Next: release it from here  promptops release bot\n"
    )
    assert promptops("-C", str(second), "app", "transfer", "bot", "--reason", "again").out == (
        "bot belongs to gitlab.example/team/bots, path bots/bot already.\n"
    )
    promptops("-C", str(second), "release")
    error = promptops("-C", str(first), "release", "--json", exits=5).error
    assert (error["code"], error["kind"]) == ("app-owned-elsewhere", "Refused")
    assert "since its transfer on " in error["message"]
    promptops("-C", str(first), "sync")
    assert "transfers/bot/1" in names(first)
    assert promptops("-C", str(first), "audit", "--limit", "9").out.count("the bots team has it now") == 1


def test_a_transfer_as_json_says_from_where_to_where(
    registry: Registry, first: Path, second: Path, promptops: Promptops
) -> None:
    promptops("-C", str(first), "release")
    moved = promptops("-C", str(second), "app", "transfer", "bot", "-m", "theirs", "--json").json
    roots = [factory.git(root, "rev-parse", "HEAD") for root in (first, second)]
    assert moved == {
        "app": "bot",
        "changed": True,
        "origin": {"repository": "git@gitlab.example:team/bots.git", "path": "bots/bot", "root": roots[1]},
        "before": {"repository": "https://GitHub.com/acme/prompts.git", "path": "bot", "root": roots[0]},
    }


def test_no_part_of_a_password_is_kept(registry: Registry, first: Path, promptops: Promptops, tmp_path: Path) -> None:
    promptops("-C", str(first), "release")
    shown = promptops("show", "bot@0.1.0", "--json").json["provenance"]
    assert isinstance(shown, dict)
    assert shown["repository"] == "https://GitHub.com/acme/prompts.git"
    assert b"ss@" not in (tmp_path / "registry.db").read_bytes()


@pytest.mark.parametrize(
    "remote",
    ["git@github.com:acme/prompts", "ssh://git@github.com:22/acme/prompts/", "https://github.com/acme/prompts"],
)
def test_a_clone_releases_however_its_remote_is_written(
    registry: Registry, first: Path, promptops: Promptops, tmp_path: Path, remote: str
) -> None:
    promptops("-C", str(first), "release")
    clone = tmp_path / "elsewhere"
    factory.git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{first}", str(clone))
    factory.git(clone, "remote", "set-url", "origin", remote)
    factory.commit(clone, {"bot/prompts/greet.prompt.yml": factory.PROMPT.replace("hello", "hi")})
    assert "✓ Released bot 0.1.1" in promptops("-C", str(clone), "release").out


def test_a_repository_without_a_remote_is_known_by_its_first_commit(
    registry: Registry, promptops: Promptops, tmp_path: Path
) -> None:
    root = factory.make_workspace(tmp_path / "one")
    promptops("-C", str(root), "release")
    clone = tmp_path / "two"
    factory.git(tmp_path, "clone", "--quiet", str(root), str(clone))
    factory.commit(clone, {"bot/prompts/greet.prompt.yml": factory.PROMPT.replace("hello", "hi")})
    promptops("-C", str(clone), "release", "--allow-dirty")
    shutil.rmtree(root / ".git")
    factory.git(root, "init", "--quiet")
    factory.commit(root, {"other.txt": "another history"}, "Begin anew")
    assert "whose first commit is" in promptops("-C", str(root), "release", exits=5).err


def test_two_folders_of_one_repository_cannot_both_have_an_app(
    registry: Registry, promptops: Promptops, tmp_path: Path
) -> None:
    files = {
        f"{team}/{name}": text
        for team in ("a", "b")
        for name, text in {"promptops.yml": factory.WORKSPACE, "bot/prompts/greet.prompt.yml": factory.PROMPT}.items()
    }
    root = factory.make_workspace(tmp_path / "mono", files)
    promptops("-C", str(root / "a"), "release")
    assert "path a/bot (since release 0.1.0), and this is" in promptops("-C", str(root / "b"), "release", exits=5).err
    assert promptops("-C", str(root / "b"), "app", "transfer", "bot", "-m", "moved").out.startswith("✓ Transferred")
    promptops("-C", str(root / "b"), "release")


def test_what_cannot_be_transferred_says_why(
    registry: Registry, first: Path, promptops: Promptops, tmp_path: Path
) -> None:
    def hint(*arguments: str, code: int) -> str:
        error = promptops("app", "transfer", *arguments, "-m", "x", "--json", exits=code).error
        return f"{error['message']} {error['hint']}"

    assert "there is no app 'bot' in this registry" in hint("bot", "-C", str(first), code=3)
    promptops("-C", str(first), "release")
    assert "no app 'faq' in this workspace There are: bot." in hint("faq", "-C", str(first), code=3)
    assert "promptops.yml" in hint("bot", code=3)
    outside = tmp_path / "outside"
    factory.write(outside, {"promptops.yml": factory.WORKSPACE, "bot/prompts/greet.prompt.yml": factory.PROMPT})
    assert "is not in a git repository A release is cut from a commit" in hint("bot", "-C", str(outside), code=6)
    factory.git(outside, "init", "--quiet")
    assert "there is no commit 'HEAD'" in hint("bot", "-C", str(outside), code=2)
    shallow = tmp_path / "shallow"
    factory.commit(first, {"more.txt": "more"})
    factory.git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{first}", str(shallow))
    assert "its first commit is not known In a shallow clone: git fetch" in hint("bot", "-C", str(shallow), code=2)
    assert promptops("app", "transfer", "bot", "-C", str(first), exits=2).err.startswith("error: missing option")


def test_through_a_server_a_transfer_needs_the_scope_policy(
    registry: Registry, first: Path, second: Path, promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptops.core.token import Scope

    ci = mint(registry, "ci", Scope.RELEASE)
    team = mint(registry, "team", Scope.POLICY, apps=("bot",))
    strangers = mint(registry, "strangers", Scope.POLICY, apps=("other",))
    with serving(f"sqlite:///{tmp_path / 'registry.db'}") as url:
        monkeypatch.setenv("PROMPTOPS_REGISTRY", url)

        def typed(token: str, *arguments: str, exits: int = 0) -> str:
            monkeypatch.setenv("PROMPTOPS_TOKEN", token)
            answer = promptops(*arguments, exits=exits)
            return answer.out + answer.err

        transfer = ("app", "transfer", "bot", "--reason", "theirs", "-C", str(second))
        typed(ci.secret, "-C", str(first), "release")
        refused = typed(ci.secret, "-C", str(second), "release", "bot", exits=5)
        assert "belongs to github.com/acme/prompts, path bot (since release 0.1.0)" in refused
        assert "promptops app transfer bot --reason …" in refused
        assert "lacks the scope 'policy'" in typed(ci.secret, *transfer, exits=5)
        assert "there is no app 'bot'" in typed(strangers.secret, *transfer, exits=3)
        assert "Transferred bot" in typed(team.secret, *transfer)
        assert json.loads(typed(team.secret, *transfer, "--json"))["changed"] is False
        typed(ci.secret, "-C", str(second), "release", "bot")
        assert "since its transfer" in typed(ci.secret, "-C", str(first), "release", exits=5)

"""What a token may do through a server, as the command line hears of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from promptops.core.model import Policy
from promptops.core.token import Scope
from promptops.operations.tokens import TokenRequest, create_token, revoke_token
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.gateway.serving import Serve, mint, rows
from tests.support import factory

WRITES = {
    Scope.PROMOTE: "promote bot@0.1.0 --channel dev",
    Scope.ROLLBACK: "rollback bot --channel prod",
    Scope.RELEASE: "yank bot@0.1.0 -m leak",
    Scope.AUDIT: "audit",
    Scope.ADMIN: "token list",
}


@pytest.fixture
def url(told: Registry, registry_url: str, serve: Serve, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server, which the command line works with and has no token for."""
    server = serve(registry_url)
    monkeypatch.setenv("PROMPTOPS_REGISTRY", server)
    return server


def test_without_a_valid_token_nothing_is_said_or_done(
    url: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = mint(told, "gone", Scope.ADMIN)
    revoke_token(told, "gone", actor=factory.ACTOR, now=datetime.now(UTC))
    wrong = gone.secret[:-1] + "~"
    nothing, ended = "Put a token into PROMPTOPS_TOKEN", "The token in PROMPTOPS_TOKEN is not of this registry"
    for secret, said in (("", nothing), (wrong, "A token begins with pops_"), (gone.secret, ended)):
        monkeypatch.setenv("PROMPTOPS_TOKEN", secret)
        for command in ("status", "rollback bot --channel prod", "promote bot@0.1.0 --channel dev"):
            error = promptops(*command.split(), "--json", exits=5).error
            assert error["code"] == "not-authenticated"
            assert said in error["hint"]
            assert gone.secret not in str(error)
    assert factory.live_version(told) == "0.1.2"


def test_a_token_without_the_scope_is_refused_with_what_it_lacks(
    url: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "reader", Scope.READ).secret)
    for scope, command in WRITES.items():
        error = promptops(*command.split(), "--json", exits=5).error
        assert error["code"] == "not-allowed"
        assert f"it lacks the scope '{scope}'" in error["message"]
        assert "promptops token create" in error["hint"]
    assert promptops("status", "--json").json["apps"]
    assert factory.live_version(told) == "0.1.2"


def test_what_a_token_may_not_see_is_not_there(
    url: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory.go_live(told, "bot@0.1.0", "dev")
    held = mint(told, "narrow", Scope.PROMOTE, Scope.ROLLBACK, Scope.AUDIT, channels=("prod",), apps=("bot",))
    monkeypatch.setenv("PROMPTOPS_TOKEN", held.secret)
    status = promptops("status", "--json")
    assert status.json["channels"] == ["prod"]
    assert [app["app"] for app in rows(status, "apps")] == ["bot"]
    assert [each["name"] for each in rows(promptops("channels", "--json"), "channels")] == ["prod"]
    assert rows(promptops("releases", "bot", "--json"), "releases")[-1]["channels"] == []
    assert promptops("show", "bot@0.1.0", "--json").json["channels"] == []
    entries = rows(promptops("audit", "--json"), "entries")
    assert {(each["app"], each["channel"]) for each in entries} <= {("bot", "prod"), ("bot", ""), ("", "prod")}
    for command in (
        "status other",
        "status --channel dev",
        "history bot --channel dev",
        "history other --channel prod",
        "show other@0.1.0",
        "show bot:dev",
        "releases other",
        "promote other@0.1.0 --channel prod",
        "promote bot@0.1.0 --channel dev",
        "promote bot:dev --channel prod",
        "promote bot --from dev --channel prod",
        "promote --all --from dev --channel prod",
        "promote --all --from nowhere --channel prod",
        "promote bot other --from prod --channel prod2",
        "rollback other --channel prod",
        "rollback bot other --channel prod",
        "quarantine other@0.1.0 --channel prod -m bad",
        "override create other@0.1.0 --channel prod -m gone",
    ):
        error = promptops(*command.split(), "--json", exits=3).error
        assert error["hint"] == "", f"{command}: nothing is listed"
    assert "does not see every channel and app" in promptops("audit", "--verify", exits=5).err
    assert factory.live_version(told, "other") == "0.1.1"


def test_everything_goes_back_only_with_a_token_that_covers_everything(
    url: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = mint(told, "one", Scope.ROLLBACK, apps=("bot",)).secret
    every = mint(told, "every", Scope.ROLLBACK, apps=("bot", "oth*")).secret
    monkeypatch.setenv("PROMPTOPS_TOKEN", one)
    for more in ((), ("--dry-run",)):
        error = promptops("rollback", "--all", "--channel", "prod", "--key", "k", "--json", *more, exits=5).error
        assert error["code"] == "not-allowed"
        assert "other" not in str(error)
    assert (factory.live_version(told), factory.live_version(told, "other")) == ("0.1.2", "0.1.1")
    monkeypatch.setenv("PROMPTOPS_TOKEN", every)
    promptops("rollback", "--all", "--channel", "prod", "--key", "k")
    assert (factory.live_version(told), factory.live_version(told, "other")) == ("0.1.1", "0.1.0")
    monkeypatch.setenv("PROMPTOPS_TOKEN", one)
    replayed = promptops("rollback", "--all", "--channel", "prod", "--key", "k", "--json", exits=5).error
    assert "other" not in str(replayed), "the answer of before is not for this token"


def test_who_did_it_is_the_person_and_the_token(
    url: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "on-call", Scope.ROLLBACK).secret)
    monkeypatch.setenv("PROMPTOPS_ACTOR", "Łucja Ó <lucja@example.org>")
    answer = promptops("rollback", "bot", "--channel", "prod", "--json").json
    assert answer["actor"] == "Łucja Ó <lucja@example.org> via token on-call"
    assert "by Łucja Ó via token on-call" in promptops("status", "bot").out


def test_an_address_that_is_not_the_servers_own_is_named(
    url: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "reader", Scope.READ).secret)
    error = promptops("status", "--registry", f"{url}/more", "--json", exits=3).error
    assert f"Is {url}/more the server's own address" in error["hint"]


def test_a_token_ends_with_its_maker_unless_it_is_said_how_long_it_lives(
    url: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "week", Scope.ADMIN, lifetime=timedelta(days=7)).secret)
    made = promptops("token", "create", "web", "--json").json
    known = {each["name"]: each for each in rows(promptops("token", "list", "--json"), "tokens")}
    assert made["expires_at"] == known["week"]["expires_at"]
    assert "lives longer" in promptops("token", "create", "other", "--expires", "30d", exits=5).err
    promptops("token", "create", "other", "--expires", "6d")


def test_the_id_of_one_token_may_be_the_name_of_another(
    url: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = iter([0] * 32 + [36] * 11)  # taaaaaaaaaaa, which could be a name
    leaked = create_token(
        told, TokenRequest(name="leaked"), actor=factory.ACTOR, now=datetime.now(UTC), draw=lambda _: next(draws)
    ).token
    create_token(told, TokenRequest(name=leaked.id), actor=factory.ACTOR, now=datetime.now(UTC))
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "root", Scope.ADMIN).secret)
    assert promptops("token", "revoke", leaked.id, "--json").json["name"] == "leaked"


def test_a_refused_policy_names_no_app_that_the_token_may_not_see(
    url: str, told: Registry, promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = {"not_worse": {"margin": "3%"}, "apps": {"other": {"not_worse": {"margin": "1%"}}}}
    factory.make_channels(told, dev=Policy(), prod=Policy(gate=gate))
    loose = "  dev: {}\n  prod: {gate: {not_worse: {margin: 3%}}}\n"
    root = factory.make_workspace(
        tmp_path / "ours",
        {
            "promptops.yml": f"registry: test\napps: [bot]\nchannels:\n{loose}",
            "bot/prompts/greet.prompt.yml": factory.PROMPT,
        },
    )
    monkeypatch.chdir(root)
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "wide", Scope.POLICY, Scope.READ).secret)
    assert "gate.apps.other.not_worse.margin" in str(promptops("channels", "apply", "--json", exits=5).error)
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "narrow", Scope.POLICY, Scope.READ, apps=("bot",)).secret)
    refused = promptops("channels", "apply", "--json", exits=5).error
    assert (refused["code"], "gate.apps.…" in refused["message"]) == ("policy-loosened", True)
    planned = promptops("channels", "apply", "--dry-run", "--json").json
    done = promptops("channels", "apply", "--loosen", "--json").json
    assert "other" not in f"{refused}{planned}{done}"


def test_a_canary_is_held_up_and_ended_by_a_token_for_rollbacks_and_nothing_more(
    url: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory.make_release(told, version="0.2.0")
    on_call, ci = (mint(told, scope.value, scope).secret for scope in (Scope.ROLLBACK, Scope.PROMOTE))
    monkeypatch.setenv("PROMPTOPS_TOKEN", ci)
    on = ("--channel", "prod")
    promptops("canary", "start", "bot@0.2.0", *on, "--percent", "5")
    monkeypatch.setenv("PROMPTOPS_TOKEN", on_call)
    for step in (("advance", "bot", "--percent", "50"), ("resume", "bot"), ("finish", "bot")):
        assert promptops("canary", *step, *on, "--json", exits=5).error["code"] == "not-allowed"
    assert "Paused the canary of bot on prod: 0.2.0 for 5 % of the keys" in promptops("canary", "pause", "bot", *on).out
    assert "Ended the canary of bot on prod: 0.1.2 for everyone" in promptops("canary", "abort", "bot", *on).out
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "reader", Scope.READ).secret)
    assert "lacks the scope 'promote'" in promptops("canary", "abort", "bot", *on, "--json", exits=5).error["message"]


def test_what_a_channel_serves_is_promoted_only_with_a_token_that_covers_everything(
    url: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    for app in ("bot", "other"):
        factory.go_live(told, f"{app}@0.1.0", "dev")
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "one", Scope.PROMOTE, apps=("bot",)).secret)
    command = ("--from", "dev", "--channel", "prod", "--json")
    for more in ((), ("--dry-run",)):
        error = promptops("promote", "--all", *command, *more, exits=5).error
        assert error["code"] == "not-allowed"
        assert "other" not in str(error)
    assert factory.live_version(told) == "0.1.2"
    promptops("promote", "bot", *command)
    assert (factory.live_version(told), factory.live_version(told, "other")) == ("0.1.0", "0.1.1")
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "every", Scope.PROMOTE, apps=("bot", "oth*")).secret)
    promptops("promote", "--all", *command)
    assert factory.live_version(told, "other") == "0.1.0"


def test_a_rename_takes_no_name_and_gives_none_that_the_token_does_not_cover(
    url: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory.make_release(told, factory.content("evil-bot"))
    why = ("--reason", "mine now")
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "evil", Scope.POLICY, Scope.RELEASE, apps=("evil-*",)).secret)
    for old, new in (("bot", "evil-too"), ("evil-bot", "bot"), ("evil-bot", "brand-new")):
        error = promptops("app", "rename", old, new, *why, "--json", exits=3).error
        assert error["code"] == "app-not-found"
    promptops("app", "archive", "bot", *why, exits=3)
    promptops("app", "unarchive", "bot", *why, exits=3)
    with told.read() as reader:
        assert reader.archived() == {}
    promptops("app", "rename", "evil-bot", "evil-too", *why)
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "reader", Scope.READ).secret)
    for command in ("app archive bot", "app rename bot cat", "app unarchive bot", "channels remove dev"):
        assert promptops(*command.split(), *why, "--json", exits=5).error["code"] == "not-allowed"


def test_a_new_name_is_told_to_those_alone_who_may_know_it(
    url: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "policy", Scope.POLICY).secret)
    promptops("app", "rename", "bot", "merger-bot", "--reason", "called so")
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "narrow", Scope.PROMOTE, apps=("bot",)).secret)
    error = promptops("promote", "bot@0.1.0", "--channel", "dev", "--json", exits=5).error
    assert (error["code"], "merger" in str(error)) == ("app-archived", False)
    both = ("promote", "bot", "other", "--from", "prod", "--channel", "dev")
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "two", Scope.PROMOTE, apps=("bot", "other")).secret)
    error = promptops(*both, "--json", exits=5).error
    assert (error["code"], "merger" in str(error)) == ("promotions-refused", False)
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "wide", Scope.PROMOTE).secret)
    assert "merger-bot" in promptops("promote", "bot@0.1.0", "--channel", "dev", exits=5).err
    assert "merger-bot" in promptops(*both, exits=5).err

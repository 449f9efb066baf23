"""`promptops promote` and `rollback`: what they mean when little was typed, and what they say they did."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from promptops.core.model import Policy
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support import factory


def test_rollback_alone_does_the_right_thing_and_reads_it_back(told: Registry, promptops: Promptops) -> None:
    said = promptops("rollback").out
    assert "✓ Rolled back bot on prod: 0.1.2 → 0.1.1" in said
    assert "read back from the registry: revision 4" in said
    assert "quarantined  0.1.2" in said
    assert 'promptops unquarantine bot@0.1.2 --channel prod --reason "…"' in said
    assert factory.live_version(told) == "0.1.1"


def test_a_second_rollback_walks_on_and_the_third_says_what_to_do(told: Registry, promptops: Promptops) -> None:
    promptops("rollback")
    assert promptops("rollback", "--json").json["stable"]["version"] == "0.1.0"  # type: ignore[index,call-overload]
    refused = promptops("rollback", exits=4)
    assert "no good release was live there before it; nothing was changed" in refused.err
    assert "promptops history bot --channel prod" in refused.err
    assert promptops("rollback", "--json", exits=4).error["code"] == "nothing-to-roll-back-to"


def test_the_json_of_a_rollback_has_the_keys_that_scripts_rely_on(told: Registry, promptops: Promptops) -> None:
    answer = promptops("rollback", "bot", "--channel", "prod", "--reason", "wrong refunds", "--json").json
    assert answer["app"] == "bot"
    assert answer["channel"] == "prod"
    assert answer["revision"] == 4
    assert answer["kind"] == "rollback"
    assert answer["stable"]["version"] == "0.1.1"  # type: ignore[index,call-overload]
    assert answer["canary"] is None
    assert answer["from"]["version"] == "0.1.2"  # type: ignore[index,call-overload]
    assert answer["actor"] == factory.ACTOR
    assert answer["reason"] == "wrong refunds"
    assert datetime.fromisoformat(str(answer["at"])).tzinfo is UTC
    assert len(answer["deployments"]) == 1  # type: ignore[arg-type]


def test_a_dry_run_changes_nothing_and_hands_over_the_command(told: Registry, promptops: Promptops) -> None:
    said = promptops("rollback", "-n").out
    assert "Dry run. Would roll back bot on prod: 0.1.2 → 0.1.1. Nothing was changed." in said
    assert "promptops rollback bot --channel prod --to 0.1.1 --expect-revision 3" in said
    assert factory.live_version(told) == "0.1.2"
    promptops("rollback", "bot", "--channel", "prod", "--to", "0.1.1", "--expect-revision", "3")
    assert factory.live_version(told) == "0.1.1"


def test_a_dry_run_of_everything_says_so_and_hands_over_the_command(told: Registry, promptops: Promptops) -> None:
    for release in factory.make_releases(told, "other", 2):
        factory.go_live(told, f"other@{release.version}")
    said = promptops("rollback", "--all", "-n", "-m", "bad night").out
    assert "Dry run. Would roll back 2 apps on prod. Nothing was changed." in said
    assert "to do it  promptops rollback --all --channel prod --reason 'bad night'" in said
    assert "to quarantine" in said
    assert "✓" not in said
    said = promptops("rollback", "bot", "other", "-n", "--channel", "prod").out
    assert "to do it  promptops rollback bot other --channel prod\n" in said
    assert [factory.live_version(told, app) for app in ("bot", "other")] == ["0.1.2", "0.1.1"]


def test_a_dry_run_of_several_at_a_moment_hands_over_the_moment_itself(told: Registry, promptops: Promptops) -> None:
    for minute, release in enumerate(factory.make_releases(told, "other", 2)):
        factory.go_live(told, f"other@{release.version}", now=factory.minutes(minute))
    said = promptops("rollback", "--all", "--at", "90m ago", "-n").out
    assert re.search(
        r"to do it  promptops rollback --all --channel prod --at 20\d\d-\d\d-\d\dT\S+Z$", said, re.MULTILINE
    )


def test_a_dry_run_of_a_promotion_does_as_much(told: Registry, promptops: Promptops) -> None:
    said = promptops("promote", "bot@0.1.0", "--channel", "prod", "-m", "go back", "--dry-run").out
    assert "Dry run. Would promote bot on prod: 0.1.2 → 0.1.0. Nothing was changed." in said
    assert "promptops promote bot@0.1.0 --channel prod --reason 'go back' --expect-revision 3" in said
    assert "would serve" in said
    assert factory.live_version(told) == "0.1.2"


def test_an_app_is_also_taken_as_it_stands_in_other_answers(told: Registry, promptops: Promptops) -> None:
    assert "bot on prod: 0.1.2 → 0.1.1" in promptops("rollback", "bot:prod").out
    assert "--to 0.1.0" in promptops("rollback", "bot@0.1.0", exits=2).err
    assert "two channels" in promptops("history", "bot:prod", "--channel", "dev", exits=2).err
    assert "names a prompt" in promptops("rollback", "bot/answer", exits=2).err


def test_the_channel_is_the_flag_then_the_environment_then_prod(
    told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_CHANNEL", "dev")
    assert "nothing was ever deployed on dev" in promptops("rollback", exits=4).err
    assert "on prod: 0.1.2 → 0.1.1" in promptops("rollback", "--channel", "prod").out


def test_without_prod_the_only_channel_is_meant_and_several_are_a_question(
    registry: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sqlite_template: Path
) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(sqlite_template.read_bytes())
    monkeypatch.setenv("PROMPTOPS_REGISTRY", str(other))
    assert "channels apply" in promptops("rollback", exits=3).err
    opened = Registry.open(f"sqlite:///{other}")
    factory.make_channels(opened, live=Policy())
    assert "nothing was ever deployed on live" in promptops("rollback", exits=4).err
    factory.make_channels(opened, live=Policy(), test=Policy())
    opened.close()
    asked = promptops("rollback", exits=2)
    assert "which channel?" in asked.err
    assert "live, test" in asked.err


def test_the_hint_of_a_refused_rollback_of_all_goes_to_the_same_moment(told: Registry, promptops: Promptops) -> None:
    [release] = factory.make_releases(told, "other", 1)
    factory.go_live(told, f"other@{release.version}", now=datetime.now(UTC))
    refused = promptops("rollback", "--all", "--at", "150m ago", exits=4)
    hint = re.search(r"^hint: .*: promptops (rollback bot --channel prod --at \S+Z)$", refused.err, re.MULTILINE)
    assert hint
    assert "prod: 0.1.2 → 0.1.0" in promptops(*hint[1].split()).out


def test_of_several_apps_the_one_whose_folder_this_is_is_meant(
    told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for release in factory.make_releases(told, "other", 2):
        factory.go_live(told, f"other@{release.version}")
    asked = promptops("rollback", exits=2)
    assert "which app? 2 are live on prod: bot, other" in asked.err
    assert "promptops rollback APP --channel prod, or all of them: promptops rollback --all" in asked.err
    folder = tmp_path / "apps" / "the-bot" / "prompts"
    folder.mkdir(parents=True)
    (tmp_path / "promptops.yml").write_text("registry: test\n")
    (folder.parent / "app.yml").write_text("{half edited\nname: bot  # the app\n")
    monkeypatch.chdir(folder)
    assert "Rolled back bot" in promptops("rollback").out
    (tmp_path / "apps" / "other").mkdir()
    monkeypatch.chdir(tmp_path / "apps" / "other")
    assert "Rolled back other" in promptops("rollback").out


def test_all_apps_go_back_together(told: Registry, promptops: Promptops) -> None:
    for release in factory.make_releases(told, "other", 2):
        factory.go_live(told, f"other@{release.version}")
    answer = promptops("rollback", "--all", "--dry-run", "--json").json
    assert answer["dry_run"] is True
    said = promptops("rollback", "--all", "-m", "bad night").out
    assert "✓ Rolled back 2 apps on prod, in one transaction" in said
    assert "“bad night”" in said
    assert [factory.live_version(told, app) for app in ("bot", "other")] == ["0.1.1", "0.1.0"]
    assert "different things" in promptops("rollback", "bot", "--all", exits=2).err


def test_at_takes_an_app_back_to_a_moment(told: Registry, promptops: Promptops) -> None:
    assert "0.1.2 → 0.1.0" in promptops("rollback", "--at", "150m ago", "--dry-run").out
    assert "is not a time" in promptops("rollback", "--at", "tea time", exits=2).err
    assert "Did you mean '2h ago'?" in promptops("rollback", "--at", "2h", exits=2).err
    assert "in the future" in promptops("rollback", "--at", "2999-01-01", exits=2).err


def test_a_key_makes_a_retry_harmless(told: Registry, promptops: Promptops) -> None:
    first = promptops("rollback", "bot", "--key", "night-1", "--json").json
    again = promptops("rollback", "bot", "--key", "night-1", "--json").json
    assert again["revision"] == first["revision"]
    assert again["replayed"] is True
    assert "nothing was done now" in promptops("rollback", "bot", "--key", "night-1").out
    assert (
        promptops("rollback", "bot", "--to", "0.1.0", "--key", "night-1", "--json", exits=2).error["code"]
        == "key-reused"
    )


def test_a_reason_that_is_too_long_is_refused_by_every_command(told: Registry, promptops: Promptops) -> None:
    for command in (
        "promote bot@0.1.0 --channel dev",
        "rollback bot --channel prod",
        "quarantine bot@0.1.0 --channel dev",
        "unquarantine bot@0.1.0 --channel dev",
        "yank bot@0.1.0",
        "override create bot@0.1.0 --channel prod",
        "token revoke any",
    ):
        error = promptops(*command.split(), "--reason", "x" * 10_001, "--json", exits=2).error
        assert error["message"] == "the reason has 10,001 characters, and at most 10,000 are kept", command
    assert factory.live_version(told) == "0.1.2"
    promptops("rollback", "bot", "--reason", "x" * 10_000)


def test_what_is_still_live_elsewhere_is_said(told: Registry, promptops: Promptops) -> None:
    factory.go_live(told, "bot@0.1.2", "dev")
    assert "still live   0.1.2 on dev" in promptops("rollback").out


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ("bot --to 0.1.0 --at 12:00", "--to and --at are two different targets", "Give one of them."),
        ("--all --to 0.1.0", "--to, --to-revision and --expect-revision are about one app", "Name that app."),
        (
            "bot --expect-revision 7",
            "bot:prod is at revision 3, expected 7; nothing was changed",
            "Look first: promptops history bot --channel prod",
        ),
    ],
)
def test_a_refusal_names_options_and_commands_to_paste(
    arguments: str, message: str, hint: str, told: Registry, promptops: Promptops
) -> None:
    refused = promptops("rollback", *arguments.split(), "--json", exits=4 if "revision 3" in message else 2)
    assert (refused.error["message"], refused.error["hint"]) == (message, hint)


def test_a_lost_race_is_refused_with_the_revision_that_is_there(told: Registry, promptops: Promptops) -> None:
    refused = promptops("promote", "bot@0.1.0", "--channel", "prod", "--expect-revision", "2", exits=4)
    assert "at revision 3, expected 2" in refused.err


def test_promoting_says_what_it_did_and_how_to_go_back(registry: Registry, promptops: Promptops) -> None:
    factory.make_releases(registry, count=2)
    first = promptops("promote", "bot@0.1.0", "--channel", "dev").out
    assert "✓ Promoted bot on dev: 0.1.0, the first release there" in first
    second = promptops("promote", "bot@0.1.1", "--channel", "dev", "--reason", "shorter").out
    assert "0.1.0 → 0.1.1" in second
    assert "promptops rollback bot --channel dev" in second
    assert "already" in promptops("promote", "bot@0.1.1", "--channel", "dev").out
    same = promptops("promote", "bot:dev", "--channel", "dev", "--json").json
    assert (same["changed"], same["revision"]) == (False, 2)
    assert "Promoted bot on prod" in promptops("promote", "bot:dev", "--channel", "prod").out


def test_promoting_nowhere_or_nothing_is_refused_with_what_exists(told: Registry, promptops: Promptops) -> None:
    assert "--channel NAME" in promptops("promote", "bot@0.1.0", exits=2).err
    assert "dev, prod" in promptops("promote", "bot@0.1.0", "--channel", "pord", exits=3).err
    assert "0.1.2, 0.1.1, 0.1.0" in promptops("promote", "bot@9.0.0", "--channel", "dev", exits=3).err
    assert "bot@0.1.2" in promptops("promote", "bot", "--channel", "dev", exits=2).err


def test_a_quarantined_release_stays_out_until_it_is_let_back_in(told: Registry, promptops: Promptops) -> None:
    promptops("rollback", "-m", "makes up rules")
    refused = promptops("promote", "bot@0.1.2", "--channel", "prod", exits=5)
    assert "in quarantine on prod" in refused.err
    assert "promptops unquarantine bot@0.1.2" in refused.err
    assert "--reason" in promptops("unquarantine", "bot@0.1.2", "--channel", "prod", exits=2).err
    promptops("unquarantine", "bot@0.1.2", "--channel", "prod", "--reason", "was the provider")
    promptops("promote", "bot@0.1.2", "--channel", "prod")
    held = promptops("quarantine", "bot@0.1.0", "--channel", "prod", "-m", "too old", "--json").json
    assert (held["version"], held["quarantined"]) == ("0.1.0", True)


def test_a_yanked_release_goes_nowhere(told: Registry, promptops: Promptops) -> None:
    assert "serves now" in promptops("yank", "bot@0.1.2", "-m", "secret", exits=4).err
    said = promptops("yank", "bot@0.1.1", "-m", "has a \x1b[31msecret").out
    assert "✓ Yanked bot@0.1.1" in said
    assert "\x1b" not in said
    assert "\\x1b[31msecret" in said
    assert "0.1.2 → 0.1.0" in promptops("rollback").out


def test_json_on_stdout_is_alone_and_safe_to_look_at(told: Registry, promptops: Promptops) -> None:
    answer = promptops("rollback", "-m", "now \x1b]0;owned\x07 and \u202eback", "--json")
    assert answer.err == ""
    assert "\x1b" not in answer.out
    assert "\u202e" not in answer.out
    assert json.loads(answer.out)["reason"] == "now \x1b]0;owned\x07 and \u202eback"


@pytest.mark.parametrize(
    "words",
    [
        "promote bot/answer@0.1.0 --channel dev",
        "promote bot/answer:prod --channel dev",
        "quarantine bot/answer@0.1.0 --channel prod -m bad",
        "unquarantine bot/answer@0.1.0 --channel prod -m good",
        "yank bot/answer@0.1.0 -m leak",
        "override create bot/answer@0.1.0 --channel prod -m gone",
    ],
)
def test_one_prompt_alone_is_not_taken_for_its_whole_app(words: str, told: Registry, promptops: Promptops) -> None:
    before = promptops("audit", "--json").json
    error = promptops(*words.split(), "--json", exits=2).error
    assert "names a prompt" in error["message"]
    assert error["hint"] in ("For all of them: bot@0.1.0", "For all of them: bot:prod")
    assert promptops("audit", "--json").json == before


def test_an_app_with_a_channel_does_not_overrule_the_flag(told: Registry, promptops: Promptops) -> None:
    factory.go_live(told, "bot@0.1.2", channel="dev")
    for command in ("rollback bot:dev --channel prod", "status bot:dev --channel prod", "rollback bot:dev other:prod"):
        assert "two channels" in promptops(*command.split(), exits=2).err
    assert factory.live_version(told) == "0.1.2"


def test_a_channel_that_is_typed_with_the_app_comes_before_the_environment(
    told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_CHANNEL", "dev")
    assert promptops("rollback", "bot:prod", "--json").json["channel"] == "prod"


def test_a_reason_without_quotes_is_said_to_need_them(told: Registry, promptops: Promptops) -> None:
    assert "needs quotes" in promptops("rollback", "bot", "--reason", "wrong", "refunds", exits=3).err
    assert "needs quotes" not in promptops("rollback", "refunds", "--reason", "wrong", exits=3).err
    assert factory.live_version(told) == "0.1.2"


def test_it_goes_to_a_revision_of_the_log(told: Registry, promptops: Promptops) -> None:
    assert "0.1.2 → 0.1.0" in promptops("rollback", "bot", "--to-revision", "1").out
    assert factory.live_version(told) == "0.1.0"
    assert "promptops history bot --channel prod" in promptops("rollback", "--to-revision", "9", exits=4).err


def test_a_number_where_a_version_or_an_app_belongs_is_taken_for_a_revision(
    told: Registry, promptops: Promptops
) -> None:
    assert "promptops rollback bot --channel prod --to-revision 1" in promptops("rollback", "--to", "1", exits=2).err
    assert "--to-revision 1" in promptops("rollback", "bot", "1", exits=3).err

"""`status`, `history`, `releases`, `show`, `audit`, `channels list`, `db`: what is read at 2 am, and by scripts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from promptops import clock
from promptops.cli.output.status_report import Seen
from promptops.cli.session import Session
from promptops.cli.status_watch import _InLines
from promptops.core.model import Channel, Policy
from promptops.operations.queries import downstream_first, status
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support import factory


def test_status_tells_what_is_live_since_when_by_whom_and_what_a_rollback_would_do(
    told: Registry, promptops: Promptops
) -> None:
    said = promptops("status").out
    assert re.search(r"^registry test · \d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", said)
    assert re.search(r"prod  0\.1\.2  promoted from 0\.1\.1 by Ada Lovelace, 60m ago · .*\d\d:\d\d ", said)
    assert "“take 2”" in said
    assert "rollback would go to 0.1.1 (promoted 2h ago)" in said
    assert "promptops rollback bot --channel prod" in said


def test_status_and_rollback_agree_on_the_target(told: Registry, promptops: Promptops) -> None:
    for _ in range(2):
        channel = promptops("status", "--json").json["apps"][0]["channels"]["prod"]  # type: ignore[index,call-overload]
        planned = promptops("rollback", "--dry-run", "--json").json
        assert channel["rollback_to"] == planned["stable"]  # type: ignore[index,call-overload]
        promptops("rollback")
    assert "no rollback possible" in promptops("status").out


def test_the_json_of_status_has_the_keys_that_scripts_rely_on(told: Registry, promptops: Promptops) -> None:
    factory.make_release(told, factory.content("idle"))
    apps = promptops("status", "--json").json["apps"]
    assert [app["app"] for app in apps] == ["bot", "idle"]  # type: ignore[index,call-overload,union-attr]
    prod = apps[0]["channels"]["prod"]  # type: ignore[index,call-overload]
    assert set(prod) >= {"revision", "stable", "canary", "at", "actor", "kind"}  # type: ignore[arg-type]
    assert apps[1]["channels"] == {}  # type: ignore[index,call-overload]


def test_the_channel_that_matters_most_comes_first(registry: Registry, promptops: Promptops) -> None:
    factory.make_releases(registry, count=1)
    for channel in ("dev", "prod"):
        factory.go_live(registry, "bot@0.1.0", channel)
    said = promptops("status").out
    assert said.index("  prod ") < said.index("  dev ")
    assert list(promptops("status", "--json").json["apps"][0]["channels"]) == ["prod", "dev"]  # type: ignore[index,call-overload,arg-type]


def test_many_apps_are_a_line_each_and_the_newest_change_stands_below(registry: Registry, promptops: Promptops) -> None:
    for number in range(12):
        factory.make_releases(registry, f"app-{number:02}", 1, factory.LASTING)
        factory.go_live(registry, f"app-{number:02}@0.1.0", now=factory.minutes(number), reason=f"why {number}")
    lines = promptops("status").out.splitlines()
    assert any(line.startswith("Last change: app-11 on prod") for line in lines[-5:])  # where a long answer ends
    rows = [line for line in lines if line.startswith("  app-")]
    assert [row.split()[0] for row in rows] == [f"app-{number:02}" for number in reversed(range(12))], "newest first"
    assert rows[8].split()[:4] == ["app-03", "prod", "0.1.0", "none"]
    assert rows[8].endswith("promote as its first release: why 3")
    in_json = promptops("status", "--json").json["apps"]
    assert [app["app"] for app in in_json] == [f"app-{number:02}" for number in range(12)]  # type: ignore[index,call-overload,union-attr]
    only = promptops("status", "app-03", "--json").json["apps"]
    assert len(only) == 1  # type: ignore[arg-type]


def test_a_status_of_nothing_says_what_comes_next(registry: Registry, promptops: Promptops) -> None:
    assert "promptops release" in promptops("status").out
    factory.make_releases(registry, count=1)
    assert "promptops promote bot@VERSION" in promptops("status").out
    assert "bot" in promptops("status", "nobody", exits=3).err


def test_history_is_the_log_with_what_is_wrong_with_it_now(told: Registry, promptops: Promptops) -> None:
    promptops("rollback", "-m", "makes up rules")
    said = promptops("history").out
    assert said.startswith("bot on prod serves 0.1.1 (revision 4)")
    revisions = re.findall(r"^  (\d) [● ]", said, re.MULTILINE)
    assert revisions == ["4", "3", "2", "1"]
    assert "“makes up rules”" in said
    assert "✗ now quarantined by Ada Lovelace" in said
    assert ": rolled back at revision 4: makes up rules" in said
    rows = promptops("history", "bot", "--channel", "prod", "--json").json["deployments"]
    assert [row["revision"] for row in rows] == [4, 3, 2, 1]  # type: ignore[index,call-overload,union-attr]
    assert "2 older deployments not shown" in promptops("history", "--limit", "2").out


def test_people_get_a_screenful_and_scripts_get_everything(registry: Registry, promptops: Promptops) -> None:
    for release in factory.make_releases(registry, count=25):
        factory.go_live(registry, f"bot@{release.version}")
    assert "5 older releases not shown" in promptops("releases", "bot").out
    assert "5 older deployments not shown" in promptops("history").out
    assert "The newest 20" in promptops("audit").out
    assert len(promptops("releases", "bot", "--json").json["releases"]) == 25  # type: ignore[arg-type]
    assert len(promptops("history", "--json").json["deployments"]) == 25  # type: ignore[arg-type]
    assert len(promptops("audit", "--json", "--limit", "3").json["entries"]) == 3  # type: ignore[arg-type]


def test_history_at_a_moment_says_what_was_live_then(told: Registry, promptops: Promptops) -> None:
    said = promptops("history", "--at", "90m ago").out
    assert re.match(r"At .* bot on prod served 0\.1\.1 \(revision 2", said)
    assert "--dry-run" in said
    answer = promptops("history", "--at", "90m ago", "--json").json
    assert answer["live"]["revision"] == 2  # type: ignore[index,call-overload]
    assert "served nothing yet" in promptops("history", "--at", "2001-01-01").out


def test_the_time_that_history_shows_finds_its_deployment(told: Registry, promptops: Promptops) -> None:
    for revision in (1, 2, 3):
        rows = promptops("history", "--json").json["deployments"]
        at = datetime.fromisoformat(str(rows[3 - revision]["at"]))  # type: ignore[index,call-overload]
        shown = clock.format_moment(at, clock.LocalZone())
        answer = promptops("history", "--at", shown, "--json").json
        assert answer["live"]["revision"] == revision  # type: ignore[index,call-overload]


def test_releases_are_listed_with_where_they_are_live(told: Registry, promptops: Promptops) -> None:
    said = promptops("releases", "bot").out
    assert "bot has 3 releases" in said
    assert re.search(r"^  0\.1\.2 +prod +", said, re.MULTILINE)
    assert "promptops diff bot@0.1.1 bot@0.1.2" in said
    rows = promptops("releases", "bot", "--json").json["releases"]
    assert [row["version"] for row in rows] == ["0.1.2", "0.1.1", "0.1.0"]  # type: ignore[index,call-overload,union-attr]
    assert set(rows[0]) >= {"version", "digest", "commit", "created_at", "yanked"}  # type: ignore[index,arg-type]
    assert "bot" in promptops("releases", "nobody", exits=3).err


def test_show_tells_what_a_release_is_made_of(told: Registry, promptops: Promptops) -> None:
    said = promptops("show", "bot:prod").out
    assert said.startswith("bot@0.1.2 (prod)")
    assert re.search(r"digest +sha256:[0-9a-f]{64}", said)
    assert factory.LASTING in said
    assert "inputs: name" in said
    assert "Hello {{name}}, take 2" in promptops("show", "bot/answer@0.1.2").out
    content = promptops("show", "bot@0.1.2", "--json").json["content"]
    assert content["schema"] == "promptops.release/1"  # type: ignore[index,call-overload]
    assert "answer" in promptops("show", "bot/nobody:prod", exits=3).err


def test_diff_of_two_releases_marks_the_words_and_ends_with_the_bump(told: Registry, promptops: Promptops) -> None:
    said = promptops("diff", "bot@0.1.0", "bot:prod").out
    assert said.startswith("bot@0.1.0 → bot@0.1.2 (prod)")
    assert "~ Hello {{name}}, take [-0-]{+2+}" in said
    assert said.rstrip().splitlines()[-1] == "1 change, patch by the contract with the calling code"
    answer = promptops("diff", "bot@0.1.0", "bot:prod", "--json").json
    assert answer["bump"] == "patch"
    assert "compared to itself" in promptops("diff", "bot:prod", "bot:prod", exits=2).err


def test_contract_changes_come_first_in_a_diff(registry: Registry, promptops: Promptops) -> None:
    factory.make_release(registry, factory.content(text="Hello {{name}}"))
    changed = factory.content(text="Goodbye {{name}}", model="openai/gpt-4.1-2025-04-14")
    prompt = changed.prompts[0]
    from dataclasses import replace

    from promptops.core.model import Input

    inputs = (*prompt.inputs, Input(name="tone", schema={"type": "string", "enum": ["calm", "brisk"]}))
    factory.make_release(registry, replace(changed, prompts=(replace(prompt, inputs=inputs),)))
    said = promptops("diff", "bot@0.1.0", "bot@0.2.0").out
    assert said.index("Contract") < said.index("Behaviour") < said.index("Wording")
    assert "required input 'tone' added" in said
    assert '+   "enum": [' in said  # a schema stands there with a line for each key
    assert "model openai/gpt-4o-2024-08-06 → openai/gpt-4.1-2025-04-14" in said


def test_the_audit_log_says_who_did_what_and_why(told: Registry, promptops: Promptops) -> None:
    promptops("rollback", "-m", "makes up rules", "--actor", "Grace Hopper <grace@example.org>")
    said = promptops("audit").out
    assert re.search(r"Grace Hopper +rollback 0\.1\.2 → 0\.1\.1 +bot:prod +makes up rules", said)
    entries = promptops("audit", "--by", "Grace Hopper <grace@example.org>", "--json").json["entries"]
    assert {entry["action"] for entry in entries} == {"rollback", "quarantine"}  # type: ignore[index,call-overload,union-attr]
    recent = promptops("audit", "--since", "10m ago", "--app", "bot", "--channel", "prod", "--json").json["entries"]
    assert len(recent) == 2  # type: ignore[arg-type]
    nobody = promptops("audit", "--app", "nobody", "--channel", "prdo")
    assert nobody.out.splitlines() == ["No entry matches."]
    assert "there is no app 'nobody' in this registry, only: bot\n" in nobody.err
    assert "there is no channel 'prdo' in this registry, only: dev, prod\n" in nobody.err
    assert promptops("audit", "--app", "bot", "--by", "nobody").err == ""


def test_channels_are_listed_with_what_they_take(registry: Registry, promptops: Promptops) -> None:
    factory.make_channels(registry, dev=Policy(allow_dirty=True), prod=Policy(promote_from=("dev",), protected=True))
    said = promptops("channels", "list").out
    assert re.search(r"dev +any release, also of uncommitted files", said)
    assert re.search(r"prod +what was live on dev, exact model snapshots only +version 2", said)
    assert [row["name"] for row in promptops("channels", "list", "--json").json["channels"]] == ["prod", "dev"]  # type: ignore[index,call-overload,union-attr]


def _channel(name: str, *sources: str) -> Channel:
    return Channel(name=name, policy=Policy(promote_from=sources), version=1, actor=factory.ACTOR, at=factory.START)


@pytest.mark.parametrize(
    ("channels", "order"),
    [
        ([_channel("dev"), _channel("prod", "staging"), _channel("staging", "dev")], "prod staging dev"),
        ([_channel("b"), _channel("a")], "a b"),  # ties go by name
        ([_channel("dev"), _channel("prod", "staging"), _channel("staging")], "prod staging dev"),  # dev leads nowhere
        (
            [_channel("eu", "test"), _channel("us", "test", "dev"), _channel("test", "dev"), _channel("dev")],
            "eu us test dev",
        ),
        ([_channel("prod", "gone"), _channel("dev")], "dev prod"),  # a source that is no channel is no way
        ([_channel("a", "b"), _channel("b", "a")], "a b"),  # a circle ends
        ([], ""),
    ],
)
def test_channels_stand_downstream_first(channels: list[Channel], order: str) -> None:
    assert " ".join(channel.name for channel in downstream_first(channels)) == order


def test_status_stands_downstream_first_but_for_the_channel_that_matters_most(
    registry: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory.make_releases(registry, count=1)
    for channel in ("dev", "prod"):
        factory.go_live(registry, "bot@0.1.0", channel)
    factory.make_channels(
        registry, dev=Policy(), prod=Policy(promote_from=("dev",)), live=Policy(promote_from=("prod",))
    )
    factory.go_live(registry, "bot@0.1.0", "live")

    def order() -> list[str]:
        return list(promptops("status", "--json").json["apps"][0]["channels"])  # type: ignore[index,call-overload,arg-type]

    assert order() == ["prod", "live", "dev"]
    monkeypatch.setenv("PROMPTOPS_CHANNEL", "dev")
    assert order() == ["dev", "live", "prod"]
    assert promptops("status", "--json").json["channels"] == ["live", "prod", "dev"]


def test_a_quarantine_is_told_where_releases_are_shown(told: Registry, promptops: Promptops) -> None:
    promptops("rollback", "-m", "makes up rules")
    said = promptops("releases", "bot").out
    assert re.search(r"^  0\.1\.2 .*\n    ✗ quarantined on prod: .*makes up rules$", said, re.MULTILINE)
    rows = promptops("releases", "bot", "--json").json["releases"]
    assert [list(row["quarantined"]) for row in rows] == [["prod"], [], []]  # type: ignore[index,call-overload,union-attr,arg-type]
    assert "makes up rules" in rows[0]["quarantined"]["prod"]  # type: ignore[index,call-overload,operator]
    assert re.search(r"^  quarantined  on prod: .*makes up rules$", promptops("show", "bot@0.1.2").out, re.MULTILINE)
    assert promptops("show", "bot@0.1.2", "--json").json["quarantined"] == rows[0]["quarantined"]  # type: ignore[index,call-overload]
    promptops("unquarantine", "bot@0.1.2", "--channel", "prod", "-m", "was fine")
    assert "quarantined" not in promptops("releases", "bot").out
    assert promptops("show", "bot:prod", "--json").json["quarantined"] == {}


def test_the_audit_log_fits_a_terminal_with_its_reasons(
    told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    promptops("rollback", "-m", "answers without sources", "--actor", "Somebody With A Very Long Name Indeed")
    monkeypatch.setenv("COLUMNS", "80")
    said = promptops("audit").out
    assert said.splitlines()[0].split() == ["SEQ", "WHEN", "WHO", "DID", "WHERE", "REASON"]
    assert max(map(len, said.splitlines())) <= 80
    assert re.search(r"Somebody… +rollback → 0\.1\.1 +bot:prod +answers without sources$", said, re.MULTILINE)
    assert re.search(r" init test *$", said, re.MULTILINE)  # its lineage is in --json


def test_db_says_which_schema_there_is(registry: Registry, promptops: Promptops) -> None:
    assert "the newest" in promptops("db", "current").out
    assert promptops("db", "upgrade", "--json").json["changed"] is False
    assert promptops("db", "current", "--registry", "none.db", "--json").json["current"] is None
    assert promptops("status", "--registry", "none.db", exits=6).err


def test_nowhere_is_told_what_is_missing(promptops: Promptops) -> None:
    refused = promptops("status", exits=3)
    assert "promptops init" in refused.err
    assert "PROMPTOPS_REGISTRY" in refused.err


@pytest.mark.parametrize("command", ["promote bot@0.1.0 --channel dev", "rollback"])
def test_nobody_changes_anything(
    command: str, told: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROMPTOPS_ACTOR")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    assert promptops(*command.split(), "--json", exits=2).error["code"] == "actor-unknown"
    assert factory.live_version(told) == "0.1.2"


def test_a_clock_that_is_ahead_makes_no_negative_age(registry: Registry, promptops: Promptops) -> None:
    factory.make_releases(registry, count=1)
    factory.go_live(registry, "bot@0.1.0", now=clock.now() + timedelta(minutes=5))
    assert "just now" in promptops("status").out


def test_status_takes_an_app_with_its_channel_as_other_commands_do(told: Registry, promptops: Promptops) -> None:
    factory.go_live(told, "bot@0.1.2", channel="dev")
    apps = promptops("status", "bot:prod", "--json").json["apps"]
    assert [list(app["channels"]) for app in apps] == [["prod"]]  # type: ignore[union-attr,call-overload,index,arg-type]


def test_the_history_of_a_channel_has_all_of_its_apps(told: Registry, promptops: Promptops) -> None:
    release = factory.make_release(told, factory.content("other"))
    factory.go_live(told, f"other@{release.version}", now=datetime.now(UTC) - timedelta(minutes=90), reason="a start")
    promptops("rollback", "bot", "-m", "makes up rules")

    def rows(*more: str) -> list[tuple[object, ...]]:
        found = promptops("history", "--channel", "prod", "--json", *more).json["deployments"]
        return [(row["app"], row["revision"], row["kind"]) for row in found]  # type: ignore[index,call-overload,union-attr]

    every = [("bot", 4, "rollback"), ("bot", 3, "promote"), ("other", 1, "promote"), ("bot", 2, "promote")]
    assert rows() == [*every, ("bot", 1, "promote")]
    assert rows("--limit", "4") == every
    assert rows("--limit", "1") == every[:1]
    assert rows("--kind", "rollback") == every[:1]
    assert rows("--since", "75m") == every[:2]
    assert rows("--by", "nobody at all") == []
    said = promptops("history", "--channel", "prod", "--limit", "3").out
    assert said.startswith("prod: 3 deployments, newest first")
    assert re.search(r"^  other +1 +0\.1\.0 .* promote, the first: a start$", said, re.MULTILINE)
    assert "older ones are not shown: --limit N" in said
    flaws = promptops("history", "--channel", "prod", "--json").json["deployments"]
    assert "quarantined" in flaws[1]["flaw"]  # type: ignore[index,call-overload,operator]


def test_history_and_audit_are_narrowed_by_kind_and_person(told: Registry, promptops: Promptops) -> None:
    promptops("rollback", "-m", "makes up rules", "--actor", "Ben Okafor <ben@example.org>")
    assert [row["revision"] for row in promptops("history", "--by", "ben", "--json").json["deployments"]] == [4]  # type: ignore[index,call-overload,union-attr]
    assert [row["revision"] for row in promptops("history", "--kind", "rollback", "--json").json["deployments"]] == [4]  # type: ignore[index,call-overload,union-attr]
    kinds = [row["action"] for row in promptops("audit", "--kind", "promote", "--json").json["entries"]]  # type: ignore[index,call-overload,union-attr]
    assert kinds == ["promote"] * 3
    assert len(promptops("audit", "--kind", "promote", "--limit", "2", "--json").json["entries"]) == 2  # type: ignore[arg-type]
    assert [row["revision"] for row in promptops("history", "--kind", "Rollback", "--json").json["deployments"]] == [4]  # type: ignore[index,call-overload,union-attr]
    assert "is not one of 'promote', 'rollback'" in promptops("history", "--kind", "rollbacks", exits=2).err


@pytest.mark.parametrize(("as_json", "times"), [(True, 1), (False, 2)])
def test_a_status_is_written_again_where_what_it_shows_changed(
    as_json: bool, times: int, told: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    view = _InLines(Session(directory=Path.cwd(), json=as_json))
    live_now = status(told, apps=("bot",))
    for behind in ({}, {}, {("bot", "prod"): 1}):
        view.show(Seen(status=live_now, behind=behind), 2.0)
    out = capsys.readouterr().out
    assert out.count('"registry":' if as_json else "registry test") == times
    assert ("1 client behind" in out) is not as_json

"""Done by the commands: a bad first release taken off, an app renamed and archived, a channel removed; and rebuilt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Promptops
from tests.support import factory

WORKSPACE = """\
registry: test
apps: [bot, fair]
channels:
  dev: {allow_dirty: true}
  fairs: {allow_dirty: true}
"""
WHY = ("--reason", "the fair is over")


@pytest.fixture
def two(tmp_path: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with `bot` live on dev and `fair` live on fairs, each with its first release."""
    files = {"bot/prompts/greet.prompt.yml": factory.PROMPT}
    files["fair/prompts/greet.prompt.yml"] = factory.PROMPT.replace("hello", "good evening")
    root = factory.make_workspace(tmp_path / "prompts", {"promptops.yml": WORKSPACE, **files})
    monkeypatch.chdir(root)
    promptops("init")
    factory.commit(root, {}, "Ignore the registry")
    promptops("release")
    promptops("promote", "bot@0.1.0", "--channel", "dev")
    promptops("promote", "fair@0.1.0", "--channel", "fairs")
    return root


def test_an_app_gets_another_name_and_both_are_what_they_say(two: Path, promptops: Promptops) -> None:
    said = promptops("app", "rename", "bot", "help-desk", "--reason", "called so").out
    assert "✓ Renamed bot to help-desk" in said
    assert "promptops release help-desk" in said
    assert "promptops app unarchive bot" in said
    refused = promptops("promote", "bot@0.1.0", "--channel", "fairs", exits=5).err
    assert "bot was renamed to help-desk" in refused
    assert "hint: Work with help-desk; or bring it back: promptops app unarchive bot --reason …" in refused
    factory.git(two, "mv", "bot", "help-desk")
    factory.commit(two, {"promptops.yml": WORKSPACE.replace("[bot,", "[help-desk,")}, "Call it help-desk")
    assert "Released help-desk 0.3.0" in promptops("release", "help-desk", "--version", "0.3.0").out
    promptops("promote", "help-desk@0.3.0", "--channel", "dev")
    assert "bot was renamed to help-desk already" in promptops("app", "rename", "bot", "help-desk", *WHY).out
    promptops("retire", "bot", "--channel", "dev", *WHY)
    assert "bot is off on dev" in promptops("show", "bot:dev", exits=4).err


def test_what_is_put_away_survives_a_rebuild_from_git(two: Path, promptops: Promptops, tmp_path: Path) -> None:
    promptops("app", "archive", "fair", *WHY, exits=4)
    promptops("retire", "fair", "--channel", "fairs", *WHY)
    assert "quarantined on fairs" in promptops("releases", "fair").out
    promptops("app", "archive", "fair", *WHY)
    promptops("app", "rename", "bot", "help-desk", "--reason", "called so")
    said = promptops("channels", "remove", "fairs", *WHY).out
    assert "✓ Removed the channel fairs" in said
    promptops("sync")
    promptops("fsck")
    told: Any = promptops("status", "--json").json
    assert told["channels"] == ["dev"]
    promptops("rebuild", "--from-git", ".", "--yes", "--registry", str(tmp_path / "again.db"))
    elsewhere = ("--registry", str(tmp_path / "again.db"))
    assert promptops("status", "--json", *elsewhere).json["apps"] == told["apps"]
    assert promptops("status", "--json", *elsewhere).json["channels"] == ["dev"]
    refused = promptops("release", "bot", "--allow-dirty", "--version", "2.0.0", *elsewhere, exits=5).err
    assert "bot was renamed to help-desk" in refused
    assert "was removed by Ada" in promptops("rollback", "fair", "--channel", "fairs", *elsewhere, exits=3).err
    audit = promptops("audit", *elsewhere).out
    for word in ("archive", "rename help-desk", "remove-channel", "off 0.1.0 → off"):
        assert word in audit
    promptops("channels", "apply", *elsewhere)
    assert "fair is archived" in promptops("rollback", "fair", "--channel", "fairs", *elsewhere, exits=5).err


# --- what a workspace does not have any more ----------------------------------------------------------------


def _moved(two: Path) -> None:
    """The folder of `bot` gets another name, and that of `fair` goes."""
    factory.git(two, "mv", "bot", "help-desk")
    factory.git(two, "rm", "-rq", "fair")
    factory.write(two, {"promptops.yml": WORKSPACE.replace("[bot, fair]", "[help-desk]")})


def _found(promptops: Promptops) -> list[Any]:
    findings: Any = promptops("check", "--json").json["findings"]
    return [each for each in findings if each["code"] == "app-vanished"]


def test_check_names_the_apps_that_the_last_commit_has(two: Path, promptops: Promptops) -> None:
    assert _found(promptops) == []
    _moved(two)
    found = _found(promptops)
    assert [(each["severity"], each["path"], each["line"]) for each in found] == [("warning", "promptops.yml", 1)] * 2
    renamed, gone = (f"{each['message']} {each['hint']}" for each in found)
    assert "'bot' is in the last commit and not in the files; 'help-desk' has the same content" in renamed
    assert "promptops app rename bot help-desk --reason …" in renamed
    assert "promptops app archive fair --reason …" in gone
    factory.commit(two, {}, "Move")
    assert _found(promptops) == []


def test_release_names_the_apps_that_the_registry_has_until_they_are_archived(two: Path, promptops: Promptops) -> None:
    assert promptops("release", "--json").json["vanished"] == []
    _moved(two)
    factory.commit(two, {}, "Move")
    said = promptops("release").out
    assert (
        "warning: bot 0.1.0 was released from here and is not in these files any more, and help-desk has the same "
        'content: promptops app rename bot help-desk --reason "…"'
    ) in said
    assert "fair 0.1.0 was released from here and is not in these files any more: promptops app archive fair" in said
    promptops("app", "rename", "bot", "help-desk", "--reason", "called so")
    found: Any = promptops("release", "--json").json["vanished"]
    assert found == [{"app": "fair", "version": "0.1.0", "renamed_to": ""}]
    promptops("retire", "fair", "--channel", "fairs", *WHY)
    promptops("app", "archive", "fair", *WHY)
    assert promptops("release", "--json").json["vanished"] == []


def test_apps_of_other_workspaces_have_not_vanished(two: Path, promptops: Promptops, tmp_path: Path) -> None:
    other = factory.make_workspace(
        tmp_path / "other",
        {
            "promptops.yml": "registry: test\napps: [own]\n",
            "own/prompts/greet.prompt.yml": factory.PROMPT.replace("hello", "good evening"),
        },
    )
    registry = str(two / ".promptops" / "registry.db")
    found = promptops("-C", str(other), "release", "--json", "--registry", registry).json
    assert found["vanished"] == []
    assert promptops("release", "--json").json["vanished"] == []

"""`promptops override`: what it says, where it puts the file, and what it answers when it must not."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support import factory
from tests.support.journal import bring

CREATE = ("override", "create", "bot@0.1.1", "--channel", "prod", "--reason", "it burns")
FILE = "bot.prod.override.json"


def test_an_override_and_its_record(told: Registry, promptops: Promptops, tmp_path: Path) -> None:
    said = promptops(*CREATE).out
    assert "✓ Made an override: bot@0.1.1 for prod. Applications serve it once" in said
    assert f"promptops override reconcile {tmp_path / FILE}" in said
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert factory.live_version(told) == "0.1.2"
    done = promptops("override", "reconcile", FILE).out
    assert "✓ Recorded the override of bot on prod: 0.1.2 → 0.1.1" in done
    assert "read back from the registry: revision 4" in done
    assert 'promptops quarantine bot@0.1.2 --channel prod --reason "…"' in done
    assert "nothing was done now" in promptops("override", "reconcile", FILE).out
    assert factory.live_version(told) == "0.1.1"
    assert "break-glass from 0.1.2" in promptops("history", "bot", "--channel", "prod").out
    assert "overridden" in promptops("status").out


def test_the_json_of_an_override_has_what_a_script_needs(told: Registry, promptops: Promptops, tmp_path: Path) -> None:
    made = promptops(*CREATE, "--expires", "90m", "--out", "here.json", "--json").json
    assert (made["app"], made["channel"], made["version"]) == ("bot", "prod", "0.1.1")
    assert (made["file"], made["replaced"], made["expired"]) == (str(tmp_path / "here.json"), False, False)
    assert "content" not in made
    shown = promptops("override", "show", "here.json", "--json").json
    assert shown == {name: value for name, value in made.items() if name != "replaced"}
    record = promptops("override", "reconcile", "here.json", "--json").json
    assert (record["kind"], record["revision"], record["changed"]) == ("break-glass", 4, True)


def test_an_override_in_the_way_is_replaced_and_anything_else_is_not(told: Registry, promptops: Promptops) -> None:
    promptops(*CREATE)
    assert "replaces the override that was in this file" in promptops(*CREATE).out
    Path("notes.txt").write_text("mine")
    assert "not an override file" in promptops(*CREATE, "--out", "notes.txt", exits=4).err


def test_the_earlier_names_of_the_commands_do_the_same(told: Registry, promptops: Promptops) -> None:
    promptops("break-glass", "pin", *CREATE[2:], "--json")
    for command in ("show", "reconcile"):
        earlier = promptops("break-glass", command, FILE, "--json")
        assert promptops("override", command, FILE, "--json").json.keys() == earlier.json.keys()
    assert "Usage: promptops override create" in promptops("break-glass", "pin", "--help").out
    for helped in ((), ("override",), ("break-glass",)):
        assert not re.search("break-glass|\\bpin\\b", promptops(*helped, "--help").out.replace("kind break-glass", ""))


def test_show_says_what_was_edited(told: Registry, promptops: Promptops) -> None:
    promptops(*CREATE)
    assert "✓ A valid override: bot@0.1.1 on prod" in promptops("override", "show", FILE).out
    document = json.loads(Path(FILE).read_text())
    document["content"] = document["content"].replace("Hello", "Goodbye")
    Path(FILE).write_text(json.dumps(document))
    assert "and the file names sha256:" in promptops("override", "show", FILE, exits=2).err
    refused = promptops("override", "reconcile", FILE, "--json", exits=2)
    assert refused.error["code"] == "override-invalid"
    assert promptops("override", "show", "nothing.json", "--json", exits=3).error["kind"] == "NotFound"


def test_of_several_files_one_that_is_damaged_stops_all(told: Registry, promptops: Promptops) -> None:
    promptops(*CREATE)
    Path("bad.json").write_text("{")
    promptops("override", "reconcile", FILE, "bad.json", exits=2)
    assert factory.live_version(told) == "0.1.2"
    promptops("promote", "bot@0.1.0", "--channel", "dev")
    promptops("override", "create", "bot@0.1.1", "--channel", "dev", "--reason", "too")
    both = promptops("override", "reconcile", FILE, "bot.dev.override.json", "--json").json
    assert [outcome["channel"] for outcome in both["outcomes"]] == ["prod", "dev"]  # type: ignore[index,union-attr,call-overload]


@pytest.mark.parametrize(
    ("arguments", "exits", "says"),
    [
        (("--expires", "8d"), 2, "up to 7 days"),
        (("--expires", "soon"), 2, "not a length of time"),
        (("--reason", " "), 2, "a reason is needed"),
        (("--channel", "../prod"), 2, "not a channel's name"),
        (("--channel", "pord"), 3, "dev, prod"),
        (("--out", "no/folder/override.json"), 2, "cannot be written"),
        (("--from-git", "no-such-folder"), 6, "not in a git repository"),
    ],
)
def test_what_cannot_be_an_override(
    told: Registry, promptops: Promptops, arguments: tuple[str, ...], exits: int, says: str
) -> None:
    assert says in promptops(*CREATE, *arguments, exits=exits).err.replace("\n", " ")


def test_without_the_database_the_way_through_git_is_named_and_works(
    told: Registry, promptops: Promptops, tmp_path: Path
) -> None:
    root = factory.make_workspace(tmp_path / "prompts")
    bring(told, root)
    told.close()
    (tmp_path / "registry.db").rename(tmp_path / "registry.gone")
    assert "--from-git PATH" in promptops(*CREATE, exits=6).err
    assert "✓ Made an override: bot@0.1.1 for prod" in promptops(*CREATE, "--from-git", "prompts").out
    (tmp_path / "registry.gone").rename(tmp_path / "registry.db")
    assert "0.1.2 → 0.1.1" in promptops("override", "reconcile", FILE).out


def test_rollback_direct_is_the_rollback(told: Registry, promptops: Promptops) -> None:
    assert "✓ Rolled back bot on prod: 0.1.2 → 0.1.1" in promptops("rollback", "--direct").out

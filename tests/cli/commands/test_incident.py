"""`promptops incident`: one screen for the person on call."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from promptops import clock
from promptops.core.heartbeat import Beat, State
from promptops.core.models.table import facts_of
from promptops.operations.heartbeats import record_beats
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.store.vandal import vandalise
from tests.support import factory

GONE = "openai/gpt-4-0314"


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")


def _speak(registry: Registry, number: int, revision: int, **more: object) -> None:
    beat = Beat(
        id=f"{number:032x}", channel="prod", name=f"web-{number}:4711", sdk="promptops/0.8.0", state=State.READY,
        lineage=registry.lineage, epoch=1, revisions={"bot": revision}, **more,  # type: ignore[arg-type]
    )  # fmt: skip
    record_beats(registry, [beat], clock.now())


def _pasted(said: str, *filled: str) -> list[str]:
    """The command that the screen ends with, as typed into a shell, its ``…`` filled."""
    _, *words = shlex.split(said.splitlines()[-1].partition(":  ")[2])
    rest = iter(filled)
    return [next(rest) if word == "…" else word for word in words]


def test_one_screen_has_what_is_live_what_changed_and_the_way_back(
    told: Registry, promptops: Promptops, narrow: None
) -> None:
    other = factory.make_release(told, factory.content("other"))
    factory.go_live(told, f"other@{other.version}", now=datetime.now(UTC) - timedelta(days=2))
    _speak(told, 1, revision=2)
    _speak(told, 2, revision=3)
    said = promptops("incident").out
    lines = said.splitlines()
    assert len(lines) <= 23 and max(map(len, lines)) <= 80
    assert lines[0].startswith("bot on prod · ")
    assert "  live      0.1.2, promoted from 0.1.1 60m ago" in said
    assert "“take 2”" in said
    assert "  rollback  goes to 0.1.1, which is good" in said
    assert "  clients   2 clients, 1 behind: web-1:4711" in said
    assert "  owner     support" in said
    assert "Changed from 0.1.1 to 0.1.2: 1 change, patch" in said
    assert "    ~ Hello {{name}}, take [-1-]{+2+}" in said
    assert "  other  0.1.0  2d ago  promoted as its first release by Ada Lovelace" in said
    for number in (1, 2):
        _speak(told, number, revision=3, leaving=True)
    promptops(*_pasted(said, "wrong refunds"))
    assert factory.live_version(told) == "0.1.1"


def test_without_a_good_release_it_says_why_and_what_is_left(
    told: Registry, promptops: Promptops, narrow: None
) -> None:
    promptops("rollback", "-m", "makes up rules")
    promptops("yank", "bot@0.1.0", "-m", "a secret in it")
    said = promptops("incident", "bot:prod").out
    assert "  live      0.1.1, rolled back from 0.1.2 " in said
    assert "  rollback  no good release to go back to: 0.1.2 is quarantined by Ada Lovelace" in said
    assert said.splitlines()[-1] == 'To take it off:  promptops retire bot --channel prod --reason "…"'
    rollback = promptops("incident", "--json").json["rollback"]
    assert rollback["to"] is None and "quarantined" in rollback["why_not"]  # type: ignore[index,call-overload,operator]
    promptops(*_pasted(said, "it was bad as well"))
    said = promptops("incident").out
    assert "  live      off, taken off from 0.1.1 " in said
    assert said.splitlines()[-1].startswith("To go on:  promptops promote bot@VERSION --channel prod")


def test_a_target_whose_model_is_gone_is_named_as_such(registry: Registry, promptops: Promptops, narrow: None) -> None:
    ended = facts_of(GONE, None).ends
    assert ended is not None and ended < clock.now().date()
    for model in (GONE, factory.LASTING):
        release = factory.make_release(registry, factory.content(model=model))
        factory.go_live(registry, f"bot@{release.version}", now=datetime.now(UTC) - timedelta(hours=1))
    said = promptops("incident").out
    assert "  rollback  goes to 0.1.0, its model is gone or ends soon" in said
    assert f"{GONE} ended on {ended}" in said
    ending = promptops("incident", "--json").json["rollback"]["models_ending"]  # type: ignore[index,call-overload]
    assert ending[0]["model"] == GONE  # type: ignore[index,call-overload]


def test_a_client_that_cannot_load_it_says_why(told: Registry, promptops: Promptops, narrow: None) -> None:
    _speak(told, 1, revision=2, cannot_load={"bot": "its template needs jinja2"})
    said = promptops("incident").out
    assert "1 behind" in said and "cannot load it: its template needs jinja2" in said


def test_a_long_difference_leaves_room_for_the_way_back_and_names_the_command_that_shows_it(
    registry: Registry, promptops: Promptops, narrow: None
) -> None:
    for text in ("one\n" * 60, "two\n" * 60):
        release = factory.make_release(registry, factory.content(text=text))
        factory.go_live(registry, f"bot@{release.version}", reason="a very long reason, " * 9)
    lines = promptops("incident").out.splitlines()
    assert len(lines) == 23 and max(map(len, lines)) <= 80
    assert any("more lines: promptops diff bot@0.1.0 bot@0.1.1" in line for line in lines)
    assert lines[-1] == 'To go back:  promptops rollback bot --channel prod --reason "…" --wait'


def test_a_damaged_release_does_not_hide_whom_to_call(
    told: Registry, promptops: Promptops, narrow: None, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    vandalise(url, "UPDATE release SET content = x'78' WHERE version = '0.1.1'")
    said = promptops("incident").out
    assert "  rollback  goes to 0.1.1" in said and "  owner     support" in said
    assert "What changed is not known: " in said
    vandalise(url, "UPDATE release SET content = x'78' WHERE version = '0.1.2'")
    said = promptops("incident").out
    assert "app.yml names no owner" not in said and "  owner     not known, as what changed" in said


def test_what_is_not_there_is_an_error_that_says_so(told: Registry, promptops: Promptops) -> None:
    assert "there is no app 'nobody'" in promptops("incident", "nobody", exits=3).err
    assert "nothing was ever deployed on dev" in promptops("incident", "--channel", "dev", exits=4).err
    assert "bot was never deployed on dev" in promptops("incident", "bot:dev", exits=4).err


def test_its_json_has_all_of_it(told: Registry, promptops: Promptops) -> None:
    _speak(told, 1, revision=2)
    found = promptops("incident", "--json").json
    assert set(found) == {
        "registry", "app", "channel", "live", "history", "rollback", "difference", "clients", "profile", "others",
    }  # fmt: skip
    assert found["live"]["stable"]["version"] == "0.1.2"  # type: ignore[index,call-overload]
    assert found["difference"]["changes"][0]["prompt"] == "answer"  # type: ignore[index,call-overload]
    assert found["clients"]["behind"] == [f"{1:032x}"]  # type: ignore[index,call-overload]
    assert found["profile"]["owner"] == "support"  # type: ignore[index,call-overload]
    rollback = found["rollback"]
    assert rollback["to"]["version"] == "0.1.1" and rollback["command"].startswith("promptops rollback bot ")  # type: ignore[index,call-overload,union-attr]

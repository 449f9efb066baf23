"""`promptops clients`, and a rollback that waits until they follow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from promptops import clock
from promptops.cli.commands.rollback import _spelled_out
from promptops.cli.numbers import Seconds
from promptops.core.heartbeat import Beat, State
from promptops.operations.heartbeats import record_beats
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support import factory
from tests.support.checkout import ROOT, interruptible

PATIENCE = 60.0


def speak(
    registry: Registry,
    number: int = 1,
    revision: int = 3,
    channel: str = "prod",
    apps: dict[str, int] | None = None,
    *,
    ago: float = 0,
    **more: Any,
) -> None:
    """A client says that it serves `bot`, or other apps, at this revision; so many seconds ago."""
    said = Beat(
        id=f"{number:032x}",
        channel=channel,
        name=f"web-{number}:4711",
        sdk="promptops/0.1.0",
        state=State.READY,
        lineage=registry.lineage,
        epoch=1,
        revisions={"bot": revision} if apps is None else apps,
        **more,
    )
    record_beats(registry, [said], clock.now() - timedelta(seconds=ago))


@contextmanager
def follower(registry: Registry, *numbers: int) -> Iterator[None]:
    """Clients that say what is live as soon as it is: a thread with a registry of its own, which watches by now."""
    watches, stop = threading.Event(), threading.Event()

    def follow() -> None:
        opened = Registry.open(registry.url)
        with opened.watch() as watched:
            watches.set()
            while not stop.is_set():
                if watched.wait(0.05):
                    with opened.read() as reader:
                        revision = reader.live_revisions("prod")["prod", "bot"]
                    for number in numbers:
                        speak(opened, number, revision)
        opened.close()

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        assert watches.wait(PATIENCE)
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


# --- clients ------------------------------------------------------------------------------------------


def test_without_clients_it_says_how_long_it_heard_nothing(told: Registry, promptops: Promptops) -> None:
    assert "in the last 90 s" in promptops("clients").out
    assert promptops("clients", "--json").json == {"clients": [], "silent": [], "behind": []}
    assert "No client that serves bot" in promptops("clients", "bot").out


def test_who_is_behind_stands_first(told: Registry, promptops: Promptops) -> None:
    speak(told, 1, 3)
    speak(told, 2, 2)
    said = promptops("clients").out
    assert said.splitlines()[0] == "2 clients, 1 behind"
    assert said.index("web-2:4711") < said.index("web-1:4711")
    assert "bot 2 behind" in said
    assert "3 (0.1.2)" in said
    assert "No client" in promptops("clients", "--channel", "dev").out
    answer = promptops("clients", "--json").json
    found: Any = answer["clients"]
    assert [client["name"] for client in found] == ["web-1:4711", "web-2:4711"]
    assert found[1]["revisions"] == {"bot": 2}
    assert found[1]["behind"] == ["bot"]
    assert found[1]["channel"] == "prod"
    assert answer["behind"] == [f"{2:032x}"]


def test_an_app_and_a_channel_narrow_it_down(told: Registry, promptops: Promptops) -> None:
    factory.make_releases(told, "faq", 1)
    speak(told, 1, apps={"bot": 2, "faq": 1})
    speak(told, 2, apps={"faq": 1})
    speak(told, 3, 3, channel="dev")
    assert "web-2" not in promptops("clients", "bot").out
    said = promptops("clients", "faq", "--channel", "prod").out
    assert "2 clients, none behind" in said, "behind with bot, which was not asked for"
    assert "web-3" not in said
    assert "web-3" in promptops("clients", "bot:dev").out
    assert "faq" in promptops("clients", "nobody", exits=3).err
    assert "dev, prod" in promptops("clients", "--channel", "nowhere", exits=3).err


def test_many_apps_of_a_client_are_counted(told: Registry, promptops: Promptops) -> None:
    speak(told, 1, apps={"bot": 1} | {f"app-{number}": 1 for number in range(9)})
    line = next(line for line in promptops("clients").out.splitlines() if "web-1" in line)
    assert "bot 1 behind, app-0 1, app-1 1, app-2 1, 6 more" in line


# --- rollback --wait ----------------------------------------------------------------------------------


def test_a_rollback_waits_until_every_live_client_serves_it(told: Registry, promptops: Promptops) -> None:
    speak(told, 1)
    speak(told, 2)
    speak(told, 3, apps={"faq": 1})
    with follower(told, 1, 2):
        said = promptops("rollback", "--wait").out
    assert said.index("✓ Rolled back bot on prod") < said.index("✓ All 2 live clients serve it, after ")


def test_the_json_of_it_says_who_acknowledged(told: Registry, promptops: Promptops) -> None:
    speak(told, 1)
    with follower(told, 1):
        answer = promptops("rollback", "bot", "--wait", "60", "--json").json
    assert answer["revision"] == 4
    clients: Any = answer["clients"]
    assert [client["name"] for client in clients["acknowledged"]] == ["web-1:4711"]
    assert clients["waiting"] == []


def test_time_that_is_over_is_told_with_the_rollback_done(told: Registry, promptops: Promptops) -> None:
    speak(told, 1)
    speak(told, 2, 4)
    late = promptops("rollback", "--wait=0.3", exits=6)
    assert "✓ Rolled back bot on prod: 0.1.2 → 0.1.1" in late.out
    assert "the rollback is done, but after" in late.err
    assert "1 of 2 live clients does not serve it: web-1:4711" in late.err
    assert "promptops clients --channel prod" in late.err
    assert factory.live_version(told) == "0.1.1"


def test_time_that_is_over_leaves_both_answers_to_a_script(told: Registry, promptops: Promptops) -> None:
    speak(told, 1)
    late = promptops("rollback", "--wait", "0", "--json", exits=6)
    answer = json.loads(late.out)
    assert answer["stable"]["version"] == "0.1.1"
    assert [client["name"] for client in answer["clients"]["waiting"]] == ["web-1:4711"]
    assert json.loads(late.err)["error"]["code"] == "not-acknowledged"


def test_without_live_clients_nobody_is_waited_for_and_it_says_so(told: Registry, promptops: Promptops) -> None:
    speak(told, 1, apps={"faq": 3})
    said = promptops("rollback", "--wait").out
    assert "serves bot on prod: there was no client to wait for." in said
    answer = promptops("rollback", "--wait", "--json").json
    assert answer["clients"] == {"acknowledged": [], "waiting": [], "silent": []}


def test_who_said_goodbye_is_neither_waited_for_nor_counted(told: Registry, promptops: Promptops) -> None:
    """A rolling restart: the old processes leave, the new ones serve."""
    for number in (1, 2):
        speak(told, number)
        speak(told, number, leaving=True)
    speak(told, 3, 4)
    said = promptops("rollback", "--wait", "60").out
    assert "The one live client serves it" in said
    assert "web-1" not in said + promptops("clients").out


def test_who_fell_silent_is_named_and_not_waited_for(told: Registry, promptops: Promptops) -> None:
    speak(told, 1, ago=100)
    speak(told, 2, ago=700)
    speak(told, 3, 4)
    done = promptops("rollback", "--wait", "60", "--json").json
    clients: Any = done["clients"]
    assert [[each["name"] for each in clients[key]] for key in ("acknowledged", "waiting", "silent")] == [
        ["web-3:4711"],
        [],
        ["web-1:4711"],
    ]
    assert "Silent, without a goodbye: web-1:4711 (1m ago)" in promptops("clients").out
    assert "web-2" not in promptops("clients").out
    listed: Any = promptops("clients", "bot", "--json").json["silent"]
    assert [each["name"] for each in listed] == ["web-1:4711"]


@pytest.mark.parametrize("apps", [{}, {"bot": 2}], ids=["serves none", "serves an older one"])
def test_who_cannot_load_it_is_named_with_the_reason(
    told: Registry, promptops: Promptops, apps: dict[str, int]
) -> None:
    speak(told, 1, apps=apps, cannot_load={"bot": "the template of 'greet' is too large"})
    speak(told, 2, 4)
    late = promptops("rollback", "--wait", "0", exits=6)
    assert "1 of 2 live clients does not serve it: web-1:4711 (cannot load bot: the template of 'greet'" in late.err
    assert "the rollback is done" in late.err
    for command in ("status", "clients"):
        assert "bot cannot be loaded by web-1:4711: the template of 'greet' is too large" in promptops(command).out
    failures: Any = promptops("status", "--json").json["cannot_load"]
    assert [(each["app"], each["channel"], each["client"]) for each in failures] == [("bot", "prod", "web-1:4711")]
    assert promptops("status", "--channel", "dev", "--json").json["cannot_load"] == []


def test_waiting_ends_where_all_that_are_left_cannot_load_it(told: Registry, promptops: Promptops) -> None:
    promptops("rollback", "--key", "night")
    speak(told, 1, 3, cannot_load={"bot": "too large"}, ago=-60)  # it said so long after the change
    began = time.monotonic()
    late = promptops("rollback", "--key", "night", "--wait", "600", exits=6)
    assert time.monotonic() - began < PATIENCE
    assert "web-1:4711 (cannot load bot: too large)" in late.err


def test_a_dry_run_waits_for_nobody(told: Registry, promptops: Promptops) -> None:
    speak(told, 1)
    assert "Nothing was changed." in promptops("rollback", "--wait", "-n").out


def test_all_apps_are_waited_for_together(told: Registry, promptops: Promptops) -> None:
    for release in factory.make_releases(told, "faq", 2):
        factory.go_live(told, f"faq@{release.version}")
    speak(told, 1, apps={"bot": 4, "faq": 2})
    speak(told, 2, apps={"bot": 4, "faq": 3})
    late = promptops("rollback", "--all", "--wait", "0", exits=6)
    assert "1 of 2 live clients does not serve it: web-1:4711" in late.err


def test_a_retry_with_the_key_waits_again(told: Registry, promptops: Promptops) -> None:
    speak(told, 1)
    promptops("rollback", "--key", "night-1", "--wait", "0", exits=6)
    speak(told, 1, 4)
    said = promptops("rollback", "--key", "night-1", "--wait", "0").out
    assert "The one live client serves it" in said
    assert factory.live_version(told) == "0.1.1"


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ([], []),
        (["--wait"], ["--wait=30"]),
        (["--wait", "5"], ["--wait=5"]),
        (["--wait", "0.5", "bot"], ["--wait=0.5", "bot"]),
        (["--wait", "bot"], ["--wait=30", "bot"]),
        (["--wait", "90s", "bot"], ["--wait=90s", "bot"]),
        (["--wait", "2m"], ["--wait=2m"]),
        (["--wait", "1h", "bot"], ["--wait=1h", "bot"]),
        (["--wait", "1m30s"], ["--wait=1m30s"]),
        (["--wait", "1h30", "bot"], ["--wait=30", "1h30", "bot"]),
        (["--wait", "."], ["--wait=30", "."]),
        (["--wait", "--json"], ["--wait=30", "--json"]),
        (["bot", "--wait"], ["bot", "--wait=30"]),
        (["--wait=7", "bot"], ["--wait=7", "bot"]),
        (["--", "--wait"], ["--", "--wait"]),
    ],
)
def test_only_a_length_is_the_value_of_wait(typed: list[str], read: list[str]) -> None:
    assert _spelled_out(typed) == read


@pytest.mark.parametrize(
    ("typed", "seconds"), [("5", 5), (".5", 0.5), ("90s", 90), ("2m", 120), ("1.5m", 90), ("1h", 3600), ("1m30s", 90)]
)
def test_wait_takes_seconds_with_and_without_their_unit(typed: str, seconds: float) -> None:
    assert Seconds(min=0).convert(typed, None, None) == seconds


def test_an_app_may_follow_wait(told: Registry, promptops: Promptops) -> None:
    assert "Rolled back bot on prod" in promptops("rollback", "--wait", "bot").out
    assert "--wait" in promptops("rollback", "--wait=soon", exits=2).err


@pytest.mark.parametrize("words", ["bot --wait 1h", "--wait 1m30s bot", "--wait=1.5h", "--wait 90", "--wait 2m bot"])
def test_wait_takes_a_length_of_time_as_people_write_it(words: str, told: Registry, promptops: Promptops) -> None:
    speak(told, 1, 4)
    assert "The one live client serves it" in promptops("rollback", *words.split()).out


def test_a_length_that_is_wrong_is_refused_with_the_words_of_all_lengths(told: Registry, promptops: Promptops) -> None:
    refused = [
        promptops(*command, exits=2).err
        for command in (
            ("rollback", "--wait=1x"),
            ("token", "create", "ci", "--expires", "1x"),
            ("override", "create", "bot@0.1.1", "--channel", "prod", "--reason", "x", "--expires", "1x"),
        )
    ]
    for err in refused:
        assert "'1x' is not a length of time" in err
        assert "Write 90s, 1m30s, 1.5h, 1d 12h or 7d." in err


def test_ctrl_c_while_waiting_says_that_the_rollback_is_done(told: Registry, tmp_path: Path) -> None:
    speak(told, 1)
    environment = {**os.environ, "PROMPTOPS_ACTOR": factory.ACTOR, "PYTHONPATH": str(ROOT), "PROMPTOPS_SYNC": "off"}
    command = [sys.executable, "-m", "promptops", "rollback", "--wait", "600"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True, preexec_fn=interruptible
    ) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=PATIENCE)
    assert "✓ Rolled back bot" in first
    assert running.returncode == 130
    assert "the rollback is done and stays" in err
    assert factory.live_version(told) == "0.1.1"

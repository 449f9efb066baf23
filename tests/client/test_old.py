"""Servers and clients of earlier versions beside those of now: what an old server refuses is left out; and goodbyes."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptops import State
from promptops.core.bucketing import is_canary
from promptops.core.deployment_parts import Kind
from promptops.core.digest import digest
from promptops.core.features import UNDERSTOOD
from promptops.core.model import Content, Engine, Message, Prompt, Role
from promptops.core.reference import parse_reference
from promptops.core.release_bytes import encode
from promptops.operations.canary import StartRequest, Step, StepRequest
from promptops.operations.canary import start as start_canary
from promptops.operations.canary import step as step_canary
from promptops.operations.quarantine import WithholdRequest, unquarantine
from promptops.server.app import create_app
from promptops.server.settings import Settings
from promptops.store import Registry
from tests.client.clients import Maker
from tests.client.fake_server import Asked, FakeServer, Reply
from tests.client.waiting import until
from tests.server.running import inside
from tests.support import factory
from tests.support.old import VERSIONS, Old

GOOD = encode(factory.content("bot"))
BAD = encode(
    Content(
        app="evil",
        prompts=(
            Prompt(name="answer", messages=(Message(role=Role.USER, content="{% set x = 1 %}"),), engine=Engine.JINJA2),
        ),
    )
)
FIRST = "0.1.0"
_SEEN = """
import sys, json
from datetime import UTC, datetime
from promptops.store import Registry
heartbeats = module("operations.heartbeats", "operations.presence")
for _ in sys.stdin:
    found = heartbeats.clients(Registry.open(sys.argv[1]), "prod", now=datetime.now(UTC))
    seen = {each.beat.name: dict(each.beat.revisions) for each in getattr(found, "live", found)}
    print(json.dumps(seen), flush=True)
"""
_FOLLOW = """
import sys, time
from promptops import Client, __version__
client = Client(sys.argv[1], channel="prod", cache_dir=False, start_timeout=20.0, name="old one")
print(__version__, client.get_prompt("bot/answer").version, client.state)
time.sleep(1.0)
client.close()
"""


@pytest.fixture(scope="module", params=VERSIONS)
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Old:
    return Old.unpack(request.param, tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def old_file(old: Old, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry that the old version made. The first one also takes a content that no client can load."""
    path = tmp_path_factory.mktemp("made") / "old.db"
    contents = {"bot": GOOD} | ({"evil": BAD} if old.version == FIRST else {})
    old.go_live(f"sqlite:///{path}", contents, new=True)
    return path


@pytest.fixture
def old_url(old_file: Path, tmp_path: Path) -> str:
    """A copy of it."""
    return f"sqlite:///{shutil.copy(old_file, tmp_path / 'old.db')}"


@pytest.fixture
def old_server(old: Old, old_url: str) -> Iterator[str]:
    with old.serving(old_url) as address:
        yield address


def test_an_old_server_is_followed_and_hears_what_it_understands(
    client_of: Maker, old: Old, old_url: str, old_server: str
) -> None:
    client = client_of(old_server, name="new one")
    assert client.get_prompt("bot/answer").digest == digest(GOOD)
    assert (client.state, list(client.status().cannot_load)) == (State.READY, ["evil"] * (old.version == FIRST))
    with old.running(_SEEN, old_url) as seen:
        until(lambda: '{"new one": {"bot": 1}}' in seen.say("who?"))
        old.go_live(old_url, {"bot": encode(factory.content("bot", "Hi {{name}}"))})
        until(lambda: client.get_prompt("bot/answer").revision == 2)
        client.close()
        # Closing waits a second for the goodbye, which a busy server may take later. The first version knows none, and
        # keeps the client for a while.
        until(lambda: ('"new one"' in seen.say("who?")) == (old.version == FIRST))


def test_an_old_client_follows_a_new_server(old: Old, registry: Registry, registry_url: str) -> None:
    factory.make_channels(registry)
    factory.make_releases(registry, "bot", 1)
    factory.go_live(registry, "bot@0.1.0")
    with inside(create_app(Settings(registry=registry_url, auth=False))) as talking:
        said = old.python(_FOLLOW, f"http://127.0.0.1:{talking.port}")
        assert said.split() == [old.version, "0.1.0", "READY"]


_SPLIT = """
import sys
from promptops import Client
client = Client(sys.argv[1], channel="prod", cache_dir=False, start_timeout=20.0)
print("".join(str(int(client.get_prompt("bot/answer", key=f"user-{n}").version == "0.2.0")) for n in range(2_000)))
client.close()
"""


def test_an_old_client_splits_keys_as_todays_bucketing_does(old: Old, registry: Registry, registry_url: str) -> None:
    factory.make_channels(registry)
    factory.make_release(registry)
    factory.go_live(registry, "bot@0.1.0")
    canary = factory.canary_of(factory.make_release(registry, factory.content(text="Hi {{name}}"), version="0.2.0"))
    factory.by_hand(registry, kind=Kind.CANARY, canary=canary)
    with inside(create_app(Settings(registry=registry_url, auth=False))) as talking:
        sides = old.python(_SPLIT, f"http://127.0.0.1:{talking.port}").strip()
    assert sides == "".join(str(int(is_canary(canary.salt, f"user-{n}", canary.weight))) for n in range(2_000))


_SIDES = """
import sys, time
from promptops import Client
client = Client(sys.argv[1], channel="prod", cache_dir=False, start_timeout=20.0, poll=0.2)
print(client.get_prompt("bot/answer").version, flush=True)
for line in sys.stdin:
    until = time.monotonic() + 60
    while client.get_prompt("bot/answer").revision < int(line) and time.monotonic() < until:
        time.sleep(0.02)
    versions = [client.get_prompt("bot/answer", key=f"user-{n}").version for n in range(2_000)]
    print(client.get_prompt("bot/answer").revision, " ".join(versions), flush=True)
"""


def test_an_old_client_follows_every_revision_of_canaries(old: Old, registry: Registry, registry_url: str) -> None:
    """Those that end too, and it ignores what only later clients understand of them."""
    factory.make_channels(registry)
    factory.make_releases(registry, "bot", 3)
    factory.go_live(registry, "bot@0.1.0")
    steps: list[Callable[[], object]] = [
        lambda: _start(registry, "bot@0.1.1", 500),
        lambda: _step(registry, Step.ADVANCE, weight=5_000),
        lambda: _step(registry, Step.PAUSE),
        lambda: _step(registry, Step.RESUME),
        lambda: _step(registry, Step.ABORT, quarantine=True),
        lambda: _start(registry, "bot@0.1.2", 2_500),
        lambda: factory.go_back(registry, "bot"),
        lambda: _unquarantine(registry, "bot@0.1.2"),
        lambda: _start(registry, "bot@0.1.2", 100),
        lambda: _step(registry, Step.ADVANCE, weight=9_999),
        lambda: _step(registry, Step.FINISH),
    ]
    with (
        inside(create_app(Settings(registry=registry_url, auth=False))) as talking,
        old.running(_SIDES, f"http://127.0.0.1:{talking.port}") as client,
    ):
        assert client.readline() == "0.1.0\n"
        for step in steps:
            step()
            with registry.read() as reader:
                live = reader.live("bot", "prod")
            assert live is not None
            canary = live.canary
            expected = [
                canary.release.version
                if canary and is_canary(canary.salt, f"user-{n}", canary.weight)
                else live.version
                for n in range(2_000)
            ]
            assert client.say(str(live.revision)).split() == [str(live.revision), *expected]


def _start(registry: Registry, reference: str, weight: int) -> None:
    request = StartRequest(reference=parse_reference(reference), channel="prod", weight=weight, key=factory.key())
    start_canary(registry, request, actor=factory.ACTOR, now=factory.START)


def _step(registry: Registry, step: Step, **more: Any) -> None:
    request = StepRequest(app="bot", channel="prod", step=step, key=factory.key(), **more)
    step_canary(registry, request, actor=factory.ACTOR, now=factory.START)


def _unquarantine(registry: Registry, reference: str) -> None:
    request = WithholdRequest(
        reference=parse_reference(reference), reason="it was another trouble", key=factory.key(), channel="prod"
    )
    unquarantine(registry, request, actor=factory.ACTOR, now=factory.START)


_STAYS = """
import sys, time
from promptops import Client
client = Client(sys.argv[1], channel="prod", cache_dir=False, start_timeout=20.0, poll=0.2)
print(client.get_prompt("bot/answer").version, flush=True)
sys.stdin.readline()
until = time.monotonic() + 30
while not client.status().rejected and time.monotonic() < until:
    time.sleep(0.05)
print(client.get_prompt("bot/answer").version, client.get_prompt("faq/answer").version, flush=True)
client.close()
"""


def make_two_live(registry: Registry) -> None:
    """Two apps that are live on prod."""
    factory.make_channels(registry)
    for app in ("bot", "faq"):
        factory.make_release(registry, factory.content(app))
        factory.go_live(registry, f"{app}@0.1.0")


@pytest.mark.parametrize("old", ["0.1.0"], indirect=True)
def test_an_old_client_keeps_all_of_a_channel_where_an_app_is_taken_off(
    old: Old, registry: Registry, registry_url: str
) -> None:
    """It knows no app that is off, so it refuses the channel's snapshots and serves on. The manual says so."""
    make_two_live(registry)
    with (
        inside(create_app(Settings(registry=registry_url, auth=False))) as talking,
        old.running(_STAYS, f"http://127.0.0.1:{talking.port}") as client,
    ):
        assert client.readline() == "0.1.0\n"
        factory.by_hand(registry, "faq", kind=Kind.OFF)
        assert client.say("") == "0.1.0 0.1.0\n"


_OFF = """
import sys, time
from promptops import AppNotFound, Client
def faq():
    try:
        return client.get_prompt("faq/answer").version
    except AppNotFound:
        return "off"
client = Client(sys.argv[1], channel="prod", cache_dir=False, start_timeout=20.0, poll=0.2)
print(faq(), flush=True)
sys.stdin.readline()
until = time.monotonic() + 30
while faq() != "off" and time.monotonic() < until:
    time.sleep(0.05)
print(client.get_prompt("bot/answer").version, faq(), flush=True)
client.close()
"""


@pytest.mark.parametrize("old", ["0.6.0", "0.7.0"], indirect=True)
def test_an_old_client_that_knows_apps_that_are_off_follows(old: Old, registry: Registry, registry_url: str) -> None:
    make_two_live(registry)
    with (
        inside(create_app(Settings(registry=registry_url, auth=False))) as talking,
        old.running(_OFF, f"http://127.0.0.1:{talking.port}") as client,
    ):
        assert client.readline() == "0.1.0\n"
        factory.by_hand(registry, "faq", kind=Kind.OFF)
        assert client.say("") == "0.1.0 off\n"


@pytest.mark.parametrize("old", ["0.6.0", "0.7.0"], indirect=True)
def test_an_old_client_keeps_only_the_app_whose_release_requires_a_feature(
    old: Old, registry: Registry, registry_url: str
) -> None:
    make_two_live(registry)
    both = "(client.status().cannot_load and client.get_prompt('bot/answer').version == '0.2.0')"
    script = _STAYS.replace("client.status().rejected", both)
    with (
        inside(create_app(Settings(registry=registry_url, auth=False))) as talking,
        old.running(script, f"http://127.0.0.1:{talking.port}") as client,
    ):
        assert client.readline() == "0.1.0\n"
        needs = replace(factory.content("faq", "Needs {{name}}"), requires=("budget",))
        factory.make_release(registry, needs, version="0.2.0")
        factory.go_live(registry, "faq@0.2.0")
        factory.make_release(registry, factory.content(text="Hi {{name}}"), version="0.2.0")
        factory.go_live(registry, "bot@0.2.0")
        assert client.say("") == "0.2.0 0.1.0\n"


@pytest.mark.parametrize(
    ("unknown", "refused"), [((b"understands",), 1), ((b"understands", b"cannot_load", b"leaving"), 2)]
)
def test_what_a_server_refused_once_is_left_out_there(
    client_of: Maker, server: FakeServer, unknown: tuple[bytes, ...], refused: int
) -> None:
    def as_of_old(asked: Asked) -> Reply | None:
        new = asked.kind == "clients" and any(key in asked.body for key in unknown)
        return Reply(status=422, headers={"Content-Type": "application/problem+json"}, body=b"{}") if new else None

    server.script = as_of_old
    client = client_of(server.url, required=["bot/gone"])
    until(lambda: len(server.beats()) == refused + 1)
    first, *others = server.beats()
    assert first["understands"] == list(UNDERSTOOD)
    assert "cannot_load" in first
    assert first["extensions"] == {"asks": {}}
    newest = {"understands", "extensions"}  # a server that knows neither is of 0.2.0
    left_out = [newest, newest | {"cannot_load"}][:refused]
    assert others == [{key: value for key, value in first.items() if key not in keys} for keys in left_out]
    client.refresh()  # a turn later the client knows what came of it
    client.close()
    goodbyes = [beat for beat in server.beats() if beat.get("leaving")]
    assert len(server.beats()) == refused + 1 + len(goodbyes)
    assert [beat.get("understands") for beat in goodbyes] == [None] * (b"leaving" not in unknown)


def test_a_goodbye_is_the_last_thing_that_a_client_says(client_of: Maker, server: FakeServer) -> None:
    client = client_of(server.url)
    until(server.beats)
    client.close()
    client.close()
    assert [beat.get("leaving") for beat in server.beats()] == [None, True]
    assert server.beats()[0]["id"] == server.beats()[1]["id"]


@pytest.mark.parametrize("told", [{"heartbeat": False}, {"pins": True}])
def test_who_never_told_anything_says_no_goodbye(client_of: Maker, server: FakeServer, told: dict[str, bool]) -> None:
    server.script = lambda asked: Reply(status=500) if asked.kind == "snapshot" and "pins" in told else None
    client = client_of(server.url, heartbeat=told.get("heartbeat", True))
    client.close()
    assert server.beats() == []


def test_a_server_that_hangs_holds_nobody_up_who_leaves(client_of: Maker, server: FakeServer) -> None:
    go = threading.Event()

    def hang(asked: Asked) -> Reply | None:
        if asked.kind == "clients":
            go.wait(60)
        return None

    client = client_of(server.url, timeout=30.0)
    until(server.beats)
    server.script = hang
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 3.5
    go.set()

"""A process starts and the registry is not there: what it serves then, and that it finds its way back by itself."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from promptops import AsyncClient, Client, Invalid, PromptUnavailable, State
from promptops.core.digest import digest
from promptops.core.snapshot import Snapshot
from promptops.wire.snapshot import encode
from tests.client import made
from tests.client.clients import Maker
from tests.client.fake_server import Asked, FakeServer, Reply
from tests.client.waiting import until

BOUND = 15.0


@pytest.fixture
def down(server: FakeServer) -> FakeServer:
    """A server that is not running, on a port where it could."""
    server.stop()
    return server


def bundle(folder: Path, snapshot: Snapshot) -> Path:
    """A bundle as `promptops export-snapshot` writes it."""
    (folder / "v1" / "channels" / snapshot.channel).mkdir(parents=True)
    (folder / "v1" / "releases").mkdir()
    for pointer in snapshot.apps.values():
        for release in pointer.releases():
            data = made.CONTENTS[release.digest]
            (folder / "v1" / "releases" / digest(data).removeprefix("sha256:")).write_bytes(data)
    (folder / "v1" / "channels" / snapshot.channel / "snapshot").write_bytes(encode(snapshot)[0])
    return folder


def test_a_client_of_asyncio_that_was_not_started_says_what_to_await(server: FakeServer) -> None:
    client = AsyncClient(server.url, channel="prod", cache_dir=False, start_timeout=20.0)
    words = "await client.start()"
    for ask in (client.get_prompt, client.call, lambda name: client.release(name.partition("/")[0])):
        with pytest.raises(PromptUnavailable, match=re.escape(words)):
            ask("bot/answer")
    assert words in client.status().problem
    with pytest.raises(PromptUnavailable) as raised:
        asyncio.run(client.fetch("bot@1.0.0"))
    assert words in str(raised.value.hint)

    async def start() -> str:
        async with client:
            assert client.status().problem == ""
            return client.get_prompt("bot/answer").version

    assert asyncio.run(start()) == "1.0.0"


def test_with_nothing_a_call_has_its_fallback_or_an_error(client_of: Maker, down: FakeServer) -> None:
    client = client_of(down.url, poll=0.2)
    assert client.state is State.COLD
    with pytest.raises(PromptUnavailable) as raised:
        client.get_prompt("bot/answer")
    assert "fallback" in raised.value.hint
    found = client.get_prompt("bot/answer", fallback="Answer: {{question}}")
    assert (found.source, found.reason, found.render(question="Why?", more="x")[0]["content"]) == (
        "fallback",
        "DEFAULT",
        "Answer: Why?",
    )
    assert client.status().source is None
    down.start()
    until(lambda: client.state is State.READY)
    assert client.get_prompt("bot/answer", fallback="no").version == "1.0.0"


def test_the_last_good_of_an_earlier_process_is_served(client_of: Maker, server: FakeServer, tmp_path: Path) -> None:
    with Client(server.url, channel="prod", cache_dir=tmp_path):
        until(lambda: list(tmp_path.glob("*.lkg")))
    server.stop()
    client = client_of(server.url, cache_dir=tmp_path, poll=0.2)
    assert client.state in (State.DISCONNECTED, State.STALE)
    assert client.get_prompt("bot/answer").source == "disk"
    server.start()
    until(lambda: client.get_prompt("bot/answer").source == "server")


def test_the_cache_of_another_channel_or_server_is_not_used(
    client_of: Maker, server: FakeServer, tmp_path: Path
) -> None:
    with Client(server.url, channel="prod", cache_dir=tmp_path):
        until(lambda: list(tmp_path.glob("*.lkg")))
    server.stop()
    assert client_of(server.url, channel="staging", cache_dir=tmp_path).state is State.COLD
    assert client_of("http://127.0.0.1:1", cache_dir=tmp_path).state is State.COLD


def test_a_bundle_is_served_until_the_registry_is_reached(client_of: Maker, down: FakeServer, tmp_path: Path) -> None:
    place = bundle(tmp_path / "bundle", made.served(1, "1.0.0"))
    client = client_of(down.url, bundle=place, poll=0.2)
    assert client.state is State.COLD
    assert client.get_prompt("bot/answer").source == "bundle"
    down.serve(made.served(2, "2.0.0"))
    down.start()
    until(lambda: client.state is State.READY)
    assert client.get_prompt("bot/answer").version == "2.0.0"


def test_a_registry_that_is_older_than_the_bundle_is_not_followed(
    client_of: Maker, server: FakeServer, tmp_path: Path
) -> None:
    client = client_of(server.url, bundle=bundle(tmp_path / "bundle", made.served(5, "5.0.0")))
    assert client.get_prompt("bot/answer").version == "5.0.0"
    assert client.status().rejected == {"revision": 1}


def test_of_a_bundle_and_the_last_good_the_newer_one_is_served(
    client_of: Maker, server: FakeServer, tmp_path: Path
) -> None:
    server.serve(made.served(3, "3.0.0"))
    cache = tmp_path / "cache"
    with Client(server.url, channel="prod", cache_dir=cache):
        until(lambda: list(cache.glob("*.lkg")))
    server.stop()
    for revision, source in ((2, "disk"), (4, "bundle")):
        place = bundle(tmp_path / f"bundle-{revision}", made.served(revision, f"{revision}.0.0"))
        assert client_of(server.url, cache_dir=cache, bundle=place).get_prompt("bot/answer").source == source


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "a release is missing", "another channel"])
def test_a_bundle_that_is_no_good_keeps_nobody_from_starting(
    client_of: Maker, server: FakeServer, tmp_path: Path, damage: str
) -> None:
    place = bundle(tmp_path / "bundle", made.served(1, "1.0.0"))
    snapshot = place / "v1" / "channels" / "prod" / "snapshot"
    match damage:
        case "missing":
            place = tmp_path / "nowhere"
        case "empty":
            snapshot.write_bytes(b"")
        case "garbage":
            snapshot.write_bytes(json.dumps({"apps": 1}).encode())
        case "a release is missing":
            next((place / "v1" / "releases").iterdir()).unlink()
        case "another channel":
            snapshot.write_bytes(snapshot.read_bytes().replace(b'"prod"', b'"test"'))
    server.stop()
    client = client_of(server.url, bundle=place, poll=0.2)
    assert client.get_prompt("bot/answer", fallback="x").source == "fallback"
    server.start()
    until(lambda: client.state is State.READY)


def test_making_a_client_takes_as_long_as_it_was_told_and_no_longer(client_of: Maker, server: FakeServer) -> None:
    released = threading.Event()

    def hang(asked: Asked) -> None:
        released.wait()

    server.script = hang
    began = time.monotonic()
    client = client_of(server.url, start_timeout=0.2, timeout=30.0)
    assert time.monotonic() - began < BOUND
    assert client.state is State.COLD
    assert client_of(server.url, start_timeout=0.0, timeout=30.0).state is State.COLD
    released.set()


def test_a_disk_that_cannot_be_written_changes_nothing(
    client_of: Maker, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    client = client_of(server.url, cache_dir=tmp_path / "file" / "cache")
    until(lambda: client.status().disk)
    assert client.get_prompt("bot/answer").source == "server"
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    homeless = client_of(server.url, cache_dir=None)
    assert homeless.get_prompt("bot/answer").source == "server"
    assert homeless.status().disk == ""


def test_a_folder_of_files_is_followed(client_of: Maker, tmp_path: Path) -> None:
    place = bundle(tmp_path / "export", made.served(1, "1.0.0"))
    client = client_of(f"file:{place}", poll=60.0)
    assert client.get_prompt("bot/answer").version == "1.0.0"
    newer = bundle(tmp_path / "newer", made.served(2, "2.0.0"))
    for each in (newer / "v1" / "releases").iterdir():
        each.rename(place / "v1" / "releases" / each.name)
    (newer / "v1" / "channels" / "prod" / "snapshot").rename(place / "v1" / "channels" / "prod" / "snapshot")
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")
    (place / "v1" / "channels" / "prod" / "snapshot").unlink()
    client.refresh()
    until(lambda: client.state is State.DISCONNECTED)
    assert client.get_prompt("bot/answer").version == "2.0.0"


def test_a_plain_web_server_is_followed_by_asking(client_of: Maker, plain_server: FakeServer) -> None:
    plain_server.serve(
        made.snapshot({app: made.pointer(1, made.release(app, "1.0.0")) for app in ("a", "b", "c")}, cursor=1)
    )
    client = client_of(plain_server.url, apps=["a", "b"], poll=0.2)
    assert sorted(client.status().versions) == ["a", "b"]
    plain_server.serve(made.served(2, "2.0.0", app="a"))
    until(lambda: client.get_prompt("a/answer").version == "2.0.0")
    until(lambda: client.status().polls > 5)
    assert set(plain_server.kinds()) == {"snapshot", "releases"}
    assert [asked.query for asked in plain_server.asked if asked.kind == "releases"] == [{}, {}, {}]


def test_where_nothing_is_held_the_error_says_why(client_of: Maker, server: FakeServer) -> None:
    server.script = lambda asked: Reply(status=401)
    client = client_of(server.url)
    for ask in (lambda: client.get_prompt("bot/answer"), lambda: client.release("bot")):
        with pytest.raises(PromptUnavailable, match="answered 401"):
            ask()


def test_a_cache_that_could_not_be_written_is_written_when_it_can_be(
    client_of: Maker, server: FakeServer, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "cache"
    in_the_way.write_text("no folder")
    client = client_of(server.url, cache_dir=in_the_way, poll=0.1)
    until(lambda: client.status().disk)
    in_the_way.unlink()
    until(lambda: list(in_the_way.glob("*.lkg")))
    until(lambda: not client.status().disk)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"required": "bot/answer"}, "not a list of prompts"),  # each letter would be a prompt
        ({"required": ["bot"]}, "not a prompt"),
        ({"required": ["bot/answer@1.0.0"]}, "not a prompt"),
        ({"required": {"bot/answer": "question"}}, "not a list of variables"),
        ({"proxy": "nowhere"}, "proxy"),
        ({"proxy": "socks5://127.0.0.1:1"}, "proxy"),  # needs a package that is not here
        ({"versions": ["bot/answer@1.0.0"]}, "not a version of an app"),
    ],
)
def test_a_setting_that_could_never_work_is_said_at_once(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        Client("https://127.0.0.1:1", **{"channel": "prod", "cache_dir": False, "start_timeout": 0.0, **wrong})


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("hook", ["on_change", "on_state"])
def test_a_hook_that_nobody_would_wait_for_is_refused(kind: type[Client] | type[AsyncClient], hook: str) -> None:
    async def told(*facts: object) -> None: ...

    with pytest.raises(Invalid, match=f"{hook} is a coroutine function"):
        kind("file:/nowhere", channel="prod", cache_dir=False, **{hook: told})  # type: ignore[arg-type]


def test_a_path_is_taken_wherever_a_text_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Path(__file__).parent / "certificates" / "authority.pem"
    monkeypatch.chdir(tmp_path)
    with Client("https://127.0.0.1:1", channel="prod", verify=authority, cache_dir="off", start_timeout=0.0) as client:
        assert client._settings.verify == str(authority)
        assert client._settings.caching is False
    assert list(tmp_path.iterdir()) == []


def test_where_no_thread_can_be_had_any_more_changes_are_followed_even_so(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "prompts", made.served(1, "1.0.0"))
    with Client(f"file:{folder}", channel="prod", cache_dir=False, start_timeout=20.0) as client:
        before = threading.stack_size(1 << 46)  # more than there is
        try:
            with pytest.raises(RuntimeError):
                threading.Thread(target=print).start()
            shutil.rmtree(folder)
            bundle(folder, made.served(2, "2.0.0"))
            assert client.refresh(20.0)
            assert client.get_prompt("bot/answer").version == "2.0.0"
        finally:
            threading.stack_size(before)

"""A process starts and the registry is not there: what it serves then, and that it finds its way back by itself."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from promptops import Client, PromptUnavailable, State
from promptops.core.digest import digest
from promptops.core.snapshot import Snapshot
from promptops.wire.snapshot import encode
from tests.client import made
from tests.client.clients import Maker
from tests.client.fake_server import Asked, FakeServer
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

"""A server answers with anything: what is no snapshot is not followed, in memory and on disk everything stays."""

from __future__ import annotations

import functools
import gzip
import json
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from promptops import State
from promptops.core.digest import digest
from promptops.core.snapshot import Snapshot
from promptops.wire.snapshot import encode
from tests.client import made
from tests.client.clients import Maker
from tests.client.fake_server import Asked, FakeServer, Reply
from tests.client.waiting import until

JSON = {"Content-Type": "application/json"}
NEXT = made.served(2, "2.0.0")
GOOD = encode(NEXT)[0]
_POINTER = json.loads(GOOD)["apps"]["bot"]
_ALONE = {"stable": None, "canary": _POINTER["stable"], "weight": 1_000, "salt": "salt"}


def _hundred_megabytes() -> Iterator[bytes]:
    piece = b" " * 65_536
    yield from (piece for _ in range(1600))


@functools.cache
def _bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(300)), packer.flush()])


def _changed(**more: object) -> bytes:
    return json.dumps({**json.loads(GOOD), **more}).encode()


def _proven(**more: object) -> bytes:
    """The same with other fields, and with the digest that it then has."""
    document = {**json.loads(GOOD), **more}
    del document["digest"]
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    return json.dumps({**document, "digest": digest(text.encode())}, separators=(",", ":"), sort_keys=True).encode()


ANSWERS: Mapping[str, Callable[[], Reply]] = {
    "a page of a proxy": lambda: Reply(headers={"Content-Type": "text/html"}, body=b"<html>Log in</html>"),
    "a page that says it is JSON": lambda: Reply(headers=JSON, body=b"<html>Log in</html>"),
    "an empty object": lambda: Reply(headers=JSON, body=b"{}"),
    "a list": lambda: Reply(headers=JSON, body=b"[]"),
    "nothing": lambda: Reply(headers=JSON, body=b""),
    "apps that are a list": lambda: Reply(headers=JSON, body=_changed(apps=[])),
    "apps emptied on the way": lambda: Reply(headers=JSON, body=_changed(apps={})),
    "half of it": lambda: Reply(headers=JSON, body=GOOD[: len(GOOD) // 2]),
    "less than it said": lambda: Reply(headers=JSON, body=GOOD[:100], length=len(GOOD)),
    "a revision that is text": lambda: Reply(headers=JSON, body=_changed(cursor="2")),
    "a number that is none": lambda: Reply(headers=JSON, body=GOOD.replace(b'"cursor":2', b'"cursor":NaN')),
    "another encoding": lambda: Reply(headers=JSON, body=GOOD.decode().encode("utf-16")),
    "a field that is null": lambda: Reply(headers=JSON, body=GOOD.replace(b'"weight":0', b'"weight":null')),
    "a newer format": lambda: Reply(headers=JSON, body=_changed(schema="promptops.snapshot/2")),
    "an event": lambda: Reply(headers=JSON, body=encode(replace(NEXT, partial=True))[0]),
    "another channel": lambda: Reply(headers=JSON, body=encode(replace(NEXT, channel="staging"))[0]),
    "another registry": lambda: Reply(headers=JSON, body=encode(replace(NEXT, lineage="two"))[0]),
    "a hundred megabytes": lambda: Reply(headers=JSON, body=_hundred_megabytes()),
    "a length of a hundred megabytes": lambda: Reply(headers=JSON, body=b"{}", length=100 << 20),
    "a bomb": lambda: Reply(headers={**JSON, "Content-Encoding": "gzip"}, body=_bomb()),
    "an honest gzip": lambda: Reply(headers={**JSON, "Content-Encoding": "gzip"}, body=gzip.compress(GOOD)),
    "no content": lambda: Reply(status=204),
    "a removal": lambda: Reply(headers=JSON, body=_proven(removed=["bot"], apps={}, cursor=9)),
    "a removal of a later epoch": lambda: Reply(headers=JSON, body=_proven(removed=["bot"], apps={}, epoch=2)),
    "a tombstone": lambda: Reply(headers=JSON, body=_proven(schema="promptops.tombstone/1", app="bot", revision=9)),
    "a tombstone with a signature": lambda: Reply(headers=JSON, body=_proven(tombstone="bot", signature="MEUCIQ==")),
    "an app that is null": lambda: Reply(headers=JSON, body=_proven(apps={"bot": None})),
    "a canary beside nothing": lambda: Reply(headers=JSON, body=_proven(apps={"bot": {**_POINTER, **_ALONE}})),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_no_snapshot_is_not_followed(client_of: Maker, server: FakeServer, tmp_path: Path, name: str) -> None:
    server.streams = False
    client = client_of(server.url, cache_dir=tmp_path / "cache", poll=0.2)
    until(lambda: list(tmp_path.glob("cache/*.lkg")))
    (kept,) = tmp_path.glob("cache/*.lkg")
    before = kept.read_bytes()
    server.script = _only("snapshot", ANSWERS[name])
    assert not client.refresh()
    assert client.state is not State.READY
    assert client.status().problem
    assert client.get_prompt("bot/answer").version == "1.0.0"
    assert kept.read_bytes() == before
    server.script = None
    server.serve(NEXT)
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 429, 451, 500, 502, 503])
def test_an_error_takes_nothing_away(client_of: Maker, server: FakeServer, status: int) -> None:
    client = client_of(server.url, poll=0.2)
    server.script = lambda asked: Reply(status=status, headers={"Content-Type": "text/plain"}, body=b"no")
    assert not client.refresh()
    assert client.state is not State.READY
    assert str(status) in client.status().problem
    assert client.get_prompt("bot/answer").source == "cache"
    server.script = None
    until(lambda: client.state is State.READY and client.get_prompt("bot/answer").source == "server")


def test_a_release_whose_bytes_are_not_those_of_its_digest_is_not_served(client_of: Maker, server: FakeServer) -> None:
    client = client_of(server.url, poll=0.2)
    wrong = made.CONTENTS[made.release("bot", "9.0.0").digest]
    server.script = _only("releases", lambda: Reply(headers=JSON, body=wrong))
    server.serve(NEXT)
    client.refresh()
    until(lambda: client.status().rejected.get("digest"))
    assert client.get_prompt("bot/answer").version == "1.0.0"


def test_a_release_of_another_app_is_not_served(client_of: Maker, server: FakeServer) -> None:
    client = client_of(server.url, poll=0.2)
    server.serve(made.snapshot({"bot": made.pointer(2, made.release("other", "1.0.0"))}, cursor=2))
    client.refresh()
    until(lambda: client.status().rejected.get("content"))
    assert client.get_prompt("bot/answer").version == "1.0.0"


def test_what_is_proven_as_here_is_followed_where_nothing_else_is_wrong(client_of: Maker, server: FakeServer) -> None:
    client = client_of(server.url)
    server.script = _only("snapshot", lambda: Reply(headers=JSON, body=_proven(cursor=3)))
    assert client.refresh()
    assert client.get_prompt("bot/answer").version == "2.0.0"


@pytest.mark.parametrize("name", ["removed", "tombstone", "delete", "message", "change"])
def test_a_stream_removes_nothing(client_of: Maker, server: FakeServer, name: str) -> None:
    """There is no removal (ADR 0016): nothing that only claims to be one is obeyed, and the stream goes on."""
    removal = _proven(schema="promptops.event/1", removed=["bot"], apps={}, cursor=9)
    said = threading.Event()

    def stream() -> Iterator[bytes]:
        yield b"event: %s\nid: 9\ndata: %s\n\n" % (name.encode(), removal)
        yield b"event: change\nid: 10\ndata: %s\n\n" % encode(replace(NEXT, partial=True))[0]
        said.wait(60)

    server.script = _only("events", lambda: Reply(headers={"Content-Type": "text/event-stream"}, body=stream()))
    client = client_of(server.url)
    assert client.get_prompt("bot/answer").app == "bot"
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")
    # A poll may come meanwhile and bring the older snapshot, which is refused for its revision.
    assert client.status().rejected.get("content", 0) == (1 if name == "change" else 0)
    said.set()


def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else(client_of: Maker, server: FakeServer) -> None:
    with FakeServer() as thief:
        thief.serve(NEXT)
        client = client_of(server.url, token="pops_rt_secret", poll=0.2)
        for status in (301, 302, 303, 307, 308):
            server.script = lambda asked, status=status: Reply(
                status=status, headers={"Location": f"{thief.url}{asked.path}"}
            )
            assert not client.refresh()
            assert "redirect" in client.status().problem
        assert thief.asked == []
    assert {asked.headers.get("authorization") for asked in server.asked} == {"Bearer pops_rt_secret"}


def test_nothing_compressed_is_asked_for(client_of: Maker, server: FakeServer) -> None:
    client_of(server.url)
    assert {asked.headers["accept-encoding"] for asked in server.asked} == {"identity"}


def test_an_app_that_is_not_named_any_more_is_served_on(client_of: Maker, server: FakeServer) -> None:
    client = client_of(server.url)
    server.serve(made.snapshot({"other": made.pointer(1, made.release("other", "1.0.0"))}, cursor=2))
    until(lambda: "other" in client.status().versions)
    assert client.get_prompt("bot/answer").version == "1.0.0"


@pytest.mark.parametrize(
    ("required", "prompts"),
    [
        (["bot/answer"], {"other": "Hello"}),
        ({"bot/answer": ["question"]}, {"answer": "Hello {{name}}"}),
        ({"bot/answer": ["question"]}, {"answer": "Hello {{question}} {{name}}"}),
    ],
)
def test_a_snapshot_without_a_required_prompt_is_not_followed(
    client_of: Maker, server: FakeServer, required: object, prompts: dict[str, str]
) -> None:
    client = client_of(server.url, required=required)
    server.serve(made.snapshot({"bot": made.pointer(2, made.release("bot", "2.0.0", prompts))}, cursor=2))
    client.refresh()
    until(lambda: client.status().rejected.get("required"))
    assert client.get_prompt("bot/answer").version == "1.0.0"


@pytest.mark.parametrize("stream", [False, True])
def test_a_newer_server_is_followed_whatever_extensions_it_adds(
    client_of: Maker, server: FakeServer, stream: bool
) -> None:
    extended = _proven(
        schema="promptops.event/1" if stream else "promptops.snapshot/1",
        extensions={"rollouts": {"bot": {"step": 2}}},
        apps={"bot": {**_POINTER, "extensions": {"kind": "canary"}}},
    )

    def events() -> Iterator[bytes]:
        yield b"event: change\nid: 10\ndata: %s\n\n" % extended
        threading.Event().wait(5)

    if stream:  # before the client has a stream: it opens no second one beside it
        server.script = _only("events", lambda: Reply(headers={"Content-Type": "text/event-stream"}, body=events()))
        client = client_of(server.url)
    else:
        server.streams = False
        client = client_of(server.url, poll=0.2)
        assert client.get_prompt("bot/answer").version == "1.0.0"
        server.script = _only("snapshot", lambda: Reply(headers=JSON, body=extended))
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")
    assert not client.status().problem


def test_a_registry_restored_to_an_older_state_is_followed_in_a_new_epoch_only(
    client_of: Maker, server: FakeServer
) -> None:
    server.serve(made.served(7, "7.0.0"))
    client = client_of(server.url, poll=0.2)
    server.serve(made.served(3, "3.0.0"))
    client.refresh()
    until(lambda: "revision 3" in client.status().problem)
    assert client.status().rejected["revision"] > 0
    assert client.get_prompt("bot/answer").revision == 7
    server.serve(replace(made.served(3, "3.0.0"), epoch=2))
    until(lambda: client.get_prompt("bot/answer").revision == 3)
    assert client.status().epoch == 2


def test_of_two_servers_behind_one_address_the_older_one_never_wins(client_of: Maker, server: FakeServer) -> None:
    server.streams = False
    old, new = made.served(1, "1.0.0"), made.served(2, "2.0.0")
    turns = iter(_turns(old, new))
    server.script = _only("snapshot", lambda: Reply(headers=JSON, body=encode(next(turns))[0]))
    client = client_of(server.url)
    seen = []
    for _ in range(40):
        client.refresh()
        seen.append(client.get_prompt("bot/answer").revision)
    assert seen == sorted(seen)
    assert seen[-1] == 2
    assert client.status().rejected["revision"] >= 10


def _turns(*snapshots: Snapshot) -> Iterable[Snapshot]:
    while True:
        yield from snapshots


def _only(kind: str, make: Callable[[], Reply]) -> Callable[[Asked], Reply | None]:
    return lambda asked: make() if asked.kind == kind else None

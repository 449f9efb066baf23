"""A server that says what it likes: logs and status hold lines that can be looked at, and nothing lasts for ever."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from promptops import State
from promptops.core.snapshot import Snapshot
from promptops.wire.snapshot import encode
from tests.client import made
from tests.client.clients import Maker
from tests.client.fake_server import Asked, FakeServer, Reply
from tests.client.waiting import until

EVIL = "no\n2026 INFO promptops all is well\r\x1b[2J\x1b]0;x\x07\u202egnp\u200b\u2028\U000e0101" + "x" * 3_000
PROBLEM = {"Content-Type": "application/problem+json"}
JSON = {"Content-Type": "application/json"}
DEEP = b"[" * 200_000


def _evil(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


ANSWERS: Mapping[str, Callable[[], Reply]] = {
    "an error's text": lambda: Reply(status=500, headers=PROBLEM, body=json.dumps({"detail": EVIL}).encode()),
    "a type": lambda: Reply(headers={"Content-Type": "text/\x1b[2J"}, body=b"x"),
    "deep JSON": lambda: Reply(headers=JSON, body=DEEP),
    "a deep problem": lambda: Reply(status=500, headers=PROBLEM, body=DEEP),
    "another registry": lambda: Reply(headers=JSON, body=encode(replace(made.served(2, "2.0.0"), lineage=EVIL))[0]),
    "an unknown key": lambda: Reply(
        headers=JSON, body=json.dumps({"schema": "promptops.snapshot/1", EVIL: 1}).encode()
    ),
    "a schema": lambda: Reply(headers=JSON, body=json.dumps({"schema": EVIL}).encode()),
    "a time to wait": lambda: Reply(status=503, headers={"Retry-After": "9" * 500}),
    "a date to wait for": lambda: Reply(
        status=503, headers={"Retry-After": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Date": "x"}
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_server_says_is_one_line_in_logs_and_status(
    client_of: Maker, server: FakeServer, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.DEBUG, "promptops.client")
    client = client_of(server.url)
    server.script = lambda asked: ANSWERS[name]()
    client.refresh()
    until(lambda: client.status().problem)
    status = client.status()
    for text in (status.problem, status.registry, status.lineage, status.disk, *status.cannot_load.values()):
        assert text.isprintable()
        assert len(text) <= 1_000
    for record in caplog.records:
        assert record.getMessage().isprintable()
        assert all(text.isprintable() for text in vars(record).values() if isinstance(text, str) and text != record.msg)
        assert len(record.getMessage()) < 3_000
    assert client.get_prompt("bot/answer").version == "1.0.0"


def test_what_a_server_says_back_to_itself_does_not_stop_it(client_of: Maker, server: FakeServer) -> None:
    """An etag and the id of an event come back in headers: what no header can hold is left out."""

    def tell(asked: Asked) -> Reply | None:
        if asked.kind == "events":
            data = encode(replace(server.snapshot, partial=True))[0]
            stream = "retry: 1\nevent: change\nid: \x1b[2J\u202e\ndata: ".encode() + data + b"\n\n"
            return Reply(headers={"Content-Type": "text/event-stream"}, body=[stream], length=-1)
        if asked.kind == "snapshot":
            assert "if-none-match" not in asked.headers or asked.headers["if-none-match"].isascii()
            return Reply(headers={**JSON, "ETag": '"\x7fé"'}, body=encode(server.snapshot)[0])
        return None

    server.script = tell
    client = client_of(server.url, poll=0.2)
    until(lambda: server.kinds().count("events") > 2 and server.kinds().count("snapshot") > 2)
    server.serve(made.served(2, "2.0.0"))
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")
    until(lambda: client.state is State.READY)


def _leap(**more: int) -> Snapshot:
    return replace(made.served(2, "6.6.6"), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("epoch", [2**53 - 1, 1_000_001, 102])
@pytest.mark.parametrize("first", [False, True])
def test_an_answer_from_the_end_of_all_numbers_is_never_believed(
    client_of: Maker, server: FakeServer, tmp_path: Path, epoch: int, first: bool
) -> None:
    if first and epoch == 102:
        return  # a registry that was restored so often, for whoever sees it for the first time
    hostile = [_leap(epoch=epoch)]
    if not first:
        hostile += [replace(_leap(), apps={"bot": made.pointer(2**53 - 1, made.release("bot", "6.6.6"))})]
        hostile += [_leap(cursor=2**53 - 1)]
        earlier = client_of(server.url, cache_dir=tmp_path, heartbeat=False)
        until(lambda: list(tmp_path.glob("*.lkg")))
        earlier.close()
    server.streams = False
    for each in hostile:
        server.serve(each)
        client = client_of(server.url, cache_dir=tmp_path, heartbeat=False)
        client.refresh()
        assert client.get_prompt("bot/answer", fallback="x").version != "6.6.6"
        assert client.status().problem
        client.close()
    server.serve(made.served(3, "3.0.0"))
    for _ in range(2):  # and after a restart
        client = client_of(server.url, cache_dir=tmp_path, heartbeat=False)
        until(lambda: client.get_prompt("bot/answer").version == "3.0.0")  # noqa: B023 called at once
        assert client.status().epoch == 1
        client.close()


def test_a_registry_that_was_restored_is_followed(client_of: Maker, server: FakeServer) -> None:
    client = client_of(server.url)
    for epoch in (2, 50, 150):
        server.serve(replace(made.served(1, f"{epoch}.0.0"), epoch=epoch))
        until(lambda: client.get_prompt("bot/answer").version == f"{epoch}.0.0")  # noqa: B023 called at once

"""What a client logs: names that stay, said once, and never a secret."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptops import PromptopsError
from promptops.client.status import EVENTS, Status
from promptops.core.model import ReleaseRef
from tests.client import made
from tests.client.clients import AnyClient, Maker
from tests.client.fake_server import Asked, FakeServer, Reply
from tests.client.waiting import until
from tests.support.checkout import ROOT

TOKEN = "pops_rt_0123456789abcdefghijklmnopqrstuvwxyz"


def test_a_secret_is_in_no_line_and_no_repr_and_no_error(
    client_of: Maker, server: FakeServer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)

    def tell(asked: Asked) -> Reply | None:
        if asked.kind != "snapshot":
            return None
        headers = {"Content-Type": "application/problem+json"}
        return Reply(status=401, headers=headers, body=b'{"detail": "the token %s is no good"}' % TOKEN.encode())

    client = client_of(server.url, token=TOKEN, cache_dir=tmp_path, poll=0.2)
    until(lambda: server.beats() and client.status().streaming)
    server.serve(made.served(2, "2.0.0"))
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")
    server.script = tell
    client.refresh()
    until(lambda: client.status().problem)
    shown = [repr(client), str(client.status()), repr(getattr(client, "client", client)._settings)]  # type: ignore[union-attr]
    server.stop()
    client.refresh()
    for ask in (lambda: client.get_prompt("no/where"), lambda: client.fetch("bot@9.9.9")):
        with pytest.raises(PromptopsError) as raised:
            ask()
        shown += traceback.format_exception(raised.value)
    shown += [record.getMessage() + str(vars(record)) for record in caplog.records]
    shown += [path.read_bytes().decode("utf-8", "replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert any(record.name == "promptops.client" for record in caplog.records)
    assert [text for text in shown if TOKEN in text] == []


def test_every_line_has_the_name_of_its_event(
    client_of: Maker, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "promptops.client")
    client = client_of(server.url, poll=0.2)
    until(lambda: client.status().streaming)
    server.serve(made.served(2, "2.0.0"))
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")
    server.stop()
    until(lambda: client.status().failures > 2)
    client.get_prompt("no/where", fallback="x")
    client.get_prompt("no/where", fallback="x")
    expected = {"started", "state", "changed", "stream-opened", "stream-lost", "refresh-failed", "fallback"}
    until(lambda: expected <= set(_events(caplog)))
    assert set(_events(caplog)) <= set(EVENTS)
    assert _events(caplog).count("fallback") == 1


def _events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record).get("event", "") for record in list(caplog.records) if record.name == "promptops.client"]


# What a status shows when a handler gets the line: the fact is in the status first.
SHOWN: dict[str, Callable[[Status, Any], object]] = {
    "changed": lambda status, record: status.revisions[record.app] >= record.revision,
    "stream-opened": lambda status, record: status.streaming,
    "stream-lost": lambda status, record: not status.streaming,
    # An event that was heard meanwhile has ended the problem, and not the failures.
    "refresh-failed": lambda status, record: (status.problem or status.streaming) and status.failures > 0,
    "cannot-load": lambda status, record: record.app in status.cannot_load,
    "override-active": lambda status, record: record.app in status.overridden,
    "override-ended": lambda status, record: record.app not in status.overridden,
}


def test_a_status_shows_a_fact_before_the_log_has_its_line(
    client_of: Maker, server: FakeServer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    clients: list[AnyClient] = []
    seen: list[tuple[str, bool]] = []

    def look(record: logging.LogRecord) -> bool:
        event = vars(record).get("event", "")
        if clients and event in SHOWN:
            seen.append((event, bool(SHOWN[event](clients[0].status(), record))))
        return True

    caplog.set_level(logging.DEBUG, "promptops.client")
    caplog.handler.addFilter(look)
    try:
        clients.append(client_of(server.url, poll=0.2, override=tmp_path / "glass"))
        until(lambda: clients[0].status().streaming)
        server.cut_streams()
        override = made.lay_override(tmp_path / "glass", "0.5.0")
        until(lambda: {"stream-lost", "stream-opened", "override-active"} <= set(dict(seen)))
        override.unlink()
        server.serve(made.served(2, "2.0.0"))
        until(lambda: {"changed", "override-ended"} <= set(dict(seen)))
        unknown = ReleaseRef(version="3.0.0", digest=f"sha256:{'0' * 64}")
        server.serve(made.snapshot({"bot": made.pointer(3, unknown)}, cursor=3))
        until(lambda: "cannot-load" in dict(seen))
        server.stop()
        until(lambda: set(dict(seen)) == set(SHOWN))
    finally:
        caplog.handler.removeFilter(look)
    assert [event for event, shown in seen if not shown] == []


def test_every_event_is_explained_in_the_guide() -> None:
    guide = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    table = guide.partition("## Logging")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == list(EVENTS)

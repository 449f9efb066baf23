"""A server that says what it likes: its words are one line that can be looked at, and deep JSON is an error."""

from __future__ import annotations

import json

import pytest

from promptops.core.errors import PromptopsError
from promptops.gateway.remote import Remote
from promptops.use_cases.channels import CHANNELS
from promptops.use_cases.registry import APPS, CLIENTS, ClientsRequest
from promptops.use_cases.releases import RELEASES, ReleasesRequest
from promptops.wire.problem import from_problem
from tests.client.fake_server import FakeServer, Reply

EVIL = "no\n✓ rolled back\r\x1b[2J\x1b]0;x\x07\u202egnp\u200b\u2028" + "x" * 100_000
PROBLEM = {"Content-Type": "application/problem+json"}
JSON = {"Content-Type": "application/json"}
DEEP = b"[" * 200_000


@pytest.mark.parametrize("field", ["detail", "hint", "facts", "known"])
def test_what_a_server_says_is_one_line(field: str) -> None:
    document: dict[str, object] = {"code": "app-not-found", "detail": "no", "hint": "h", "facts": {"rule": EVIL}}
    document[field] = {"rule": EVIL, "known": [EVIL]} if field in ("facts", "known") else EVIL
    error = from_problem(document, status=404)  # type: ignore[arg-type]
    for text in (error.message, error.hint, *map(str, vars(error).values())):
        assert not set(text) & set("\n\r\x1b\x07\u202e\u200b\u2028")
        assert len(text) < 40_000


@pytest.mark.parametrize(
    "reply",
    [
        Reply(headers=JSON, body=DEEP),
        Reply(headers=JSON, body=b'{"apps":' + DEEP),
        Reply(status=422, headers=PROBLEM, body=DEEP),
        Reply(status=422, headers=PROBLEM, body=json.dumps({"detail": EVIL}).encode()),
        Reply(headers=JSON, body=json.dumps({"apps": [{EVIL: 1}]}).encode()),
        Reply(headers=JSON, body=json.dumps({"releases": [{EVIL: EVIL}], "channels": [{"name": EVIL}]}).encode()),
        Reply(
            headers=JSON, body=json.dumps({"clients": [{"behind": [], "comparable": True, "seen_at": EVIL}]}).encode()
        ),
        Reply(headers=JSON, body=b"\xff\xfe"),
    ],
)
def test_whatever_a_server_answers_is_an_error_of_ours(reply: Reply) -> None:
    with FakeServer() as server, Remote.open(server.url, token="", seconds=5.0) as remote:
        server.script = lambda asked: reply
        for ask in (
            lambda: remote.run(APPS, None),
            lambda: remote.run(CHANNELS, None),
            lambda: remote.run(RELEASES, ReleasesRequest(app="bot")),
            lambda: remote.run(CLIENTS, ClientsRequest(channel="prod")),
            lambda: remote.snapshot("prod"),
        ):
            with pytest.raises(PromptopsError) as raised:
                ask()
            text = raised.value.message + raised.value.hint
            assert not set(text) & set("\n\r\x1b\x07\u202e\u200b\u2028")

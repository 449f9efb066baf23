"""The checks of a prompt reach the process that gets its answers."""

from __future__ import annotations

from dataclasses import replace

from promptops.core.checks.table import first_failure
from promptops.core.model import AnswerCheck, Content
from tests.client import made
from tests.client.clients import RARELY, Maker
from tests.client.fake_server import FakeServer


def test_a_client_holds_the_checks_of_a_release_and_understands_them(client_of: Maker, server: FakeServer) -> None:
    cites = AnswerCheck(kind="contains", wanted="[1]")
    prompt = replace(made.prompt("answer", "Hello"), checks=(cites,))
    release = made.shelve("1.0.0", Content(app="bot", prompts=(prompt,), requires=("checks",)))
    server.serve(made.snapshot({"bot": made.pointer(1, release)}, cursor=1))
    client = client_of(server.url, poll=RARELY)
    held = client.get_prompt("bot/answer").definition
    assert held.checks == (cites,)
    assert first_failure(held.checks, "No source.") == "the answer does not fit 'contains'"
    assert client.status().cannot_load == {}

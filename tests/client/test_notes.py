"""A release that exists already, with a pattern that RE2 does not take: it is served, the rest is checked, and said."""

from __future__ import annotations

import pytest

from promptops import State, VariableInvalid
from promptops.core.model import Content, Input, Json, ReleaseRef
from tests.client import made
from tests.client.clients import Maker
from tests.client.fake_server import FakeServer


def _release(version: str, pattern: str) -> ReleaseRef:
    schema: dict[str, Json] = {"type": "string", "pattern": pattern, "maxLength": 5}
    prompt = made.prompt("answer", "{{question}}", inputs=[Input(name="question", schema=schema)])
    return made.shelve(version, Content(app="bot", prompts=(prompt,)))


@pytest.mark.parametrize(
    ("pattern", "construct"),
    [("(?=a)b", "a lookahead `(?=`"), (r"(a)\1", "a backreference"), ("a{1000}{1000}", "bad repetition")],
)
def test_a_pattern_that_is_passed_over_is_said_in_the_status(
    threaded: Maker, server: FakeServer, pattern: str, construct: str
) -> None:
    server.streams = False
    server.serve(made.snapshot({"bot": made.pointer(1, _release("1.0.0", pattern))}))
    client = threaded(server.url, poll=60)
    assert client.get_prompt("bot/answer").render(question="xyz") == [{"role": "user", "content": "xyz"}]
    with pytest.raises(VariableInvalid, match="too long"):
        client.get_prompt("bot/answer").render(question="longer")
    status = client.status()
    assert (status.state, status.problem, status.cannot_load) == (State.READY, "", {})
    ((note,),) = status.notes.values()
    assert "prompt 'answer', input 'question'" in note
    assert construct in note
    # A later release without it is checked, and nothing is left to say.
    server.serve(made.snapshot({"bot": made.pointer(2, _release("2.0.0", "^a+$"))}, cursor=2))
    assert client.refresh()
    assert client.status().notes == {}
    with pytest.raises(VariableInvalid, match="does not match"):
        client.get_prompt("bot/answer").render(question="xyz")


def test_a_pattern_of_a_canary_is_said_too_and_shown_on_one_line(threaded: Maker, server: FakeServer) -> None:
    server.streams = False
    canary = _release("2.0.0", "(?=\n\x1b[2J\u202e)")
    server.serve(made.snapshot({"bot": made.pointer(1, _release("1.0.0", "a"), canary=canary, weight=5_000)}))
    (note,) = threaded(server.url, poll=60).status().notes["bot"]
    assert note.isprintable()

"""What of a bad call is kept by itself: enough to explain it, and content only where the app declares so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from promptops.client.calls.keeping import Keeping
from promptops.client.current_call import TRACERS
from promptops.core.declarations import Capture, Declarations
from promptops.core.model import Content, Input, Json, Placeholder, Prompt, ReleaseRef
from promptops.core.outcomes.call_id import has_seal
from promptops.core.outcomes.kept_call import MAX_TOOLS, MAX_VARIABLES, Kept, KeptCall, ToolUse
from promptops.core.template.template import Template
from tests.client import made
from tests.client.calls.conftest import with_secret
from tests.client.calls.said import answer, bodies, serve
from tests.client.clients import AnyClient, Maker
from tests.client.fake_server import FakeServer, Reply

MARK = "a-marked-string-4711"
Opener = Callable[..., AnyClient]


def release() -> ReleaseRef:
    inputs = (
        Input(name="question", schema={"type": "string"}),
        Input(name="email", schema={"type": "string", "private": True}),
        Input(name="order", schema={"type": "object", "properties": {"to": {"type": "string", "private": True}}}),
        Input(name="tone", schema={"type": "string", "default": "kind"}),
        Input(name="notes", schema={"default": []}),
    )
    text = "{{question}} {{email}} {{order}} {{tone}} {{notes}}"
    return made.shelve("1.0.0", Content(app="bot", prompts=(made.prompt("answer", text, inputs=inputs),)))


@pytest.fixture
def client_that(client_of: Maker, server: FakeServer, at_the_end: None) -> Opener:
    """A client of an app that captures, or does not."""

    def make(capture: Capture, *, secret: bool = True) -> AnyClient:
        pointer = made.pointer(17, release())
        serve(server, replace(pointer, declared=Declarations(capture=capture)))
        client = client_of(server.url)
        return with_secret(client) if secret else client

    return make


def values(**more: Json) -> dict[str, Json]:
    return {"question": "Where?", "email": f"{MARK}@example.org", "order": {"to": MARK}, **more}


def fail(client: AnyClient, *rendered: Mapping[str, Json], key: str | None = "ada", api: str = "render") -> str:
    """A call that is bad after its prompt was rendered with these values; its id."""
    with pytest.raises(TimeoutError), client.call("bot/answer", key=key) as call:
        for each in rendered:
            getattr(call.prompt, api)(**each)
        raise TimeoutError
    return str(call.id)


def kept(server: FakeServer, client: AnyClient) -> list[KeptCall]:
    client.close(60)
    return [entry for report in server.reports() for entry in report.calls if entry.kept is Kept.BAD]


def test_variables_of_a_bad_call_are_kept_and_private_ones_as_a_keyed_hash(
    client_that: Opener, server: FakeServer
) -> None:
    client = client_that(Capture.VARIABLES)
    calls = [fail(client, values(), api="to_openai"), fail(client, values(question="Who?", notes=[1, None]), key=None)]
    first, second = kept(server, client)
    assert [first.call, second.call] == calls
    assert (first.api, second.api) == ("chat", "")
    assert first.variables is not None and second.variables is not None
    assert first.variables["question"] == "Where?" and second.variables["notes"] == [1, None]
    assert "tone" not in first.variables  # the release has its default
    for name in ("email", "order"):  # also where a part of the input is private
        assert str(first.variables[name]).startswith("private:")
        assert first.variables[name] == second.variables[name]
    assert MARK not in json.dumps(bodies(server))


def test_a_history_is_kept_as_it_was_given_and_a_private_one_as_a_keyed_hash(
    client_of: Maker, server: FakeServer, at_the_end: None
) -> None:
    places = (Placeholder(name="history"), Placeholder(name="other", private=True, optional=True))
    content = Content(app="bot", prompts=(Prompt(name="answer", messages=places),), requires=("history",))
    pointer = made.pointer(17, made.shelve("1.0.0", content))
    serve(server, replace(pointer, declared=Declarations(capture=Capture.VARIABLES)))
    client = with_secret(client_of(server.url))
    history: list[Json] = [{"role": "user", "content": "Where?"}]
    fail(client, {"history": history, "other": [{"role": "user", "content": MARK}]}, api="to_openai")
    [entry] = kept(server, client)
    assert entry.variables is not None and entry.variables["history"] == history
    assert str(entry.variables["other"]).startswith("private:")
    assert MARK not in json.dumps(bodies(server))


def test_with_capture_off_nothing_of_them_leaves_the_process(client_that: Opener, server: FakeServer) -> None:
    client = client_that(Capture.OFF)
    fail(client, values(question=MARK), api="to_openai")
    [entry] = kept(server, client)
    assert (entry.variables, entry.api) == (None, "")
    sent = json.dumps(bodies(server))
    assert MARK not in sent and "private:" not in sent


def test_the_last_rendering_counts_and_what_is_too_large_or_was_never_rendered_is_left_out(
    client_that: Opener, server: FakeServer
) -> None:
    client = client_that(Capture.VARIABLES)
    fits = "x" * (MAX_VARIABLES - 200)
    fail(client, values(), values(question="Who?"))
    fail(client)
    fail(client, values(question="é" * MAX_VARIABLES))
    fail(client, values(notes=["é" * MAX_VARIABLES]))
    fail(client, values(), values(question="x" * (MAX_VARIABLES + 1)))  # the first is not what was sent
    fail(client, values(question=fits), api="to_openai_responses")
    found = [(entry.variables or {}).get("question") for entry in kept(server, client)]
    assert found == ["Who?", None, None, None, None, fits]


def test_what_the_application_changes_afterwards_changes_nothing_that_is_kept(
    client_that: Opener, server: FakeServer
) -> None:
    client = client_that(Capture.VARIABLES)
    notes: list[Json] = ["before"]
    with pytest.raises(TimeoutError), client.call("bot/answer", key="ada") as call:
        call.prompt.render(**values(notes=notes))
        notes.append("after")
        raise TimeoutError
    [entry] = kept(server, client)
    assert entry.variables is not None and entry.variables["notes"] == ["before"]


def test_twenty_calls_with_large_variables_are_all_kept(client_that: Opener, server: FakeServer) -> None:
    client = client_that(Capture.VARIABLES)
    for _ in range(20):
        fail(client, values(question="x" * 15_000))
    assert [len(str((entry.variables or {}).get("question"))) for entry in kept(server, client)] == [15_000] * 20


def test_a_call_without_a_seal_keeps_no_variables_since_no_key_could_erase_them(
    client_that: Opener, server: FakeServer
) -> None:
    server.script = lambda asked: Reply(status=503) if asked.kind == "report-key" else None
    client = client_that(Capture.VARIABLES, secret=False)
    with pytest.raises(TimeoutError), client.call("bot/answer", key="ada") as call:
        call.prompt.render(**values())
        raise TimeoutError
    assert not has_seal(call.id)
    server.script = None
    [entry] = kept(server, with_secret(client))
    assert entry.variables is None
    assert MARK not in json.dumps(bodies(server))


def test_the_prompt_of_a_call_that_captures_is_equal_to_the_other(client_that: Opener) -> None:
    client = client_that(Capture.VARIABLES)
    prompt = client.get_prompt("bot/answer")
    call = prompt.call(key="ada")
    assert call.prompt == prompt
    assert call.prompt.inputs == prompt.inputs
    assert call.prompt.to_openai(**values()) == prompt.to_openai(**values())
    assert isinstance(prompt.template, Template)


# --- traces and tools ------------------------------------------------------------------------------


def bad(client: AnyClient, *answers: Mapping[str, Any], **how: Any) -> None:
    with pytest.raises(TimeoutError), client.call("bot/answer", key="ada", **how) as call:
        with call.tool("search"):
            pass
        with pytest.raises(ValueError, match="x"), call.tool("pay"):
            raise ValueError("x")
        for each in answers:
            call.record(each)
        raise TimeoutError


def test_tools_have_their_time_and_the_class_of_their_error(client_that: Opener, server: FakeServer) -> None:
    asked = answer(finish="tool_calls")
    names = ("search", "search", "mail")
    tools = [{"id": n, "type": "function", "function": {"name": n, "arguments": "{}"}} for n in names]
    asked["choices"][0]["message"]["tool_calls"] = tools
    client = client_that(Capture.OFF)
    bad(client, asked, answer())
    [entry] = kept(server, client)
    measured, others = entry.tools[:2], entry.tools[2:]
    assert [(tool.name, tool.error) for tool in measured] == [("search", ""), ("pay", "ValueError")]
    assert all(tool.latency_ms is not None for tool in measured)
    assert others == (ToolUse(name="search"), ToolUse(name="mail"))
    assert entry.attempts == 2


def test_no_tool_and_no_trace_that_cannot_be_kept_costs_the_call(client_that: Opener, server: FakeServer) -> None:
    client = client_that(Capture.OFF)
    with pytest.raises(TimeoutError), client.call("bot/answer", key="ada", trace_id="two\nlines") as call:
        for name in ("", "two\nlines", "x" * 500, *map(str, range(MAX_TOOLS + 5))):
            with call.tool(name):
                pass
        raise TimeoutError
    [entry] = kept(server, client)
    assert [tool.name for tool in entry.tools] == [str(number) for number in range(MAX_TOOLS)]
    assert entry.trace == ""


@pytest.fixture
def tracer() -> Iterator[None]:
    TRACERS.append(lambda: "f" * 32)
    yield
    TRACERS.pop()


@pytest.mark.usefixtures("tracer")
def test_the_trace_is_the_given_one_or_that_of_the_tracer(client_that: Opener, server: FakeServer) -> None:
    client = client_that(Capture.OFF)
    bad(client, trace_id="0123")
    bad(client)
    assert [entry.trace for entry in kept(server, client)] == ["0123", "f" * 32]


def test_a_report_has_room_for_every_bad_call_and_few_others() -> None:
    keeping = Keeping()
    assert [keeping.why(is_bad=True) for _ in range(21)] == [Kept.BAD] * 20 + [None]
    keeping.begin()
    drawn = [keeping.why(is_bad=False) for _ in range(20_000)]
    assert 100 < drawn.count(Kept.SAMPLED) < 320

"""A bad call is explained weeks later: the request is made again as the server of models received it, byte for byte."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from promptops.core.declarations import Capture
from promptops.core.errors import NotFound
from promptops.core.model import Content, Input, Json, Message, Prompt, Role
from promptops.operations.why import WhyRequest, why
from promptops.store import Registry
from promptops.wire.documents.why import WhyDocument
from tests.client.calls.said import answer
from tests.client.clients import AnyClient, Maker
from tests.client.waiting import until
from tests.support import factory

ANSWERS = Input(name="question", schema={"type": "string"})
TONE = Input(name="tone", schema={"type": "string", "default": "kind"})


def content(take: int) -> Content:
    """The prompt of a release; in the third one, an input has another name."""
    name = "question" if take < 3 else "asked"
    prompt = Prompt(
        name="answer",
        model="openai/gpt-4o-2024-08-06",
        parameters={"temperature": 0.3, "maxTokens": 200 + take},
        inputs=(Input(name=name, schema={"type": "string"}), TONE, Input(name="order", schema={"default": {}})),
        messages=(
            Message(role=Role.SYSTEM, content=f"Be {{{{tone}}}}, take {take}."),
            Message(role=Role.USER, content=f"{{{{{name}}}}} {{{{order}}}}"),
        ),
    )
    return Content(app="bot", prompts=(prompt,))


@pytest.fixture
def received() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a server of models that refuses, and the bodies that it received."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            body = json.dumps(answer(refusal="I cannot")).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Prints nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/chat/completions", bodies
        server.shutdown()
        thread.join()


@pytest.fixture
def live(registry: Registry) -> Registry:
    """`bot` with two releases, the second one live, and its variables captured."""
    factory.make_channels(registry)
    for take in (1, 2):
        factory.make_release(registry, content(take))
    factory.declare(registry, capture=Capture.VARIABLES, outcomes=("reopened",))
    factory.go_live(registry, "bot@0.1.0")
    factory.go_live(registry, "bot@0.2.0", reason="shorter answers")
    return registry


def ask(client: AnyClient, url: str) -> str:
    """A call that is refused, and what it led to; its id."""
    with client.call("bot/answer", key="first"):  # without a server, the first call has the secret fetched
        pass
    following: Any = getattr(client, "client", client)
    until(lambda: following._own.desk.secret_of(client.status().lineage))
    with client.call("bot/answer", key="ada", trace_id="4bf92f3577b34da6a3ce929d0e0e4736") as call:
        order: Json = {"to": "Zürich", "items": [1, "two", None]}
        arguments = call.prompt.to_openai(question="Where is “it”?\n\U0001f600", order=order)
        call.record(httpx.post(url, json=arguments).json())
    client.outcome(call.id, "reopened")
    return str(call.id)


@pytest.mark.usefixtures("at_the_end")
def test_a_bad_call_is_explained_after_two_newer_releases_and_21_days(
    client_of: Maker, live: Registry, registry_url: str, received: tuple[str, list[bytes]]
) -> None:
    url, bodies = received
    client = client_of(registry_url)
    call_id = ask(client, url)
    client.close(60)
    assert client.status().dropped == {}

    later = datetime.now(UTC) + timedelta(days=21)
    for take in (3, 4):
        release = factory.make_release(live, content(take), now=later)
        factory.go_live(live, f"bot@{release.version}", now=later)

    found = by_id(live, call_id, later)
    assert found.release is not None and found.before is not None
    assert (found.release.version, found.before.version, found.reason) == ("0.2.0", "0.1.0", "shorter answers")
    assert found.until == later
    assert [change.field for change in found.changes] == ["parameters.maxTokens", "messages[0].content"]
    kept = found.kept
    assert kept is not None and kept.sent is not None
    assert (kept.flags, kept.finish, kept.reason) == (("bad", "refused"), "refusal", "stable")
    assert (kept.sent.api, kept.sent.exact, kept.sent.problem) == ("chat", True, "")
    assert kept.sent.body.encode() == bodies[-1]
    assert found.led_to == ("reopened",)
    assert [(each.kind, each.version, each.share.count) for each in found.badness] == [("refused", "0.2.0", 1)]
    assert by_id(live, "4bf92f3577b34da6a3ce929d0e0e4736", later) == found
    assert by_id(live, "chatcmpl-1", later) == found


def by_id(registry: Registry, name: str, now: datetime) -> WhyDocument:
    return why(registry, WhyRequest(id=name), now=now).document


def test_what_is_not_kept_is_not_found_by_its_trace(live: Registry) -> None:
    with pytest.raises(NotFound, match="no call of the trace"):
        by_id(live, "4bf92f3577b34da6a3ce929d0e0e4736", factory.START)

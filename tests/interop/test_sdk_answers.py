"""Objects that SDKs of providers make of recorded bodies are read like the bodies, also where the connection breaks.

Each SDK asks a server on this machine, with its own HTTP client and parser, and each row of the table comes over it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from typing import Any
from zlib import crc32

import anthropic
import botocore.session
import openai
import pytest
from botocore.config import Config
from google import genai

from promptops.core.answers.reader import Stream, read
from promptops.core.answers.reading import Api, Reading
from tests.core.answers.rows import ROWS, Row
from tests.support.model_server import Reply, model_server

ASKED: Any = [{"role": "user", "content": "Hi"}]
REQUEST_ID = "5ddd2d5b-0c52-4b3a-9c3a-3a3e0f1e4c11"


def frame(event: dict[str, Any]) -> bytes:
    """An event as `application/vnd.amazon.eventstream`: lengths, headers, payload, each with its checksum."""
    [(kind, payload)] = event.items()
    headers = b""
    for name, text in ((":message-type", "event"), (":event-type", kind), (":content-type", "application/json")):
        headers += struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(text)) + text.encode()
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    framed = prelude + struct.pack("!I", crc32(prelude)) + headers + body
    return framed + struct.pack("!I", crc32(framed))


def sent(chunk: dict[str, Any]) -> bytes:
    """A chunk as a server-sent event, with its name where it has one."""
    name = f"event: {chunk['type']}\n" if "type" in chunk else ""
    return f"{name}data: {json.dumps(chunk)}\n\n".encode()


def answer(row: Row) -> Reply:
    """The row over HTTP. A stream that was cut is one of the whole length, whose connection breaks in its middle."""
    headers = {"content-type": "application/json", "x-amzn-requestid": REQUEST_ID}
    if not row.is_stream:
        return Reply(body=json.dumps(row.body).encode(), headers=headers)
    is_bedrock = row.reading.api is Api.CONVERSE
    headers["content-type"] = "application/vnd.amazon.eventstream" if is_bedrock else "text/event-stream"
    end = b"data: [DONE]\n\n" if row.reading.api is Api.CHAT else b""
    encode = frame if is_bedrock else sent
    body = b"".join(map(encode, replace(row, cut=None).body)) + end
    return Reply(body=body, headers=headers, only=None if row.cut is None else len(b"".join(map(encode, row.body))))


def ask_chat(url: str, is_stream: bool) -> tuple[Any, Any]:
    client = openai.OpenAI(api_key="k", base_url=url, max_retries=0)
    return client, client.chat.completions.create(model="m", messages=ASKED, stream=is_stream)


def ask_responses(url: str, is_stream: bool) -> tuple[Any, Any]:
    client = openai.OpenAI(api_key="k", base_url=url, max_retries=0)
    return client, client.responses.create(model="m", input="Hi", stream=is_stream)


def ask_anthropic(url: str, is_stream: bool) -> tuple[Any, Any]:
    client = anthropic.Anthropic(api_key="k", base_url=url, max_retries=0)
    return client, client.messages.create(model="m", max_tokens=9, messages=ASKED, stream=is_stream)


def ask_gemini(url: str, is_stream: bool) -> tuple[Any, Any]:
    client = genai.Client(api_key="k", http_options=genai.types.HttpOptions(base_url=url))
    ask = client.models.generate_content_stream if is_stream else client.models.generate_content
    return client, ask(model="m", contents="Hi")


@cache
def botocore_session() -> Any:
    """One for all tests: it reads a model of the service, which takes a second."""
    return botocore.session.get_session()


def ask_bedrock(url: str, is_stream: bool) -> tuple[Any, Any]:
    client = botocore_session().create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(retries={"total_max_attempts": 1}),
    )
    request = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    return client, client.converse_stream(**request)["stream"] if is_stream else client.converse(**request)


ASK: dict[Api, Callable[[str, bool], tuple[Any, Any]]] = {
    Api.CHAT: ask_chat,
    Api.RESPONSES: ask_responses,
    Api.MESSAGES: ask_anthropic,
    Api.GENERATE_CONTENT: ask_gemini,
    Api.CONVERSE: ask_bedrock,
}


@contextmanager
def serving(row: Row) -> Iterator[str]:
    """The address of a provider that answers with the row."""
    with model_server(lambda body, times: answer(row)) as server:
        yield server.url


@contextmanager
def asked(row: Row) -> Iterator[Any]:
    """What the SDK returns for the row. Its client is closed in the end: one that is merely collected is a warning."""
    with serving(row) as url:
        client, got = ASK[row.reading.api](url, row.is_stream)
        with closing(client):
            yield got


def streamed(chunks: Iterable[Any], *, breaks: bool) -> tuple[Reading | None, list[int]]:
    """What a stream says, and which chunks were the first with content."""
    stream, firsts = Stream(), []
    try:
        for place, chunk in enumerate(chunks):
            if stream.add(chunk):
                firsts.append(place)
    except Exception:  # noqa: BLE001  # each SDK has its own for a connection that breaks
        assert breaks
    return stream.reading(), firsts


def firsts_of(row: Row) -> list[int]:
    """Where the first content is: pings stay within the SDK."""
    return [] if row.first is None else [row.first - sum(c.get("type") == "ping" for c in row.body[: row.first])]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_what_an_sdk_makes_of_a_recorded_answer_is_read(row: Row) -> None:
    with asked(row) as got:
        if row.is_stream:
            assert streamed(got, breaks=row.cut is not None) == (row.reading, firsts_of(row))
        else:
            response_id = REQUEST_ID if row.reading.api is Api.CONVERSE else row.reading.response_id
            assert read(got) == replace(row.reading, response_id=response_id)


WITH_DICTS = [row for row in ROWS if not row.is_stream and row.reading.api is not Api.CONVERSE]


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # Mistral's content is a list, unlike OpenAI's
@pytest.mark.parametrize("row", WITH_DICTS, ids=str)
def test_what_an_sdk_writes_as_a_dict_is_read(row: Row) -> None:
    with asked(row) as got:
        assert read(got.model_dump()) == row.reading


def streams_of(api: Api) -> list[Row]:
    """Streams that the SDK's helper takes: those of this provider, and whole."""
    others = ("chat/stream-azure", "chat/stream-one-index")
    return [
        row for row in ROWS if row.is_stream and row.cut is None and row.reading.api is api and row.name not in others
    ]


@pytest.mark.parametrize("row", streams_of(Api.CHAT), ids=str)
def test_events_of_the_helper_for_chat_are_read(row: Row) -> None:
    with serving(row) as url, openai.OpenAI(api_key="k", base_url=url) as client:  # noqa: SIM117
        with client.chat.completions.stream(model="m", messages=ASKED) as events:
            reading, _ = streamed(events, breaks=False)
    assert reading == row.reading


@pytest.mark.parametrize("row", streams_of(Api.RESPONSES), ids=str)
def test_events_of_the_helper_for_responses_are_read(row: Row) -> None:
    with serving(row) as url, openai.OpenAI(api_key="k", base_url=url) as client:  # noqa: SIM117
        with client.responses.stream(model="m", input="Hi") as events:
            reading, _ = streamed(events, breaks=False)
    assert reading == row.reading


@pytest.mark.parametrize("row", streams_of(Api.MESSAGES), ids=str)
def test_events_of_the_helper_for_messages_are_read(row: Row) -> None:
    with serving(row) as url, anthropic.Anthropic(api_key="k", base_url=url) as client:  # noqa: SIM117
        with client.messages.stream(model="m", max_tokens=9, messages=ASKED) as events:
            reading, _ = streamed(events, breaks=False)
            final = events.get_final_message()
    assert reading == row.reading == read(final)

"""Answers of a provider, a server that counts calls, and what reports say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from promptops.core.model import AnswerCheck, Content, Json, Message, Prompt, ReleaseRef, Role
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.report import OutcomeReport
from promptops.core.outcomes.series import Series
from promptops.core.outcomes.sums import Sums
from promptops.core.snapshot import Pointer
from tests.client import made
from tests.client.fake_server import FakeServer

LINEAGE = "0b0e11aa-6c1f-4f6e-9d52-6a5f2a4f8f10"
MODEL = "gpt-4o-2024-08-06"
SCHEMA: dict[str, Json] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def serve(server: FakeServer, app: Pointer, *, cursor: int = 1) -> None:
    """Serve one app, `bot`, of a registry as real ones are."""
    server.serve(made.snapshot({"bot": app}, cursor=cursor, epoch=3, lineage=LINEAGE))


def with_schema(version: str) -> ReleaseRef:
    """A release whose prompt wants an answer of a schema."""
    message = Message(role=Role.USER, content="{{question}}")
    prompt = Prompt(name="answer", messages=(message,), model=made.MODEL, json_schema={"name": "x", "schema": SCHEMA})
    return made.shelve(version, Content(app="bot", prompts=(prompt,)))


def with_check(version: str) -> ReleaseRef:
    """A release whose prompt wants a source in each answer."""
    cites = AnswerCheck(kind="contains", wanted="[1]")
    prompt = replace(made.prompt("answer", "{{question}}"), checks=(cites,))
    return made.shelve(version, Content(app="bot", prompts=(prompt,), requires=("checks",)))


def answer(text: str = "Hi", *, model: str = MODEL, finish: str = "stop", refusal: str | None = None) -> dict[str, Any]:
    """A chat completion of 10 tokens in, 4 of them cached, and 2 out."""
    message = {"role": "assistant", "content": text, "refusal": refusal}
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {**usage, "prompt_tokens_details": {"cached_tokens": 4}},
    }


def chunks(*texts: str, whole: bool = True) -> Iterator[dict[str, Any]]:
    """The same as a stream; one that is not whole is cut before its end."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": MODEL}
    for text in texts:
        yield {
            **head,
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}],
        }
    if whole:
        yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        yield {**head, "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}}


def total(reports: Iterable[OutcomeReport], **wanted: object) -> Sums:
    """The sums of all rows whose series has these values."""
    sums = Sums()
    for report in reports:
        for (series, _), row in report.sums.items():
            if all(_value(series, name) == value for name, value in wanted.items()):
                sums = sums.merged(row)
    return sums


def _value(series: Series, name: str) -> object:
    return getattr(series.assignment if name in ("arm", "revision", "epoch", "app") else series, name)


def counts(reports: Iterable[OutcomeReport], **wanted: object) -> dict[str, int]:
    """The counters of all rows, by their names, without those of tokens."""
    found = total(reports, **wanted).counts
    return {name.value: number for name, number in found.items() if not name.value.endswith("tokens")}


def tokens(reports: Iterable[OutcomeReport]) -> dict[str, int]:
    """The tokens of all rows, by their names."""
    sums = total(reports)
    return {name.value: sums[name] for name in Count if name.value.endswith("tokens") and sums[name]}


def bodies(server: FakeServer) -> list[dict[str, Any]]:
    """The reports that came, as JSON."""
    return [json.loads(asked.body) for asked in list(server.asked) if asked.kind == "outcomes"]

"""The demo's tickets: the model's server answers the same to the same, and the longer answers settle more of them."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from typing import Any

from tests.journey.model_server import ModelServer, served


def _body(number: int, *, long: bool) -> bytes:
    rule = "When a part is open,\nsay in one sentence what is open." if long else "Else hand over."
    messages = [{"role": "system", "content": rule}, {"role": "user", "content": f"Where is parcel {number}?"}]
    return json.dumps({"model": "gpt-4o-2024-08-06", "messages": messages}).encode()


def _answers(*, long: bool) -> list[dict[str, Any]]:
    server = ModelServer(1)
    return [server.answer(_body(number, long=long)) for number in range(1_000)]


def test_an_answer_follows_from_the_bytes_of_the_request() -> None:
    assert _answers(long=True) == _answers(long=True)


def test_longer_answers_take_more_tokens_and_settle_more_tickets() -> None:
    found = {}
    for long in (False, True):
        answers = _answers(long=long)
        said = Counter(answer["choices"][0]["message"]["content"].partition(" [")[0] for answer in answers)
        found[long] = (said["That is settled"], sum(answer["usage"]["completion_tokens"] for answer in answers))
        ends = Counter(answer["choices"][0]["finish_reason"] for answer in answers)
        assert 10 <= ends["content_filter"] <= 45
    assert found[True][0] > 1.8 * found[False][0]
    assert found[True][1] > 2.5 * found[False][1]


def test_the_server_has_what_it_received_by_the_id_of_its_answer() -> None:
    body = _body(1, long=True)
    with served() as model:
        request = urllib.request.Request(f"{model.url}/chat/completions", body)
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = json.load(answer)
    assert model.received == {said["id"]: body}
    assert said["usage"]["total_tokens"] == said["usage"]["prompt_tokens"] + said["usage"]["completion_tokens"]

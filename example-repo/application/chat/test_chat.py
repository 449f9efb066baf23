"""The chat's own tests: its prompts as they are in the files here, and a model that the test writes."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from chat import create_app
from fastapi.testclient import TestClient

from promptops import MissingVariable
from promptops.testing import AsyncClient

PIXEL = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Model:
    """A model that says these messages, in order, and keeps what it was asked."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.left = list(messages)
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, call: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(call)
        return {"choices": [{"message": {"role": "assistant", **self.left.pop(0)}}]}


@pytest.fixture
def prompts() -> AsyncClient:
    """The prompts of this folder, as they are now."""
    return AsyncClient.of_workspace(Path(__file__).parent)


def looked_up(number: str) -> dict[str, Any]:
    arguments = json.dumps({"number": number})
    return {"tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "find_parcel", "arguments": arguments}}]}


def test_the_second_question_comes_with_what_was_said_before(prompts: AsyncClient) -> None:
    model = Model(looked_up("PW-4471-0001"), {"content": "In Bern."}, {"content": "Since noon."})
    with TestClient(create_app(prompts, model)) as http:
        assert http.post("/chat/ann", json={"question": "Where is PW-4471-0001?"}).json()["reply"] == "In Bern."
        assert http.post("/chat/ann", json={"question": "Since {{when}}?"}).json()["reply"] == "Since noon."
    first, second, third = model.asked
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "tool"]
    assert second["messages"][-1] == {"role": "tool", "tool_call_id": "call_1", "content": "in Bern since noon"}
    assert [message["role"] for message in third["messages"]] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert third["messages"][-1]["content"] == "Since {{when}}?"
    assert first["tools"][0]["function"]["name"] == "find_parcel"


def test_customers_do_not_read_each_others_conversations(prompts: AsyncClient) -> None:
    model = Model({"content": "Hi Ann."}, {"content": "Hi Bob."})
    with TestClient(create_app(prompts, model)) as http:
        for customer in ("ann", "bob"):
            http.post(f"/chat/{customer}", json={"question": "Hi"})
    assert [len(call["messages"]) for call in model.asked] == [2, 2]
    assert [asked.key for asked in prompts.asked] == ["ann", "bob"]


def test_a_photo_is_sent_as_a_part_of_the_message(prompts: AsyncClient) -> None:
    with TestClient(create_app(prompts, model := Model({"content": "PW-4471-0002"}))) as http:
        answer = http.post("/chat/ann/label", params={"question": "What is this?"}, content=PIXEL)
    assert answer.json()["reply"] == "PW-4471-0002"
    text, image = model.asked[0]["messages"][-1]["content"]
    assert text == {"type": "text", "text": "What is this?"}
    assert image["image_url"]["url"].startswith("data:image/png;base64,")


def test_what_is_no_photo_is_refused_before_the_model_is_asked(prompts: AsyncClient) -> None:
    with TestClient(create_app(prompts, model := Model())) as http:
        answer = http.post("/chat/ann/label", params={"question": "What is this?"}, content=b"no photo")
    assert answer.status_code == 415
    assert "PNG, JPEG, GIF or WebP" in answer.json()["detail"]
    assert model.asked == []


def test_a_long_conversation_is_cut_where_a_customer_speaks(prompts: AsyncClient) -> None:
    replies = [{"content": f"reply {number}"} for number in range(30)]
    with TestClient(create_app(prompts, model := Model(*replies))) as http:
        for number in range(30):
            assert http.post("/chat/ann", json={"question": f"question {number}"}).status_code == 200
    roles = [message["role"] for message in model.asked[-1]["messages"]]
    assert len(roles) == 42
    assert roles[:2] == ["system", "user"]


def test_a_prompt_says_which_variable_is_missing(prompts: AsyncClient) -> None:
    prompt = prompts.get_prompt("support-chat/label")
    with pytest.raises(MissingVariable, match="photo"):
        prompt.render(question="What is this?")

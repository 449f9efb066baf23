"""A prompt as a request to Mistral, to the letter."""

from __future__ import annotations

import pytest

from promptops.core.errors import Invalid, ParameterNotTaken
from promptops.core.model import Json, Message, Role, Tool
from tests.client.prompts import VALUES, made
from tests.core.requests import shapes

LARGE = "mistral/mistral-large-2411"


def test_a_conversation_with_tools() -> None:
    call = shapes.talk(LARGE, maxTokens=50, toolChoice="required", seed=7).to_mistral(**shapes.VALUES)
    assert [message["role"] for message in call["messages"]] == [
        "system",
        "system",  # Mistral has no developer
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
        "user",
    ]
    assert call["messages"][2] == {"role": "user", "content": "Where is 7?"}
    assert call["messages"][4] == {"role": "tool", "content": "On its way.", "tool_call_id": "c-1"}
    function = {"name": "lookup", "description": "Finds an order.", "parameters": shapes.SCHEMA, "strict": True}
    assert {name: value for name, value in call.items() if name != "messages"} == {
        "model": "mistral-large-2411",
        "max_tokens": 50,
        "tool_choice": "any",
        "random_seed": 7,
        "tools": [{"type": "function", "function": function}],
    }


def test_an_answer_goes_on_from_a_prefix() -> None:
    messages = (Message(role=Role.USER, content="Why?"), Message(role=Role.ASSISTANT, content="Because"))
    call = made(model=LARGE, messages=messages).to_mistral()
    assert call["messages"][-1] == {"role": "assistant", "content": "Because", "prefix": True}


def test_the_request_is_what_the_package_takes() -> None:
    prompt = shapes.ask(
        LARGE,
        shapes.ANSWERING,
        serviceTier="default",
        toolChoice="lookup",
        safePrompt=True,
        extra={"prompt_mode": "reasoning"},
    )
    request = prompt.request(**VALUES)
    assert request.url_path == "/v1/chat/completions"
    assert request.body == prompt.to_mistral(**VALUES)
    assert request.body["tool_choice"] == {"type": "function", "function": {"name": "lookup"}}
    assert request.body["service_tier"] == "standard_only"
    assert request.body["prompt_mode"] == "reasoning"
    assert request.body["response_format"] == {"type": "json_schema", "json_schema": shapes.ENVELOPE}


@pytest.mark.parametrize(
    ("parameters", "refused"),
    [
        ({"minP": 0.1}, "minP"),
        ({"user": "u"}, "user"),
        ({"thinking": {"type": "adaptive"}}, "thinking"),
        ({"toolChoice": {"type": "allowed_tools"}}, "toolChoice: allowed_tools"),
        ({"serviceTier": "flex"}, "serviceTier: flex"),
        ({"seed": 1, "extra": {"random_seed": 2}}, "extra: random_seed"),
    ],
)
def test_what_mistral_does_not_take_is_refused_and_never_dropped(parameters: dict[str, Json], refused: str) -> None:
    with pytest.raises(ParameterNotTaken, match=f"takes no parameter '{refused}'"):
        shapes.ask(LARGE, None, **parameters).to_mistral(**VALUES)


@pytest.mark.parametrize("kind", ["image_generation", "document_library", "connector"])
def test_tools_of_mistral_go_as_they_are(kind: str) -> None:
    tool = Tool(name=kind, type=kind, settings={"library_ids": ["l-1"]})
    call = made(model=LARGE, tools=(tool,)).to_mistral(**VALUES)
    assert call["tools"] == [{"type": kind, "library_ids": ["l-1"]}]


@pytest.mark.parametrize("kind", ["web_search", "web_search_20250305", "code_interpreter", "custom"])
def test_a_tool_that_mistral_does_not_have_is_refused(kind: str) -> None:
    prompt = made(model=LARGE, tools=(Tool(name="helper", type=kind),))
    with pytest.raises(Invalid, match=f"the tool 'helper' of type '{kind}' cannot be sent to Mistral") as raised:
        prompt.to_mistral(**VALUES)
    assert raised.value.hint == "They take function, connector, document_library, image_generation."

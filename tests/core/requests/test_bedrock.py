"""A prompt as a request to Converse, to the letter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptops.core.errors import Invalid, ParameterNotTaken
from promptops.core.model import Json, Message, ResponseFormat, Role, Tool
from tests.client.prompts import VALUES, made
from tests.core.requests import shapes

OPUS, SONNET = "bedrock/us.anthropic.claude-opus-5", "aws/anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA, LLAMA = "bedrock/amazon.nova-pro-v1:0", "bedrock/meta.llama3-1-70b-instruct-v1:0"


def test_a_conversation_with_tools() -> None:
    call = shapes.talk(OPUS, maxTokens=50, toolChoice="lookup", reasoningEffort="low").to_bedrock(**shapes.VALUES)
    uses = [
        {"toolUse": {"toolUseId": "c-1", "name": "lookup", "input": {"order_id": 7}}},
        {"toolUse": {"toolUseId": "c-2", "name": "lookup", "input": {}}},
    ]
    results = [
        {"toolResult": {"toolUseId": "c-1", "content": [{"text": "On its way."}]}},
        {"toolResult": {"toolUseId": "c-2", "content": [{"text": '{"at": "door"}'}]}},
    ]
    spec = {"name": "lookup", "description": "Finds an order.", "inputSchema": {"json": shapes.SCHEMA}, "strict": True}
    assert call == {
        "modelId": "us.anthropic.claude-opus-5",
        "inferenceConfig": {"maxTokens": 50},
        "toolConfig": {"toolChoice": {"tool": {"name": "lookup"}}, "tools": [{"toolSpec": spec}]},
        "outputConfig": {"effort": "low"},
        "system": [{"text": "Be kind."}, {"text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"text": "Where is 7?"}]},
            {"role": "assistant", "content": uses},
            {"role": "user", "content": results},
            {"role": "assistant", "content": [{"text": "It is on its way."}]},
            {"role": "user", "content": [{"text": "Thanks."}]},
        ],
    }


def test_the_model_is_in_the_path_and_not_in_the_body() -> None:
    request = shapes.ask(SONNET, maxTokens=5).request(**VALUES)
    assert request.url_path == "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    assert request.body == {
        "inferenceConfig": {"maxTokens": 5},
        "system": [{"text": "Be kind."}],
        "messages": [{"role": "user", "content": [{"text": "Why?"}]}],
    }


def test_turns_alternate() -> None:
    messages = tuple(Message(role=role, content=role) for role in (Role.USER, Role.USER, Role.ASSISTANT, Role.USER))
    call = made(model=NOVA, messages=messages).to_bedrock()
    assert [(turn["role"], len(turn["content"])) for turn in call["messages"]] == [
        ("user", 2),
        ("assistant", 1),
        ("user", 1),
    ]


def test_a_schema_of_the_answer_is_a_text() -> None:
    call = shapes.ask(OPUS, shapes.ANSWERING, reasoningEffort="high").to_bedrock(**VALUES)
    shape = call["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert (shape["name"], json.loads(shape["schema"])) == ("spam", shapes.SCHEMA)
    assert call["outputConfig"]["effort"] == "high"
    with pytest.raises(ParameterNotTaken, match="json_object"):
        shapes.ask(OPUS, {"response_format": ResponseFormat.JSON_OBJECT}).to_bedrock(**VALUES)


@pytest.mark.parametrize(
    ("model", "parameters", "made_of_them"),
    [
        (
            SONNET,
            {"temperature": 0.5, "topP": 0.9, "stop": "END"},
            {"inferenceConfig": {"temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]}},
        ),
        (SONNET, {"topK": 5}, {"additionalModelRequestFields": {"top_k": 5}}),
        (NOVA, {"topK": 5}, {"additionalModelRequestFields": {"inferenceConfig": {"topK": 5}}}),
        (
            SONNET,
            {"thinking": {"type": "enabled", "budget_tokens": 2000}, "betas": ["x"], "extra": {"y": 1}},
            {
                "additionalModelRequestFields": {
                    "thinking": {"type": "enabled", "budget_tokens": 2000},
                    "anthropic_beta": ["x"],
                    "y": 1,
                }
            },
        ),
        (NOVA, {"serviceTier": "priority"}, {"serviceTier": {"type": "priority"}}),
        (NOVA, {"serviceTier": "auto"}, {}),
        (NOVA, {"metadata": {"team": "desk"}}, {"requestMetadata": {"team": "desk"}}),
    ],
)
def test_parameters(model: str, parameters: dict[str, Json], made_of_them: dict[str, Json]) -> None:
    call = made(model=model, messages=(Message(role=Role.USER, content="Why?"),), parameters=parameters).to_bedrock()
    assert {name: value for name, value in call.items() if name not in ("modelId", "messages")} == made_of_them


@pytest.mark.parametrize(
    ("model", "parameters", "refused"),
    [
        (OPUS, {"temperature": 0.5}, "temperature"),  # as Anthropic's own API
        (SONNET, {"temperature": 1.5}, "temperature: 1.5"),
        (LLAMA, {"topK": 5}, "topK"),
        (NOVA, {"thinking": {"type": "adaptive"}}, "thinking"),
        (NOVA, {"seed": 5}, "seed"),
        (NOVA, {"toolChoice": "none"}, "toolChoice: none"),
        (NOVA, {"toolChoice": "auto"}, "toolChoice"),  # without tools
        (NOVA, {"reasoningEffort": "minimal"}, "reasoningEffort: minimal"),
        (NOVA, {"extra": {"inferenceConfig": 1}, "parallelToolCalls": True}, "parallelToolCalls"),
    ],
)
def test_what_converse_does_not_take_is_refused_and_never_dropped(
    model: str, parameters: dict[str, Json], refused: str
) -> None:
    with pytest.raises(ParameterNotTaken, match=f"the API of Bedrock Converse takes no parameter '{refused}'"):
        shapes.ask(model, None, **parameters).to_bedrock(**VALUES)


def test_calls_of_tools_need_the_tools() -> None:
    with pytest.raises(Invalid, match="messages of prompt 'answer' call tools"):
        made(model=NOVA, messages=shapes.TALK).to_bedrock(**shapes.VALUES)
    with pytest.raises(Invalid, match="'web_search' cannot be sent to Bedrock Converse"):
        shapes.ask(NOVA, {"tools": (Tool(name="s", type="web_search"),)}).to_bedrock(**VALUES)


def test_a_later_system_message_stays_in_place_for_a_model_that_takes_it() -> None:
    roles = (Role.SYSTEM, Role.USER, Role.SYSTEM)
    messages = tuple(Message(role=role, content=str(place)) for place, role in enumerate(roles))
    calls: list[Any] = [made(model=model, messages=messages).to_bedrock() for model in (OPUS, SONNET)]
    assert [[turn["role"] for turn in call["messages"]] for call in calls] == [["user", "system"], ["user"]]
    assert [len(call["system"]) for call in calls] == [1, 2]

"""A prompt as a request to Gemini, to the letter: for the package, and as JSON."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.errors import Invalid, ParameterNotTaken
from promptops.core.model import Json, Message, ResponseFormat, Role, Tool
from tests.client.prompts import VALUES, made
from tests.core.requests import shapes

GEMINI, OLDER = "google/gemini-3-pro-preview", "gemini/gemini-2.5-flash"


def test_a_conversation_with_tools() -> None:
    call = shapes.talk(GEMINI, maxTokens=50, toolChoice="lookup").to_gemini(**shapes.VALUES)
    first, second = (
        {"function_call": {"id": "c-1", "name": "lookup", "args": {"order_id": 7}}},
        {"function_call": {"id": "c-2", "name": "lookup", "args": {}}},
    )
    results = [
        {"function_response": {"id": "c-1", "name": "lookup", "response": {"output": "On its way."}}},
        {"function_response": {"id": "c-2", "name": "lookup", "response": {"output": '{"at": "door"}'}}},
    ]
    assert call == {
        "model": "gemini-3-pro-preview",
        "contents": [
            {"role": "user", "parts": [{"text": "Where is 7?"}]},
            {"role": "model", "parts": [first, second]},
            {"role": "user", "parts": results},
            {"role": "model", "parts": [{"text": "It is on its way."}]},
            {"role": "user", "parts": [{"text": "Thanks."}]},
        ],
        "config": {
            "max_output_tokens": 50,
            "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["lookup"]}},
            "system_instruction": {"parts": [{"text": "Be kind.\n\nBe brief."}]},
            "tools": [
                {
                    "function_declarations": [
                        {
                            "name": "lookup",
                            "description": "Finds an order.",
                            "parameters_json_schema": shapes.SCHEMA,
                        }
                    ]
                }
            ],
        },
    }


def test_the_body_has_googles_names_and_leaves_the_prompts_own_json_alone() -> None:
    request = shapes.talk(GEMINI, toolChoice="auto", serviceTier="flex", store=False).request(**shapes.VALUES)
    assert request.url_path == "/v1beta/models/gemini-3-pro-preview:generateContent"
    body: Any = request.body
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"order_id": 7}
    assert body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == shapes.SCHEMA
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}  # the tool is strict
    assert (body["serviceTier"], body["store"]) == ("flex", False)
    assert "generationConfig" not in body and "model" not in body


def test_a_schema_of_the_answer() -> None:
    prompt = shapes.ask(GEMINI, shapes.ANSWERING, temperature=0.2)
    body: Any = prompt.request(**VALUES).body
    assert body["generationConfig"] == {
        "temperature": 0.2,
        "responseMimeType": "application/json",
        "responseJsonSchema": shapes.SCHEMA,
    }
    asked = shapes.ask(GEMINI, {"response_format": ResponseFormat.JSON_OBJECT}).to_gemini(**VALUES)
    assert asked["config"]["response_mime_type"] == "application/json"
    assert "response_json_schema" not in asked["config"]


@pytest.mark.parametrize(
    ("model", "parameters", "config"),
    [
        (GEMINI, {"reasoningEffort": "low"}, {"thinking_config": {"thinking_level": "LOW"}}),
        (OLDER, {"thinkingBudget": 512}, {"thinking_config": {"thinking_budget": 512}}),
        (OLDER, {"thinking": {"type": "enabled", "budget_tokens": 9}}, {"thinking_config": {"thinking_budget": 9}}),
        (OLDER, {"thinking": {"type": "disabled"}}, {"thinking_config": {"thinking_budget": 0}}),
        (OLDER, {"thinking": {"type": "adaptive"}}, {"thinking_config": {"thinking_budget": -1}}),
        (OLDER, {"thinking": {"include_thoughts": True}}, {"thinking_config": {"include_thoughts": True}}),
        (GEMINI, {"stop": "END"}, {"stop_sequences": ["END"]}),
        (
            GEMINI,
            {"n": 2, "seed": 1, "topK": 3, "topP": 0.5},
            {"candidate_count": 2, "seed": 1, "top_k": 3, "top_p": 0.5},
        ),
        (GEMINI, {"logprobs": True, "topLogprobs": 3}, {"response_logprobs": True, "logprobs": 3}),
        (GEMINI, {"serviceTier": "auto"}, None),  # Gemini's default
        (GEMINI, {"serviceTier": "default"}, {"service_tier": "standard"}),
        (GEMINI, {"extra": {"safetySettings": []}}, {"http_options": {"extra_body": {"safetySettings": []}}}),
    ],
)
def test_parameters(model: str, parameters: dict[str, Json], config: dict[str, Json] | None) -> None:
    messages = (Message(role=Role.USER, content="Why?"),)
    assert made(model=model, messages=messages, parameters=parameters).to_gemini().get("config") == config


def test_extra_fields_are_merged_into_the_body_as_the_package_does() -> None:
    extra: Json = {"generationConfig": {"mediaResolution": "LOW", "thinkingConfig": {"includeThoughts": True}}}
    body = shapes.ask(GEMINI, maxTokens=9, thinkingBudget=0, extra=extra).request(**VALUES).body
    assert body["generationConfig"] == {
        "maxOutputTokens": 9,
        "mediaResolution": "LOW",
        "thinkingConfig": {"thinkingBudget": 0, "includeThoughts": True},
    }


def test_extra_fields_stand_in_the_body_as_they_are_written() -> None:
    extra: Json = {"safetySettings": [{"category": "X", "threshold": "OFF"}], "cached_content": "c"}
    body = shapes.ask(GEMINI, extra=extra).request(**VALUES).body
    assert {name: body[name] for name in ("safetySettings", "cached_content")} == extra
    assert "httpOptions" not in body and "generationConfig" not in body


@pytest.mark.parametrize(
    ("model", "parameters", "refused"),
    [
        (GEMINI, {"parallelToolCalls": False}, "parallelToolCalls"),
        (GEMINI, {"logitBias": {"1": 1}}, "logitBias"),
        (GEMINI, {"verbosity": "low"}, "verbosity"),
        (GEMINI, {"reasoningEffort": "none"}, "reasoningEffort: none"),
        (OLDER, {"reasoningEffort": "low"}, "reasoningEffort of gemini/gemini-2.5-flash"),
        (OLDER, {"reasoningEffort": "low", "thinkingBudget": 5}, "reasoningEffort"),
        (GEMINI, {"maxTokens": 5, "maxOutputTokens": 6}, "maxTokens"),
        (GEMINI, {"serviceTier": "scale"}, "serviceTier: scale"),
        (GEMINI, {"toolChoice": {"type": "allowed_tools"}}, "toolChoice: allowed_tools"),
        (OLDER, {"thinking": {"type": "enabled"}}, "thinking: enabled"),
    ],
)
def test_what_gemini_does_not_take_is_refused_and_never_dropped(
    model: str, parameters: dict[str, Json], refused: str
) -> None:
    with pytest.raises(ParameterNotTaken, match=f"the API of Gemini takes no parameter '{refused}") as error:
        shapes.ask(model, None, **parameters).to_gemini(**VALUES)
    assert error.value.hint


def test_a_tool_of_google_is_sent_as_it_is_written_and_one_of_another_provider_is_refused() -> None:
    own = Tool(name="googleSearch", type="googleSearch", settings={})
    call = shapes.ask(GEMINI, {"tools": (own, shapes.LOOKUP)}).to_gemini(**VALUES)
    assert [list(tool) for tool in call["config"]["tools"]] == [["function_declarations"], ["google_search"]]
    with pytest.raises(Invalid, match="'web_search_20260318' cannot be sent to Gemini"):
        shapes.ask(GEMINI, {"tools": (Tool(name="s", type="web_search_20260318"),)}).to_gemini(**VALUES)


def test_messages_that_gemini_cannot_be_sent_are_refused() -> None:
    with pytest.raises(Invalid, match="all messages of prompt 'answer' are the system's"):
        made(model=GEMINI, messages=(Message(role=Role.SYSTEM, content="Hi"),)).to_gemini()
    orphan = (Message(role=Role.USER, content="Hi"), Message(role=Role.TOOL, content="7", tool_call_id="c-9"))
    with pytest.raises(Invalid, match="'c-9', which no message before makes"):
        made(model=GEMINI, messages=orphan).to_gemini()

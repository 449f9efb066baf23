"""A prompt as the arguments of each provider's API, to the letter."""

from __future__ import annotations

import pytest

from promptops.core.errors import Invalid, ParameterNotTaken
from promptops.core.model import Json, Message, ResponseFormat, Role, Tool
from tests.client.prompts import CLAUDE, OPUS, ORDER, RENDERED, SEARCH, SYSTEM, USER, VALUES, made

# The arguments of `create` in openai 3.54 and anthropic 2.12, without those for a single request.
_CHAT = """
    messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens
    max_tokens metadata modalities moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key
    reasoning_effort response_format safety_identifier seed service_tier stop store stream stream_options temperature
    tool_choice tools top_logprobs top_p user verbosity web_search_options extra_body extra_headers
"""
_RESPONSES = """
    background context_management conversation include input instructions max_output_tokens max_tool_calls metadata
    model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key reasoning safety_identifier
    service_tier store stream stream_options temperature text tool_choice tools top_logprobs top_p truncation user
    extra_body extra_headers
"""
_MESSAGES = """
    max_tokens messages model cache_control container diagnostics inference_geo metadata output_config service_tier
    speed stop_sequences stream system thinking tool_choice tools user_profile_id extra_body extra_headers
"""
CHAT, RESPONSES, MESSAGES = (frozenset(names.split()) for names in (_CHAT, _RESPONSES, _MESSAGES))


def test_chat_completions_get_all_of_it() -> None:
    found = made(
        parameters={
            "maxTokens": 300,
            "temperature": 0.2,
            "stopSequences": ["END"],
            "seed": 7,
            "n": 2,
        },
        tools=(SEARCH, Tool(name="stop")),
        response_format=ResponseFormat.JSON_SCHEMA,
        json_schema={"name": "order", "strict": True, "schema": ORDER},
    )
    call = found.to_openai(**VALUES)
    assert call == {
        "model": "gpt-4o-2024-08-06",
        "messages": RENDERED,
        "max_completion_tokens": 300,
        "temperature": 0.2,
        "stop": ["END"],
        "seed": 7,
        "n": 2,
        "tools": [
            {
                "type": "function",
                "function": {"name": "search", "description": "Looks it up.", "parameters": SEARCH.parameters},
            },
            {"type": "function", "function": {"name": "stop", "parameters": {"type": "object", "properties": {}}}},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "order", "strict": True, "schema": ORDER},
        },
    }
    assert call.keys() <= CHAT


def test_the_least_there_is_says_no_more_than_it_must() -> None:
    found = made(messages=(USER,))
    spoken = [{"role": "user", "content": "Why?"}]
    assert found.to_openai(question="Why?") == {"model": "gpt-4o-2024-08-06", "messages": spoken}
    assert found.to_openai_responses(question="Why?") == {"model": "gpt-4o-2024-08-06", "input": spoken}


def test_where_the_application_chooses_the_model_none_is_named() -> None:
    found = made(model=None, parameters={"maxTokens": 9})
    assert found.to_openai(**VALUES) == {"messages": RENDERED, "max_completion_tokens": 9}
    assert "model" not in found.to_openai_responses(**VALUES)
    assert "model" not in found.to_anthropic(**VALUES)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("openai/gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
        ("azure-openai/my-deployment", "my-deployment"),
        ("openrouter/anthropic/claude-sonnet-4", "anthropic/claude-sonnet-4"),
        ("gpt-4o-mini", "gpt-4o-mini"),
    ],
)
def test_the_provider_is_cut_off_the_model(model: str, named: str) -> None:
    assert made(model=model).to_openai(**VALUES)["model"] == named


def test_another_provider_behind_the_same_api_gets_the_names_it_knows() -> None:
    call = made(
        model="mistral/mistral-large-2411", parameters={"maxTokens": 9, "topK": 3, "safePrompt": True}
    ).to_openai(**VALUES)
    assert call == {
        "model": "mistral-large-2411",
        "messages": RENDERED,
        "max_tokens": 9,
        "extra_body": {"top_k": 3, "safe_prompt": True},
    }
    assert call.keys() <= CHAT


@pytest.mark.parametrize(
    ("schema", "envelope"),
    [
        ({"name": "order", "schema": ORDER}, {"name": "order", "schema": ORDER}),
        (
            {"schema": ORDER, "description": "An order."},
            {"name": "answer", "description": "An order.", "schema": ORDER},
        ),
        (ORDER, {"name": "answer", "schema": ORDER}),
    ],
)
def test_a_schema_has_a_name_also_where_none_was_written(schema: dict[str, Json], envelope: dict[str, Json]) -> None:
    found = made(response_format=ResponseFormat.JSON_SCHEMA, json_schema=schema)
    assert found.to_openai(**VALUES)["response_format"] == {"type": "json_schema", "json_schema": envelope}
    assert found.to_openai_responses(**VALUES)["text"] == {"format": {"type": "json_schema", **envelope}}


def test_json_without_a_schema_is_asked_for_as_each_api_asks() -> None:
    found = made(response_format=ResponseFormat.JSON_OBJECT, parameters={"maxTokens": 9})
    assert found.to_openai(**VALUES)["response_format"] == {"type": "json_object"}
    assert found.to_openai_responses(**VALUES)["text"] == {"format": {"type": "json_object"}}
    with pytest.raises(ParameterNotTaken, match="json_object"):
        found.to_anthropic(**VALUES)


# --- responses -------------------------------------------------------------------------------------


def test_responses_get_all_of_it() -> None:
    found = made(
        parameters={"maxTokens": 300, "topP": 0.9, "reasoningEffort": "low", "verbosity": "low", "toolChoice": "auto"},
        tools=(SEARCH,),
        response_format=ResponseFormat.JSON_SCHEMA,
        json_schema={"name": "order", "strict": True, "schema": ORDER},
    )
    call = found.to_openai_responses(**VALUES)
    assert call == {
        "model": "gpt-4o-2024-08-06",
        "instructions": "Be kind.",
        "input": [{"role": "user", "content": "Why?"}],
        "max_output_tokens": 300,
        "top_p": 0.9,
        "reasoning": {"effort": "low"},
        "tool_choice": "auto",
        "tools": [
            {
                "type": "function",
                "name": "search",
                "description": "Looks it up.",
                "parameters": SEARCH.parameters,
                "strict": False,
            }
        ],
        "text": {
            "verbosity": "low",
            "format": {"type": "json_schema", "name": "order", "strict": True, "schema": ORDER},
        },
    }
    assert call.keys() <= RESPONSES


def test_system_messages_that_come_first_are_instructions_and_later_ones_stay_where_they_are() -> None:
    roles = [Role.SYSTEM, Role.DEVELOPER, Role.USER, Role.SYSTEM, Role.ASSISTANT]
    found = made(messages=tuple(Message(role=role, content=f"{place}") for place, role in enumerate(roles)))
    call = found.to_openai_responses()
    assert call["instructions"] == "0\n\n1"
    assert call["input"] == [
        {"role": "user", "content": "2"},
        {"role": "system", "content": "3"},
        {"role": "assistant", "content": "4"},
    ]


@pytest.mark.parametrize("name", ["seed", "n", "topK", "stop"])
def test_responses_refuse_what_they_do_not_take(name: str) -> None:
    found = made(parameters={name: 1})
    with pytest.raises(ParameterNotTaken, match=f"OpenAI responses takes no parameter '{name}'"):
        found.to_openai_responses(**VALUES)


# --- messages --------------------------------------------------------------------------------------


def test_messages_get_all_of_it() -> None:
    found = made(
        model=OPUS,
        messages=(SYSTEM, Message(role=Role.DEVELOPER, content="And brief."), USER),
        parameters={"maxTokens": 300, "stop": "END", "reasoningEffort": "high", "toolChoice": "required", "user": "u1"},
        tools=(SEARCH, Tool(name="stop")),
        response_format=ResponseFormat.JSON_SCHEMA,
        json_schema={"name": "order", "strict": True, "schema": ORDER},
    )
    call = found.to_anthropic(**VALUES)
    assert call == {
        "model": "claude-opus-5-5",
        "max_tokens": 300,
        "stop_sequences": ["END"],
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": ORDER}},
        "tool_choice": {"type": "any"},
        "metadata": {"user_id": "u1"},
        "system": "Be kind.\n\nAnd brief.",
        "messages": [{"role": "user", "content": "Why?"}],
        "tools": [
            {"name": "search", "description": "Looks it up.", "input_schema": SEARCH.parameters},
            {"name": "stop", "input_schema": {"type": "object", "properties": {}}},
        ],
    }
    assert call.keys() <= MESSAGES


def test_a_claude_that_still_samples_is_told_how_in_the_way_every_package_takes() -> None:
    found = made(model=CLAUDE, parameters={"maxTokens": 9, "temperature": 0.3, "topP": 0.9, "topK": 5})
    call = found.to_anthropic(**VALUES)
    assert call["extra_body"] == {"temperature": 0.3, "top_p": 0.9, "top_k": 5}
    assert call.keys() <= MESSAGES - {"extra_headers"}  # which are the caller's: two of them would be a TypeError
    assert found.request(**VALUES).headers["anthropic-version"] == "2023-06-01"


def test_betas_are_an_argument_of_the_package_for_them() -> None:
    found = made(model=OPUS, parameters={"maxTokens": 9, "betas": ["a-2026-01-01", "b-2026-01-02"]})
    call = found.to_anthropic(**VALUES)
    assert call["betas"] == ["a-2026-01-01", "b-2026-01-02"]
    assert call.keys() <= (MESSAGES | {"betas"}) - {"extra_headers", "extra_body"}
    assert found.request(**VALUES).headers["anthropic-beta"] == "a-2026-01-01,b-2026-01-02"


@pytest.mark.parametrize(
    ("model", "system", "roles"),
    [
        (OPUS, "0\n\n1", ["user", "system", "assistant", "user"]),
        ("anthropic/claude-opus-4-8", "0\n\n1", ["user", "system", "assistant", "user"]),
        (CLAUDE, "0\n\n1\n\n3", ["user", "assistant", "user"]),  # which takes them at the beginning alone
    ],
)
def test_a_system_message_amid_the_others_stays_in_place_where_claude_takes_it(
    model: str, system: str, roles: list[str]
) -> None:
    written = [Role.SYSTEM, Role.DEVELOPER, Role.USER, Role.DEVELOPER, Role.ASSISTANT, Role.USER]
    messages = tuple(Message(role=role, content=f"{place}") for place, role in enumerate(written))
    call = made(model=model, messages=messages, parameters={"maxTokens": 9}).to_anthropic()
    assert call["system"] == system
    assert [message["role"] for message in call["messages"]] == roles


@pytest.mark.parametrize("roles", [["user", "assistant", "system", "user"], ["user", "system", "user"]])
def test_a_system_message_where_claude_refuses_it_joins_those_at_the_beginning(roles: list[str]) -> None:
    messages = tuple(Message(role=Role(role), content=f"{place}") for place, role in enumerate(roles))
    call = made(model=OPUS, messages=messages, parameters={"maxTokens": 9}).to_anthropic()
    assert [message["role"] for message in call["messages"]] == [role for role in roles if role != "system"]
    assert call["system"] == str(roles.index("system"))


def test_messages_must_be_told_how_long_the_answer_may_be() -> None:
    with pytest.raises(Invalid, match="no `maxTokens`"):
        made(model=OPUS).to_anthropic(**VALUES)


@pytest.mark.parametrize("way", ["to_openai_responses", "to_anthropic"])
def test_an_answer_of_a_tool_belongs_to_no_template(way: str) -> None:
    found = made(messages=(Message(role=Role.TOOL, content="42"),), parameters={"maxTokens": 9})
    with pytest.raises(Invalid, match="role 'tool'"):
        getattr(found, way)()


def test_a_type_checker_takes_the_arguments_for_those_of_a_provider() -> None:
    def create(*, model: str, messages: list[dict[str, str]], temperature: float = 1.0) -> str:
        return f"{model} {messages[0]['content']} {temperature}"

    prompt = made(parameters={"temperature": 0.5})
    assert create(**prompt.to_openai(**VALUES)) == "gpt-4o-2024-08-06 Be kind. 0.5"

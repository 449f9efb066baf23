"""The table says of ends what the SDKs announce, and built requests are what their `create` is typed to take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from anthropic._data import DEPRECATED_MODELS
from anthropic.types import message_create_params
from anthropic.types.beta import BetaToolUnionParam
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params, tool_param
from openai.types.shared import chat_model
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from promptops.core.model import Json, Message, Prompt, ResponseFormat, Role, Tool
from promptops.core.models.refusals import refusals
from promptops.core.models.table import facts_of
from promptops.core.models.tool_types import CLAUDE_TOOLS, OPENAI_TOOLS
from promptops.core.parameters import TABLE, Api
from promptops.core.provider_arguments import anthropic_create, anthropic_messages, openai_chat, openai_responses

OPENAI_ENDS = re.findall(
    r'- ((?:"[\w.-]+",? ?)+): Announced shutdown date: (\d{4}-\d\d-\d\d)',
    re.sub(r"\s+", " ", Path(chat_model.__file__).read_text()),
)
ASK = [{"role": "system", "content": "Answer with JSON."}, {"role": "user", "content": "Is this spam?"}]
SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {"spam": {"type": "boolean"}},
    "required": ["spam"],
    "additionalProperties": False,
}
LOOKUP = Tool(name="lookup", parameters=SCHEMA, strict=True)
VALUES: dict[str, Json] = {
    "maxTokens": 2000,
    "temperature": 0.5,
    "topP": 0.9,
    "topK": 5,
    "frequencyPenalty": 0.1,
    "presencePenalty": 0.1,
    "stop": ["END"],
    "seed": 7,
    "n": 2,
    "reasoningEffort": "low",
    "verbosity": "low",
    "thinking": {"type": "adaptive"},
    "logprobs": True,
    "topLogprobs": 3,
    "logitBias": {"50256": -100},
    "parallelToolCalls": False,
    "toolChoice": "lookup",
    "serviceTier": "auto",
    "user": "u-1",
    "prediction": {"type": "content", "content": "yes"},
    "metadata": {"team": "desk"},
    "store": True,
    "safetyIdentifier": "u-1",
    "promptCacheKey": "k",
    "reasoningSummary": "auto",
    "container": "c-1",
    "speed": "fast",
    "betas": ["interleaved-thinking-2025-05-14"],
    "extra": {"later": True},
}


def _taken(kind: Any) -> TypeAdapter[Any]:
    """Validates against a typed dictionary of an SDK, in which an unknown key is an error."""
    return TypeAdapter(with_config(ConfigDict(extra="forbid", arbitrary_types_allowed=True))(kind))


CHAT = _taken(completion_create_params.CompletionCreateParamsNonStreaming)
RESPONSES = _taken(response_create_params.ResponseCreateParamsNonStreaming)
CLAUDE = _taken(message_create_params.MessageCreateParamsNonStreaming)


def test_openai_announces_ends() -> None:
    assert len(OPENAI_ENDS) > 5


@pytest.mark.parametrize(
    ("model", "ends"), [(model, ends) for models, ends in OPENAI_ENDS for model in re.findall(r'"([\w.-]+)"', models)]
)
def test_the_end_of_an_openai_model_is_the_one_that_its_package_announces(model: str, ends: str) -> None:
    known = facts_of(f"openai/{model}").ends
    assert known is not None
    assert known.isoformat() == ends


@pytest.mark.parametrize(("model", "words"), DEPRECATED_MODELS.items())
def test_the_end_of_a_claude_is_the_one_that_its_package_warns_of(model: str, words: str) -> None:
    ends = facts_of(f"anthropic/{model}").ends
    assert ends is not None
    assert re.fullmatch(rf"{ends:%B} {ends.day}\w\w, {ends.year}", words)


def _prompt(model: str, parameters: dict[str, Json], **more: Any) -> Prompt:
    messages = tuple(Message(role=Role(message["role"]), content=message["content"]) for message in ASK)
    return Prompt(name="a", model=model, messages=messages, parameters=parameters, tools=(LOOKUP,), **more)


def _sent(call: dict[str, Json]) -> dict[str, Json]:
    """The arguments that are typed: what the package has no argument for goes beside them."""
    return {key: value for key, value in call.items() if key != "extra_body"}


@pytest.mark.parametrize("name", [name for name in VALUES if TABLE[name].chat])
def test_openai_chat_is_typed_to_take_the_parameter(name: str) -> None:
    prompt = _prompt("openai/gpt-5.2-2025-12-11", {name: VALUES[name]})
    CHAT.validate_python(_sent(openai_chat(prompt, ASK)))


@pytest.mark.parametrize("name", [name for name in VALUES if TABLE[name].responses])
def test_openai_responses_is_typed_to_take_the_parameter(name: str) -> None:
    prompt = _prompt("openai/gpt-5.2-2025-12-11", {name: VALUES[name]})
    RESPONSES.validate_python(_sent(openai_responses(prompt, ASK)))


@pytest.mark.parametrize("name", [name for name in VALUES if TABLE[name].anthropic])
def test_anthropic_is_typed_to_take_the_parameter(name: str) -> None:
    prompt = _prompt("anthropic/claude-sonnet-4-6", {"maxTokens": 2000, name: VALUES[name]})
    call = _sent(anthropic_create(prompt, ASK))
    assert ("betas" in call) is (name == "betas")  # of `beta.messages.create`: test_built_requests.py calls it
    CLAUDE.validate_python({key: value for key, value in call.items() if key != "betas"})


@pytest.mark.parametrize("shape", list(ResponseFormat))
def test_every_shape_of_answer_is_typed(shape: ResponseFormat) -> None:
    more = {"response_format": shape, "json_schema": {"name": "spam", "strict": True, "schema": SCHEMA}}
    CHAT.validate_python(openai_chat(_prompt("openai/gpt-5.2-2025-12-11", {}, **more), ASK))
    RESPONSES.validate_python(openai_responses(_prompt("openai/gpt-5.2-2025-12-11", {}, **more), ASK))
    if shape is not ResponseFormat.JSON_OBJECT:
        CLAUDE.validate_python(anthropic_messages(_prompt("anthropic/claude-opus-5", {"maxTokens": 9}, **more), ASK))


@pytest.mark.parametrize("tier", ["cheap", "flex", "standard_only", "auto", "ultrafast"])
def test_a_tier_is_refused_where_the_sdk_is_not_typed_to_take_it(tier: str) -> None:
    responses, claude = (
        _is_typed(adapter, api, tier) for adapter, api in ((RESPONSES, Api.OPENAI_RESPONSES), (CLAUDE, Api.ANTHROPIC))
    )
    assert _refuses("openai/gpt-5.2-2025-12-11", tier) is not responses
    assert _refuses("anthropic/claude-opus-5", tier) is not claude


def _is_typed(adapter: TypeAdapter[Any], api: Api, tier: str) -> bool:
    build, model = (
        (anthropic_messages, "anthropic/claude-opus-5")
        if api is Api.ANTHROPIC
        else (openai_responses, "openai/gpt-5.2-2025-12-11")
    )
    try:
        adapter.validate_python(build(_prompt(model, {"maxTokens": 9, "serviceTier": tier}), ASK))
    except ValidationError:
        return False
    return True


def _refuses(model: str, tier: str) -> bool:
    prompt = _prompt(model, {"maxTokens": 9, "serviceTier": tier})
    return any(refusal.place == ("serviceTier",) for refusal in refusals(prompt, ASK))


def test_efforts_of_the_table_are_efforts_of_the_sdk() -> None:
    hints = get_type_hints(completion_create_params.CompletionCreateParamsBase)
    known = {
        effort
        for part in get_args(hints["reasoning_effort"])
        for effort in (*get_args(part), part)
        if isinstance(effort, str)
    }
    assert set(facts_of("openai/gpt-6-luna").efforts) <= known


def _types_of_tools(union: Any) -> set[str]:
    """The values of ``type`` in a union of typed dictionaries."""

    def literals(hint: Any) -> set[str]:
        parts = get_args(hint)
        if get_origin(hint) is Literal:
            return set(parts)
        return set().union(*(literals(part) for part in parts if not isinstance(part, str)))

    return set().union(*(literals(get_type_hints(member)["type"]) for member in get_args(union)))


def test_the_types_of_tools_are_those_of_the_sdks() -> None:
    openai = {re.sub(r"_20\d\d_\d\d_\d\d$", "", kind) for kind in _types_of_tools(tool_param.ToolParam)}
    claude = {re.sub(r"_20\d{6}$", "", kind) for kind in _types_of_tools(BetaToolUnionParam)}
    assert openai - {"function", "custom"} == OPENAI_TOOLS
    assert claude - {"custom"} == CLAUDE_TOOLS

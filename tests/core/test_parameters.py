"""Which parameter each API takes, as which field, and what is refused: one table, a row a rule."""

from __future__ import annotations

import pytest

from promptops.core.errors import ParameterNotTaken
from promptops.core.model import Json
from promptops.core.parameters import TABLE, Api, chat_api, flaws, name_of, provider_of, to_call
from promptops.source.parameters import PARAMETERS

CHAT, COMPATIBLE, RESPONSES, ANTHROPIC = Api.OPENAI_CHAT, Api.COMPATIBLE, Api.OPENAI_RESPONSES, Api.ANTHROPIC
OLD, NEW = "anthropic/claude-sonnet-4-5-20250929", "anthropic/claude-opus-5-5"
HEADERS: Json = {"anthropic-version": "2023-06-01"}


def test_the_table_has_every_parameter_that_a_release_can_hold() -> None:
    assert TABLE.keys() == PARAMETERS.keys()


@pytest.mark.parametrize(
    ("api", "parameters", "call"),
    [
        # every cap on tokens is one thing
        *((CHAT, {name: 9}, {"max_completion_tokens": 9}) for name in ("maxTokens", "maxCompletionTokens")),
        *((RESPONSES, {name: 9}, {"max_output_tokens": 9}) for name in ("maxTokens", "maxOutputTokens")),
        *((ANTHROPIC, {name: 9}, {"max_tokens": 9}) for name in ("maxTokens", "maxOutputTokens")),
        (COMPATIBLE, {"maxTokens": 9}, {"max_tokens": 9}),
        (COMPATIBLE, {"maxCompletionTokens": 9}, {"max_completion_tokens": 9}),
        # a text to stop at, and several
        (CHAT, {"stop": "x"}, {"stop": "x"}),
        (CHAT, {"stopSequences": ["x", "y"]}, {"stop": ["x", "y"]}),
        (COMPATIBLE, {"stopSequences": ["x"]}, {"stop": ["x"]}),
        (ANTHROPIC, {"stop": "x"}, {"stop_sequences": ["x"]}),
        (ANTHROPIC, {"stop": "x", "stopSequences": ["x"]}, {"stop_sequences": ["x"]}),  # said twice, and the same
        # fields inside of others
        (RESPONSES, {"reasoningEffort": "minimal", "verbosity": "low"},
         {"reasoning": {"effort": "minimal"}, "text": {"verbosity": "low"}}),
        (ANTHROPIC, {"reasoningEffort": "xhigh"}, {"output_config": {"effort": "xhigh"}}),
        (ANTHROPIC, {"user": "u"}, {"metadata": {"user_id": "u"}}),
        (ANTHROPIC, {"thinking": {"type": "adaptive"}}, {"thinking": {"type": "adaptive"}}),
        (RESPONSES, {"logprobs": True, "topLogprobs": 2},
         {"include": ["message.output_text.logprobs"], "top_logprobs": 2}),
        (RESPONSES, {"logprobs": False}, {}),
        # the choice of a tool, in each one's words
        *((CHAT, {"toolChoice": choice}, {"tool_choice": choice}) for choice in ("auto", "none", "required")),
        (CHAT, {"toolChoice": {"type": "any"}}, {"tool_choice": "required"}),
        (CHAT, {"toolChoice": {"type": "tool", "name": "f"}},
         {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        (RESPONSES, {"toolChoice": {"type": "function", "function": {"name": "f"}}},
         {"tool_choice": {"type": "function", "name": "f"}}),
        (ANTHROPIC, {"toolChoice": "required"}, {"tool_choice": {"type": "any"}}),
        (ANTHROPIC, {"toolChoice": {"type": "function", "function": {"name": "f"}}},
         {"tool_choice": {"type": "tool", "name": "f"}}),
        (ANTHROPIC, {"parallelToolCalls": False}, {"tool_choice": {"disable_parallel_tool_use": True, "type": "auto"}}),
        *((ANTHROPIC, dict(order), {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}})
          for order in ([("toolChoice", "required"), ("parallelToolCalls", False)],
                        [("parallelToolCalls", False), ("toolChoice", "required")])),
        (ANTHROPIC, {"toolChoice": "none", "parallelToolCalls": False}, {"tool_choice": {"type": "none"}}),
        # the name of a tool alone
        (CHAT, {"toolChoice": "f"}, {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        (RESPONSES, {"toolChoice": "f"}, {"tool_choice": {"type": "function", "name": "f"}}),
        (ANTHROPIC, {"toolChoice": "f"}, {"tool_choice": {"type": "tool", "name": "f"}}),
        (COMPATIBLE, {"toolChoice": "f"}, {"tool_choice": "f"}),
        # what has no field of its own here goes as it is written
        *((api, {"extra": {"a": {"b": 1}}}, {"extra_body": {"a": {"b": 1}}}) for api in Api),
        (ANTHROPIC, {"extra": {"a": 1}, "temperature": 0.5},
         {"extra_body": {"a": 1, "temperature": 0.5}, "extra_headers": HEADERS}),
        (ANTHROPIC, {"betas": ["x-2026-01-01", "y-2026-02-02"]},
         {"extra_headers": {"anthropic-beta": "x-2026-01-01,y-2026-02-02"}}),
        (ANTHROPIC, {"temperature": 0.5, "betas": "x-2026-01-01"},
         {"extra_body": {"temperature": 0.5},
          "extra_headers": {"anthropic-beta": "x-2026-01-01", "anthropic-version": "2023-06-01"}}),
        (ANTHROPIC, {"speed": "fast", "container": "c-1"}, {"speed": "fast", "container": "c-1"}),
        (RESPONSES, {"reasoningSummary": "auto", "reasoningEffort": "low"},
         {"reasoning": {"summary": "auto", "effort": "low"}}),
        *((api, {"metadata": {"team": "a"}, "store": True, "safetyIdentifier": "u", "promptCacheKey": "k"},
           {"metadata": {"team": "a"}, "store": True, "safety_identifier": "u", "prompt_cache_key": "k"})
          for api in (CHAT, RESPONSES)),
        # what only some that speak OpenAI's API take
        (COMPATIBLE, {"topK": 3, "minP": 0.1, "seed": 1}, {"seed": 1, "extra_body": {"top_k": 3, "min_p": 0.1}}),
    ],
)  # fmt: skip
def test_a_parameter_becomes_the_field_that_takes_it(
    api: Api, parameters: dict[str, Json], call: dict[str, Json]
) -> None:
    assert to_call(api, parameters) == call


@pytest.mark.parametrize("name", TABLE)
def test_every_parameter_is_taken_somewhere_or_refused_by_name_everywhere(name: str) -> None:
    values: dict[str, Json] = {"parallelToolCalls": True, "reasoningEffort": "low", "stop": ["x"]}
    value = values.get(name, 1)
    for api in Api:
        try:
            assert to_call(api, {name: value}, model=OLD)
        except ParameterNotTaken as refused:
            assert (refused.name, refused.provider) == (name, api)
            assert refused.hint
            assert api is not COMPATIBLE  # which refuses nothing that a release can hold


@pytest.mark.parametrize(
    ("api", "parameters", "refused"),
    [
        (CHAT, {"maxTokens": 9, "maxCompletionTokens": 8}, "maxCompletionTokens"),  # which of them?
        (ANTHROPIC, {"stop": ["x"], "stopSequences": ["y"]}, "stopSequences"),
        (CHAT, {"reasoningEffort": "default"}, "reasoningEffort: default"),
        (ANTHROPIC, {"reasoningEffort": "minimal"}, "reasoningEffort: minimal"),
        (CHAT, {"topK": 3}, "topK"),
        (CHAT, {"thinking": {}}, "thinking"),
        (RESPONSES, {"seed": 3}, "seed"),
        (RESPONSES, {"frequencyPenalty": 1}, "frequencyPenalty"),
        (ANTHROPIC, {"seed": 3}, "seed"),
        (ANTHROPIC, {"logitBias": {}}, "logitBias"),
    ],
)
def test_what_an_api_does_not_take_is_refused_and_never_dropped(
    api: Api, parameters: dict[str, Json], refused: str
) -> None:
    with pytest.raises(ParameterNotTaken) as raised:
        to_call(api, parameters)
    assert raised.value.name == refused


def test_a_refused_value_is_answered_with_one_that_this_api_takes() -> None:
    for api, hint in ((CHAT, "Leave it out"), (RESPONSES, "Leave it out"), (ANTHROPIC, "low, medium, high")):
        with pytest.raises(ParameterNotTaken) as raised:
            to_call(api, {"reasoningEffort": "default"})
        assert hint in raised.value.hint


@pytest.mark.parametrize(
    ("model", "samples"),
    [
        ("claude-instant-1.2", True),
        ("claude-2.1", True),
        ("claude-3-opus-20240229", True),
        ("claude-3-5-sonnet-20241022", True),
        ("claude-opus-4-20250514", True),
        ("claude-opus-4-1-20250805", True),
        ("claude-haiku-4-5@20251001", True),
        ("claude-sonnet-4-6", True),
        ("claude-opus-4-7", False),
        ("claude-opus-4-8", False),
        ("claude-sonnet-5", False),
        ("claude-sonnet-5-5", False),
        ("claude-mythos-preview", False),
        ("claude-fable-10-20300101", False),
        ("our-own-alias", True),  # nobody knows: let it be asked
    ],
)
def test_a_claude_is_told_how_to_sample_as_long_as_it_listens(model: str, samples: bool) -> None:
    parameters: dict[str, Json] = {"maxTokens": 9, "temperature": 0.5}
    found = [flaw.name for flaw in flaws(f"anthropic/{model}", parameters)]
    assert found == ([] if samples else ["temperature"])
    if samples:
        call = to_call(ANTHROPIC, parameters, model=f"anthropic/{model}")
        assert call == {"max_tokens": 9, "extra_body": {"temperature": 0.5}, "extra_headers": HEADERS}


def test_claude_takes_a_temperature_up_to_one() -> None:
    assert [flaw.name for flaw in flaws(OLD, {"temperature": 1})] == []
    assert [flaw.name for flaw in flaws(OLD, {"temperature": 1.5})] == ["temperature: 1.5"]
    assert [flaw.name for flaw in flaws("openai/gpt-4o-2024-08-06", {"temperature": 1.5})] == []


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("openai/gpt-4o-2024-08-06", ["topK", "thinking"]),
        ("OpenAI/gpt-4o-2024-08-06", ["topK", "thinking"]),
        ("azure-openai/deployment", ["topK", "thinking"]),
        (NEW, ["seed", "topK"]),
        ("mistral/mistral-large-2411", []),
        ("azureml/llama", []),
        ("gpt-4o-mini", []),
        (None, []),
    ],
)
def test_a_release_is_refused_what_its_provider_does_not_take_and_others_get_anything(
    model: str | None, found: list[str]
) -> None:
    assert [flaw.name for flaw in flaws(model, {"seed": 1, "topK": 3, "thinking": {"type": "adaptive"}})] == found


@pytest.mark.parametrize(
    ("model", "parameters", "api"),
    [
        ("openai/gpt-4o", {"topK": 1}, CHAT),  # refused there
        ("azure_openai/x", {}, CHAT),
        ("groq/llama", {}, COMPATIBLE),
        (None, {"maxTokens": 1}, CHAT),
        ("gpt-4o-mini", {}, CHAT),
        ("llama-3.3-70b", {"topK": 1}, COMPATIBLE),
    ],
)
def test_whose_chat_completions_a_model_answers(model: str | None, parameters: dict[str, Json], api: Api) -> None:
    assert chat_api(model, parameters) is api


def test_names() -> None:
    assert provider_of("OpenAI/gpt-4o") == ("openai", "gpt-4o")
    assert provider_of("openrouter/meta/llama") == ("openrouter", "meta/llama")
    assert provider_of("gpt-4o") == ("", "gpt-4o")
    assert provider_of(None) == ("", "")
    assert name_of("maxCompletionTokens") == "max_completion_tokens"


def test_an_extra_field_does_not_hide_a_parameter() -> None:
    with pytest.raises(ParameterNotTaken, match="extra: temperature"):
        to_call(CHAT, {"temperature": 0, "extra": {"temperature": 1}})


def test_what_openai_takes_in_responses_alone_is_no_flaw() -> None:
    parameters: dict[str, Json] = {"reasoningSummary": "auto", "maxTokens": 9}
    assert list(flaws("openai/gpt-5.2-2025-12-11", parameters)) == []
    assert [flaw.name for flaw in flaws("anthropic/claude-opus-5", parameters)] == ["reasoningSummary"]

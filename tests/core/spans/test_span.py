"""What the span of a request to a model says, in every spelling; and that nothing it may have makes the reader fail."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.answers.reading import Finish
from promptops.core.outcomes.call_outcome import Tokens
from promptops.core.spans.names import READ, SPELLINGS, Fact
from promptops.core.spans.span import ModelSpan, facts_of, is_model, read_model_span

SECOND = 10**9


def read(attributes: dict[str, Any], *, failed: bool = False) -> ModelSpan:
    return read_model_span(
        facts_of(attributes), trace=b"t" * 16, id=b"s" * 8, parent=b"", start=SECOND, end=3 * SECOND, failed=failed
    )


USAGE: dict[str, Any] = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}
ALL = Tokens(input=100, cached=40, cache_written=20, output=10, reasoning=4)


@pytest.mark.parametrize(
    ("attributes", "tokens"),
    [
        # the conventions of today
        (
            USAGE
            | {
                "gen_ai.usage.cache_read.input_tokens": 40,
                "gen_ai.usage.cache_write.input_tokens": 20,
                "gen_ai.usage.reasoning.output_tokens": 4,
            },
            ALL,
        ),
        # before August 2026
        (USAGE | {"gen_ai.usage.cache_creation.input_tokens": 20}, Tokens(input=100, cache_written=20, output=10)),
        # 2024
        ({"gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 10}, Tokens(input=100, output=10)),
        # OpenLLMetry
        (
            USAGE
            | {
                "gen_ai.usage.cache_read_input_tokens": 40,
                "gen_ai.usage.cache_creation_input_tokens": 20,
                "gen_ai.usage.reasoning_tokens": 4,
            },
            ALL,
        ),
        # OpenInference
        (
            {
                "llm.token_count.prompt": 100,
                "llm.token_count.completion": 10,
                "llm.token_count.total": 110,
                "llm.token_count.prompt_details.cache_read": 40,
                "llm.token_count.prompt_details.cache_write": 20,
                "llm.token_count.completion_details.reasoning": 4,
            },
            ALL,
        ),
        # several at once, in any order: the newest one counts
        ({"llm.token_count.prompt": 1, "gen_ai.usage.prompt_tokens": 2, **USAGE}, Tokens(input=100, output=10)),
        ({**USAGE, "gen_ai.usage.prompt_tokens": 2, "llm.token_count.prompt": 1}, Tokens(input=100, output=10)),
        # parts that are counted beside the whole
        (USAGE | {"gen_ai.usage.cache_read.input_tokens": 900}, Tokens(input=1000, cached=900, output=10)),
        (USAGE | {"gen_ai.usage.reasoning_tokens": 30}, Tokens(input=100, output=40, reasoning=30)),
        # what is no number of tokens is not known, and half of them are none
        (USAGE | {"gen_ai.usage.cache_read.input_tokens": "40"}, Tokens(input=100, output=10)),
        (USAGE | {"gen_ai.usage.output_tokens": 10.0}, Tokens(input=100, output=10)),
        (USAGE | {"gen_ai.usage.output_tokens": 10.5}, None),
        (USAGE | {"gen_ai.usage.output_tokens": float("nan")}, None),
        (USAGE | {"gen_ai.usage.output_tokens": -1}, None),
        (USAGE | {"gen_ai.usage.output_tokens": 2**60}, None),
        (USAGE | {"gen_ai.usage.output_tokens": True}, None),
        ({"gen_ai.usage.input_tokens": 100}, None),
        ({}, None),
    ],
)
def test_tokens(attributes: dict[str, Any], tokens: Tokens | None) -> None:
    assert read(attributes).tokens == tokens


@pytest.mark.parametrize(
    ("attributes", "model"),
    [
        ({"gen_ai.provider.name": "openai", "gen_ai.response.model": "gpt-4o-2024-08-06"}, "openai/gpt-4o-2024-08-06"),
        (
            {"gen_ai.response.model": "gpt-4o-2024-08-06", "gen_ai.request.model": "gpt-4o", "gen_ai.system": "openai"},
            "openai/gpt-4o-2024-08-06",
        ),
        ({"llm.model_name": "gpt-4o", "llm.provider": "OpenAI"}, "openai/gpt-4o"),
        ({"gen_ai.request.model": "gemini-2.5-pro", "gen_ai.provider.name": "gcp.vertex_ai"}, "google/gemini-2.5-pro"),
        ({"gen_ai.request.model": "gpt-4o"}, "gpt-4o"),
        ({"gen_ai.provider.name": "openai"}, ""),
        ({"gen_ai.request.model": "a\nb", "gen_ai.provider.name": "openai"}, ""),
        ({"gen_ai.request.model": 4}, ""),
        ({"gen_ai.request.model": "m" * 200, "gen_ai.provider.name": "openai"}, "m" * 200),
        ({"gen_ai.request.model": "m" * 201}, ""),
    ],
)
def test_the_model_that_answered(attributes: dict[str, Any], model: str) -> None:
    assert read(attributes).model == model


@pytest.mark.parametrize(
    ("attributes", "failed", "error", "cancelled"),
    [
        ({}, False, "", False),
        ({"error.type": "timeout"}, False, "timeout", False),
        ({"error.type": "openai.RateLimitError"}, True, "openai.RateLimitError", False),
        ({"error.type": "429"}, True, "429", False),
        ({"exception.type": "ValueError"}, True, "ValueError", False),
        ({}, True, "other", False),
        ({"error.type": "the customer Ada wrote …"}, True, "other", False),  # a text, which may say anything
        ({"error.type": 7}, True, "other", False),
        ({"error.type": "e" * 101}, True, "other", False),
        ({"error.type": "asyncio.exceptions.CancelledError"}, True, "asyncio.exceptions.CancelledError", True),
        ({"error.type": "GeneratorExit"}, False, "GeneratorExit", True),
    ],
)
def test_the_class_of_an_error_and_never_its_text(
    attributes: dict[str, Any], failed: bool, error: str, cancelled: bool
) -> None:
    seen = read(attributes, failed=failed)
    assert (seen.error, seen.is_cancelled) == (error, cancelled)


@pytest.mark.parametrize(
    ("attributes", "finish"),
    [
        ({"gen_ai.response.finish_reasons": ["stop"]}, Finish.STOP),
        ({"gen_ai.response.finish_reasons": ("length", "stop")}, Finish.LENGTH),
        ({"gen_ai.response.finish_reasons": '["content_filter"]'}, Finish.CONTENT_FILTER),
        ({"gen_ai.response.finish_reasons": "MAX_TOKENS"}, Finish.LENGTH),
        ({"gen_ai.response.stop_reason": "refusal"}, Finish.REFUSAL),
        ({"llm.finish_reason": "tool_calls"}, Finish.TOOL_CALLS),
        ({"llm.response.finish_reason": "bored"}, Finish.OTHER),
        ({"gen_ai.response.finish_reasons": []}, None),
        ({"gen_ai.response.finish_reasons": [None]}, None),
        ({"gen_ai.response.finish_reasons": ""}, None),
        ({}, None),
    ],
)
def test_why_an_answer_ended(attributes: dict[str, Any], finish: Finish | None) -> None:
    assert read(attributes).finish is finish


def test_times_are_milliseconds_and_those_that_contradict_each_other_are_not_known() -> None:
    seen = read({"gen_ai.response.time_to_first_chunk": 0.25})
    assert (seen.latency_ms, seen.first_token_ms) == (2000.0, 250.0)
    for wrong in (float("nan"), float("inf"), -1.0, True, "0.25", 1e300, 10**400):
        assert read({"gen_ai.response.time_to_first_chunk": wrong}).first_token_ms is None
    backwards = read_model_span({}, trace=b"", id=b"", parent=b"", start=2, end=1, failed=False)
    assert backwards.latency_ms is None


@pytest.mark.parametrize(
    ("attributes", "model"),
    [
        ({"gen_ai.operation.name": "chat"}, True),
        ({"gen_ai.operation.name": "text_completion"}, True),
        ({"gen_ai.operation.name": "generate_content"}, True),
        ({"llm.request.type": "chat"}, True),
        ({"openinference.span.kind": "LLM"}, True),
        (USAGE | {"gen_ai.request.model": "gpt-4o"}, True),  # the AI SDK of Vercel says no operation
        ({"gen_ai.operation.name": "invoke_agent", **USAGE, "gen_ai.request.model": "gpt-4o"}, False),
        ({"gen_ai.operation.name": "execute_tool"}, False),
        ({"gen_ai.operation.name": "embeddings", **USAGE}, False),
        ({"openinference.span.kind": "AGENT", "llm.token_count.prompt": 1, "llm.model_name": "gpt-4o"}, False),
        ({"traceloop.span.kind": "workflow", **USAGE, "gen_ai.request.model": "gpt-4o"}, False),
        ({"gen_ai.operation.name": ["chat"]}, False),
        ({"http.request.method": "POST"}, False),
        ({}, False),
    ],
)
def test_which_spans_are_a_request_to_a_model(attributes: dict[str, Any], model: bool) -> None:
    assert is_model(facts_of(attributes)) is model


def test_no_name_is_a_spelling_of_two_facts() -> None:
    assert len(READ) == sum(map(len, SPELLINGS.values()))
    assert set(SPELLINGS) == set(Fact)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(READ)), VALUES), st.booleans())
def test_nothing_that_an_attribute_may_hold_makes_the_reader_fail(attributes: dict[str, Any], failed: bool) -> None:
    assert is_model(facts_of(attributes)) in (True, False)
    span = read(attributes, failed=failed)
    assert span.error.isprintable() and span.model.isprintable() and span.response_id.isprintable()
    assert bool(span.error) >= failed

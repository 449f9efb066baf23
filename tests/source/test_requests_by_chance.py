"""Prompts made by chance are built for their provider, or refused with a finding; `check` never raises."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptops.core.errors import ParameterNotTaken
from promptops.core.finding import Severity
from promptops.core.model import Prompt
from promptops.core.models.refusals import refusals
from promptops.core.provider_arguments import openai_chat, openai_responses
from promptops.core.requests.routes import has_request, request_of
from promptops.source.requests import _rendered
from tests.source.memory import checked

MODELS = st.sampled_from(
    [
        "openai/gpt-4o-2024-08-06",
        "openai/o3-mini-2025-01-31",
        "openai/gpt-5.2-2025-12-11",
        "openai/gpt-6-luna",
        "azure/o3-mini-2025-01-31",
        "anthropic/claude-sonnet-4-5-20250929",
        "anthropic/claude-opus-4-6",
        "anthropic/claude-opus-5",
        "google/gemini-2.5-flash",
        "bedrock/anthropic.claude-opus-4-5-20251101-v1:0",
        "mistral/mistral-large-2411",
        "deepseek/deepseek-v4-pro-0324",
        "local/llama@4f2a91c",
    ]
)
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        "",
        "low",
        "required",
        [],
        ["a"],
        {},
        {"type": "enabled"},
        {"type": [1]},
        {"a": {"b": [{}]}},
    ]
)
USUAL: dict[str, st.SearchStrategy[Any]] = {
    "maxTokens": st.sampled_from([1, 1024, 4096, 500_000]),
    "temperature": st.sampled_from([0, 0.5, 1, 2]),
    "topP": st.sampled_from([0, 0.9, 0.99, 1]),
    "topK": st.sampled_from([1, 40]),
    "stop": st.sampled_from([["END"], "END", []]),
    "reasoningEffort": st.sampled_from(["none", "low", "xhigh"]),
    "verbosity": st.just("low"),
    "thinking": st.sampled_from(
        [
            {"type": kind, "budget_tokens": budget}
            for kind in ("enabled", "adaptive", "disabled", 1)
            for budget in (0, 1024, "x")
        ]
    ),
    "toolChoice": st.sampled_from(
        ["auto", "none", "required", "lookup", "other", {}, {"type": "tool"}, {"type": "any"}]
    ),
    "parallelToolCalls": st.booleans(),
    "serviceTier": st.sampled_from(["auto", "flex", "standard_only", "no-such"]),
    "logprobs": st.booleans(),
    "topLogprobs": st.sampled_from([0, 3]),
    "n": st.sampled_from([1, 2]),
    "extra": st.sampled_from([{}, {"later": [1, None]}, {"temperature": 1}]),
}
FEW: st.SearchStrategy[dict[str, Any]] = st.lists(
    st.sampled_from(sorted(USUAL)).flatmap(lambda name: st.tuples(st.just(name), USUAL[name])), max_size=2
).map(dict)
MANY = st.fixed_dictionaries({}, optional={name: usual | ODD for name, usual in USUAL.items()})
PLAIN = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user"]), "content": st.sampled_from(["hi", "Say {{q}}.", "JSON"])}
    ),
    min_size=1,
    max_size=3,
)
TEXTS = st.sampled_from(["", " ", "hi", "Say {{q}}.", "JSON", "{\n", "{{q", "\u00e9\u200b"])
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool"]), "content": TEXTS},
        optional={"tool_call_id": st.just("c"), "name": st.just("ann")},
    ),
    max_size=4,
)
SCHEMAS = st.sampled_from(
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"name": "x", "scheme": {}},
        {"name": "x", "strict": True, "schema": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}},
    ]
)
TOOLS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["lookup", "other"]), "parameters": SCHEMAS}, optional={"strict": st.booleans()}
    )
    | st.sampled_from([{"type": "web_search"}, {"type": "custom", "name": "f"}, {"type": "no_such"}, {}]),
    max_size=2,
)
USABLE = st.fixed_dictionaries(
    {"model": MODELS, "messages": PLAIN, "modelParameters": FEW},
    optional={"tools": TOOLS, "responseFormat": st.sampled_from(["text", "json_object"])},
)
ANY = st.fixed_dictionaries(
    {"model": MODELS, "messages": MESSAGES},
    optional={
        "modelParameters": MANY,
        "tools": TOOLS,
        "responseFormat": st.sampled_from(["text", "json_object", "json_schema"]),
        "jsonSchema": SCHEMAS,
        "inputs": st.fixed_dictionaries({"q": SCHEMAS}),
        "testData": st.sampled_from([[], [{"q": "JSON"}], [{"q": None}], [{"other": 1}]]),
    },
)
EXAMPLES = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


@given(USABLE | ANY)
@EXAMPLES
def test_a_prompt_is_built_or_refused_with_a_finding(prompt: dict[str, Any]) -> None:
    if str(prompt["model"]).startswith("anthropic/") and "modelParameters" in prompt:
        prompt["modelParameters"].setdefault("maxTokens", 2048)
    loaded = checked({"a.prompt.yml": json.dumps(prompt)})
    [app] = loaded.apps
    errors = [finding for finding in loaded.findings if finding.severity is Severity.ERROR]
    assert (app.content is None) == bool(errors), errors
    if app.content is None:
        return
    [made] = app.content.prompts
    messages = _rendered(made, None)
    assert not [refusal for refusal in refusals(made, messages) if refusal.sure]
    if has_request(made) and not any(finding.code == "request-doubtful" for finding in loaded.findings):
        _build(made, messages)


def _build(prompt: Prompt, messages: Sequence[Mapping[str, Any]]) -> None:
    """Builds what is sent: by Mistral's own API, or by its chat completions with what that API does not have."""
    try:
        build = openai_responses if _is_of_responses(prompt) else request_of
        build(prompt, messages)
    except ParameterNotTaken:
        assert str(prompt.model).startswith("mistral/")
        openai_chat(prompt, messages)


def _is_of_responses(prompt: Prompt) -> bool:
    """Whether the prompt has a tool of OpenAI, of which chat completions have few."""
    is_openai = str(prompt.model).startswith(("openai/", "azure/"))
    return is_openai and any(tool.type not in ("function", "custom") for tool in prompt.tools)

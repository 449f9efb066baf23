"""A parameter that stands in `extra` is judged as one, or said to have a name of its own; what has none is silent."""

from __future__ import annotations

import pytest

from promptops.core.finding import Severity
from promptops.core.parameters import TABLE
from promptops.core.requests.extra_fields import _table
from tests.source.memory import checked, prompt_findings

GPT, O3 = "openai/gpt-4o-2024-08-06", "openai/o3-mini-2025-01-31"
SONNET, OPUS = "anthropic/claude-sonnet-4-5-20250929", "anthropic/claude-opus-5-5"
GEMINI, NOVA = "google/gemini-2.5-flash-001", "bedrock/amazon.nova-pro-v1:0"
ON_BEDROCK, MISTRAL = "bedrock/anthropic.claude-opus-5", "mistral/mistral-large-2411"
MINE = "my-own/model-2026-01-01"
ASK = "messages: [{role: user, content: hi}]\n"


def text(model: str, extra: str, more: str = "maxTokens: 2000") -> str:
    return f"model: {model}\nmodelParameters:\n  {more}\n  extra:\n    {extra}\n{ASK}"


@pytest.mark.parametrize(
    ("model", "extra", "name", "words"),
    [
        (O3, "temperature: 0.5", "temperature", f"{O3} refuses 'temperature'"),
        (O3, "top_p: 0.5", "topP", f"{O3} refuses 'topP'"),
        (O3, "topP: 0.5", "topP", f"{O3} refuses 'topP'"),
        (GPT, "reasoning_effort: low", "reasoningEffort", f"{GPT} refuses 'reasoningEffort'"),
        (GPT, "reasoning: {effort: low}", "reasoningEffort", f"{GPT} refuses 'reasoningEffort'"),
        (GPT, "service_tier: cheap", "serviceTier", "there is no 'serviceTier: cheap'"),
        (GPT, "tool_choice: required", "toolChoice", ""),
        (SONNET, "thinking: {type: enabled}", "thinking", "needs `budget_tokens`"),
        (SONNET, "thinking: {type: enabled, budget_tokens: 9000}", "thinking", "leaves nothing of 'maxTokens'"),
        (OPUS, "temperature: 0.5", "temperature", "takes no parameter 'temperature'"),
        (OPUS, "output_config: {effort: minimal}", "reasoningEffort", "reasoningEffort: minimal"),
    ],
)
def test_what_is_refused_of_a_parameter_is_refused_in_extra(model: str, extra: str, name: str, words: str) -> None:
    [found] = prompt_findings(text(model, extra))
    assert (found.code, found.severity, found.line) == ("request-refused", Severity.ERROR, 5)
    assert f"in `extra` is the parameter '{name}': " in found.message and words in found.message


def test_it_is_bounded_by_what_the_workspace_says_and_by_the_limits_of_the_model() -> None:
    own = f"registry: team\napps: [bot]\nmodels:\n  {MINE}:\n    reason: r\n    bounds: {{temperature: {{max: 1}}}}\n"
    found = checked({"/promptops.yml": own, "answer.prompt.yml": text(MINE, "temperature: 1.5")}).findings
    assert [(each.code, each.line) for each in found] == [("request-refused", 5)]
    assert "takes at most 1" in found[0].message
    [item] = prompt_findings(text(GPT, "max_tokens: 99999", more="seed: 1"))
    assert item.code == "request-refused" and "answers with 16,384 tokens at most" in item.message
    [item] = prompt_findings(text(GPT, "temperature: 5"))
    assert (item.code, item.line) == ("request-doubtful", 5)
    assert item.message == "'temperature' in `extra` is the parameter 'temperature', which must be from 0 to 2"


@pytest.mark.parametrize(
    ("model", "extra", "name"),
    [
        (GPT, "temperature: 0.5", "temperature"),
        (GPT, "top_p: 0.5", "topP"),
        (GPT, "text: {verbosity: low, format: {type: text}}", "verbosity"),
        (GPT, "store: false", "store"),
        (SONNET, "top_k: 5", "topK"),
        (SONNET, "stop_sequences: [END]", "stopSequences"),
        (SONNET, "metadata: {user_id: u-1}", "user"),
        (SONNET, "betas: [a-2026-01-01]", "betas"),
        (GEMINI, "generationConfig: {topK: 5}", "topK"),
        (GEMINI, "generation_config: {thinking_config: {thinking_budget: 9}}", "thinking"),
        (GEMINI, "generationConfig: {logprobs: 5}", "topLogprobs"),
        (GEMINI, "temperature: 1", "temperature"),
        (NOVA, "inferenceConfig: {topK: 5}", "topK"),
        (ON_BEDROCK, "top_k: 5", "topK"),
        (MISTRAL, "random_seed: 5", "seed"),
        (MISTRAL, "safe_prompt: true", "safePrompt"),
        (MINE, "min_p: 0.5", "minP"),
        (MINE, "stop_sequences: [END]", "stopSequences"),
    ],
)
def test_what_is_taken_has_a_name_of_its_own(model: str, extra: str, name: str) -> None:
    [found] = prompt_findings(text(model, extra))
    assert (found.code, found.severity, found.line) == ("parameter-in-extra", Severity.WARNING, 5)
    assert found.message.endswith(f"in `extra` is the parameter '{name}'") and f"Write `{name}`" in found.hint


@pytest.mark.parametrize(
    ("model", "extra"),
    [
        (GPT, "web_search_options: {}"),
        (GPT, "include: [file_search_call.results]"),
        (GPT, "text: {format: {type: text}}"),
        (GPT, "{service_tier: null, reasoning: {effort: null}}"),
        (GPT, "top_k: 5"),  # which OpenAI does not have, and a proxy in its place may
        (GPT, "reasoning: {generate_summary: auto}"),
        (SONNET, "context_management: {edits: []}"),
        (SONNET, "mcp_servers: []"),
        (GEMINI, "generationConfig: {responseModalities: [TEXT]}"),
        (GEMINI, "safetySettings: []"),
        (NOVA, "schemaVersion: messages-v1"),
        (ON_BEDROCK, "metadata: {user_id: u-1}"),
        (MISTRAL, "guardrails: []"),
        (MINE, "chat_template_kwargs: {temperature: 1}"),
    ],
)
def test_what_only_extra_can_say_is_silent(model: str, extra: str) -> None:
    assert prompt_findings(text(model, extra)) == []


def test_a_field_that_a_parameter_says_too_has_the_finding_of_that_alone() -> None:
    found = prompt_findings(text(GPT, "temperature: 1", more="temperature: 0.5"))
    assert [each.code for each in found] == ["parameter-not-taken"]
    found = prompt_findings(text(GPT, "max_tokens: 9"))  # beside maxTokens, which is max_completion_tokens
    assert [each.code for each in found] == ["parameter-in-extra"]


def test_the_extra_of_a_pin_is_judged_where_a_prompt_names_it() -> None:
    pin = f"name: bot\nmodels:\n  small:\n    model: {O3}\n    parameters: {{extra: {{temperature: 0.5}}}}\n"
    [found] = checked({"app.yml": pin, "answer.prompt.yml": f"model: small\n{ASK}"}).findings
    assert (found.code, found.path, found.line) == ("request-refused", "bot/answer.prompt.yml", 1)


def test_a_finding_can_be_suppressed_with_a_reason() -> None:
    ignored = "temperature: 0.5 # promptops: ignore[request-refused] our proxy takes it out"
    assert prompt_findings(text(O3, ignored)) == []


@pytest.mark.parametrize("model", [GPT, SONNET, GEMINI, NOVA, ON_BEDROCK, MISTRAL, MINE])
def test_every_field_of_a_table_leads_to_a_parameter(model: str) -> None:
    table = _table(*model.split("/"))
    assert set(table.values()) <= TABLE.keys() - {"extra"}
    assert {"temperature", "top_p", "max_tokens"} <= table.keys()

"""A parameter that the provider of the model does not take stops the release, at the place where it is written."""

from __future__ import annotations

import pytest

from promptops.core.finding import Severity
from tests.source.memory import checked, prompt_findings

MESSAGES = "messages: [{role: user, content: hi}]\n"
CODE = "parameter-not-taken"


@pytest.mark.parametrize("model", ["openai/gpt-4o-2024-08-06", "azure-openai/gpt-4o-2024-08-06"])
@pytest.mark.parametrize("spelling", ["topK", "top_k"])
def test_a_parameter_of_another_provider_is_an_error_at_its_place(model: str, spelling: str) -> None:
    found = prompt_findings(f"model: {model}\nmodelParameters:\n  temperature: 1\n  {spelling}: 3\n{MESSAGES}")
    assert [(item.code, item.severity, item.line, item.column) for item in found] == [(CODE, Severity.ERROR, 4, 3)]
    assert "'topK'" in found[0].message
    assert "Anthropic messages" in found[0].hint


@pytest.mark.parametrize("model", ["mistral/mistral-large-2411", "google/gemini-2.0-flash-001", "meta/llama@4f2a91c"])
def test_any_other_provider_may_take_anything(model: str) -> None:
    assert (
        prompt_findings(f"model: {model}\nmodelParameters: {{topK: 3, seed: 1, thinkingBudget: 9}}\n{MESSAGES}") == []
    )


def test_a_model_without_a_provider_may_take_anything() -> None:
    found = prompt_findings(f"model: gpt-4o-mini-2024-07-18\nmodelParameters: {{topK: 3}}\n{MESSAGES}")
    assert [item.code for item in found] == ["model-without-provider"]


@pytest.mark.parametrize(
    ("model", "parameters", "column"),
    [
        ("anthropic/claude-opus-5-5@20260901", "{maxTokens: 9, temperature: 0}", 33),
        ("anthropic/claude-sonnet-4-5-20250929", "{maxTokens: 9, seed: 1}", 33),
        ("anthropic/claude-sonnet-4-5-20250929", "{reasoningEffort: minimal}", 19),
        ("openai/gpt-4o-2024-08-06", "{maxTokens: 9, maxCompletionTokens: 8}", 33),
    ],
)
def test_what_a_provider_refuses_is_refused_here(model: str, parameters: str, column: int) -> None:
    found = prompt_findings(f"model: {model}\nmodelParameters: {parameters}\n{MESSAGES}")
    assert [(item.code, item.line) for item in found] == [(CODE, 2)]
    assert found[0].column == column


def test_a_claude_that_samples_may_have_a_temperature() -> None:
    text = (
        f"model: anthropic/claude-sonnet-4-5-20250929\nmodelParameters: {{maxTokens: 9, temperature: 0.2}}\n{MESSAGES}"
    )
    assert prompt_findings(text) == []


def test_json_without_a_schema_is_refused_where_it_cannot_be_asked_for() -> None:
    head = "modelParameters: {maxTokens: 9}\nresponseFormat: json_object\n" + MESSAGES
    found = prompt_findings("model: anthropic/claude-sonnet-4-5-20250929\n" + head)
    assert [(item.code, item.line) for item in found] == [(CODE, 3)]
    assert prompt_findings("model: openai/gpt-4o-2024-08-06\n" + head.replace("hi", "answer with JSON")) == []


APP = "models:\n  answerer:\n    model: openai/gpt-4o-2024-08-06\n    parameters: {maxTokens: 9%s}\n"


def test_a_pins_parameters_are_held_to_its_model_in_the_apps_file() -> None:
    loaded = checked({"app.yml": APP % ", topK: 3", "a.prompt.yml": f"model: answerer\n{MESSAGES}"})
    assert [(item.code, item.path, item.line) for item in loaded.findings] == [(CODE, "bot/app.yml", 4)]
    assert loaded.app("bot").content is None


def test_a_prompts_parameters_are_held_to_the_model_of_its_pin_and_laid_over_the_pins() -> None:
    prompt = "model: answerer\nmodelParameters:\n  %s\n" + MESSAGES
    loaded = checked({"app.yml": APP % "", "a.prompt.yml": prompt % "topK: 3", "b.prompt.yml": prompt % "maxTokens: 8"})
    assert [(item.code, item.path, item.line) for item in loaded.findings] == [(CODE, "bot/a.prompt.yml", 3)]
    both = checked({"app.yml": APP % "", "a.prompt.yml": prompt % "maxCompletionTokens: 8"})
    assert [item.hint for item in both.findings] == ["Another parameter already says max_completion_tokens. Keep one."]


def test_with_a_reason_it_may_be_released_and_then_only_the_call_refuses_it() -> None:
    text = (
        "model: openai/gpt-4o-2024-08-06\nmodelParameters:\n"
        "  # promptops: ignore[parameter-not-taken] our gateway takes it\n  topK: 3\n" + MESSAGES
    )
    assert prompt_findings(text) == []

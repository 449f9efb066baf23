"""What a model is known for, of its family or by its name, is a finding also where its provider's API is another's."""

from __future__ import annotations

import pytest

from promptops.core.finding import Severity
from tests.source.memory import prompt_findings

ASK = "messages: [{role: user, content: 'Is {{q}} spam? Answer with JSON.'}]\n"
TOOLS = "tools: [{name: lookup}]\n"
PICTURE = "messages: [{role: user, content: [{type: text, text: Why?}, {type: image, url: 'https://x.example/a.png'}]}]"


def found(text: str) -> list[tuple[str, str]]:
    return [(item.code, item.message) for item in prompt_findings(text)]


@pytest.mark.parametrize(
    ("model", "rest", "place"),
    [
        ("openai/gpt-6-luna", TOOLS, "tools:"),  # it reasons where nothing says no
        ("openai/gpt-5.6-terra", TOOLS, "tools:"),
        ("azure/gpt-5.4-2026-03-05", f"modelParameters: {{reasoningEffort: low}}\n{TOOLS}", "reasoningEffort"),
        ("openai/gpt-5.4-2026-03-05", f"modelParameters: {{reasoningEffort: low}}\n{TOOLS}", "reasoningEffort"),
        ("openai/gpt-5.5-2026-04-23", f"modelParameters: {{reasoningEffort: high}}\n{TOOLS}", "reasoningEffort"),
    ],
)
def test_functions_beside_reasoning_are_for_responses(model: str, rest: str, place: str) -> None:
    text = f"model: {model}\n{rest}{ASK}"
    [item] = prompt_findings(text)
    assert (item.code, item.severity) == ("request-doubtful", Severity.WARNING)
    assert item.message == f"chat completions refuse functions of {model} while it reasons"
    assert "to_openai_responses()" in str(item.hint)
    assert "github.com/openai/openai-openapi/issues/541" in str(item.hint)
    assert place in text.splitlines()[item.line - 1]


@pytest.mark.parametrize(
    ("model", "rest"),
    [
        ("openai/gpt-6-luna", f"modelParameters: {{reasoningEffort: none}}\n{TOOLS}"),
        ("openai/gpt-6-luna", ""),
        ("openai/gpt-6-luna", "tools: [{type: web_search}]\n"),  # which is for Responses anyway
        ("openai/gpt-5.4-2026-03-05", TOOLS),  # its default is none
        ("openai/gpt-5.2-2025-12-11", f"modelParameters: {{reasoningEffort: low}}\n{TOOLS}"),
        ("openrouter/gpt-6-luna", TOOLS),
    ],
)
def test_functions_without_reasoning_are_for_chat_completions(model: str, rest: str) -> None:
    assert found(f"model: {model}\n{rest}{ASK}") == []


@pytest.mark.parametrize(
    "model",
    [
        "bedrock/us.anthropic.claude-opus-4-5-20251101-v1:0",
        "bedrock/anthropic.claude-haiku-4-5@20251001",
        "vertex_ai/claude-sonnet-4-5@20250929",
    ],
)
def test_a_claude_of_bedrock_or_vertex_is_judged_as_anthropics_without_certainty(model: str) -> None:
    text = f"model: {model}\nmodelParameters: {{maxTokens: 9, temperature: 0.5, topP: 0.9}}\n{ASK}"
    [item] = prompt_findings(text)
    assert (item.code, item.severity) == ("request-doubtful", Severity.WARNING)
    assert item.message == f"{model} takes 'temperature' or 'topP', and not both"


@pytest.mark.parametrize("model", ["bedrock/anthropic.claude-opus-4-6-v1", "bedrock/eu.anthropic.claude-opus-4-8"])
def test_a_claude_of_bedrock_does_not_go_on_from_a_last_message(model: str) -> None:
    last = "messages: [{role: user, content: Why?}, {role: assistant, content: Because}]"
    [item] = prompt_findings(f"model: {model}\nmodelParameters: {{maxTokens: 9}}\n{last}")
    assert (item.code, item.message) == (
        "request-doubtful",
        f"{model} does not go on from a last message of the assistant",
    )


@pytest.mark.parametrize("model", ["bedrock/amazon.nova-pro-v1:0", "bedrock/meta.llama3-3-70b-instruct-v1:0"])
def test_a_model_of_bedrock_that_is_no_claude_is_not_judged_as_one(model: str) -> None:
    assert found(f"model: {model}\nmodelParameters: {{maxTokens: 9, temperature: 0.5, topP: 0.9}}\n{ASK}") == []


@pytest.mark.parametrize(
    "model",
    ["mistral/mistral-large-2411", "bedrock/amazon.nova-pro-v1:0", "google/gemini-2.5-pro-002", "local/llama@4f2a91c"],
)
def test_a_choice_that_names_no_tool_is_found_at_each_provider(model: str) -> None:
    wrong = f"model: {model}\nmodelParameters: {{toolChoice: lokup}}\n{TOOLS}{ASK}"
    [item] = [each for each in prompt_findings(wrong) if "lokup" in each.message]
    assert (item.code, item.severity) == ("request-doubtful", Severity.WARNING)
    assert found(wrong.replace("lokup", "lookup")) == []


def test_a_model_that_is_listed_without_images_is_a_warning_at_the_image() -> None:
    text = f"model: openai/o3-mini-2025-01-31\n{PICTURE}"
    [item] = [each for each in prompt_findings(text) if each.code != "model-ends"]
    assert (item.code, item.severity) == ("request-doubtful", Severity.WARNING)
    assert item.message == "openai/o3-mini-2025-01-31 is listed as a model that takes no images"
    assert (item.line, item.column) == (2, PICTURE.index("{type: image") + 1)
    assert "litellm" in str(item.hint)
    assert found(f"model: openai/gpt-5.2-2025-12-11\n{PICTURE}") == []

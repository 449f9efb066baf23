"""A model that is written otherwise is the same one, and a similar name is another."""

from __future__ import annotations

import pytest

from promptops.core.outcomes.pinned import is_pinned_model


@pytest.mark.parametrize(
    ("pinned", "answered"),
    [
        ("openai/gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
        ("openai/gpt-4o", "gpt-4o-2024-08-06"),  # an alias
        ("openai/gpt-4", "gpt-4-0613"),
        ("openai/gpt-4.1", "gpt-4.1-2025-04-14"),
        ("anthropic/claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
        ("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
        ("bedrock/us.anthropic.claude-3-5-sonnet-20240620-v1:0", "claude-3-5-sonnet-20240620"),
        ("google/gemini-2.0-flash", "models/gemini-2.0-flash-001"),
        ("google/gemini-2.5-pro-preview", "gemini-2.5-pro-preview-05-06"),
        ("vertex/claude-3-5-haiku@20241022", "claude-3-5-haiku"),
        ("together/meta-llama/Llama-3.3-70B", "meta-llama/Llama-3.3-70B"),
        ("openrouter/openai/gpt-4o", "openai/gpt-4o"),
        ("azure/our-deployment", "gpt-4o-2024-08-06"),  # a customer's name
        ("bedrock/amazon.nova-pro-v1:0", ""),  # the provider names no model
        ("", "gpt-4o"),  # nothing is pinned
    ],
)
def test_one_model_has_several_names(pinned: str, answered: str) -> None:
    assert is_pinned_model(pinned, answered)


@pytest.mark.parametrize(
    ("pinned", "answered"),
    [
        ("openai/gpt-4o-2024-08-06", "gpt-4o-2024-11-20"),
        ("openai/gpt-4o", "gpt-4o-mini"),
        ("openai/gpt-4o", "gpt-4o-mini-2024-07-18"),
        ("openai/gpt-4", "gpt-4-32k"),
        ("openai/gpt-4", "gpt-4.1"),
        ("openai/gpt-4", "gpt-4o"),
        ("openai/o1", "o1-mini"),
        ("anthropic/claude-3-5-sonnet-20240620", "claude-3-5-sonnet-20241022"),
        ("anthropic/claude-sonnet-4", "claude-opus-4"),
        ("google/gemini-2.5-flash", "gemini-2.5-flash-lite"),
        ("google/gemini-2.5-pro", "gemini-2.0-flash-001"),
    ],
)
def test_another_model_is_another(pinned: str, answered: str) -> None:
    assert not is_pinned_model(pinned, answered)

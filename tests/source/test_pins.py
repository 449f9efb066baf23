"""A model id floats unless something in it is fixed."""

from __future__ import annotations

import pytest

from promptops.core.pins import is_floating


@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-4o-mini-2024-07-18",
        "openai/gpt-4-0613",
        "openai/ft:gpt-4o-mini-2024-07-18:acme::abc123",
        "anthropic/claude-sonnet-4-5-20250929",
        "amazon/anthropic.claude-3-5-sonnet-20241022-v2:0",
        "google/claude-3-5-sonnet@20240620",
        "google/gemini-1.5-pro-002",
        "google/gemini-2.5-pro-preview-05-06",
        "mistral-ai/mistral-large-2411",
        "cohere/command-r-plus-08-2024",
        "meta/llama-3.3-70b-instruct@sha256:0123456789abcdef",
        "azureml/registries/azure-openai/models/gpt-4o/versions/2",
    ],
)
def test_a_snapshot_is_fixed(model: str) -> None:
    assert not is_floating(model)


@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-4o",
        "openai/gpt-3.5-turbo-16k",
        "gpt-4o-mini",
        "anthropic/claude-3-5-sonnet-latest",
        "anthropic/claude-sonnet-4-5",
        "mistral-ai/mistral-large-2411-latest",
        "meta/llama-3.3-70b-instruct",
        "ollama/llama3:latest",
        "openrouter/auto",
    ],
)
def test_an_alias_floats(model: str) -> None:
    assert is_floating(model)

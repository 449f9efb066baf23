"""A model id floats unless something in it is fixed."""

from __future__ import annotations

import pytest

from promptops.core.floating_models import is_floating


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
        # families that number their snapshots
        "openai/gpt-3.5-turbo-0125",
        "openai/gpt-4-1106-preview",
        "openai/ft:gpt-3.5-turbo-0613:acme::abc123",
        "azure/gpt-35-turbo-0613",
        "xai/grok-2-1212",
        "deepseek/deepseek-v3-0324",
        "alibaba/qwen3-235b-a22b-2507",
        "moonshot/kimi-k2-0905",
        "google/text-embedding-004",
        "azure/o3-mini-2025-01-31",
        "google/gemini-2.5-flash-preview-09-2025",
        # dateless names that the provider documents as pinned
        "anthropic/claude-opus-4-6",
        "anthropic/claude-sonnet-4-6",
        "anthropic/claude-opus-4-10",
        "anthropic/claude-opus-5",
        "anthropic/claude-haiku-5-1",
        "claude-fable-5",
        "vertex_ai/claude-sonnet-5",
        "openrouter/anthropic/claude-opus-4.6",
        "bedrock/anthropic.claude-opus-5",
        "bedrock/us.anthropic.claude-sonnet-4-6",
        "bedrock/anthropic.claude-opus-4-6-v1",
        "bedrock/amazon.nova-pro-v1:0",
        "bedrock/us.amazon.nova-pro-v1:0:300k",
        "bedrock/meta.llama3-3-70b-instruct-v1:0",
        "bedrock/openai.gpt-oss-120b-1:0",
        "bedrock/amazon.titan-text-express-v1",
        "openai/gpt-5.6-sol",
        "openai/gpt-6-astra",
        "openai/gpt-6.2-astra-law",
        "openai/gpt-5-codex",
        "openai/gpt-5.1-codex-max",
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
        # a number is no date
        "azure/prod-2024",
        "azure/prod-001",
        "azure/prod-05-06",
        "azure/team-0613",
        "openai/team-1234",
        "openai/gpt-4-9999",
        "openai/gpt-4o-2024-13-45",
        "acme/chat-20241399",
        # aliases of Claude before generation 4.6, and what moves in any generation
        "anthropic/claude-opus-4",
        "anthropic/claude-opus-4-1",
        "anthropic/claude-haiku-4-5",
        "anthropic/claude-opus-4-6-latest",
        "anthropic/claude-opus-5-latest",
        "anthropic/claude-opus",
        "vertex_ai/claude-opus-4-6@default",
        "bedrock/anthropic.claude-sonnet-4-5",
        # OpenAI names that have a dated form, or move
        "openai/gpt-5.6",
        "openai/gpt-5.5",
        "openai/gpt-5.4-mini",
        "openai/gpt-5-chat-latest",
        "openai/gpt-6-chat-latest",
        "openai/gpt-oss-120b",
        # a customer's deployment serves what it is set to
        "azure/gpt-6-astra",
        "azure/claude-opus-5",
        "azure/claude",
        "openai/" + "gpt-4-" * 5000,
    ],
)
def test_an_alias_floats(model: str) -> None:
    assert is_floating(model)

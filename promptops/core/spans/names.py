"""The names of attributes, which change often: all that are read, in every spelling, and all that are written.

Of several spellings the first in the list counts. Sources, as of November 2026:

OpenTelemetry's conventions for generative AI, which have a repository of their own since version 1.41
    https://github.com/open-telemetry/semantic-conventions-genai; ``cache_creation`` became ``cache_write`` in August
    2026 (#440). Instrumentations that are older write the names of before, also ``prompt_tokens`` of 2024
OpenInference (Phoenix)
    https://arize-ai.github.io/openinference/spec/attributes/semantic-conventions.html
OpenLLMetry (Traceloop)
    https://github.com/traceloop/openllmetry, package ``opentelemetry-semantic-conventions-ai``
feature flags
    https://opentelemetry.io/docs/specs/semconv/feature-flags/feature-flags-events/
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

# --- written on every span below a call, and read by the registry -----------------------------------

APP: Final = "promptops.app"
RELEASE: Final = "promptops.release"
"""The version of the release."""
DIGEST: Final = "promptops.digest"
CHANNEL: Final = "promptops.channel"
REVISION: Final = "promptops.revision"
"""The app's revision on the channel after its epoch, ``3.17``; a whole number is one of the newest epoch."""
VARIANT: Final = "promptops.variant"
CALL_ID: Final = "promptops.call_id"
"""It has the unit and its bucket, encrypted. They are never attributes of their own: the bucket in a channel's salt
singles out the key among guesses, and the unit links the calls of a user."""
REPORTED: Final = "promptops.reported"
"""True where the process reports its calls itself, so that its spans are not counted again."""
PROMPT_NAME: Final = "gen_ai.prompt.name"
PROMPT_VERSION: Final = "gen_ai.prompt.version"

LANGFUSE_VERSION: Final = "langfuse.version"
"""Langfuse groups by this free text; it reads versions of prompts as whole numbers."""
TEMPLATE_VERSION: Final = "llm.prompt_template.version"
"""OpenInference's, which Phoenix groups by."""

FLAG_EVENT: Final = "feature_flag.evaluation"
FLAG_KEY: Final = "feature_flag.key"
FLAG_PROVIDER: Final = "feature_flag.provider.name"
FLAG_REASON: Final = "feature_flag.result.reason"
FLAG_SET: Final = "feature_flag.set.id"
FLAG_VARIANT: Final = "feature_flag.result.variant"
FLAG_VERSION: Final = "feature_flag.version"

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.45.0"
"""The version of OpenTelemetry's conventions whose names are written."""


class Fact(StrEnum):
    """What is read of a span."""

    APP = "app"
    PROMPT = "prompt"
    CHANNEL = "channel"
    REVISION = "revision"
    VARIANT = "variant"
    CALL_ID = "call_id"
    REPORTED = "reported"
    OPERATION = "operation"
    KIND = "kind"
    MODEL = "model"
    ASKED_MODEL = "asked_model"
    PROVIDER = "provider"
    INPUT = "input"
    CACHED = "cached"
    CACHE_WRITTEN = "cache_written"
    OUTPUT = "output"
    REASONING = "reasoning"
    FINISH = "finish"
    ERROR = "error"
    FIRST_TOKEN = "first_token"  # noqa: S105 no secret
    RESPONSE_ID = "response_id"
    TOOL = "tool"


SPELLINGS: Final[Mapping[Fact, tuple[str, ...]]] = {
    Fact.APP: (APP,),
    Fact.PROMPT: (PROMPT_NAME,),
    Fact.CHANNEL: (CHANNEL,),
    Fact.REVISION: (REVISION,),
    Fact.VARIANT: (VARIANT,),
    Fact.CALL_ID: (CALL_ID,),
    Fact.REPORTED: (REPORTED,),
    Fact.OPERATION: ("gen_ai.operation.name", "llm.request.type"),
    Fact.KIND: ("openinference.span.kind", "traceloop.span.kind"),
    Fact.MODEL: ("gen_ai.response.model", "llm.model_name"),
    Fact.ASKED_MODEL: ("gen_ai.request.model", "llm.request.model_name"),
    Fact.PROVIDER: ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"),
    Fact.INPUT: ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
    Fact.CACHED: (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
    ),
    Fact.CACHE_WRITTEN: (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    Fact.OUTPUT: ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion"),
    Fact.REASONING: (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
    Fact.FINISH: (
        "gen_ai.response.finish_reasons",
        "gen_ai.response.finish_reason",
        "gen_ai.response.stop_reason",
        "llm.response.finish_reason",
        "llm.response.stop_reason",
        "llm.finish_reason",
    ),
    Fact.ERROR: ("error.type", "exception.type"),
    Fact.FIRST_TOKEN: ("gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token"),
    Fact.RESPONSE_ID: ("gen_ai.response.id",),
    Fact.TOOL: ("gen_ai.tool.name", "tool.name", "traceloop.entity.name"),
}

READ: Final[Mapping[str, tuple[Fact, int]]] = {
    name: (fact, rank) for fact, names in SPELLINGS.items() for rank, name in enumerate(names)
}
"""Each name with what it says, and its place among the spellings of that."""

MODEL_OPERATIONS: Final = frozenset({"chat", "text_completion", "generate_content", "completion"})
"""Operations that are one request to a model; an agent's, a workflow's or a tool's repeats what is below it. The last
one is ``llm.request.type`` of OpenLLMetry."""
MODEL_KIND: Final = "LLM"
"""The kind of OpenInference that is one request to a model."""

TOOL_OPERATION: Final = "execute_tool"
TOOL_KIND: Final = "tool"
"""How OpenTelemetry calls the use of a tool, and OpenInference and OpenLLMetry, which write it large and small."""

PROVIDERS: Final[Mapping[str, str]] = {
    "aws.bedrock": "bedrock",
    "aws_bedrock": "bedrock",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "x_ai": "xai",
}
"""OpenTelemetry's names of providers, and ours of before the slash, where they are not the same."""

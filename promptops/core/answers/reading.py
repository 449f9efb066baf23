"""What a provider's answer says, in one vocabulary for all providers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from promptops.core.suite.answer import ToolCall


class Api(StrEnum):
    """The APIs whose answers are read."""

    CHAT = "chat completions"
    RESPONSES = "responses"
    MESSAGES = "messages"
    GENERATE_CONTENT = "generateContent"
    CONVERSE = "converse"


class Finish(StrEnum):
    """Why an answer ended. The first five are the words of OpenAI's API.

    ``tool_calls``: the application is to run tools. ``content_filter``: a filter of the provider stopped the answer or
    the prompt. ``refusal``: the model refused. ``error``: the provider or the model failed. ``other``: a word that is
    not known.
    """

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    ERROR = "error"
    OTHER = "other"


_WORDS: Final[Mapping[Finish, str]] = {
    Finish.STOP: "stop end_turn stop_sequence completed",
    Finish.LENGTH: "length max_tokens max_output_tokens model_length model_context_window_exceeded continuation",
    Finish.TOOL_CALLS: "tool_calls tool_use function_call",
    Finish.CONTENT_FILTER: "content_filter content_filtered guardrail_intervened safety recitation language blocklist"
    " prohibited_content spii model_armor escalation image_safety image_prohibited_content image_recitation",
    Finish.REFUSAL: "refusal",
    Finish.ERROR: "error malformed_function_call malformed_response malformed_model_output malformed_tool_use"
    " unexpected_tool_call too_many_tool_calls missing_thought_signature insufficient_system_resource",
}

FINISHES: Final[Mapping[str, Finish]] = {word: finish for finish, words in _WORDS.items() for word in words.split()}
"""What each provider's word means, in lower case: Gemini's are in upper case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The tokens of one call; None for a number that the answer does not say.

    ``input_tokens`` are all that the model read, and ``output_tokens`` all that it wrote. ``cached_tokens``, which
    were read from the provider's cache, and ``cache_written_tokens``, which were written to it, are parts of the input;
    ``reasoning_tokens`` are a part of the output. So ``input_tokens`` less its two parts is what has the full price.

    OpenTelemetry's ``gen_ai.usage.*`` mean the same: https://opentelemetry.io/docs/specs/semconv/gen-ai/
    """

    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_written_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one answer says. Texts are empty where the answer has none.

    ``finish`` is None where the answer does not say why it ended, as in a stream that was cut; ``finish_word`` is the
    provider's own word. ``text`` is what the model wrote for the user, without its reasoning; of a refusal, the words
    of the refusal. ``tool_calls`` are those that the application is to run; arguments of a call that were cut, or are
    no JSON, are None. ``cut``: the text or the arguments were longer than the reader's limit.
    """

    api: Api
    response_id: str = ""
    model: str = ""
    fingerprint: str = ""
    usage: Usage = Usage()
    finish: Finish | None = None
    finish_word: str = ""
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    cut: bool = False

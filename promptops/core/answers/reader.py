"""Reads answers of providers: from one answer, or from the chunks of a stream, comes a :class:`Reading`.

An answer is an object of an SDK, or the same as a dict. Its API is recognised by fields that only this API has. What is
not recognised, or has another shape than its API defines, is unread, and never guessed. Nothing raises, whatever comes.

Where each API has what a reading says; of an answer with several choices, the first is read:

chat completions: OpenAI, and most others
    https://platform.openai.com/docs/api-reference/chat/object
    https://docs.x.ai/docs/key-information/consumption-and-rate-limits

    input      ``usage.prompt_tokens``; in it cached ``prompt_tokens_details.cached_tokens`` (DeepSeek:
               ``prompt_cache_hit_tokens``) and written ``prompt_tokens_details.cache_write_tokens``
    output     ``usage.completion_tokens``; in it reasoning ``completion_tokens_details.reasoning_tokens``. Where
               ``total_tokens`` is the sum of all three (xAI, Gemini), reasoning is beside it, and is added
    end        ``choices[0].finish_reason``; a text in ``message.refusal`` is a refusal
    text       ``message.content``; tools ``message.tool_calls``
    names      ``id``, ``model``, ``system_fingerprint``

responses: OpenAI
    https://platform.openai.com/docs/api-reference/responses/object

    input      ``usage.input_tokens``; in it ``input_tokens_details.cached_tokens`` and ``.cache_write_tokens``
    output     ``usage.output_tokens``; in it ``output_tokens_details.reasoning_tokens``
    end        ``status``, ``incomplete_details.reason``, ``error.code``; a part ``refusal`` is a refusal
    text       the parts ``output_text`` of all messages; tools the items ``function_call``, ``custom_tool_call``
    names      ``id``, ``model``

messages: Anthropic
    https://docs.anthropic.com/en/api/messages

    input      the sum of ``usage.input_tokens``, cached ``cache_read_input_tokens`` and written
               ``cache_creation_input_tokens``
    output     ``usage.output_tokens``; in it ``output_tokens_details.thinking_tokens``
    end        ``stop_reason``
    text       the blocks ``text``; tools the blocks ``tool_use``
    names      ``id``, ``model``

generateContent: Gemini
    https://ai.google.dev/api/generate-content

    input      the sum of ``usageMetadata.promptTokenCount``, cached ``cachedContentTokenCount`` in it, and
               ``toolUsePromptTokenCount``
    output     the sum of ``candidatesTokenCount`` and reasoning ``thoughtsTokenCount``
    end        ``candidates[0].finishReason``; ``promptFeedback.blockReason`` is a filter
    text       the parts' ``text`` without ``thought``; tools ``functionCall``
    names      ``responseId``, ``modelVersion``

converse: Amazon Bedrock
    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html

    input      the sum of ``usage.inputTokens``, cached ``cacheReadInputTokens`` and written ``cacheWriteInputTokens``
    output     ``usage.outputTokens``; reasoning is in it, and has no number of its own
    end        ``stopReason``
    text       ``output.message.content[].text`` and ``.citationsContent``; tools ``.toolUse``
    names      ``ResponseMetadata.RequestId``; the model only of a prompt router, ``trace.promptRouter``
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from promptops.core.answers import anthropic_messages, bedrock, gemini, openai_chat, openai_responses
from promptops.core.answers.draft import Draft
from promptops.core.answers.reading import Api, Reading

TEXT_LIMIT: Final = 64 << 10
"""Bytes of the text of an answer, and of all arguments of its tools: what checks are run on at most."""


@dataclass(frozen=True, slots=True)
class _Format:
    """How the answers and the streams of one API are recognised and read."""

    is_answer: Callable[[object], bool]
    read: Callable[[object, Draft], None]
    is_start: Callable[[object], bool]
    add: Callable[[object, Draft], None]


_FORMATS: Final[Mapping[Api, _Format]] = {
    Api.CHAT: _Format(openai_chat.is_answer, openai_chat.read, openai_chat.is_start, openai_chat.add),
    Api.RESPONSES: _Format(
        openai_responses.is_answer, openai_responses.read, openai_responses.is_start, openai_responses.add
    ),
    Api.MESSAGES: _Format(
        anthropic_messages.is_answer, anthropic_messages.read, anthropic_messages.is_start, anthropic_messages.add
    ),
    Api.GENERATE_CONTENT: _Format(gemini.is_answer, gemini.read, gemini.is_answer, gemini.read),
    Api.CONVERSE: _Format(bedrock.is_answer, bedrock.read, bedrock.is_start, bedrock.add),
}


def read(answer: object, *, api: Api | None = None, limit: int = TEXT_LIMIT) -> Reading | None:
    """Returns what an answer says; None where it is unread. With ``api``, only an answer of that API is read.

    ``limit`` is in bytes of UTF-8, for the text and again for all arguments of tools; what is longer is cut. The text
    is a copy only where it was cut or had several parts; arguments that are an object are those of the answer itself.
    Never raises.
    """
    try:
        for known in _FORMATS if api is None else (api,):
            if _FORMATS[known].is_answer(answer):
                draft = Draft(limit)
                _FORMATS[known].read(answer, draft)
                return draft.reading(known)
    except Exception:  # noqa: BLE001  # an Unread, or whatever an object of an application raises when it is looked at
        return None
    return None


class Stream:
    """Reads an answer while it comes, chunk by chunk: the chunks, or the events, that an SDK yields. For one thread.

    It keeps no chunk, and of the texts at most the limit.
    """

    __slots__ = ("_api", "_draft", "_is_broken")

    def __init__(self, *, limit: int = TEXT_LIMIT) -> None:
        """Begins with nothing. ``limit`` is that of :func:`read`."""
        self._api: Api | None = None
        self._draft = Draft(limit, is_stream=True)
        self._is_broken = False

    def add(self, chunk: object) -> bool:
        """Reads a chunk. Returns True for the first one that has text, a refusal or a call of a tool.

        A model's reasoning is no content: the user still waits. Never raises.
        """
        if self._is_broken:
            return False
        try:
            if self._api is None:
                self._api = next((api for api, known in _FORMATS.items() if known.is_start(chunk)), None)
                if self._api is None:
                    return False
            had_content = self._draft.has_content
            _FORMATS[self._api].add(chunk, self._draft)
            return self._draft.has_content and not had_content
        except Exception:  # noqa: BLE001  # as in `read`; and what was read until here could be half of a text
            self._is_broken = True
            return False

    def reading(self) -> Reading | None:
        """Returns what is known of the answer until now; None where it is unread. Never raises.

        A stream that was cut has no ``finish``, and only the numbers that had come: most providers send them last.
        """
        return None if self._api is None or self._is_broken else self._draft.reading(self._api)

# Written by "promptops types" for all apps: edit the prompt files instead.
# sha256:3bf19e81df98b9ca7a3a67e7e83a9b3647533275eb0d898ee37100ea1b9c226a
# fmt: off
# ruff: noqa
# isort: skip_file

"""The prompts and their variables, for type checkers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NotRequired, Protocol, TypedDict, Unpack, overload, cast

from promptops import Arguments, AsyncClient, Call, Client, Fallback, Image, Json, Prompt, Request


class SupportChatLabel(TypedDict):
    #: The photo that the customer sent.
    photo: Image | bytes | Mapping[str, Json]
    question: str
    history: NotRequired[Sequence[Mapping[str, Any]]]


class SupportChatReply(TypedDict):
    question: str
    history: NotRequired[Sequence[Mapping[str, Any]]]


if TYPE_CHECKING:

    class SupportChatLabelPrompt(Prompt):
        def render(self, /, **variables: Unpack[SupportChatLabel]) -> list[dict[str, Any]]: ...  # type: ignore[override]
        def compile(self, /, **variables: Unpack[SupportChatLabel]) -> list[dict[str, Any]]: ...  # type: ignore[override]
        def format(self, /, **variables: Unpack[SupportChatLabel]) -> list[dict[str, Any]]: ...  # type: ignore[override]
        def to_openai(self, /, **variables: Unpack[SupportChatLabel]) -> Arguments: ...  # type: ignore[override]
        def to_openai_responses(self, /, **variables: Unpack[SupportChatLabel]) -> Arguments: ...  # type: ignore[override]
        def to_anthropic(self, /, **variables: Unpack[SupportChatLabel]) -> Arguments: ...  # type: ignore[override]
        def to_gemini(self, /, **variables: Unpack[SupportChatLabel]) -> Arguments: ...  # type: ignore[override]
        def to_bedrock(self, /, **variables: Unpack[SupportChatLabel]) -> Arguments: ...  # type: ignore[override]
        def to_mistral(self, /, **variables: Unpack[SupportChatLabel]) -> Arguments: ...  # type: ignore[override]
        def to_litellm(self, /, **variables: Unpack[SupportChatLabel]) -> Arguments: ...  # type: ignore[override]
        def to_langchain(self, /, **variables: Unpack[SupportChatLabel]) -> list[dict[str, Any]]: ...  # type: ignore[override]
        def request(self, provider: str | None = ..., /, **variables: Unpack[SupportChatLabel]) -> Request: ...  # type: ignore[override]


    class SupportChatReplyPrompt(Prompt):
        def render(self, /, **variables: Unpack[SupportChatReply]) -> list[dict[str, Any]]: ...  # type: ignore[override]
        def compile(self, /, **variables: Unpack[SupportChatReply]) -> list[dict[str, Any]]: ...  # type: ignore[override]
        def format(self, /, **variables: Unpack[SupportChatReply]) -> list[dict[str, Any]]: ...  # type: ignore[override]
        def to_openai(self, /, **variables: Unpack[SupportChatReply]) -> Arguments: ...  # type: ignore[override]
        def to_openai_responses(self, /, **variables: Unpack[SupportChatReply]) -> Arguments: ...  # type: ignore[override]
        def to_anthropic(self, /, **variables: Unpack[SupportChatReply]) -> Arguments: ...  # type: ignore[override]
        def to_gemini(self, /, **variables: Unpack[SupportChatReply]) -> Arguments: ...  # type: ignore[override]
        def to_bedrock(self, /, **variables: Unpack[SupportChatReply]) -> Arguments: ...  # type: ignore[override]
        def to_mistral(self, /, **variables: Unpack[SupportChatReply]) -> Arguments: ...  # type: ignore[override]
        def to_litellm(self, /, **variables: Unpack[SupportChatReply]) -> Arguments: ...  # type: ignore[override]
        def to_langchain(self, /, **variables: Unpack[SupportChatReply]) -> list[dict[str, Any]]: ...  # type: ignore[override]
        def request(self, provider: str | None = ..., /, **variables: Unpack[SupportChatReply]) -> Request: ...  # type: ignore[override]


    class Prompts(Protocol):
        @overload
        def get_prompt(self, name: Literal['support-chat/label'], *, key: str | None = ..., targeting_key: str | None = ..., hold: str | None = ..., version: str | None = ..., channel: str | None = ..., fallback: Fallback | None = ...) -> SupportChatLabelPrompt: ...
        @overload
        def get_prompt(self, name: Literal['support-chat/reply'], *, key: str | None = ..., targeting_key: str | None = ..., hold: str | None = ..., version: str | None = ..., channel: str | None = ..., fallback: Fallback | None = ...) -> SupportChatReplyPrompt: ...
        @overload
        def call(self, name: Literal['support-chat/label'], *, key: str | None = ..., targeting_key: str | None = ..., tags: Mapping[str, str] | None = ..., trace_id: str = ..., hold: str | None = ..., version: str | None = ..., channel: str | None = ..., fallback: Fallback | None = ...) -> Call[SupportChatLabelPrompt]: ...
        @overload
        def call(self, name: Literal['support-chat/reply'], *, key: str | None = ..., targeting_key: str | None = ..., tags: Mapping[str, str] | None = ..., trace_id: str = ..., hold: str | None = ..., version: str | None = ..., channel: str | None = ..., fallback: Fallback | None = ...) -> Call[SupportChatReplyPrompt]: ...

else:
    Prompts = object
    SupportChatLabelPrompt = Prompt
    SupportChatReplyPrompt = Prompt


def typed(client: Client | AsyncClient) -> Prompts:
    """Returns the client itself, by which a type checker knows the prompts and their variables."""
    return cast("Prompts", client)

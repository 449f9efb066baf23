"""A prompt whose pin is a model of embeddings, as a request for the vectors of its messages' texts, in their order.

- OpenAI, Azure, Mistral and others with that API:
  https://developers.openai.com/api/reference/resources/embeddings/methods/create
- Gemini: https://ai.google.dev/api/embeddings

Parameters of chats say nothing here. What an API has besides the texts (``dimensions``, ``taskType``) is in ``extra``.
"""

from __future__ import annotations

import re
from typing import Final

from promptops.core.errors import ParameterNotTaken
from promptops.core.json_value import OBJECTS, Json
from promptops.core.model import Prompt
from promptops.core.parameters import EXTRA, Api, provider_of
from promptops.core.part_forms import text_of
from promptops.core.provider_arguments import require_messages, require_own
from promptops.core.requests.mapping import Messages

_EMBEDS: Final = re.compile(r"(?:.*[^a-z])?(?:embed(?:ding|dings|der)?|voyage)(?:[^a-z].*)?", re.DOTALL)
_USER: Final = "user"


def is_embedding(model: str | None) -> bool:
    """True for a model whose name says that it makes embeddings: ``openai/text-embedding-3-small``."""
    return model is not None and _EMBEDS.fullmatch(provider_of(model)[1].lower()) is not None


def openai_embeddings(prompt: Prompt, messages: Messages) -> dict[str, Json]:
    """Returns the arguments of ``client.embeddings.create``. Several messages are several texts.

    Raises:
        ParameterNotTaken: a parameter is one of chats.
    """
    texts = _texts(prompt, messages)
    model: dict[str, Json] = {"model": provider_of(prompt.model)[1]}
    user = {_USER: prompt.parameters[_USER]} if _USER in prompt.parameters else {}
    call: dict[str, Json] = {**model, "input": texts[0] if len(texts) == 1 else texts, **user}
    require_own(Api.OPENAI_CHAT, prompt, call)
    return {**call, **_extra(prompt)}


def gemini_embeddings(prompt: Prompt, messages: Messages, model: str) -> tuple[str, dict[str, Json]]:
    """Returns the method and the body for one text, ``embedContent``, or for several, ``batchEmbedContents``, which has
    ``model`` (``models/…``) in each.

    Raises:
        ParameterNotTaken: a parameter is one of chats.
    """
    if _USER in prompt.parameters:
        raise ParameterNotTaken(_USER, Api.GEMINI, hint="Remove it.")
    require_own(Api.GEMINI, prompt, {"content": (), "model": model})
    asked: list[dict[str, Json]] = [
        {"content": {"parts": [{"text": text}]}, **_extra(prompt)} for text in _texts(prompt, messages)
    ]
    if len(asked) == 1:
        return "embedContent", asked[0]
    return "batchEmbedContents", {"requests": [{"model": model, **each} for each in asked]}


def _texts(prompt: Prompt, messages: Messages) -> list[str]:
    for name in prompt.parameters:
        if name not in (EXTRA, _USER):
            raise ParameterNotTaken(name, "embeddings", hint="It is a parameter of chats. Remove it.")
    require_messages(messages, prompt, Api.OPENAI_CHAT)
    return [text_of(message["content"], Api.OPENAI_CHAT) for message in messages]


def _extra(prompt: Prompt) -> dict[str, Json]:
    extra = prompt.parameters.get(EXTRA, {})
    return dict(extra) if isinstance(extra, OBJECTS) else {}

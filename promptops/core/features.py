"""What a release may need of the clients that load it, and what this version's client has.

A release names the features that it needs (``requires``). A client that lacks one keeps the release before, and reports
it; in its heartbeats it names the features that it understands, so that a promotion can warn before. Clients before
0.3.0 name none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from promptops.core.model import Message, Prompt

OFF: Final = "off"
"""A channel may serve nothing of an app (``stable`` is null), and its other apps are followed on."""

CACHE: Final = "cache"
"""Messages, parts and tools may have cache marks. An older client would pay for what another one caches."""

CHECKS: Final = "checks"
"""Prompts may have checks of their answers. An older client refuses the key, since it may decide what is sent."""

ESCAPES: Final = "escapes"
"""Simple templates may have ``{{ "{{" }}`` for two braces. An older client would send the escape itself."""

MODELS: Final = "models"
"""A release may carry what its workspace says of models. An older client would not send what such a model takes."""

PARAMETERS: Final = "parameters"
"""Prompts may have :data:`LATER` parameters. An older client would refuse to send them."""

LATER: Final = frozenset(
    (
        "betas",
        "container",
        "extra",
        "metadata",
        "promptCacheKey",
        "reasoningSummary",
        "safetyIdentifier",
        "speed",
        "store",
    )
)
"""Parameters that clients before 0.7.0 do not know."""

HISTORY: Final = "history"
"""Prompts may have places for messages of the caller. An older client would send the conversation without them."""

PARTS: Final = "parts"
"""Messages may have parts, and variables may be images, files and audio. An older client would send them without."""

TOOL_MESSAGES: Final = "tool-messages"
"""Messages may make and answer calls of tools, and have a name. An older client would send them without."""

UNDERSTOOD: Final = (CACHE, CHECKS, ESCAPES, HISTORY, MODELS, OFF, PARAMETERS, PARTS, TOOL_MESSAGES)
"""What this version's client understands, in order."""

MAX_FEATURES: Final = 50
"""Features that a release needs or a client names: there will never be as many, and a heartbeat stays small."""

_FEATURE = re.compile(r"[a-z][a-z0-9-]{0,39}")


def is_features(names: object) -> bool:
    """True for a list or tuple of features: words in order, each once, at most :data:`MAX_FEATURES`."""
    if not isinstance(names, list | tuple) or len(names) > MAX_FEATURES:
        return False
    words = [name for name in names if isinstance(name, str) and _FEATURE.fullmatch(name)]
    return len(words) == len(names) and words == sorted(set(words))


def requires_of(data: bytes) -> tuple[str, ...]:
    """The features that a release needs, read from its bytes alone.

    The rest is not read strictly, because a newer promptops may have written what this one cannot read. Empty for
    bytes that name none, or that are no release.
    """
    if b'"requires":' not in data:
        return ()
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return ()
    features = document.get("requires") if isinstance(document, dict) else None
    return tuple(features) if isinstance(features, list) and is_features(features) else ()


def features_of(prompt: Prompt) -> Iterator[str]:
    """Yields the features that a prompt needs of a client."""
    written = prompt.written
    if _has_marks(prompt, written):
        yield CACHE
    if prompt.checks:
        yield CHECKS
    if prompt.escapes:
        yield ESCAPES
    if len(written) < len(prompt.messages):
        yield HISTORY
    if prompt.own_facts is not None:
        yield MODELS
    if not LATER.isdisjoint(prompt.parameters):
        yield PARAMETERS
    if any(message.parts for message in written) or any(item.media for item in prompt.inputs):
        yield PARTS
    if any(message.has_extras for message in written):
        yield TOOL_MESSAGES


def _has_marks(prompt: Prompt, written: Iterable[Message]) -> bool:
    marked = any(message.cache for message in prompt.messages) or any(tool.cache for tool in prompt.tools)
    return marked or any(part.cache for message in written for part in message.parts)


def lacking(requires: Iterable[str], understands: Iterable[str]) -> tuple[str, ...]:
    """The features of a release that a client does not understand, in order."""
    return tuple(sorted(set(requires) - set(understands)))

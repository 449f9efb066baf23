"""Decides whether a model id floats: whether the provider can change the model behind it.

An id is fixed if it has a date, a snapshot number, a version or a hash, or if the provider documents a name without a
date as pinned: Claude from generation 4.6 on, the ids of Amazon Bedrock, and the OpenAI models that have no
dated form. Everything else is an alias. A number alone fixes nothing: ``azure/prod-2024`` is the name of a deployment.
Open weights without a revision float too, because a host may replace or quantise them.

Sources: https://platform.claude.com/docs/en/about-claude/models/model-ids-and-versions,
https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html,
https://developers.openai.com/api/docs/models.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptops.core.model import Content
    from promptops.core.own_facts import OwnFacts

_EDGE = r"(?:$|[-@:._/])"
_YEAR, _MONTH, _DAY = r"20\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_NUMBERED = (
    r"(?:gpt-[34]|gpt-35|mi[sx]tral|ministral|magistral|codestral|devstral|mathstral|pixtral|voxtral|open-mi|grok"
    r"|gemini|deepseek|qwen|kimi|glm|ernie|hunyuan|doubao|command)[\w.:-]*"
)
"""Families whose snapshots are a month and a day, or a year and a month, in four digits."""

FIXED: tuple[tuple[str, str], ...] = (
    ("2024-07-18 (OpenAI)", rf"[-@:_]{_YEAR}-{_MONTH}-{_DAY}{_EDGE}"),
    ("20250929 (Anthropic, Bedrock, Vertex AI)", rf"[-@:_]{_YEAR}{_MONTH}{_DAY}{_EDGE}"),
    ("08-2024, 09-2025 (Cohere, Google)", rf"-{_MONTH}-{_YEAR}{_EDGE}"),
    ("preview-05-06 (Google)", rf"-(?:preview|exp)-{_MONTH}-{_DAY}{_EDGE}"),
    ("0613, 1212, 0324 (OpenAI, xAI, DeepSeek)", rf"[-:/.]{_NUMBERED}-{_MONTH}{_DAY}{_EDGE}"),
    ("2411, 2507 (Mistral, Qwen)", rf"[-:/.]{_NUMBERED}-2\d{_MONTH}{_EDGE}"),
    ("001 (Google, OpenAI)", rf"[-/.](?:gemini|text|chat|code|imagen|veo|davinci|babbage)[\w.-]*[-@]00\d{_EDGE}"),
    ("@sha256:…, @4f2a91c… (revisions and hashes)", r"[@:](?:sha256:)?[0-9a-f]{7,64}$"),
    ("/versions/2 (Azure ML)", r"/versions/\d+$"),
    ("amazon.nova-pro-v1:0 (Bedrock)", r"[-/.][a-z0-9]+\.[a-z][\w.-]*-v?\d+:\d+(?::\w+)?$"),
    ("amazon.titan-text-express-v1 (Bedrock)", r"[-/.](?:amazon|ai21|anthropic|cohere|meta)\.[a-z][\w.-]*-v\d+$"),
)
"""What makes an id fixed: an example, and its pattern."""

DATELESS: tuple[tuple[str, str], ...] = (
    ("claude-opus-4-6, claude-opus-5", r"(?:.*\.)?claude-[a-z]+-(?:4[-.](?:[6-9]|\d\d)|(?:[5-9]|\d\d)(?:[-.]\d\d?)?)"),
    ("gpt-5.6-sol, gpt-6-astra", r"gpt-(?:5\.(?:[6-9]|\d\d)|(?:[6-9]|\d\d)(?:\.\d\d?)?)-[a-z]+(?:-[a-z]+)*"),
    ("gpt-5-codex, gpt-5.1-codex-max", r"gpt-5(?:\.[1-5])?-codex(?:-m(?:ax|ini))?"),
)
"""Names that are pinned though they carry no date: examples, and the pattern of the whole name."""

ALWAYS_FLOATING = re.compile(r"(?:^|[-@:._/])(?:latest|stable|default|auto|main)(?:$|[:@/])", re.IGNORECASE)
_FIXED = re.compile("|".join(pattern for _, pattern in FIXED), re.IGNORECASE)
_DATELESS = re.compile("|".join(pattern for _, pattern in DATELESS), re.IGNORECASE)
_DEPLOYMENTS = frozenset({"azure", "azure-openai", "azure_openai"})
"""Providers whose ids are names that a customer gave: what such a name serves can be upgraded behind it."""


@lru_cache(maxsize=256)
def is_floating(model: str) -> bool:
    """True for an alias: ``openai/gpt-4o``, ``anthropic/claude-3-5-sonnet-latest``. ``model`` is at most 300 characters
    of ``provider/model``; more of it is not looked at, and floats.
    """
    provider, _, rest = model.partition("/")
    name = rest or model
    if len(name) > 300 or floats_by_name(model):
        return True
    if provider.lower() not in _DEPLOYMENTS and _DATELESS.fullmatch(name.rpartition("/")[2]):
        return False
    return _FIXED.search("-" + name) is None


def floats(model: str, own: OwnFacts | None) -> bool:
    """Like :func:`is_floating`, but what a workspace says of a model counts, unless its name says ``latest``."""
    if own is None or own.pinned is None or floats_by_name(model):
        return is_floating(model)
    return not own.pinned


def floats_by_name(model: str) -> bool:
    """Returns whether a name says that it stands for the newest model: no word of a workspace makes it a pin."""
    return ALWAYS_FLOATING.search(model.partition("/")[2] or model) is not None


def floating_models(content: Content) -> tuple[str, ...]:
    """Returns the models of a content that float, each once and in order."""
    return tuple(sorted({each.model for each in content.prompts if each.model and floats(each.model, each.own_facts)}))

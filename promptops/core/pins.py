"""A model id -> does it float: can the provider change what it means?

An id is fixed where it carries a date, a snapshot number, a version or a hash. Everything else is an alias. Patterns of
ids as the large providers write them, in one table; open weights without a revision float too, because a host may
replace or quantise them.
"""

from __future__ import annotations

import re
from functools import lru_cache

_EDGE = r"(?:$|[-@:._/])"
FIXED: tuple[tuple[str, str], ...] = (
    ("2024-07-18 (OpenAI)", r"[-@:_]20\d\d-[01]\d-[0-3]\d" + _EDGE),
    ("20250929 (Anthropic, Bedrock, Vertex AI)", r"[-@:_]20\d\d[01]\d[0-3]\d" + _EDGE),
    ("08-2024, 09-2025 (Cohere, Google)", r"-[01]\d-20\d\d" + _EDGE),
    ("preview-05-06 (Google)", r"-[01]\d-[0-3]\d" + _EDGE),
    ("0613, 2411, 1212 (OpenAI, Mistral, xAI)", r"-\d{4}" + _EDGE),
    ("001 (Google)", r"-\d{3}" + _EDGE),
    ("@sha256:…, @4f2a91c… (revisions and hashes)", r"[@:](?:sha256:)?[0-9a-f]{7,64}$"),
    ("/versions/2 (Azure ML)", r"/versions/\d+$"),
)
"""What makes an id fixed: an example, and its pattern."""

ALWAYS_FLOATING = re.compile(r"(?:^|[-@:._/])(?:latest|stable|default|auto|main)(?:$|[:@/])", re.IGNORECASE)
_FIXED = re.compile("|".join(pattern for _, pattern in FIXED), re.IGNORECASE)


@lru_cache(maxsize=256)
def is_floating(model: str) -> bool:
    """True for an alias: ``openai/gpt-4o``, ``anthropic/claude-3-5-sonnet-latest``."""
    name = model.partition("/")[2] or model
    return ALWAYS_FLOATING.search(name) is not None or _FIXED.search("-" + name) is None

"""The tokens of calls of a prompt of one release."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredTokens:
    """What ``calls`` of a prompt of a release took together; of calls whose tokens are known, at least one.

    ``cached_tokens`` are among the input tokens.
    """

    version: str
    prompt: str
    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int

"""What happened to one call, as its process saw it, and how that is counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.outcomes.counters import MAX_COUNT
from promptops.core.outcomes.series import require_line

LONGEST_ERROR: Final = 100
"""Characters of the class of an error."""


class Count(StrEnum):
    """What is counted, by its name in documents. All but ``opened`` are of calls that ended."""

    OPENED = "opened"
    """Calls that began: exposures. One that is never recorded ends nowhere else."""
    CALLS = "calls"
    """Calls that ended, in any way. Those of which it is known how they did are all but ``cancelled``."""
    NO_UNIT = "no_unit"
    """Calls without a unit: no key, or no secret yet. No analysis of a canary counts them."""
    HELD = "held"
    """Calls of conversations that a hold kept on their release."""
    MISMATCH = "mismatch"
    """Calls of keys on the canary's side that a client served the stable release, because it cannot load the canary."""
    REFUSED = "refused"
    """The model refused to answer."""
    SCHEMA_FAILED = "schema_failed"
    """The answer does not fit the prompt's JSON Schema."""
    CHECK_FAILED = "check_failed"
    """The answer failed a check of the prompt."""
    BAD = "bad"
    """The call ended in an error or a refusal, or its answer fits no schema or failed a check: in any of these."""
    CANCELLED = "cancelled"
    """The caller went away: neither good nor bad."""
    UNREAD = "unread"
    """The answer has a shape that is not known, so its tokens are not known either."""
    PIN_MISMATCH = "pin_mismatch"
    """The model that answered is not the pinned one."""
    TRUNCATED = "truncated"
    """The answer ended at a limit of tokens."""
    INPUT_TOKENS = "input_tokens"
    """All tokens of the input, with those read from a cache and those written to it."""
    CACHED_TOKENS = "cached_tokens"
    CACHE_WRITTEN_TOKENS = "cache_written_tokens"
    OUTPUT_TOKENS = "output_tokens"
    """All tokens of the output, with those of reasoning."""
    REASONING_TOKENS = "reasoning_tokens"


class Measure(StrEnum):
    """What has a histogram, by its name in documents: of calls that were answered, so that a timeout is not a speed."""

    LATENCY = "latency_ms"
    """Milliseconds to the whole answer, of calls that read no tokens from a cache."""
    CACHED_LATENCY = "cached_latency_ms"
    """The same, of calls that read some. Both together are all calls."""
    FIRST_TOKEN = "first_token_ms"  # noqa: S105 no secret
    """Milliseconds to the first part of an answer that is streamed."""
    COST = "cost_micro_usd"
    """Millionths of a US dollar that a call would cost without a cache, where the process knows the rates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens that a call used, as the provider counted them.

    ``cached`` (read from a cache) and ``cache_written`` are parts of ``input``, ``reasoning`` of ``output``.

    Raises:
        Invalid: a number is negative or too large.
    """

    input: int = 0
    cached: int = 0
    cache_written: int = 0
    output: int = 0
    reasoning: int = 0

    def __post_init__(self) -> None:
        numbers = (self.input, self.cached, self.cache_written, self.output, self.reasoning)
        if min(numbers) < 0 or max(numbers) > MAX_COUNT:
            raise Invalid(f"{self} are not tokens: each number is from 0 to 2^53 - 1")

    def counts(self) -> Iterator[tuple[Count, int]]:
        """What they add to the counters, without zeros."""
        if self.input:
            yield Count.INPUT_TOKENS, self.input
        if self.cached:
            yield Count.CACHED_TOKENS, self.cached
        if self.cache_written:
            yield Count.CACHE_WRITTEN_TOKENS, self.cache_written
        if self.output:
            yield Count.OUTPUT_TOKENS, self.output
        if self.reasoning:
            yield Count.REASONING_TOKENS, self.reasoning


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOutcome:
    """What happened to one call that ended.

    ``error`` is the class of the error that ended it, empty without one. ``tokens`` is None where they are not known.
    ``latency_ms`` and ``first_token_ms`` are in milliseconds. ``cost_usd`` is what the call would cost without a cache,
    None where the rates are not known.

    Raises:
        Invalid: a number is negative, too large or not one, or the class of the error is not a short line.
    """

    error: str = ""
    has_unit: bool = True
    held: bool = False
    mismatch: bool = False
    refused: bool = False
    schema_failed: bool = False
    check_failed: bool = False
    cancelled: bool = False
    unread: bool = False
    pin_mismatch: bool = False
    truncated: bool = False
    tokens: Tokens | None = None
    latency_ms: float | None = None
    first_token_ms: float | None = None
    cost_usd: float | None = None

    def __post_init__(self) -> None:
        for number in (self.latency_ms, self.first_token_ms, self.cost_usd):
            if number is not None and not 0 <= number <= MAX_COUNT:  # refuses NaN too
                raise Invalid(f"{number!r} is not a number from 0 to 2^53 - 1")
        if self.error:
            require_line(self.error, "the class of an error", LONGEST_ERROR)

    def counts(self) -> Iterator[tuple[Count, int]]:
        """What it adds to the counters, without zeros."""
        yield Count.CALLS, 1
        if not self.has_unit:
            yield Count.NO_UNIT, 1
        if self.held:
            yield Count.HELD, 1
        if self.mismatch:
            yield Count.MISMATCH, 1
        if self.refused:
            yield Count.REFUSED, 1
        if self.schema_failed:
            yield Count.SCHEMA_FAILED, 1
        if self.check_failed:
            yield Count.CHECK_FAILED, 1
        if not self.cancelled and (self.error or self.refused or self.schema_failed or self.check_failed):
            yield Count.BAD, 1
        if self.cancelled:
            yield Count.CANCELLED, 1
        if self.unread:
            yield Count.UNREAD, 1
        if self.pin_mismatch:
            yield Count.PIN_MISMATCH, 1
        if self.truncated:
            yield Count.TRUNCATED, 1
        if self.tokens is not None:
            yield from self.tokens.counts()

    def measures(self) -> Iterator[tuple[Measure, float]]:
        """What it adds to the histograms: nothing after an error, and nothing where the caller went away."""
        if self.error or self.cancelled:
            return
        if self.latency_ms is not None:
            cached = self.tokens is not None and self.tokens.cached > 0
            yield Measure.CACHED_LATENCY if cached else Measure.LATENCY, self.latency_ms
        if self.first_token_ms is not None:
            yield Measure.FIRST_TOKEN, self.first_token_ms
        if self.cost_usd is not None:
            yield Measure.COST, self.cost_usd * 1e6

"""From when on a call is slow or dear, and which guardrails never judge: worked out once, when a canary starts. Pure.

A limit is the quantile ``1 - 0.02/k`` of stable's calls of a prompt in the last 7 days, where k is how many calls a key
makes in a window of the first step. So about 2 % of stable's keys go over it at least once, whatever their use: a limit
at a fixed quantile of calls would have nearly every key over it. A candidate that is known to be slower or dearer, from
the evidence that opened its gate, has a limit that is higher by as much, so that a change which is wanted is no alarm.

Both are of calls without a cache, because a canary has the colder one: costs are without it, and times are of calls
that read nothing from one. Where stable has no such calls, they are of those that did. The two are never mixed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from promptops.core.outcomes.call_outcome import Count, Measure
from promptops.core.outcomes.histogram import Histogram, bin_of, bounds
from promptops.core.outcomes.report import Guardrail
from promptops.core.outcomes.sums import Sums
from promptops.core.trial import Limits

AFFECTED: Final = 0.02
"""The share of stable's keys that go over a limit."""
ENOUGH: Final = 500
"""Calls, times those of a key, from which on a quantile that far up is known: ten of them are above it."""
RECORDED: Final = 0.5
"""The share of stable's calls that have to be recorded for one that is not to mean anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dearer:
    """How many times as slow and as dear a candidate may be as what is live: at least 1."""

    slow: float = 1.0
    dear: float = 1.0


def limits_of(sums: Sums, calls_a_key: float, dearer: Dearer = Dearer()) -> Limits:
    """Returns the limits of a prompt, of which stable did this, and of which a key makes so many calls in a window.

    Of what has fewer calls than :data:`ENOUGH` times those of a key, there is no limit.
    """
    share = 1 - AFFECTED / max(1.0, calls_a_key)
    enough = ENOUGH * max(1.0, calls_a_key)
    kind = Measure.LATENCY if Measure.LATENCY in sums.histograms else Measure.CACHED_LATENCY
    slow = _limit(sums.histograms.get(kind), share, enough, dearer.slow)
    dear = _limit(sums.histograms.get(Measure.COST), share, enough, dearer.dear)
    if kind is Measure.LATENCY:
        return Limits(slow_ms=slow, dear_micro_usd=dear)
    return Limits(cached_slow_ms=slow, dear_micro_usd=dear)


def _limit(found: Histogram | None, share: float, enough: float, times: float) -> int | None:
    if found is None or found.count < enough:
        return None
    value = found.quantile(share)
    highest = bounds(bin_of(value))[1] if value is not None else math.inf
    return math.ceil(highest * times) if highest < math.inf else None


def off_of(limits: Iterable[Limits], sums: Iterable[Sums], calls_a_key: float) -> Mapping[str, str]:
    """Returns the guardrails that never judge a canary, each with the reason: of what stable's prompts did."""
    kept, all_sums = list(limits), list(sums)
    needed = math.ceil(ENOUGH * max(1.0, calls_a_key))
    off = {}
    few = f"no prompt had {needed:,} calls of the stable release in 7 days"
    if not any(each.judges_time for each in kept):
        off[Guardrail.SLOW.value] = f"{few} whose time is known, all with or all without a cache"
    if all(each.dear_micro_usd is None for each in kept):
        off[Guardrail.DEAR.value] = f"{few} whose cost is known"
    opened, recorded = (sum(each[name] for each in all_sums) for name in (Count.OPENED, Count.CALLS))
    if not opened or recorded < RECORDED * opened:
        off[Guardrail.UNRECORDED.value] = "fewer than half of the calls of the stable release are recorded"
    return off

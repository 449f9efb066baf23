"""When a rollout sees something: when a worse canary is aborted, and an equal one shown not to be worse. Pure.

All times are those of expected counts. Of canaries that are three times as bad, about half are aborted earlier; of
equal ones, about nine in ten are shown by then, guardrail by guardrail, not to be worse.

Keys come back: a key of today may be one of yesterday, and a key counts once. If each of *n* keys comes on a day with
the probability *q*, a day has ``n·q`` of them, and *t* days have ``n·(1 − (1 − q)^t)``. With *q* at 0, each day has
other keys. Of those that went bad, few make most calls, and there are always some more: *t* days have ``t^g`` times
those of a day, *g* being 1 where each day has other ones, and 0 where all are bad every day.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from promptops.core.canary.advance import SampledKeys, judge_step
from promptops.core.canary.coins import WORSE, growth
from promptops.core.canary.guardrail import FALSE_ABORTS, share
from promptops.core.canary.state import Coin
from promptops.core.deployment_parts import WHOLE
from promptops.core.outcomes.report import Guardrail
from promptops.core.outcomes.units import KEYS_A_DAY

if TYPE_CHECKING:
    from promptops.core.canary.rollout_policy import RolloutPolicy

TIMES: Final = 3.0
"""How many times as bad a canary is whose abort is foretold."""
LONGEST: Final = timedelta(days=90)
"""What takes longer is called never."""
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_NEVER: Final = 700.0
"""The logarithm of a number of days that is never, and that a float still holds."""
_NINE_IN_TEN: Final = 1.28
"""Standard deviations above the mean that nine in ten stay below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysSeen:
    """Keys of an app on a channel: how many a day, and of those that could show a guardrail the share that went bad in
    a day.

    ``able`` is the share of keys that could show a guardrail, 1 where it is not named. ``again`` is how likely a key
    comes on a day, 0 where each day has other ones, and ``bad_grows`` is the power by which those that were bad at a
    guardrail in several days are more than in one.

    Raises:
        ValueError: a number is negative, or one of the others is above 1.
    """

    a_day: float
    bad: Mapping[str, float]
    able: Mapping[str, float] = field(default_factory=dict)
    again: float = 0.0
    bad_grows: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shares = (self.again, *self.bad.values(), *self.able.values(), *self.bad_grows.values())
        if self.a_day < 0 or not all(0 <= each <= 1 for each in shares):
            raise ValueError(f"there are no such keys: {self}")

    def of(self, guardrail: str) -> Shown:
        """Returns what the keys show of a guardrail."""
        return Shown(
            keys=Growing(self.a_day * self.able.get(guardrail, 1.0), self.again),
            bad=self.bad.get(guardrail, 0.0),
            bad_grows=self.bad_grows.get(guardrail, 1.0),
        )


@dataclass(frozen=True, slots=True)
class Growing:
    """Keys by the time, each counted once: so many in a day. ``again`` is how likely each of them comes on a day.

    Within a day they come one after the other, as evenly as the hours do.
    """

    a_day: float
    again: float = 0.0

    def within(self, days: float) -> float:
        """Returns how many there are."""
        if days <= 1 or not self.again:
            return self.a_day * days
        if self.again == 1:
            return self.a_day
        return -math.expm1(days * math.log1p(-self.again)) / self.again * self.a_day

    def days(self, count: float) -> float:
        """Returns how long it takes to have so many; infinite where there never are."""
        if not self.a_day:
            return math.inf
        if count <= self.a_day or not self.again:
            return count / self.a_day
        come = self.again * count / self.a_day  # of all keys that there are
        return math.log1p(-come) / math.log1p(-self.again) if come < 1 else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What keys show of one guardrail: those that could show it, and the share of a day's that is bad. Those that were
    bad in several days are more than those of one day by the power ``bad_grows``.
    """

    keys: Growing
    bad: float
    bad_grows: float = 1.0

    def share(self, days: float) -> float:
        """Returns the share of the keys of so many days that was bad within them."""
        keys, days = self.keys, max(1.0, days)
        return min(1.0, keys.a_day * self.bad * days**self.bad_grows / keys.within(days)) if keys.a_day else self.bad

    def days(self, count: float, a_key: float) -> float:
        """Returns how long it takes to have so many bad keys, if this share of a day's is; infinite where never."""
        a_day = self.keys.a_day * a_key
        if count <= a_day or not a_day:
            return count / a_day if a_day else math.inf
        return math.exp(min(math.log(count / a_day) / self.bad_grows, _NEVER)) if self.bad_grows else math.inf


def headline(on: Collection[str]) -> str:
    """Returns the guardrail, of those that are on, that speaks for all."""
    return Guardrail.ERROR.value if Guardrail.ERROR.value in on else next(iter(on), "")


def first_sight(policy: RolloutPolicy, shown: Shown, weight: int, guardrails: int) -> timedelta | None:
    """Returns after how long a step of this weight aborts a canary that is three times as bad, or has a share of bad
    keys at the tolerance where that is more; None where it takes longer than :data:`LONGEST`.
    """
    return abort_of(foretold(shown, policy.tolerance), weight, guardrails, ratio=policy.abort_ratio)


def foretold(shown: Shown, tolerance: float) -> Shown:
    """Returns what keys show with a share of bad ones of which three times as many are the tolerance at least."""
    return Shown(keys=shown.keys, bad=max(shown.bad, tolerance / TIMES), bad_grows=shown.bad_grows)


# --- worse -----------------------------------------------------------------------------------------


def time_to_abort(
    keys_a_day: float, bad: float, weight: int, guardrails: int, times: float = TIMES, *, ratio: float = 1.0
) -> timedelta | None:
    """Returns how long the coin of keys that are bad once takes to abort a canary that is ``times`` as bad, where each
    day has other keys. ``ratio`` is how many times as bad it may be without an abort.
    """
    return abort_of(Shown(keys=Growing(keys_a_day), bad=bad), weight, guardrails, times=times, ratio=ratio)


def abort_of(
    shown: Shown, weight: int, guardrails: int, *, times: float = TIMES, ratio: float = 1.0
) -> timedelta | None:
    """Returns the same of keys that come back; None where it takes longer than :data:`LONGEST`."""
    return longest(days_to_abort(shown, weight, guardrails, canary=shown.bad * times, ratio=ratio))


def days_to_abort(shown: Shown, weight: int, guardrails: int, *, canary: float, ratio: float) -> float:
    """Returns how many days it takes to abort a canary of whose keys this share is bad in a day; infinite where never.

    A bad key is the canary's with the probability ``s = w·c / (w·c + (1 − w)·b)``, *w* being the weight, *c* and *b*
    the shares of the canary's and of stable's keys that are bad. The coin asks for odds above ``ratio · w/(1 − w)``. So
    with each bad key the logarithm of the e-value of the multiple *m* grows by ``s·ln(m·f) + (1 − s)·ln f`` on average,
    f = (1 + o)/(1 + o·m) with these odds *o*. The multiple that grows fastest takes the limit first, after
    ``limit / growth`` bad keys (A. Wald, *Sequential Analysis*, 1947). The limit is that of the coins of all
    guardrails, times 7, since the e-value is the mean of seven multiples, and times 2, since the component of the whole
    rollout has half of the weight.
    """
    part, canary = weight / WHOLE, min(1.0, canary)
    a_key = part * canary + (1 - part) * shown.bad
    if not a_key or not shown.keys.a_day:
        return math.inf
    on_canary, odds = part * canary / a_key, ratio * part / (1 - part)
    tosses = (growth(odds, multiple) for multiple in WORSE)
    gain = max(on_canary * math.log(mine) + (1 - on_canary) * math.log(other) for mine, other in tosses)
    if gain <= 0:
        return math.inf
    limit = math.log(len(Coin) * guardrails / FALSE_ABORTS) + math.log(len(WORSE)) - math.log(share(0))
    return shown.days(limit / gain, a_key)


def longest(days: float) -> timedelta | None:
    """Returns so many days; None for more than :data:`LONGEST`."""
    return days * _DAY if days <= LONGEST / _DAY else None


# --- not worse -------------------------------------------------------------------------------------


def sampled_keys(keys_a_day: float) -> float:
    """Returns how many of the keys of a side in a day are in the sample."""
    return min(keys_a_day, KEYS_A_DAY)


def time_to_show(policy: RolloutPolicy, shown: Shown, keys_a_day: float, weight: int) -> timedelta | None:
    """Returns how long it takes until an equal canary is shown not to be worse that has more bad keys than nine in ten
    have; None where it takes longer than :data:`LONGEST`.
    """
    parts = [part / WHOLE for part in (weight, WHOLE - weight)]
    sampled = [sampled_keys(keys_a_day * part) / keys_a_day if keys_a_day else 0.0 for part in parts]
    if not min(sampled) * shown.keys.a_day:
        return None
    odds = sampled[0] / sampled[1]
    for hours in _hours_to_try():
        days = hours / 24
        canary, stable = (int(shown.keys.within(days / 2) * part) for part in sampled)  # of the first half
        bad = shown.share(days)
        high = canary * bad + _NINE_IN_TEN * math.sqrt(canary * bad * (1 + odds))
        keys = SampledKeys(
            canary=canary, canary_bad=min(canary, math.ceil(high)), stable=stable, stable_bad=int(stable * bad)
        )
        if judge_step(keys, odds, ratio=policy.ratio, tolerance=policy.tolerance).is_shown:
            return hours * _HOUR
    return None


def _hours_to_try() -> Iterator[int]:
    """Hours, closer to each other at the beginning: of a later one, a tenth more or less says the same."""
    hours = 1
    while hours <= LONGEST / _HOUR:
        yield hours
        hours += max(1, hours // 20)

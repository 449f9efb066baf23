"""The keys of an app in the last days, from its sample: how many a day, how many come back, and how many go bad. Pure.

A sample takes the keys whose ids are smallest, and ids are spread evenly. So shares among the smallest ids are those
among all.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from promptops.core.canary.foresight import KeysSeen
from promptops.core.canary.limits import AFFECTED
from promptops.core.outcomes.report import Guardrail

UNMEASURED: Final = (Guardrail.SLOW.value, Guardrail.DEAR.value)
"""Guardrails that no key shows without a canary: their limits are made for one, so that 2 % of keys go over them."""
_HALVINGS: Final = 40
_EVERY_ID: Final = "g"  # after each id in hex

Pairs: TypeAlias = Collection[tuple[int, str]]
"""Days with keys on them."""


@dataclass(frozen=True, slots=True)
class KeyOfDay:
    """A key of the sample on a day: the guardrails at which its calls could be bad, and were.

    ``counts`` is false where another release than the stable one served it: it is traffic, and says nothing of rates.
    """

    day: int
    unit: str
    counts: bool
    could: frozenset[str]
    bad: frozenset[str]

    def with_(self, other: KeyOfDay) -> KeyOfDay:
        """Returns both as one: a key that two revisions served on a day."""
        counts = self.counts or other.counts
        return KeyOfDay(self.day, self.unit, counts, self.could | other.could, self.bad | other.bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What is known of a score, of which no sample says who has one: its calls, and all keys with a bad one by day."""

    calls: int
    bad: frozenset[tuple[int, str]] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The keys of some days. ``days`` are whole ones, 0 where only the present day is known, as far as it is over."""

    days: int
    keys: KeysSeen


def traffic_of(
    keys: Iterable[KeyOfDay],
    counts: Mapping[int, int],
    guardrails: Collection[str],
    *,
    today: int,
    most: int,
    scores: Mapping[str, Scored] | None = None,
) -> Traffic:
    """Returns the traffic of days.

    ``counts`` are about how many keys each day had, and ``most`` is how many keys of a day were read at most. Of a
    guardrail in ``scores`` it is taken that each scored call is of another key.
    """
    known = sorted(day for day, count in counts.items() if count)
    whole = [day for day in known if day < today] or known
    if not whole:
        return Traffic(days=0, keys=KeysSeen(a_day=0.0, bad={}))
    days = whole[-1] - whole[0] + 1
    a_day = sum(counts[day] for day in whole) / days
    by_day = _by_day(keys, set(whole))
    # Beyond the last id of a day of which not all keys were read, a key would be missing on that day alone.
    last = min((max(units) for units in by_day.values() if len(units) >= most), default=_EVERY_ID)
    every = [(day, unit) for day, units in by_day.items() for unit in units if unit <= last]
    judged = [key for units in by_day.values() for key in units.values() if key.counts]
    rates = {
        name: _scored(scores[name], a_day, judged) if scores and name in scores else _rate(name, judged)
        for name in guardrails
    }
    seen = KeysSeen(
        a_day=a_day,
        bad={name: rate.bad for name, rate in rates.items()},
        able={name: rate.able for name, rate in rates.items()},
        again=_again(every, days),
        bad_grows={name: rate.grows for name, rate in rates.items()},
    )
    return Traffic(days=days if whole[-1] < today else 0, keys=seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rate:
    """``able`` is the share of keys that could show a guardrail, ``bad`` that of these which went bad in a day, and
    ``grows`` the power by which bad ones of several days are more.
    """

    able: float = 1.0
    bad: float = 0.0
    grows: float = 1.0


def _rate(name: str, judged: Collection[KeyOfDay]) -> _Rate:
    if name in UNMEASURED:
        return _Rate(bad=AFFECTED)
    could = [key for key in judged if name in key.could]
    if not could:
        return _Rate(able=0.0 if judged else 1.0)
    bad = [(key.day, key.unit) for key in could if name in key.bad]
    return _Rate(able=len(could) / len(judged), bad=len(bad) / len(could), grows=_grows(bad, _days(judged)))


def _scored(score: Scored, a_day: float, judged: Collection[KeyOfDay]) -> _Rate:
    days = _days(judged)
    keys = min(score.calls / days, a_day) if days else 0.0
    if not keys:
        return _Rate(able=0.0)
    return _Rate(able=keys / a_day, bad=min(1.0, len(score.bad) / days / keys), grows=_grows(score.bad, days))


def _days(judged: Collection[KeyOfDay]) -> int:
    return len({key.day for key in judged})


def _by_day(keys: Iterable[KeyOfDay], days: Collection[int]) -> Mapping[int, Mapping[str, KeyOfDay]]:
    """The keys by day and unit, each once."""
    found: dict[int, dict[str, KeyOfDay]] = defaultdict(dict)
    for key in keys:
        if key.day in days:
            before = found[key.day].get(key.unit)
            found[key.day][key.unit] = key if before is None else before.with_(key)
    return found


def _grows(pairs: Pairs, days: int) -> float:
    """The power by which the keys of some days are more than those of one: keys that come on *v* of *d* days make
    ``d/v`` times those of a day, which is ``d^g`` for g = 1 − ln v / ln d.
    """
    if days < 2 or not pairs:
        return 1.0
    each = len(pairs) / len({unit for _, unit in pairs})
    return min(1.0, max(0.0, 1 - math.log(each) / math.log(days)))


def _again(pairs: Pairs, days: int) -> float:
    """How likely a key of some days comes on one of them: each of *n* keys comes on *v* of *d* days on average.

    Of keys that come with the probability *q*, those that came at all did so on ``d·q / (1 − (1 − q)^d)`` days on
    average. So *q* is what makes this *v*; keys that differ from each other come less often than that says.
    """
    if days < 2 or not pairs:
        return 0.0
    each = len(pairs) / len({unit for _, unit in pairs})
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if days * middle < each * (1 - (1 - middle) ** days) else (low, middle)
    return high if each > 1 else 0.0

"""The theorem of a guardrail, without sampling and without rounding: what its e-value can be worth to someone who sees
the side of every bad key, chooses when the next step begins, and stops when it is best.

A key is a bucket that is drawn and not shown. What is shown of it is its side each time it is bad, and what is counted;
so keys stay independent, and it is enough to know for each in which part of the ramp its bucket may still be.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, Protocol

import pytest

from promptops.core.canary.coins import WORSE, growth
from promptops.core.canary.guardrail import Guardrail, share
from promptops.core.canary.state import Counted, RolloutState
from promptops.core.deployment_parts import WHOLE

RAMP = (500, 2500, 5000)

Event = tuple[int, int]
"""A key that goes bad, and the step under which it does."""
State = tuple[tuple[tuple[int, int], tuple[int, int]], ...]
"""Bad keys of the canary and of stable, by component and step."""


class Counting(Protocol):
    """Counts a bad event of a key: returns all counts, and what to remember of the key, None before its first one."""

    def __call__(
        self, ramp: Sequence[int], counts: State, memory: Any, event: tuple[int, int, int]
    ) -> tuple[State, Any]:
        """``event`` is the key's bucket, the step, and the place in the log."""


def once(ramp: Sequence[int], counts: State, memory: Any, event: tuple[int, int, int]) -> tuple[State, Any]:
    """Counts a key as a guardrail does."""
    guardrail = Guardrail(ramp, dict(counts))
    mask = guardrail.add(memory or 0, event[0], event[1])
    return tuple(sorted(guardrail.counts.items())), mask


def again(ramp: Sequence[int], counts: State, memory: Any, event: tuple[int, int, int]) -> tuple[State, Any]:
    """Counts a key that is bad in three different minutes; each event is in one of its own."""
    rows = [[*place, *sides] for place, sides in counts]
    coins = {"once": [], "again": rows, "often": []}
    state = RolloutState.of_json({"guardrails": {"error": coins}, "first_seen": []}, ramp)
    bucket, step, place = event
    remembered = state.bad("error", memory or Counted(), bucket=bucket, step=step, minute=place)
    known = Counted(masks=(0, remembered.masks[1], 0), minutes=remembered.minutes)
    return tuple(sorted(state.coins["error again"].counts.items())), known


def forgetful(ramp: Sequence[int], counts: State, memory: Any, event: tuple[int, int, int]) -> tuple[State, Any]:
    """Counts a key each time it goes bad, which is not fair."""
    return once(ramp, counts, 0, event)[0], 0


def orders(keys: int, events: int) -> Iterator[tuple[int, ...]]:
    """All orders in which so many keys at most go bad so often, up to their names."""
    for order in itertools.product(range(keys), repeat=events):
        if all(key <= max(order[:place], default=-1) + 1 for place, key in enumerate(order)):
            yield order


def late_logs(keys: int, events: int, steps: int) -> Iterator[tuple[Event, ...]]:
    """All logs of so many events whose reports come in any order of the steps."""
    for order in orders(keys, events):
        for at in itertools.product(range(steps), repeat=events):
            yield tuple(zip(order, at, strict=True))


def best_of_any_schedule(
    order: Sequence[int],
    ramp: Sequence[int],
    counting: Counting = once,
    *,
    sides_seen: bool = True,
    best: Callable[..., Fraction] = max,
) -> Fraction:
    """The expected e-value for the best choice of when to step and when to stop. Shorter logs are in it.

    ``sides_seen`` shows the side of a key each time it is bad; without it, only of what is counted. With ``min`` it is
    the worst choice instead.
    """
    return _Search(order, None, tuple(ramp), counting, sides_seen, best).value(0, 0, (), _fresh(order, ramp))


def best_of_log(log: Sequence[Event], ramp: Sequence[int], counting: Counting = once) -> Fraction:
    """The expected e-value for the best choice of when to stop, with steps that are given."""
    order, steps = [key for key, _ in log], [step for _, step in log]
    return _Search(order, steps, tuple(ramp), counting, True).value(0, 0, (), _fresh(order, ramp))


Keys = tuple[tuple[tuple[int, ...], Any], ...]
"""Of each key: the parts of the ramp in which its bucket may be, and what is remembered of it."""


def _fresh(order: Sequence[int], ramp: Sequence[int]) -> Keys:
    return ((tuple(range(len(ramp) + 1)), None),) * (max(order) + 1)


class _Search:
    """Backward induction over one order of bad keys."""

    def __init__(
        self,
        order: Sequence[int],
        steps: Sequence[int] | None,
        ramp: tuple[int, ...],
        counting: Counting,
        sides_seen: bool,
        best: Callable[..., Fraction] = max,
    ) -> None:
        self._order, self._steps, self._ramp, self._counting = order, steps, ramp, counting
        self._sides_seen = sides_seen
        self._best = best
        self._bounds = (0, *ramp, WHOLE)
        self.value = cache(self._value)

    def _value(self, place: int, step: int, counts: State, keys: Keys) -> Fraction:
        now = e_value(counts, self._ramp)
        if place == len(self._order):
            return now
        possible = range(step, len(self._ramp)) if self._steps is None else [self._steps[place]]
        return self._best(now, *(self._next(place, under, counts, keys) for under in possible))

    def _next(self, place: int, step: int, counts: State, keys: Keys) -> Fraction:
        """What the rest is worth if the next key goes bad under this step."""
        key = self._order[place]
        parts, memory = keys[key]
        alike: dict[tuple[bool, State, Any], list[int]] = {}
        for part in parts:
            bucket = self._bounds[part]
            after, remembered = self._counting(self._ramp, counts, memory, (bucket, step, place))
            shown = self._sides_seen and bucket < self._ramp[step]
            alike.setdefault((shown, after, remembered), []).append(part)
        whole = self._width(parts)
        total = Fraction(0)
        for (_, after, remembered), those in alike.items():
            known = (*keys[:key], (tuple(those), remembered), *keys[key + 1 :])
            total += Fraction(self._width(those), whole) * self.value(place + 1, step, after, known)
        return total

    def _width(self, parts: Sequence[int]) -> int:
        return sum(self._bounds[part + 1] - self._bounds[part] for part in parts)


@cache
def e_value(counts: State, ramp: tuple[int, ...]) -> Fraction:
    """The e-value without rounding, of the same counts."""
    guardrail = Guardrail(ramp, dict(counts))
    total = Fraction(share(len(ramp) - 1))
    for component in range(len(ramp)):
        products = []
        for multiple in map(Fraction, WORSE):
            product = Fraction(1)
            for (of, step), (canary, stable) in counts:
                if of == component and guardrail.odds(of, step)[0]:
                    with_canary, with_stable = growth(Fraction(*guardrail.odds(of, step)), multiple)
                    product *= with_canary**canary * with_stable**stable
            products.append(product)
        total += Fraction(share(component)) * sum(products) / len(products)
    assert float(total) == pytest.approx(math.exp(guardrail.log_e_value()), rel=1e-9)
    return total

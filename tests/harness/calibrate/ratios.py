"""How often the interval of what an outcome cost misses the truth, in traffic that is as unfriendly as real traffic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptops.core.statistics.shares import ratio
from tests.harness.calibrate.line import Line

_DAY = 1440
_SPREAD = 1.0  # of the logarithm of a call's cost, around that of its user
_PAUSE = 2.0  # minutes between two calls of a burst
_LEAD = 3  # days before the time that is measured, whose calls lead to outcomes within it
_DAYS = 7
BOUND = 0.07
"""More than the nominal 5 %: seven days are few, and heavy users are no normal variables."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """A world: how unevenly ``users`` call (a Pareto tail), calls of a ``burst``, how late outcomes come, in hours."""

    world: str
    users: int = 3_000
    tail: float = 1.3
    burst: float = 30.0
    late: float = 6.0
    success: float = 0.3
    calls: int = 2_000  # a day


WORLDS = (
    Traffic(world="even users, outcomes at once", tail=50.0, burst=1.0, late=0.01),
    Traffic(world="even users, outcomes a day late", tail=50.0, burst=1.0, late=24.0),
    Traffic(world="a few users make most calls, in bursts of 30"),
    Traffic(world="the same, heavier, in bursts of 200", tail=1.1, burst=200.0),
    Traffic(world="the same, and one call of a hundred leads to it", success=0.01, calls=1_000),
    Traffic(world="a hundred calls a day of 200 users", users=200, calls=100),
)


def lines(rng: np.random.Generator, tries: int) -> Iterator[Line]:
    """Yields a line for each world; beside it, how often an interval over minutes misses."""
    for world in WORLDS:
        missed, by_minutes = np.mean([_misses(world, rng) for _ in range(tries)], axis=0)
        yield Line(
            world=f"cost of an outcome, seven days: the interval misses; {world.world}",
            measured=float(missed),
            bound=BOUND,
            tries=tries,
            of="weeks",
            without=float(by_minutes),
        )


def _misses(world: Traffic, rng: np.random.Generator) -> tuple[bool, bool]:
    """Whether the intervals over days and over minutes miss what these users' calls cost for each outcome."""
    weights = np.minimum(rng.pareto(world.tail, world.users) + 1, 2_000)
    weights /= weights.sum()
    dear = np.exp(rng.normal(0, 0.5, world.users))
    able = rng.beta(world.success, 1 - world.success, world.users) if world.tail < 50 else np.full(world.users, 0.3)
    bursts = rng.poisson(world.calls * (_DAYS + _LEAD) / world.burst)
    who = rng.choice(world.users, bursts, p=weights)
    calls = np.repeat(np.arange(bursts), rng.geometric(1 / world.burst, bursts))
    user = who[calls]
    at = _starts(rng, bursts)[calls] + rng.exponential(_PAUSE * world.burst / 2, calls.size)
    cost = dear[user] * np.exp(rng.normal(0, _SPREAD, calls.size) - _SPREAD**2 / 2)
    led = at[rng.random(calls.size) < able[user]]
    led = led + rng.exponential(world.late * 60, led.size)
    truth = float((weights * dear).sum() / (weights * able).sum())
    return tuple(_is_missed(at, cost, led, width, truth) for width in (_DAY, 1))  # type: ignore[return-value]


def _starts(rng: np.random.Generator, count: int) -> Floats:
    """When bursts begin: twice as often around noon as on average, hardly ever at night."""
    drawn = rng.uniform(0, (_DAYS + _LEAD) * _DAY, 4 * count + 50)
    likely = (1 + 0.9 * np.sin(2 * np.pi * drawn / _DAY)) / 1.9
    found: Floats = drawn[rng.random(drawn.size) < likely][:count]
    return found


def _is_missed(at: Floats, cost: Floats, led: Floats, width: int, truth: float) -> bool:
    blocks = _DAYS * _DAY // width
    first, last = _LEAD * _DAY, (_LEAD + _DAYS) * _DAY
    mine, theirs = (at >= first) & (at < last), (led >= first) & (led < last)
    above = np.bincount(((at[mine] - first) // width).astype(int), cost[mine], minlength=blocks)
    below = np.bincount(((led[theirs] - first) // width).astype(int), minlength=blocks)
    found = ratio(list(zip(above.tolist(), map(float, below.tolist()), strict=True)))
    return found is not None and not found.low <= truth <= found.high

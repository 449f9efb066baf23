"""Traffic of made-up users that meets a canary: when they call, in which bucket they are, and which calls go bad."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptops.core.deployment_parts import WHOLE
from tests.harness.calibrate.draw import Random

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_ALIKE = 0.7
"""How often a call that is bad at the first guardrail is bad at each other one too."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Users and their calls in so many hours.

    ``bad`` is the share of calls that go bad on stable, and ``times`` how many times as many do on the canary, from the
    step ``from_step`` and the hour ``from_hour`` on, and once a user has had it for ``wear`` hours. With ``heavy``
    tails a few users make most calls, and differ in how often theirs go bad. Every call of the ``broken`` share of
    users is bad, on either side. Bad calls become ``drift`` times as many until the end, and within an ``outage``
    (from, to) 40 % are bad. All calls of a user are within ``within`` hours. Reports come up to ``late`` hours after
    their calls, from so many ``servers`` once a minute. With ``held``, 70 % of calls belong to a conversation that
    stays on its revision. A share of calls is ``unitless``.
    """

    name: str
    users: int = 500
    calls: int = 6_000
    hours: float = 72.0
    bad: float = 0.05
    times: float = 1.0
    from_step: int = 0
    from_hour: float = 0.0
    wear: float = 0.0
    heavy: bool = True
    broken: float = 0.0
    drift: float = 1.0
    outage: tuple[float, float] | None = None
    within: float | None = None
    late: float = 0.0
    servers: int = 0
    held: bool = False
    unitless: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What was drawn of a world: by call its hour, its user, the hour that decides about its revision, when it is
    reported, the number below which it is bad, and at which guardrails; by user the bucket.
    """

    world: World
    at: Floats
    user: Ints
    assigned: Floats
    reported: Floats
    drawn: Floats
    rate: Floats
    guardrails: Bools
    has_unit: Bools
    bucket: Ints

    def bad(self, canary: Bools, step: Ints) -> Bools:
        """Which calls go bad if these are the canary's, under these steps."""
        worse = canary & (self.at >= self.world.from_hour) & (step >= self.world.from_step)
        found: Bools = self.drawn < np.minimum(self.rate * np.where(worse, self.world.times, 1.0), 1)
        return found

    def may_be_bad(self) -> Ints:
        """The calls that are bad on one side at least, in the order of their reports."""
        either = np.flatnonzero((self.drawn < self.rate * max(1.0, self.world.times)) & self.has_unit)
        found: Ints = either[np.argsort(self.reported[either], kind="stable")]
        return found


def draw(world: World, random: Random, guardrails: int = 5, bucket: Callable[[int], Ints] | None = None) -> Traffic:
    """Draws the traffic of a world; ``bucket`` gives the buckets of so many users, at random without it."""
    activity = random.pareto(1.1, world.users) + 0.01 if world.heavy else np.ones(world.users)
    user = random.choice(world.users, world.calls, p=activity / activity.sum())
    at, user = _times(world, user, random)
    alike = random.random((world.calls, guardrails)) < _ALIKE
    alike[:, 0] = True
    reported = at + random.random(world.calls) * world.late
    if world.servers:  # each sends once a minute, at a second of its own
        phase = (random.integers(0, world.servers, world.calls) + 0.5) / world.servers
        reported = (np.ceil(reported * 60 - phase) + phase) / 60
    return Traffic(
        world=world,
        at=at,
        user=user,
        assigned=_assigned(at, user, random) if world.held else at,
        reported=reported,
        drawn=random.random(world.calls),
        rate=_rates(world, at, user, random),
        guardrails=alike,
        has_unit=random.random(world.calls) >= world.unitless,
        bucket=random.integers(0, WHOLE, world.users) if bucket is None else bucket(world.users),
    )


def _times(world: World, user: Ints, random: Random) -> tuple[Floats, Ints]:
    """The hours of calls, in order, with their users."""
    at = random.random(world.calls)
    if world.within is None:
        return np.sort(at) * world.hours, user
    at = random.random(world.users)[user] * (world.hours - world.within) + at * world.within
    order = np.argsort(at)
    return at[order], user[order]


def _rates(world: World, at: Floats, user: Ints, random: Random) -> Floats:
    """How likely each call is bad on stable."""
    rates = np.full(world.users, world.bad)
    if world.heavy:
        rates = random.gamma(0.3, world.bad / 0.3, world.users)
    rates[random.random(world.users) < world.broken] = 1.0
    rate: Floats = np.minimum(rates[user], 1) * (1 + (world.drift - 1) * at / world.hours)
    if world.outage:
        rate = np.where((at >= world.outage[0]) & (at < world.outage[1]), np.maximum(rate, 0.4), rate)
    return np.minimum(rate, 1)


def _assigned(at: Floats, user: Ints, random: Random) -> Floats:
    """The hour of the call that began the conversation of each call."""
    begun: dict[int, float] = {}
    goes_on = random.random(at.size) < 0.7
    found = at.copy()
    for place, (hour, who, held) in enumerate(zip(at.tolist(), user.tolist(), goes_on.tolist(), strict=True)):
        found[place] = begun[who] = begun.get(who, hour) if held else hour
    return found

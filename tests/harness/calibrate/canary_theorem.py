"""What an e-value is worth at most, counted: to steps that see the sides of bad keys, and to ones that see all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from promptops.core.canary.coins import WORSE, growth
from promptops.core.deployment_parts import WHOLE
from tests.core.canary.exhaustive import RAMP, again, best_of_any_schedule, best_of_log, late_logs, orders
from tests.harness.calibrate.line import Line


def lines(*, short: bool) -> Iterator[Line]:
    """Yields the theorem for every log, and what a schedule gains that sees more than it should."""
    keys, events = (3, 4) if short else (6, 6)
    worst = max(best_of_any_schedule(order, RAMP) for order in orders(keys, events))
    name = f"what an e-value is worth, best steps and best stop by the sides of bad keys; {keys} keys, {events} events"
    yield _line(name, float(worst), 1.0)
    late = max(best_of_log(log, RAMP) for log in late_logs(3, 3 if short else 4, 3))
    yield _line("the same, best stop, reports in any order", float(late), 1.0)
    depth = max(
        best_of_any_schedule(order, RAMP[:2], again, sides_seen=False) for order in orders(2, 5 if short else 6)
    )
    yield _line("the same, keys that are bad again", float(depth), 1.0)
    for weight, further, bound in ((500, 2_500, 1.4), (2_500, 5_000, 1.55), (500, 5_000, 1.8)):
        worth = max(worth_to_a_seer(count, weight, further) for count in ((20,) if short else (20, 50, 100, 200)))
        ramp = f"{weight // 100} to {further // 100} %"
        yield _line(f"not closed: the same, steps that see the sides of up to 200 keys, {ramp}", worth, bound)


def worth_to_a_seer(keys: int, weight: int, further: int) -> float:
    """The expected e-value in the end, for the best moment of the step to one that knows how many keys are on which
    side, but not which one is next. All go bad in turn. Backward induction over how many of each side did.
    """
    odds = weight / (WHOLE - weight)
    total, chance = 0.0, (1 - weight / WHOLE) ** keys
    for canary in range(keys + 1):
        if canary:
            chance *= (keys - canary + 1) / canary * odds
        if chance > 1e-12:
            total += chance * _best_step(canary, keys - canary, weight, further)
    return 0.5 + 0.5 * total  # the other components are fair whenever the step is


def _best_step(canary: int, stable: int, weight: int, further: int) -> float:
    before, after = (np.array([growth(w / (WHOLE - w), multiple) for multiple in WORSE]).T for w in (weight, further))
    moves = (further - weight) / (WHOLE - weight)
    moved = moves * after[0] + (1 - moves) * after[1]
    below = np.zeros(stable + 2)
    for mine in range(canary, -1, -1):
        row = np.zeros(stable + 2)
        for theirs in range(stable, -1, -1):
            left = canary - mine, stable - theirs
            steps = float((before[0] ** mine * before[1] ** theirs * after[0] ** left[0] * moved ** left[1]).mean())
            stays = (left[0] * below[theirs] + left[1] * row[theirs + 1]) / sum(left) if sum(left) else 0.0
            row[theirs] = max(steps, stays)
        below = row
    return float(below[0])


def _line(world: str, worth: float, bound: float) -> Line:
    return Line(world=world, measured=worth, bound=bound)

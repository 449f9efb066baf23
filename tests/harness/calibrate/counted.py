"""The tests themselves, by counting every result: false passes at each margin and size, and power at printed sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from scipy.stats import binom

from promptops.core.statistics import bets, power, tango
from promptops.core.statistics.bounds import fewest_for_quantile, lower_bound, quantile_rank
from tests.core.statistics.exact import chance, chances, openings, same_as_core, table, tango_table, worst_chance
from tests.harness.calibrate.line import Line

LEVELS = (0.05, 0.03, 0.015, 0.005)
MARGINS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2)


def lines(short: bool) -> Iterator[Line]:
    """Yields a line for each margin, and for bets, bars, quantiles and power."""
    sizes = [20, 27, 60, 101, 150] if short else [*range(15, 121), 150, 175, 200, 250, 300]
    for margin in (0.05, 0.2) if short else MARGINS:
        yield from _tango(margin, sizes)
    yield from _wrong_failures(short)
    yield from _bets(short)
    yield from _bars(short)
    yield from _powers(short)


def _tango(margin: float, sizes: Sequence[int]) -> Iterator[Line]:
    for level in LEVELS:
        worst = 0.0
        opened = 0
        for size in sizes:
            passed = tango_table(size, margin, level)
            worst = max(worst, worst_chance(passed, margin)[0])
            opened += len(openings(passed)) if size in (20, 60, 101, 150) else 0
        same = same_as_core(sizes[0], margin, level) and same_as_core(60, margin, level)
        assert same and not opened, (margin, level, opened)
        yield Line(
            world=f"Tango, margin {margin:.0%}, every share of disagreement, {sizes[0]} to {sizes[-1]} cases",
            measured=worst,
            bound=level,
        )
    tango_table.cache_clear()


def _wrong_failures(short: bool) -> Iterator[Line]:
    worst = 0.0
    for size in (50, 84) if short else (*range(5, 100, 5), 84, 105, 150):
        for margin in (0.05, 0.1) if short else (0.0, *MARGINS):
            failing = table(size, partial(_fails, size, margin)).T
            shares = np.linspace(margin, 1, 60)
            worst = max(worst, float(chances(failing, (shares - margin) / 2, (shares + margin) / 2).max()))
    yield Line(world="Tango, FAIL of a release that is worse by just the margin", measured=worst, bound=0.05)


def _fails(size: int, margin: float, losses: int, gains: int) -> bool:
    return tango.fails(losses, gains, size, margin)


def _bets(short: bool) -> Iterator[Line]:
    for level in LEVELS:
        worst = 0.0
        for margin in (0.05,) if short else (0.01, 0.02, 0.05, 0.1):
            for loss in (1.0, 0.7, 0.3):
                for gain in (0.0, 0.05) if short else (0.0, 0.01, 0.05, 0.1, 0.4):
                    for size in (51, 120) if short else (*range(15, 121, 15), 200, 400):
                        worst = max(worst, _two_values(margin, loss, gain, size, level))
        yield Line(world="bets, rare losses among small gains (graded answers)", measured=worst, bound=level)


def _two_values(margin: float, loss: float, gain: float, size: int, level: float) -> float:
    """The chance to pass where cases lose much, rarely, or gain a little: the mean is just the margin's."""
    rate = (margin + gain) / (loss + gain)
    low, high = 0, size + 1  # the e-value falls with every loss: find how many it bears
    while low < high:
        middle = (low + high) // 2
        steps = [margin - loss] * middle + [margin + gain] * (size - middle)
        low, high = (middle + 1, high) if bets.shows(steps, 1 - margin, level) else (low, middle)
    return float(binom.cdf(low - 1, size, rate)) if low else 0.0


def _bars(short: bool) -> Iterator[Line]:
    for level in LEVELS[:2] if short else LEVELS:
        worst = 0.0
        for bar in (0.9,) if short else (0.8, 0.9, 0.95, 0.99):
            for size in (34, 100) if short else (34, 60, 100, 200, 400):
                fewest = next((k for k in range(size + 1) if lower_bound(k, size, level) >= bar), None)
                worst = max(worst, 0.0 if fewest is None else float(binom.sf(fewest - 1, size, bar)))
        yield Line(world="bar, single answers (Clopper and Pearson)", measured=worst, bound=level)
        worst = 0.0
        for size in range(fewest_for_quantile(0.95, level), 200 if short else 600):
            rank = quantile_rank(size, 0.95, level)
            assert rank is not None
            worst = max(worst, float(binom.sf(rank - 1, size, 0.95)))
        yield Line(world="latency, 95 of 100 calls within the limit", measured=worst, bound=level)


def _powers(short: bool) -> Iterator[Line]:
    found = []
    for level in LEVELS:
        for margin in (0.05, 0.1) if short else (0.02, 0.03, 0.05, 0.1):
            for share in (0.06, 0.1, 0.2, 0.3):
                size = power.cases_needed(margin, share, level)
                if 150 <= size <= 1500:
                    found.append(chance(tango_table(size, margin, level), share / 2, share / 2))
                    tango_table.cache_clear()
    yield Line(world="power at the printed number of cases, at worst", measured=min(found), bound=0.8, least=True)
    yield Line(world="power at the printed number of cases, at best", measured=max(found), bound=0.86)
    yield from _power_of_bets(short)


def _power_of_bets(short: bool) -> Iterator[Line]:
    generator = np.random.default_rng(7)
    tries = 100 if short else 1000
    for name, spread, size in (("0.15", 0.15, 150), ("0.05", 0.05, 100)):
        passed = 0
        for _ in range(tries):
            differences = np.clip(generator.normal(0, spread, size), -1, 1)
            passed += bets.shows((differences + 0.05).tolist(), 0.95, 0.05)
        yield Line(
            world=f"power of bets, {size} cases, scores that differ with a deviation of {name}, margin 5%, level 5%",
            measured=passed / tries,
            bound=0.75,
            least=True,
            tries=tries,
        )

"""The table of `make bench` says what it measured: the verdict, and which way a bound points."""

from __future__ import annotations

import pytest

from tests.harness.bench.measure import Line, compare, seconds, table


@pytest.mark.parametrize(
    ("ratio", "at_least", "verdict"),
    [
        (1.9, False, "ok"),
        (2.0, False, "ok"),  # the bound itself is within it
        (2.1, False, "over"),
        (2.1, True, "ok"),
        (1.9, True, "under"),
    ],
)
def test_a_line_is_judged_by_its_bound(ratio: float, at_least: bool, verdict: str) -> None:
    line = Line(what="a", measured="2 s", baseline="1 s b", ratio=ratio, bound=2.0, at_least=at_least)
    assert line.cells()[-1] == verdict
    assert table([line]).splitlines()[-1].endswith(verdict)


def test_a_comparison_is_the_median_of_the_rounds_ratios() -> None:
    ours, baseline = iter([9.0, 2.0, 4.0, 9.0]), iter([9.0, 1.0, 1.0, 1.0])
    line = compare("a", lambda: next(ours), lambda: next(baseline), named="b", bound=5, rounds=3)
    assert (line.ratio, line.measured, line.baseline) == (4.0, "4 s", "1 s b")


@pytest.mark.parametrize(("value", "shown"), [(2.5, "2.5 s"), (0.0425, "42.5 ms"), (7.31e-6, "7.31 µs")])
def test_times_are_shown_in_the_unit_that_fits(value: float, shown: str) -> None:
    assert seconds(value) == shown

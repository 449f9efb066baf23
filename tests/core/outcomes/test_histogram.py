"""Histograms: quantiles within 1 % of the exact ones, and parts that add up in any order to the same bytes."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptops.core.errors import Invalid
from promptops.core.outcomes.counters import MAX_COUNT
from promptops.core.outcomes.histogram import BINS, HIGHEST, LOWEST, Histogram, bin_of, bounds, value_of
from tests.core.outcomes.nouns import HISTOGRAMS
from tests.support.checkout import ROOT

IN_RANGE = st.floats(LOWEST, HIGHEST, exclude_max=True)
NUMBERS = st.floats(0, allow_infinity=False) | st.integers(0, 10**400)
SHARES = st.floats(0, 1)


def vectors() -> dict[str, Any]:
    path: Path = ROOT / "tests" / "vectors" / "histogram.json"
    return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def bin_by_bits(value: float) -> int:
    """The bin as the page describes it for other languages, in nothing but integers."""
    bits = int.from_bytes(struct.pack(">d", value), "big")
    return min(max((bits >> 46) - (1013 << 6) + 1, 0), 2561)


def exact(values: list[float], share: float) -> float:
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


@pytest.mark.parametrize("vector", vectors()["bins"], ids=lambda vector: vector["name"])
def test_a_golden_bin(vector: dict[str, Any]) -> None:
    value = struct.unpack(">d", bytes.fromhex(vector["bits"]))[0]
    assert value == vector["value"]
    assert bin_of(value) == vector["bin"]
    assert bin_by_bits(value) == vector["bin"]


@pytest.mark.parametrize("vector", vectors()["histograms"], ids=lambda vector: vector["name"])
def test_a_golden_histogram(vector: dict[str, Any]) -> None:
    made = Histogram.of(vector["values"])
    assert made.pairs() == vector["pairs"]
    assert Histogram.from_pairs(vector["pairs"]) == made
    assert {share: made.quantile(float(share)) for share in vector["quantiles"]} == vector["quantiles"]


@given(st.lists(IN_RANGE, min_size=1), SHARES)
@example([LOWEST], 0.0)
@example([math.nextafter(HIGHEST, 0)], 1.0)
@example([0.1] * 20 + [0.2], 0.95)
def test_every_quantile_is_within_one_percent(values: list[float], share: float) -> None:
    found = Histogram.of(values).quantile(share)
    assert found is not None
    assert abs(found - exact(values, share)) <= 0.01 * exact(values, share)


@given(st.lists(NUMBERS, min_size=1), SHARES)
def test_tiny_and_huge_values_are_counted_at_the_ends(values: list[float], share: float) -> None:
    found, real = Histogram.of(values).quantile(share), exact(values, share)
    assert found is not None
    if real < LOWEST:
        assert found == 0
    elif real >= HIGHEST:
        assert found == HIGHEST
    else:
        assert abs(found - real) <= 0.01 * real


@given(IN_RANGE)
def test_a_bin_has_the_values_between_its_bounds(value: float) -> None:
    number = bin_of(value)
    lower, upper = bounds(number)
    assert lower <= value < upper
    assert bin_by_bits(value) == number


def test_bounds_meet_and_belong_to_the_bin_above() -> None:
    for number in range(1, BINS):
        lower, upper = bounds(number)
        assert bounds(number - 1)[1] == lower
        assert bin_of(lower) == number
        assert bin_of(math.nextafter(lower, 0)) == number - 1
        assert lower <= value_of(number) < upper
        assert upper == math.inf or (upper - lower) / (upper + lower) <= 1 / 129
    assert (bounds(0), value_of(0), bounds(BINS - 1)[0]) == ((0.0, LOWEST), 0.0, HIGHEST)


@pytest.mark.parametrize("value", [-1, -0.001, -math.inf, math.inf, math.nan])
def test_what_is_no_measurement_is_refused(value: float) -> None:
    with pytest.raises(Invalid, match="a finite number from 0"):
        bin_of(value)


def test_zero_is_a_value_with_either_sign() -> None:
    assert Histogram.of([0, 0.0, -0.0]).counts == {0: 3}


@given(HISTOGRAMS, HISTOGRAMS, HISTOGRAMS)
def test_merging_has_no_order(one: Histogram, two: Histogram, three: Histogram) -> None:
    assert one.merged(two) == two.merged(one)
    assert one.merged(two).merged(three) == one.merged(two.merged(three))
    assert one.merged(Histogram()) == one


@given(st.lists(NUMBERS), st.lists(NUMBERS))
def test_merged_parts_are_the_histogram_of_all(one: list[float], other: list[float]) -> None:
    assert Histogram.of(one).merged(Histogram.of(other)) == Histogram.of([*one, *other])


@given(HISTOGRAMS)
def test_the_json_form_comes_back(histogram: Histogram) -> None:
    assert Histogram.from_pairs(json.loads(json.dumps(histogram.pairs()))) == histogram


def test_an_empty_histogram_has_no_quantiles() -> None:
    assert (Histogram().pairs(), Histogram().count, Histogram().quantile(0.5)) == ([], 0, None)


def test_there_are_never_more_bins_than_the_cap() -> None:
    values = [math.ldexp(1 + part / 128, exponent) for exponent in range(-40, 60) for part in range(128)]
    full = Histogram.of(values)
    assert len(full.counts) == BINS
    assert Histogram.from_pairs(full.pairs()) == full


@pytest.mark.parametrize(
    "pairs",
    [
        [1],
        [0, 1, 0, 1],  # a bin twice
        [-1, 1],
        [1, 0],
        [1, -1],
        [1, True],
        [1.0, 1],
        ["1", 1],
        [BINS, 1],
        [BINS - 1, 1, 1, 1],
        [1, MAX_COUNT + 1],
        [0, 1] * (BINS + 1),
    ],
)
def test_pairs_that_no_histogram_has_are_refused(pairs: list[object]) -> None:
    with pytest.raises(Invalid):
        Histogram.from_pairs(pairs)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_outside_of_the_whole_is_refused(share: float) -> None:
    with pytest.raises(Invalid, match="a share from 0 to 1"):
        Histogram().quantile(share)


@pytest.mark.parametrize("number", [-1, BINS])
def test_a_bin_that_is_not_there_is_refused(number: int) -> None:
    with pytest.raises(Invalid, match="there is no bin"):
        bounds(number)

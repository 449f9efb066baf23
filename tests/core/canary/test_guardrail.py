"""Guardrails of a rollout: which keys are counted where, and that no way of looking makes a false abort likelier."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.canary.guardrail import Guardrail, share, shows_worse
from promptops.core.deployment_parts import WHOLE

RAMP = (500, 2500, 5000)

Event = tuple[int, int]
"""A key that goes bad, and the step under which it does."""


def test_a_key_is_counted_once_in_each_component_that_can_still_move_it() -> None:
    guardrail = Guardrail(RAMP)
    stable = guardrail.add(0, 9_000, 0)
    assert (stable, guardrail.add(stable, 9_000, 0)) == (1, 1)
    later = guardrail.add(stable, 9_000, 2)  # stable under step 2 as well: both later components count it
    moved = guardrail.add(0, 1_000, 1)  # step 1 moved it
    from_the_start = guardrail.add(0, 100, 2)  # on the canary before step 1: no coin of later components
    assert (later, moved, from_the_start) == (0b111, 0b11, 0b1)
    assert guardrail.counts == {
        (0, 0): (0, 1), (1, 2): (0, 1), (2, 2): (0, 1),
        (0, 1): (1, 0), (1, 1): (1, 0),
        (0, 2): (1, 0),
    }  # fmt: skip
    assert [guardrail.odds(*place) for place in ((0, 0), (0, 2), (1, 1), (2, 2))] == [
        (500, 9_500), (5_000, 5_000), (2_000, 7_500), (2_500, 5_000),
    ]  # fmt: skip


@pytest.mark.parametrize("weights", [(), (0, 500), (500, 400), (500, WHOLE)])
def test_what_is_no_ramp_is_refused(weights: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="no rollout"):
        Guardrail(weights)


def test_a_canary_that_takes_all_bad_keys_is_shown_to_be_worse() -> None:
    guardrail, keys = Guardrail(RAMP), 0
    while not shows_worse([guardrail.log_e_value()]):
        guardrail.add(0, 100, 0)
        keys += 1
    assert keys == 3  # at 5 %, three in a row are one case in 8,000; one in 400 is not rare enough for any look
    assert not shows_worse([guardrail.log_e_value()] * 100)  # of 100 guardrails one shows that by chance
    assert not shows_worse([])


def test_what_the_ratio_allows_is_no_evidence() -> None:
    guardrail = Guardrail((5_000,), {(0, 0): (300, 200)})
    assert shows_worse([guardrail.log_e_value()])
    assert guardrail.log_e_value(1.5) < 0 < Guardrail((5_000,), {(0, 0): (400, 100)}).log_e_value(1.5)


events = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=30)


@given(events, st.lists(st.integers(0, WHOLE - 1), min_size=10, max_size=10))
def test_the_weights_of_components_are_1_and_a_ramp_that_ends_earlier_says_the_same(
    log: list[Event], buckets: list[int]
) -> None:
    """What later steps would get stays at 1, so a step that has not counted any key changes nothing."""
    assert sum(map(share, range(3))) + share(2) == 1
    first = [event for event in log if event[1] == 0]
    short, whole = Guardrail(RAMP[:1]), Guardrail(RAMP)
    for guardrail in (short, whole):
        counted = dict.fromkeys(range(10), 0)
        for key, step in first:
            counted[key] = guardrail.add(counted[key], buckets[key], step)
    assert short.log_e_value() == pytest.approx(whole.log_e_value(), abs=1e-12)


@given(events, st.lists(st.integers(0, WHOLE - 1), min_size=10, max_size=10))
def test_counts_are_all_that_a_server_has_to_know(log: list[Event], buckets: list[int]) -> None:
    whole, going_on = Guardrail(RAMP), Guardrail(RAMP)
    counted = dict.fromkeys(range(10), 0)
    for key, step in log:
        mask = whole.add(counted[key], buckets[key], step)
        going_on = Guardrail(RAMP, going_on.counts)
        assert going_on.add(counted[key], buckets[key], step) == mask
        counted[key] = mask
    assert going_on.counts == whole.counts
    assert math.isfinite(whole.log_e_value())

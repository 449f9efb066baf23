"""What a rollout will see, beside coins that are thrown, and what is proposed for a given traffic."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.canary.coins import Tosses, log_e_value
from promptops.core.canary.guardrail import share
from promptops.core.canary.plan import LONGEST, KeysSeen, plan, time_to_abort
from promptops.core.canary.rollout_policy import read_rollout
from promptops.core.canary.state import RolloutState
from promptops.core.deployment_parts import WHOLE

POLICY = read_rollout(
    {
        "steps": [{"percent": 5, "bake": "4h"}, {"percent": 25, "bake": "4h"}, {"percent": 50, "bake": "24h"}],
        "guardrails": ["error", "refusal"],
    }
)
DAY = timedelta(days=1)


@pytest.mark.parametrize(("weight", "bad"), [(500, 0.02), (2_500, 0.01), (5_000, 0.03)])
def test_the_time_to_an_abort_is_that_of_thrown_coins(weight: int, bad: float) -> None:
    """Within a third: the expected growth of one multiple is not the median of a mixture."""
    keys_a_day, drawn = 10_000, random.Random(weight)
    said = time_to_abort(keys_a_day, bad, weight, 2)
    odds = weight / (WHOLE - weight)
    limit = RolloutState([weight], ["error", "refusal"]).limit - math.log(share(0))
    a_day = keys_a_day * bad * (1 + 2 * weight / WHOLE)
    days = []
    for _ in range(60):
        canary = stable = 0
        while not canary or log_e_value([Tosses(odds=odds, canary=canary, stable=stable)]) < limit:
            on_canary = drawn.random() < 3 * odds / (1 + 3 * odds)
            canary, stable = canary + on_canary, stable + (not on_canary)
        days.append((canary + stable) / a_day)
    assert said is not None and 0.67 < median(days) / (said / DAY) < 1.5


def test_a_low_weight_sees_little_and_that_is_said_before() -> None:
    found = plan(
        read_rollout({"steps": [{"percent": 1, "bake": "4h"}, {"percent": 25, "bake": "4h"}], "guardrails": ["error"]}),
        KeysSeen(a_day=1_240, bad={"error": 0.03}),
    )
    low, high = (step.sights["error"] for step in found.steps)
    assert low.worse is not None and high.worse is not None
    assert low.worse > 10 * high.worse and high.worse < 2 * DAY < low.worse
    assert [round(step.canary_keys_a_day, 1) for step in found.steps] == [12.4, 310.0]
    assert [step.enough_keys and round(step.enough_keys / DAY, 1) for step in found.steps] == [16.1, 0.6]


def test_a_guardrail_that_saturates_is_dropped() -> None:
    found = plan(POLICY, KeysSeen(a_day=50_000, bad={"error": 0.3, "refusal": 0.02}))
    assert list(found.dropped) == ["error"] and "choose a rarer guardrail" in found.dropped["error"]
    assert all(list(step.sights) == ["refusal"] for step in found.steps)
    assert found.proposed is not None and found.proposed["guardrails"] == ["refusal"]
    assert plan(POLICY, KeysSeen(a_day=50_000, bad={"error": 0.3, "refusal": 0.3})).proposed is None


def test_where_nothing_goes_bad_a_canary_is_shown_not_worse_by_the_tolerance() -> None:
    found = plan(POLICY, KeysSeen(a_day=20_000, bad={}))
    sight = found.steps[0].sights["error"]
    assert sight.worse is None  # three times nothing
    assert sight.not_worse is not None and sight.not_worse <= 2 * DAY  # 437 keys, seen in the first half
    assert found.proposed is not None


@pytest.mark.parametrize(
    ("keys_a_day", "first"), [(1_000_000, 1), (20_000, 5), (4_000, 25), (3_000, 50), (20, None), (0, None)]
)
def test_less_traffic_begins_with_more_of_it_and_too_little_with_none(keys_a_day: int, first: int | None) -> None:
    proposed = plan(POLICY, KeysSeen(a_day=keys_a_day, bad={"error": 0.01})).proposed
    if first is None:
        assert proposed is None
    else:
        assert proposed is not None
        assert read_rollout(proposed).steps[0].weight == 100 * first


@given(st.integers(0, 10**7), st.floats(0, 1), st.floats(0, 1))
def test_a_proposal_is_a_policy_whose_first_step_sees_a_worse_canary(keys: int, error: float, refusal: float) -> None:
    found = plan(POLICY, KeysSeen(a_day=keys, bad={"error": error, "refusal": refusal}))
    for step in found.steps:
        for sight in step.sights.values():
            assert all(time is None or timedelta(0) <= time <= LONGEST for time in (sight.worse, sight.not_worse))
    if found.proposed is not None:
        proposed = read_rollout(found.proposed)
        assert proposed.steps[0].bake <= DAY and set(proposed.guardrails) == set(POLICY.guardrails) - set(found.dropped)


@given(st.floats(10, 10**6), st.floats(0.0005, 0.09), st.sampled_from([100, 500, 2_500]))
def test_more_keys_and_a_higher_weight_are_never_later(keys: float, bad: float, weight: int) -> None:
    times = [
        time_to_abort(keys, bad, weight, 5) or LONGEST,
        time_to_abort(2 * keys, bad, weight, 5) or LONGEST,
        time_to_abort(keys, bad, 2 * weight, 5) or LONGEST,
    ]
    assert times[1] <= times[0] >= times[2]


@pytest.mark.parametrize("keys", [{"a_day": -1, "bad": {}}, {"a_day": 1, "bad": {"error": 1.1}}])
def test_keys_that_cannot_be_are_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no such keys"):
        KeysSeen(**keys)  # type: ignore[arg-type]

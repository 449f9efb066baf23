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
from promptops.core.canary.foresight import LONGEST, KeysSeen, time_to_abort
from promptops.core.canary.guardrail import share
from promptops.core.canary.plan import plan
from promptops.core.canary.rollout_policy import read_rollout
from promptops.core.canary.state import RolloutState
from promptops.core.deployment_parts import WHOLE

SETTINGS = {
    "steps": [{"percent": 5, "bake": "4h"}, {"percent": 25, "bake": "4h"}, {"percent": 50, "bake": "24h"}],
    "guardrails": ["error", "refusal"],
}
POLICY = read_rollout(SETTINGS)
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


def test_a_guardrail_that_no_key_could_show_is_dropped_and_one_that_is_off_is_kept() -> None:
    keys = KeysSeen(a_day=50_000, bad={"error": 0.02}, able={"refusal": 0.0})
    found = plan(POLICY, keys)
    assert "no key could show it" in found.dropped["refusal"]
    assert found.proposed is not None and found.proposed["guardrails"] == ["error"]
    off = plan(POLICY, KeysSeen(a_day=50_000, bad={"error": 0.02}), off={"refusal": "too few calls"})
    assert off.proposed is not None and off.proposed["guardrails"] == ["error", "refusal"]
    assert all(list(step.sights) == ["error"] for step in off.steps)
    assert not plan(POLICY, keys, off=dict.fromkeys(POLICY.guardrails, "")).headline


def test_keys_that_come_back_saturate_a_guardrail_within_the_time_of_a_step() -> None:
    """In three days 12 % of them went bad, and in one 4 %."""
    every_day = KeysSeen(a_day=50_000, bad={"error": 0.04}, again=1.0)
    assert "12% of keys go bad within 72h" in plan(POLICY, every_day).dropped["error"]
    assert not plan(POLICY, KeysSeen(a_day=50_000, bad={"error": 0.04})).dropped


def test_a_canary_that_the_policy_calls_not_worse_is_aborted_from_some_keys_on() -> None:
    keys = KeysSeen(a_day=50_000, bad={"error": 0.02, "refusal": 0.0})
    inside = plan(POLICY, keys).inside
    assert inside is not None
    assert (inside.guardrail, inside.share) == ("refusal", 0.01)  # the tolerance, where stable never refuses
    alone = plan(read_rollout({**SETTINGS, "guardrails": ["error"]}), keys).inside
    assert alone is not None
    assert (alone.share, alone.weight) == (0.03, 5_000)  # ratio times stable's; half of the keys show most
    assert 3_000 < alone.keys < 20_000
    spared = read_rollout({**SETTINGS, "guardrails": ["error"], "abort_above": "ratio"})
    assert plan(spared, keys).inside is None


def test_a_proposal_keeps_what_it_has_no_reason_to_change() -> None:
    settings = {
        **SETTINGS,
        "ask": ["red-team"],
        "minimum": {"canary_keys": 300},
        "actions": {"error": "pause", "refusal": "pause"},
    }
    keys = KeysSeen(a_day=50_000, bad={"error": 0.3, "refusal": 0.02})
    proposed = plan(read_rollout(settings), keys, settings=settings).proposed
    assert proposed is not None
    policy = read_rollout(proposed)
    assert (policy.ask, policy.canary_keys, list(policy.actions)) == (("red-team",), 300, ["refusal"])


def test_where_no_step_sees_anything_within_a_day_the_first_one_takes_longer() -> None:
    found = plan(POLICY, KeysSeen(a_day=1_240, bad={"error": 0.02})).proposed
    assert found is not None
    policy = read_rollout(found)
    [first, *_] = plan(policy, KeysSeen(a_day=1_240, bad={"error": 0.02})).steps
    assert first.foretold is not None and DAY < first.foretold <= policy.wait


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

"""What a canary will see, beside users who are drawn: those who come back count once."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.canary.advance import SampledKeys, judge_step
from promptops.core.canary.coins import Tosses, log_e_value
from promptops.core.canary.foresight import (
    LONGEST,
    Growing,
    Shown,
    abort_of,
    days_to_abort,
    time_to_show,
)
from promptops.core.canary.rollout_policy import read_rollout
from promptops.core.canary.state import Counted, RolloutState
from promptops.core.deployment_parts import WHOLE

POLICY = read_rollout({"steps": [{"percent": 25, "bake": "4h"}], "guardrails": ["error"]})
DAY = timedelta(days=1)
RUNS = 40


def abort(users: int, comes: float, bad: float, weight: int, drawn: random.Random) -> float:
    """The days until the coins of a rollout abort a canary that is three times as bad."""
    state = RolloutState([weight], ["error", "refusal"])
    buckets = [drawn.randrange(WHOLE) for _ in range(users)]
    counted: dict[int, Counted] = {}
    for day in range(100):
        failed = [
            user for user, bucket in enumerate(buckets) if drawn.random() < comes * bad * (3 if bucket < weight else 1)
        ]
        for place, user in enumerate(drawn.sample(failed, len(failed))):
            at, bucket = day + place / len(failed), buckets[user]
            before = counted.get(user, Counted())
            counted[user] = state.bad("error", before, bucket=bucket, step=0, minute=int(at * 1_440))
            if bucket < weight and state.coins["error"].log_e_value() >= state.limit:
                return at
    return 100.0


@pytest.mark.parametrize(
    ("users", "comes", "bad", "weight"), [(1_000, 1.0, 0.02, 2_500), (2_000, 0.2, 0.05, 2_500), (500, 1.0, 0.05, 5_000)]
)
def test_an_abort_is_foretold_of_users_who_come_back(users: int, comes: float, bad: float, weight: int) -> None:
    drawn = random.Random(users)
    shown = Shown(keys=Growing(users * comes, comes), bad=bad)
    said = abort_of(shown, weight, 2)
    found = median(abort(users, comes, bad, weight, drawn) for _ in range(RUNS))
    assert said is not None and 0.6 < found / (said / DAY) < 1.5


@pytest.mark.parametrize(("a_day", "bad"), [(3_000, 0.0), (3_000, 0.04), (20_000, 0.003)])
def test_nine_in_ten_equal_canaries_are_shown_not_to_be_worse_by_then(a_day: int, bad: float) -> None:
    drawn, shown = random.Random(a_day), Shown(keys=Growing(a_day), bad=bad)
    said = time_to_show(POLICY, shown, a_day, 2_500)
    assert said is not None
    canary, stable = (round(shown.keys.within(said / DAY / 2) * part) for part in (0.25, 0.75))
    judged = [
        judge_step(
            SampledKeys(
                canary=canary,
                canary_bad=sum(drawn.random() < bad for _ in range(canary)),
                stable=stable,
                stable_bad=sum(drawn.random() < bad for _ in range(stable)),
            ),
            1 / 3,
        ).is_shown
        for _ in range(RUNS)
    ]
    assert sum(judged) >= 0.75 * RUNS  # nine in ten, of 40
    if bad:
        early = time_to_show(POLICY, Shown(keys=Growing(a_day), bad=bad), a_day, 500)
        assert early is None or early > said


def test_where_all_keys_go_bad_in_the_end_an_equal_canary_is_never_shown() -> None:
    """The same 1,500 users come every day: before there are enough of them, too many have failed once."""
    shown = Shown(keys=Growing(1_500, 1.0), bad=0.02)
    assert shown.share(30) > 0.4
    assert time_to_show(POLICY, shown, 1_500, 2_500) is None


def test_where_any_difference_up_to_the_ratio_is_let_be_only_more_is_aborted() -> None:
    shown = Shown(keys=Growing(5_000), bad=0.02)
    inside = [days_to_abort(shown, 2_500, 5, canary=0.03, ratio=ratio) for ratio in (1.0, 1.5)]
    assert inside[0] < 30
    assert inside[1] == float("inf")
    worse = [days_to_abort(shown, 2_500, 5, canary=0.06, ratio=ratio) for ratio in (1.0, 1.5)]
    assert worse[0] < worse[1] < 30


@given(st.floats(1, 10**6), st.just(0.0) | st.floats(1e-12, 1), st.floats(0.01, 200))
def test_so_many_keys_take_as_long_as_there_are_so_many_keys(a_day: float, again: float, days: float) -> None:
    keys = Growing(a_day, again)
    count = keys.within(days)
    assert 0 < count <= a_day * max(1.0, days) * (1 + 1e-9)
    if count * again < 0.999 * a_day:  # beyond, nearly every key has come
        assert keys.days(count) == pytest.approx(days, rel=1e-6)
    assert keys.within(2 * days) >= count
    assert Growing(0.0).days(1) == float("inf")
    assert LONGEST == 90 * DAY


@pytest.mark.parametrize(("bad", "share", "weight"), [(0.02, 0.03, 5_000), (0.02, 0.03, 2_500), (0.0, 0.01, 2_500)])
def test_a_canary_inside_the_ratio_is_aborted_at_about_the_keys_that_are_foretold(
    bad: float, share: float, weight: int
) -> None:
    """Beside keys that are drawn until their coin reaches the limit: a canary of ratio times stable's, or at the
    tolerance.
    """
    drawn, part = random.Random(weight), weight / WHOLE
    said = days_to_abort(Shown(keys=Growing(1.0), bad=bad), weight, 1, canary=share, ratio=1.0)  # a key a day
    a_key = part * share + (1 - part) * bad
    limit, odds = RolloutState([weight], ["error"]).limit + math.log(2), part / (1 - part)
    keys = []
    for _ in range(RUNS):
        canary = stable = 0
        while log_e_value([Tosses(odds=odds, canary=canary, stable=stable)]) < limit:
            on_canary = drawn.random() < part * share / a_key
            canary, stable = canary + on_canary, stable + (not on_canary)
        keys.append((canary + stable) / a_key)
    assert 0.6 < median(keys) / said < 1.5

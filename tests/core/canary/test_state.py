"""The state of a rollout: three coins a guardrail, the split of the keys, and what is remembered of a key."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.canary.guardrail import shows_worse
from promptops.core.canary.state import Coin, Counted, RolloutState
from promptops.core.deployment_parts import WHOLE

RAMP = (500, 2500, 5000)
STABLE, CANARY = WHOLE - 1, 0


def bad(state: RolloutState, minutes: list[tuple[int, int]], bucket: int) -> Counted:
    """Has one key be bad in these minutes, each with its step."""
    counted = Counted()
    for minute, step in minutes:
        counted = state.bad("error", counted, bucket=bucket, step=step, minute=minute)
    return counted


def again(state: RolloutState) -> dict[tuple[int, int], tuple[int, int]]:
    return dict(state.coins["error again"].counts)


@pytest.mark.parametrize(
    ("minutes", "counts"),
    [
        ([(1, 0), (2, 0)], {}),
        ([(1, 0), (2, 0), (3, 0)], {(0, 0): (0, 1)}),
        ([(3, 0), (1, 0), (2, 0)], {(0, 0): (0, 1)}),  # reports may come in any order
        ([(1, 0), (1, 0), (1, 0), (2, 0), (2, 0)], {}),  # a burst within a minute is one
        ([(1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0)], {(0, 0): (0, 1)}),
        # The minutes are those of one step, whatever the order in which they are reported.
        ([(1, 0), (2, 0), (3, 1)], {}),
        ([(1, 0), (2, 1), (3, 1)], {}),
        ([(1, 0), (2, 1), (3, 1), (4, 1)], {(0, 1): (0, 1), (1, 1): (0, 1)}),
        ([(1, 0), (2, 0), (3, 0), (4, 1), (5, 1), (6, 1)], {(0, 0): (0, 1), (1, 1): (0, 1)}),
        ([(4, 1), (5, 1), (1, 0), (2, 0), (6, 1), (3, 0)], {(0, 1): (0, 1), (1, 1): (0, 1)}),
        ([(1, 0), (4, 1), (5, 1), (2, 0), (3, 0), (6, 1)], {(0, 0): (0, 1), (1, 1): (0, 1)}),
    ],
)
def test_a_key_is_bad_again_in_its_third_bad_minute(
    minutes: list[tuple[int, int]], counts: dict[tuple[int, int], tuple[int, int]]
) -> None:
    state = RolloutState(RAMP, ["error"])
    counted = bad(state, minutes, STABLE)
    assert again(state) == counts
    assert set(counted.minutes) <= set(minutes)


def test_a_key_is_bad_often_in_its_tenth_bad_minute() -> None:
    state = RolloutState(RAMP, ["error"])
    bad(state, [(minute, 1) for minute in range(9)], STABLE)
    assert not state.coins["error often"].counts
    bad(state, [(minute, 1) for minute in range(10)], CANARY)
    assert dict(state.coins["error often"].counts) == {(0, 1): (1, 0)}


def test_what_is_remembered_of_a_key_ends_when_no_component_needs_it() -> None:
    state = RolloutState(RAMP, ["error"])
    ten = [(minute, 0) for minute in range(10)]
    assert bad(state, ten[:9], CANARY).minutes == tuple(ten[:9])
    assert bad(state, [*ten, (11, 2)], CANARY) == Counted(masks=(1, 1, 1))
    assert bad(state, [*ten, (11, 1)], STABLE) == Counted(masks=(0b11, 1, 1), minutes=((11, 1),))


def test_each_guardrail_has_three_coins_and_all_share_the_error() -> None:
    state = RolloutState(RAMP, ["error", "score:helpful"])
    assert list(state.coins) == [
        "error", "error again", "error often", "score:helpful", "score:helpful again", "score:helpful often",
    ]  # fmt: skip
    assert math.exp(state.limit) == pytest.approx(6 / 0.05)
    for key in range(20):
        state.bad("error", Counted(), bucket=CANARY, step=0, minute=key)
    evidence = state.evidence()
    assert evidence["error"] > state.limit > evidence["error again"] == evidence["score:helpful"] == 0
    assert shows_worse(evidence.values()) and state.evidence(1.5)["error"] < evidence["error"]


def test_a_guardrail_that_does_not_judge_the_rollout_counts_nothing() -> None:
    state = RolloutState(RAMP, ["error"])
    known = Counted(masks=(1, 0, 0))
    assert state.bad("slow", known, bucket=CANARY, step=0, minute=1) == known
    assert all(not coin.counts for coin in state.coins.values())
    with pytest.raises(ValueError, match="twice"):
        RolloutState(RAMP, ["error", "error"])


def test_what_was_lost_counts_no_more_and_later_steps_do() -> None:
    state = RolloutState(RAMP, ["error"])
    counted = Counted.lost(2)
    for minute in range(10):
        counted = state.bad("error", counted, bucket=STABLE, step=1, minute=minute)
    assert all(not coin.counts for coin in state.coins.values())
    for minute in range(10, 20):
        counted = state.bad("error", counted, bucket=STABLE, step=2, minute=minute)
    assert [dict(coin.counts) for coin in state.coins.values()] == [{(2, 2): (0, 1)}] * 3
    assert state.see(Counted.lost(2), bucket=STABLE, step=2) == Counted(masks=(1, 0, 0)) and not state.first_seen


def test_a_key_is_seen_first_once() -> None:
    state = RolloutState(RAMP, ["error"])
    counted = state.see(Counted(), bucket=1_000, step=0)
    assert state.see(counted, bucket=1_000, step=1) == counted
    state.see(Counted(), bucket=1_000, step=1)
    assert state.first_seen == {0: (0, 1), 1: (1, 0)}


@pytest.mark.parametrize(("lost", "is_skewed"), [(0.0, False), (0.3, True)])
def test_a_side_that_loses_keys_is_seen_over_all_steps(lost: float, is_skewed: bool) -> None:
    """30 % of what stable's keys report is lost; the canary's keys then are too many."""
    state, drawn = RolloutState(RAMP, []), random.Random(5)
    for number in range(3_000):
        bucket, step = drawn.randrange(WHOLE), number // 1_000
        if bucket < RAMP[step] or drawn.random() >= lost:
            state.see(Counted(), bucket=bucket, step=step)
    assert state.is_skewed == is_skewed


counteds = st.builds(
    Counted,
    masks=st.tuples(*[st.integers(0, 2**10)] * 3),
    minutes=st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 9)), max_size=6).map(tuple),
)


@given(counteds)
def test_what_is_remembered_of_a_key_is_written_and_read(counted: Counted) -> None:
    assert Counted.of(str(counted)) == counted


@pytest.mark.parametrize("text", ["", "1.1", "1.1.x", "1.1.1.2", "1.1.1.2@", "-1.1.1", "1.1.1 "])
def test_what_nothing_wrote_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not what a rollout remembers"):
        Counted.of(text)


events = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 9)), max_size=40)
buckets = st.lists(st.integers(0, WHOLE - 1), min_size=6, max_size=6)


def fed(state: RolloutState, log: list[tuple[int, int, int]], drawn: list[int]) -> RolloutState:
    counted: dict[int, Counted] = {}
    seen: dict[int, Counted] = {}
    for key, step, minute in log:
        counted[key] = state.bad("error", counted.get(key, Counted()), bucket=drawn[key], step=step, minute=minute)
        seen[key] = state.see(seen.get(key, Counted()), bucket=drawn[key], step=step)
    return state


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 12)), max_size=60), buckets)
def test_what_a_state_forgets_of_a_key_it_does_not_need(log: list[tuple[int, int, int]], drawn: list[int]) -> None:
    """Beside a count that remembers every event."""
    state = fed(RolloutState(RAMP, ["error"]), log, drawn)
    for kind in Coin:
        expected: dict[tuple[int, int], tuple[int, int]] = {}
        counted: set[tuple[int, int]] = set()
        for place, (key, step, _) in enumerate(log):
            minutes = {minute for other, under, minute in log[: place + 1] if (other, under) == (key, step)}
            for component in range(step + 1) if len(minutes) >= kind.minutes else ():
                if (key, component) not in counted and (not component or drawn[key] >= RAMP[component - 1]):
                    counted.add((key, component))
                    canary, stable = expected.get((component, step), (0, 0))
                    on_canary = drawn[key] < RAMP[step]
                    expected[component, step] = (canary + on_canary, stable + (not on_canary))
        assert dict(state.coins[kind.of("error")].counts) == expected


@given(events, buckets, st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_nothing(
    log: list[tuple[int, int, int]], drawn: list[int], shuffled: random.Random
) -> None:
    """Events of one key keep their order; those of different keys come in any."""
    queues = {key: [event for event in log if event[0] == key] for key, _, _ in log}
    other = []
    while queues:
        key = shuffled.choice(sorted(queues))
        other.append(queues[key].pop(0))
        if not queues[key]:
            del queues[key]
    first, second = (fed(RolloutState(RAMP, ["error"]), part, drawn) for part in (log, other))
    assert first.to_json() == second.to_json()


@given(events, buckets)
def test_a_state_goes_on_from_its_document_also_with_a_further_step(
    log: list[tuple[int, int, int]], drawn: list[int]
) -> None:
    first = [event for event in log if event[1] < 2]
    short = fed(RolloutState(RAMP[:2], ["error", "slow"]), first, drawn)
    going_on = RolloutState.of_json(json.loads(json.dumps(short.to_json())), RAMP)
    assert going_on.to_json() == short.to_json()
    assert going_on.evidence() == pytest.approx(short.evidence(), abs=1e-12)
    assert going_on.guardrails == ("error", "slow") and going_on.is_skewed == short.is_skewed


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"guardrails": {}, "first_seen": [[3, 1, 1]]},
        {"guardrails": {"error": {"once": [[1, 0, 1, 1]], "again": [], "often": []}}, "first_seen": []},
        {"guardrails": {"error": {"once": [[0, 0, -1, 1]], "again": [], "often": []}}, "first_seen": []},
        {"guardrails": {"error": {"once": [[0, 0, 1]], "again": [], "often": []}}, "first_seen": []},
        {"guardrails": {"error": {"once": [["0", 0, 1, 1]], "again": [], "often": []}}, "first_seen": []},
        {"guardrails": {"error": []}, "first_seen": []},
    ],
)
def test_a_document_that_is_no_state_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="malformed"):
        RolloutState.of_json(document, RAMP)

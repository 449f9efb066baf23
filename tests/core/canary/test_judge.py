"""What happens to a canary at a moment: one table a rule of the judge."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.canary.advance import Advance, SampledKeys
from promptops.core.canary.judge import Judgement, Look, Moment, Shown, Verb, due, judge
from promptops.core.canary.rollout_policy import Cause, Response, RolloutPolicy, read_rollout
from promptops.core.canary.state import Counted, RolloutState
from promptops.core.deployment_parts import WHOLE

HOUR = timedelta(hours=1)
SETTINGS: dict[str, object] = {
    "steps": [{"percent": 5, "bake": "4h"}, {"percent": 25, "bake": "4h"}, {"percent": 50, "bake": "24h"}],
    "wait": "72h",
    "guardrails": ["error", "refusal"],
}
RAMP = (500, 2500, 5000)
GOOD = SampledKeys(canary=2_000, canary_bad=0, stable=2_000, stable_bad=0)
BAD = SampledKeys(canary=2_000, canary_bad=150, stable=2_000, stable_bad=100)
SATURATED = SampledKeys(canary=2_000, canary_bad=300, stable=2_000, stable_bad=300)


def policy(**settings: object) -> RolloutPolicy:
    return read_rollout({**SETTINGS, **settings})


def state(*, error: int = 0, refusal: int = 0, seen: tuple[int, int] = (0, 0), weights: tuple[int, ...] = RAMP) -> Any:
    """A state in which so many keys of the canary were bad, and so many of each side were seen."""
    made = RolloutState(weights, ["error", "refusal"])
    for guardrail, count in (("error", error), ("refusal", refusal)):
        for _ in range(count):
            made.bad(guardrail, Counted(), bucket=0, step=0, minute=1)
    for bucket, count in zip((0, WHOLE - 1), seen, strict=True):
        for _ in range(count):
            made.see(Counted(), bucket=bucket, step=0)
    return made


def moment(hours: float = 0, *, error: SampledKeys = GOOD, refusal: SampledKeys = GOOD, **known: Any) -> Moment:
    known.setdefault("weight", 500)
    known.setdefault("canary_keys", 200)
    return Moment(age=hours * HOUR, keys={"error": error, "refusal": refusal}, **known)


WORSE = 10
"""Bad keys of the canary alone: far more than it takes."""
HOLD = Judgement(verb=Verb.HOLD)


def test_a_canary_that_nothing_is_known_of_is_left_as_it_is() -> None:
    assert judge(policy(), state(), moment()) == HOLD and not HOLD.why


# --- evidence that it is worse ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [{}, {"paused": True}, {"paused": True, "resumed": frozenset({"worse:error"})}])
def test_a_canary_that_is_worse_is_aborted_at_any_moment(known: dict[str, Any]) -> None:
    judgement = judge(policy(), state(error=WORSE), moment(**known))
    assert (judgement.verb, judgement.why, judgement.look) == (Verb.ABORT, "worse:error", None)


def test_one_bad_key_less_than_the_limit_is_no_evidence() -> None:
    below = next(count for count in range(WORSE) if judge(policy(), state(error=count), moment()).verb is Verb.ABORT)
    assert below > 2
    assert judge(policy(), state(error=below - 1), moment()) == HOLD


def test_keys_that_are_bad_again_abort_too() -> None:
    made = RolloutState(RAMP, ["error", "refusal"])
    for _ in range(WORSE):  # as many keys of stable are bad once, so only depth tells the two apart
        for bucket, minutes in ((0, 3), *[(WHOLE - 1, 1)] * 19):
            counted = Counted()
            for minute in range(minutes):
                counted = made.bad("error", counted, bucket=bucket, step=0, minute=minute)
    assert made.evidence()["error"] < made.limit <= made.evidence()["error again"]
    assert judge(policy(), made, moment()).why == "worse:error"


def test_the_action_of_a_guardrail_may_be_a_pause() -> None:
    gentle = policy(actions={"refusal": "pause"})
    paused = judge(gentle, state(refusal=WORSE), moment())
    assert (paused.verb, paused.why) == (Verb.PAUSE, "worse:refusal")
    for known in ({"paused": True}, {"resumed": frozenset({"worse:refusal"})}):
        assert judge(gentle, state(refusal=WORSE), moment(**known)) == HOLD
    assert judge(gentle, state(refusal=WORSE, error=WORSE), moment()).why == "worse:error"


def test_a_waiver_keeps_a_canary_from_being_aborted_and_from_nothing_else() -> None:
    assert judge(policy(), state(error=WORSE), moment(no_abort=True, paused=True)) == HOLD
    skewed = judge(policy(), state(error=WORSE, seen=(400, 400)), moment(no_abort=True))
    assert (skewed.verb, skewed.cause) == (Verb.PAUSE, Cause.SAMPLE_RATIO)


def test_what_the_ratio_allows_aborts_only_by_default() -> None:
    """A hundred bad keys of the canary beside 1,400 of stable: a third more than its 5 % gives it."""
    made = RolloutState.of_json(
        {
            "guardrails": {
                "error": {"once": [[0, 0, 140, 1_400]], "again": [], "often": []},
                "refusal": {"once": [], "again": [], "often": []},
            },
            "first_seen": [],
        },
        RAMP,
    )
    assert judge(policy(), made, moment()).verb is Verb.ABORT
    assert judge(policy(abort_above="ratio", ratio=2), made, moment()) == HOLD


# --- measurements that cannot be trusted -----------------------------------------------------------------------------

UNTRUSTED: list[tuple[Cause, tuple[int, int], dict[str, Any], dict[str, Any]]] = [
    (Cause.SAMPLE_RATIO, (400, 400), {}, {}),
    (Cause.ARM_MISMATCH, (0, 0), {"mismatched": 2, "served": 100}, {"mismatched": 10, "served": 1_000}),
    (Cause.ARM_MISMATCH, (0, 0), {"mismatched": 200, "served": 1_000}, {"mismatched": 50, "served": 50}),
    (Cause.NO_UNIT, (0, 0), {"without_unit": 51, "calls": 1_000}, {"without_unit": 50, "calls": 1_000}),
    (Cause.ANALYSIS_FAILED, (0, 0), {"failed": "a document of another epoch"}, {}),
]


@pytest.mark.parametrize(("cause", "seen", "known", "harmless"), UNTRUSTED)
def test_what_cannot_be_trusted_pauses_at_once(
    cause: Cause, seen: tuple[int, int], known: dict[str, Any], harmless: dict[str, Any]
) -> None:
    found = judge(policy(), state(seen=seen), moment(**known))
    assert (found.verb, found.cause, found.why) == (Verb.PAUSE, cause, cause.value)
    assert judge(policy(), state(), moment(**harmless)) == HOLD
    assert judge(policy(), state(seen=seen), moment(**known, paused=True)) == HOLD
    resumed = frozenset({cause.value})
    assert judge(policy(), state(seen=seen), moment(4, **known, resumed=resumed)).verb is Verb.ADVANCE
    aborting = policy(on={cause.value: "abort"})
    assert judge(aborting, state(seen=seen), moment(**known, paused=True)).verb is Verb.ABORT
    assert judge(policy(), state(error=WORSE, seen=seen), moment(**known)).why == "worse:error"


# --- looks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "weight", "looks", "look"),
    [
        (3.9, 500, [], None),
        (4, 500, [], Look.BAKE),
        (71, 500, [], Look.BAKE),
        (71, 500, [Look.BAKE], None),
        (72, 500, [Look.BAKE], Look.WAIT),
        (72, 500, [], Look.WAIT),  # it was paused over the first one
        (200, 500, [Look.WAIT], None),
        (200, 500, [Look.BAKE, Look.WAIT], None),
        (24, 5000, [], None),  # before 100 % there is only the end of `wait`
        (72, 5000, [], Look.WAIT),
        (4, 1000, [], Look.BAKE),  # a weight that a person gave it holds as the step below
        (3.9, 100, [], None),
        (4, 100, [], Look.BAKE),
        (24, 9000, [], None),
    ],
)
def test_a_step_is_looked_at_twice_and_the_last_one_once(
    hours: float, weight: int, looks: list[Look], look: Look | None
) -> None:
    now = moment(hours, weight=weight, looks=frozenset(looks))
    assert due(policy(), now) is look
    assert judge(policy(), state(), now).look is look
    assert judge(policy(), state(), replace(now, paused=True)) == HOLD


@pytest.mark.parametrize(("weight", "further"), [(100, 500), (500, 2500), (1_000, 2500), (2500, 5000), (5000, WHOLE)])
def test_a_canary_that_is_shown_not_worse_advances(weight: int, further: int) -> None:
    found = judge(policy(), state(), moment(72, weight=weight))
    assert (found.verb, found.weight, found.shown, found.why) == (
        Verb.ADVANCE, further, Shown.NOT_WORSE, "not-worse",
    )  # fmt: skip
    assert dict(found.verdicts) == dict.fromkeys(("error", "refusal"), Advance.BELOW_TOLERANCE)


NOT_SHOWN: list[tuple[dict[str, Any], Cause]] = [
    ({"error": BAD}, Cause.INCONCLUSIVE),
    ({"refusal": SATURATED}, Cause.INCONCLUSIVE),
    ({"refused": ("red-team",)}, Cause.INCONCLUSIVE),
    ({"canary_keys": 199}, Cause.NO_DATA),
    ({"error": SampledKeys(canary=0, canary_bad=0, stable=9, stable_bad=0)}, Cause.NO_DATA),
    ({"off": {"error": "no limit", "refusal": "no limit"}}, Cause.NO_DATA),
]


@pytest.mark.parametrize(("known", "cause"), NOT_SHOWN)
def test_a_canary_that_is_not_shown_not_worse_waits_and_then_the_policy_decides(
    known: dict[str, Any], cause: Cause
) -> None:
    early = judge(policy(), state(), moment(4, **known))
    assert early.verb is Verb.HOLD
    assert early.look is (None if "refused" in known else Look.BAKE)
    late = moment(72, **known)
    for response in Response:
        found = judge(policy(on={cause.value: response.value}), state(), late)
        waits = "refused" in known  # a verdict from elsewhere holds a canary up, and never aborts it
        assert (found.verb.value, found.cause) == ("pause" if waits else response.value, cause)
        assert found.look is Look.WAIT
        assert found.shown is (Shown.NOTHING_WORSE if found.verb is Verb.ADVANCE else None)
        assert (found.weight == 2500) == (found.verb is Verb.ADVANCE)
    resumed = judge(policy(), state(), replace(late, resumed=frozenset({cause.value})))
    assert (resumed.verb, resumed.look) == (Verb.HOLD, Look.WAIT)


def test_a_verdict_from_elsewhere_that_is_missing_saves_no_canary_from_what_its_guardrails_do() -> None:
    asked = policy(on={"inconclusive": "abort"})
    found = judge(asked, state(), moment(72, error=BAD, refused=("red-team",)))
    assert (found.verb, found.cause) == (Verb.ABORT, Cause.INCONCLUSIVE)


def test_where_a_guardrail_shows_it_worse_the_policy_takes_it_no_further_after_the_pause_was_ended() -> None:
    gentle = policy(on={"inconclusive": "advance"}, actions={"error": "pause"})
    now = moment(72, error=BAD, resumed=frozenset({"worse:error"}))
    assert judge(gentle, state(), now).shown is Shown.NOTHING_WORSE
    found = judge(gentle, state(error=WORSE), now)
    assert (found.verb, found.cause) == (Verb.PAUSE, Cause.INCONCLUSIVE)


def test_a_guardrail_that_is_off_at_the_moment_aborts_nothing() -> None:
    off = moment(1, off={"error": "fewer than half of the calls are recorded"})
    assert judge(policy(), state(error=WORSE), off) == HOLD
    both = judge(policy(), state(error=WORSE, refusal=WORSE), off)
    assert (both.verb, both.guardrail) == (Verb.ABORT, "refusal")


def test_a_guardrail_of_which_nothing_is_known_does_not_count_as_shown() -> None:
    found = judge(policy(), state(), replace(moment(4), keys={"error": GOOD}))
    assert (found.verb, found.look) == (Verb.HOLD, Look.BAKE)
    off = replace(moment(4), keys={"error": GOOD}, off={"refusal": "fewer than half of the calls are recorded"})
    assert judge(policy(), state(), off).shown is Shown.NOT_WORSE


@given(
    st.integers(0, 12),
    st.floats(0, 100),
    st.sampled_from([100, 500, 2500, 5000, 9000]),
    st.frozensets(st.sampled_from(Look)),
    st.booleans(),
    st.integers(0, 400),
    st.integers(0, 60),
    st.booleans(),
)
def test_a_pause_stops_advancing_and_never_an_abort(
    error: int, hours: float, weight: int, looks: frozenset[Look], refused: bool, keys: int, bad: int, gentle: bool
) -> None:
    on = dict.fromkeys(("inconclusive", "no_data"), "advance") if gentle else {}
    asked, known = policy(on=on), state(error=error)
    now = moment(
        hours,
        weight=weight,
        looks=looks,
        refused=("red-team",) if refused else (),
        canary_keys=keys,
        error=SampledKeys(canary=keys + bad, canary_bad=bad, stable=1_000, stable_bad=9),
    )
    running, paused = judge(asked, known, now), judge(asked, known, replace(now, paused=True))
    assert paused.verb in (Verb.HOLD, Verb.ABORT)
    assert (paused.verb is Verb.ABORT) == (running.verb is Verb.ABORT)
    assert running.verb is not Verb.ADVANCE or (running.weight > weight and running.look and not refused)
    assert running.look not in looks


def test_the_two_looks_are_all_that_a_step_has() -> None:
    """Whatever happens, a step that was looked at twice is taken further by a person alone."""
    for known, paused in itertools.product((GOOD, BAD), (False, True)):
        spent = moment(500, error=known, looks=frozenset(Look), paused=paused)
        assert judge(policy(on={"inconclusive": "advance"}), state(), spent) == HOLD

"""The numbers of a decision about a canary: they are JSON, and what would have changed it does."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from promptops.core.canary.advance import SampledKeys
from promptops.core.canary.explanation import distance, explain
from promptops.core.canary.judge import Verb, judge
from promptops.core.canary.state import Counted, RolloutState
from tests.core.canary.test_judge import BAD, GOOD, RAMP, moment, policy, state


def numbers(made: RolloutState, now: Any, **settings: object) -> Any:
    asked = policy(**settings)
    return json.loads(json.dumps(explain(asked, made, now, judge(asked, made, now))))


def test_below_the_limit_it_says_how_many_more_bad_keys_of_the_canary_abort() -> None:
    made = state(error=1)
    found = numbers(made, moment(paused=True))
    assert found["limit"] == 120 and found["evidence"]["error"] > found["evidence"]["refusal"] == 1
    assert found["evidence_changes"]["coin"] == "error" and found["evidence_changes"]["side"] == "canary"
    for more in range(found["evidence_changes"]["keys"]):
        assert judge(policy(), made, moment(paused=True)).verb is Verb.HOLD, more
        made.bad("error", Counted(), bucket=0, step=len(RAMP) - 1, minute=1)
    assert judge(policy(), made, moment(paused=True)).verb is Verb.ABORT
    assert "look" not in found


def test_above_the_limit_it_says_how_many_bad_keys_of_stable_would_undo_it() -> None:
    made = state(error=6)
    change = numbers(made, moment())["evidence_changes"]
    assert (change["coin"], change["side"]) == ("error", "stable")
    for more in range(change["keys"]):
        assert judge(policy(), made, moment()).verb is Verb.ABORT, more
        made.bad("error", Counted(), bucket=9_999, step=len(RAMP) - 1, minute=1)
    assert judge(policy(), made, moment()).verb is Verb.HOLD


def test_two_guardrails_that_show_it_are_undone_by_the_one_that_is_further() -> None:
    one, both = distance(policy(), state(error=6)), distance(policy(), state(error=6, refusal=8))
    assert (one["coin"], both["coin"]) == ("error", "refusal")
    assert distance(policy(), RolloutState(RAMP, [])) == {}


def test_evidence_that_no_count_of_keys_would_undo_says_so() -> None:
    certain = {"once": [[0, 0, 9_000, 0]], "again": [], "often": []}
    made = RolloutState.of_json({"guardrails": {"error": certain}, "first_seen": []}, RAMP)
    found = numbers(made, moment())
    assert found["evidence_changes"] == {"coin": "error", "side": "stable", "keys": None}
    assert found["evidence"]["error"] > 1e300


@pytest.mark.parametrize("keys", [GOOD, BAD, SampledKeys(canary=900, canary_bad=40, stable=9_000, stable_bad=500)])
def test_a_look_says_at_which_number_of_bad_keys_its_verdict_is_another(keys: SampledKeys) -> None:
    found = numbers(state(), moment(4, error=keys))["guardrails"]["error"]
    assert {name: found[name] for name in ("canary", "canary_bad", "stable", "stable_bad")} == {
        name: getattr(keys, name) for name in ("canary", "canary_bad", "stable", "stable_bad")
    }
    shown = found["verdict"] in ("below-tolerance", "not-above-ratio")
    step = 1 if shown else -1
    for count in (found["changes_at"] - 1, found["changes_at"]):
        changed = moment(4, error=replace(keys, canary_bad=keys.canary_bad + step * count))
        verdict = judge(policy(), state(), changed).verdicts["error"]
        assert verdict.is_shown == (shown == (count < found["changes_at"]))


def test_a_look_that_no_count_changes_says_null() -> None:
    few = SampledKeys(canary=100, canary_bad=0, stable=100, stable_bad=0)
    found = numbers(state(), moment(72, error=few, off={"refusal": "no limit"}, refused=("red-team",)))
    assert found["guardrails"] == {
        "error": {
            "canary": 100, "canary_bad": 0, "stable": 100, "stable_bad": 0,
            "verdict": "inconclusive", "changes_at": None,
        }
    }  # fmt: skip
    assert (found["off"], found["refused"], found["look"]) == ({"refusal": "no limit"}, ["red-team"], "wait")
    unknown = replace(moment(4), keys={"error": GOOD})
    assert numbers(state(), unknown)["guardrails"]["refusal"] == {"verdict": "inconclusive"}

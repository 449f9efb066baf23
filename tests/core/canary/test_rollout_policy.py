"""What a channel's `rollout:` may say: read into nouns, or refused with the key and what it takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from promptops.core.canary.rollout_policy import Cause, RampStep, Response, RolloutPolicy, read_rollout
from promptops.core.errors import Invalid

STEPS: dict[str, Any] = {"steps": [{"percent": 5, "bake": "4h"}, {"percent": 25, "bake": "4h"}]}
WHOLE: dict[str, Any] = {
    "steps": [{"percent": 5, "bake": "4h"}, {"percent": 25, "bake": "4h"}, {"percent": 50, "bake": "24h"}],
    "wait": "72h",
    "guardrails": ["error", "refusal", "schema", "check", "slow", "dear", "unrecorded", "score:helpful"],
    "minimum": {"canary_keys": 200},
    "ratio": 1.5,
    "tolerance": "1%",
    "abort_above": "ratio",
    "actions": {"refusal": "pause", "error": "abort"},
    "ask": ["red-team"],
    "on": {
        "inconclusive": "advance",
        "no_data": "abort",
        "analysis_failed": "pause",
        "sample_ratio": "abort",
        "arm_mismatch": "pause",
        "no_unit": "abort",
    },
}
HOUR = timedelta(hours=1)


def test_everything_that_a_rollout_may_say() -> None:
    assert read_rollout(WHOLE) == RolloutPolicy(
        steps=(
            RampStep(weight=500, bake=4 * HOUR),
            RampStep(weight=2_500, bake=4 * HOUR),
            RampStep(weight=5_000, bake=24 * HOUR),
        ),
        wait=72 * HOUR,
        guardrails=("error", "refusal", "schema", "check", "slow", "dear", "unrecorded", "score:helpful"),
        canary_keys=200,
        ratio=1.5,
        tolerance=0.01,
        abort_above=True,
        actions={"refusal": Response.PAUSE, "error": Response.ABORT},
        ask=("red-team",),
        on={
            Cause.INCONCLUSIVE: Response.ADVANCE,
            Cause.NO_DATA: Response.ABORT,
            Cause.ANALYSIS_FAILED: Response.PAUSE,
            Cause.SAMPLE_RATIO: Response.ABORT,
            Cause.ARM_MISMATCH: Response.PAUSE,
            Cause.NO_UNIT: Response.ABORT,
        },
    )


def test_what_holds_where_a_rollout_is_silent() -> None:
    policy = read_rollout(STEPS)
    assert policy == RolloutPolicy(steps=policy.steps)
    assert policy.guardrails == ("error", "refusal", "schema", "check", "slow", "dear", "unrecorded")
    assert (policy.wait, policy.canary_keys, policy.ratio, policy.tolerance) == (72 * HOUR, 200, 1.5, 0.01)
    assert not policy.abort_above and policy.ask == () and policy.action("error") is Response.ABORT
    assert policy.on == dict.fromkeys(Cause, Response.PAUSE)
    assert read_rollout({**STEPS, "actions": {"error": "pause"}}).action("error") is Response.PAUSE
    assert read_rollout({**STEPS, "tolerance": "0%"}).tolerance == 0.0


def test_the_step_of_a_weight_and_the_one_after_it() -> None:
    policy = read_rollout(WHOLE)
    first, second, third = policy.steps
    # A person may start below the first step, and go between two.
    assert [policy.number_at(weight) for weight in (100, 500, 2_499, 2_500, 5_000, 9_000)] == [0, 0, 0, 1, 2, 2]
    assert [policy.after(weight) for weight in (100, 500, 2_500, 5_000)] == [first, second, third, None]
    assert policy.shortest == (4 + 4 + 72) * HOUR, "the last step lasts as long as `wait`"


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"steps": None}, "rollout lacks steps", "It takes one to 10 steps"),
        ({"steps": []}, "rollout.steps is [], and takes one to 10 steps", ""),
        ({"steps": "5%"}, "rollout.steps is '5%'", ""),
        ({"steps": [{"percent": n, "bake": "1h"} for n in range(1, 12)]}, "rollout.steps is [{", ""),
        ({"steps": [5]}, "rollout.steps.1 is 5, and takes keys with values", ""),
        ({"steps": [{"bake": "4h"}]}, "rollout.steps.1 lacks percent", "It takes a number of percent"),
        ({"steps": [{"percent": 5}]}, "rollout.steps.1 lacks bake", "It takes how long"),
        ({"steps": [{"percent": "5%", "bake": "4h"}]}, "rollout.steps.1.percent is '5%', and takes a number", ""),
        ({"steps": [{"percent": True, "bake": "4h"}]}, "rollout.steps.1.percent is True", ""),
        ({"steps": [{"percent": 0, "bake": "4h"}]}, "rollout.steps.1.percent is 0, and takes a number above 0", ""),
        ({"steps": [{"percent": 101, "bake": "4h"}]}, "rollout.steps.1.percent is 101, and takes a number above 0", ""),
        ({"steps": [{"percent": 0.125, "bake": "4h"}]}, "rollout.steps.1.percent is 0.125", ""),
        ({"steps": [{"percent": float("nan"), "bake": "4h"}]}, "rollout.steps.1.percent is nan", ""),
        # Everyone is no step of a canary.
        (
            {"steps": [{"percent": 5, "bake": "4h"}, {"percent": 100, "bake": "4h"}]},
            "rollout.steps.2.percent is 100, which is no step of a canary",
            "After its last step the canary is finished",
        ),
        (
            {"steps": [{"percent": 25, "bake": "4h"}, {"percent": 25, "bake": "4h"}]},
            "rollout.steps.2.percent is 25, and takes more than 25, that of the step before",
            "",
        ),
        ({"steps": [{"percent": 5, "bake": "4"}]}, "rollout.steps.1.bake: '4' is not a length of time", "Write 90s"),
        ({"steps": [{"percent": 5, "bake": "4h", "wiat": 1}]}, "rollout.steps.1 has no key 'wiat'", "Known are bake"),
        ({"wait": "3h"}, "rollout.wait is '3h', and takes 4h or more, since a step lasts so long", ""),
        (
            {"steps": [{"percent": 5, "bake": "4d"}]},
            "rollout lacks wait",
            "It takes 4d or more, since a step lasts so long",
        ),
        ({"guardrails": []}, "rollout.guardrails is []", ""),
        ({"guardrails": ["errors"]}, "rollout.guardrails has 'errors', which is no guardrail", "Known are error, "),
        ({"guardrails": ["score:"]}, "rollout.guardrails has 'score:', which is no guardrail", ""),
        ({"guardrails": ["tone:nice"]}, "rollout.guardrails has 'tone:nice', which is no guardrail", ""),
        ({"guardrails": ["error", "error"]}, "and takes each guardrail once", ""),
        ({"guardrails": [f"score:a{n}" for n in range(21)]}, "and takes each guardrail once, and at most 20", ""),
        ({"minimum": 200}, "rollout.minimum is 200, and takes keys with values", ""),
        ({"minimum": {"canary_keys": 0}}, "rollout.minimum.canary_keys is 0", ""),
        ({"minimum": {"keys": 5}}, "rollout.minimum has no key 'keys'", ""),
        ({"ratio": 1}, "rollout.ratio is 1, and takes a number above 1", ""),
        ({"ratio": 11}, "rollout.ratio is 11", ""),
        ({"tolerance": 0.01}, "rollout.tolerance is 0.01, and takes a share above 0% and up to 20%", ""),
        ({"tolerance": "30%"}, "rollout.tolerance is '30%'", ""),
        ({"abort_above": "tolerance"}, "rollout.abort_above is 'tolerance', and takes one of any, ratio", ""),
        ({"actions": {"error": "advance"}}, "rollout.actions.error is 'advance', and takes one of pause, abort", ""),
        (
            {"guardrails": ["error"], "actions": {"refusal": "pause"}},
            "rollout.actions has 'refusal', which is not watched",
            "Watched are error.",
        ),
        ({"ask": ["Red Team"]}, "rollout.ask is ['Red Team']", ""),
        ({"ask": ["a", "a"]}, "rollout.ask is ['a', 'a']", ""),
        ({"on": {"incon": "pause"}}, "rollout.on has no key 'incon'", ""),
        ({"on": {"no_data": "wait"}}, "rollout.on.no_data is 'wait', and takes one of pause, advance, abort", ""),
        *[
            ({"on": {cause: "advance"}}, f"rollout.on.{cause} is 'advance', and takes one of pause, abort", "")
            for cause in ("analysis_failed", "sample_ratio", "arm_mismatch", "no_unit")
        ],
        ({"percent": 5}, "rollout has no key 'percent'", ""),
    ],
)
def test_what_cannot_be_is_refused_by_name(given: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_rollout({**STEPS, **given})
    assert message in caught.value.message
    assert (caught.value.hint or "").startswith(hint)

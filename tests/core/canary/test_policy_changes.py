"""What loosens a rollout: a table of settings before and after. What is not known to be as strict counts as looser."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.canary.policy_changes import loosened
from promptops.core.model import Policy
from promptops.core.policy import differences
from promptops.core.policy import loosened as loosened_policy

FIVE, HALF = {"percent": 5, "bake": "4h"}, {"percent": 50, "bake": "24h"}
RAMP: dict[str, Any] = {"steps": [FIVE, HALF]}


def ramp(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"steps": list(steps), **more}


@pytest.mark.parametrize(
    ("before", "after", "loosens"),
    [
        (RAMP, RAMP, ()),
        (RAMP, None, ("rollout",)),
        # No part of the keys has the release sooner.
        (RAMP, ramp(HALF), ("rollout.steps",)),
        (RAMP, ramp(FIVE), ("rollout.steps",)),
        (RAMP, ramp({"percent": 1, "bake": "1h"}, FIVE, HALF), ()),
        (RAMP, ramp({**FIVE, "bake": "3h"}, HALF), ("rollout.steps",)),
        (RAMP, ramp({**FIVE, "bake": "5h"}, HALF), ()),
        (RAMP, ramp({**FIVE, "percent": 6}, HALF), ("rollout.steps",)),
        (RAMP, ramp({"percent": 4, "bake": "2h"}, {**FIVE, "bake": "2h"}, HALF), ()),
        (RAMP, ramp(FIVE, {**HALF, "percent": 40}), ()),
        (RAMP, ramp(FIVE, {"percent": 25, "bake": "24h"}, {"percent": 60, "bake": "1h"}), ()),
        (RAMP, ramp(FIVE, {"percent": 25, "bake": "23h"}, {"percent": 60, "bake": "1h"}), ("rollout.steps",)),
        # Less is shown.
        (RAMP, {**RAMP, "wait": "24h"}, ("rollout.wait",)),
        (RAMP, {**RAMP, "wait": "80h"}, ()),
        (RAMP, {**RAMP, "guardrails": ["error"]}, ("rollout.guardrails",)),
        ({**RAMP, "guardrails": ["error"]}, RAMP, ()),
        (RAMP, {**RAMP, "minimum": {"canary_keys": 199}}, ("rollout.minimum.canary_keys",)),
        (RAMP, {**RAMP, "minimum": {"canary_keys": 201}}, ()),
        (RAMP, {**RAMP, "ratio": 1.6, "tolerance": "2%"}, ("rollout.ratio", "rollout.tolerance")),
        (RAMP, {**RAMP, "ratio": 1.4, "tolerance": "0%"}, ()),
        (RAMP, {**RAMP, "abort_above": "ratio"}, ("rollout.abort_above",)),
        ({**RAMP, "abort_above": "ratio"}, RAMP, ()),
        (RAMP, {**RAMP, "actions": {"error": "pause"}}, ("rollout.actions",)),
        (RAMP, {**RAMP, "actions": {"error": "abort"}}, ()),
        ({**RAMP, "ask": ["legal", "red-team"]}, {**RAMP, "ask": ["legal"]}, ("rollout.ask",)),
        (RAMP, {**RAMP, "on": {"no_data": "advance"}}, ("rollout.on",)),
        (RAMP, {**RAMP, "on": {"no_data": "abort", "no_unit": "pause"}}, ()),
        ({**RAMP, "on": {"no_unit": "abort"}}, RAMP, ("rollout.on",)),
        # What another version wrote and this one cannot read.
        ({"hypnosis": True}, RAMP, ("rollout",)),
        ({"hypnosis": True}, {"hypnosis": True}, ()),
    ],
)
def test_what_loosens_a_rollout(before: dict[str, Any], after: dict[str, Any] | None, loosens: tuple[str, ...]) -> None:
    assert loosened(before, after) == loosens
    assert loosened_policy(Policy(rollout=before), Policy(rollout=after)) == loosens


def test_a_policy_that_begins_to_ask_for_a_canary_is_stricter() -> None:
    assert loosened_policy(Policy(), Policy(rollout=RAMP)) == ()


def test_a_change_is_said_setting_by_setting() -> None:
    before, after = {**RAMP, "wait": "72h"}, {**ramp(FIVE), "on": {"no_data": "abort"}}
    said = differences(Policy(rollout=before), Policy(rollout=after))
    assert said == (
        "rollout.steps: [{bake: 4h, percent: 5}, {bake: 24h, percent: 50}] → [{bake: 4h, percent: 5}], "
        "rollout.wait: 72h → none, rollout.on.no_data: none → abort"
    )
    assert differences(Policy(), Policy(rollout=RAMP)).startswith("rollout: none → {steps: [{bake: 4h, percent: 5}")

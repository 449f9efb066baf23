"""What a canary would see, from what was reported of the last days, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from promptops.core.declarations import DeclaredScore
from promptops.core.errors import NothingDeployed
from promptops.core.evidence.case_table import Arm
from promptops.core.evidence.run import expected
from promptops.core.model import Policy
from promptops.operations.canary_plan import CanaryPlanRequest, canary_plan
from promptops.operations.runs import CloseRequest, OpenRequest, ReportRequest, close, open_run, report
from promptops.store import Registry
from promptops.wire.documents.canaries import CanaryPlanDocument
from tests.operations.counting import fill
from tests.operations.week import report_week
from tests.support import factory
from tests.support.evidence import arm, row, run
from tests.support.factory import START, key

POLICY: dict[str, Any] = {
    "steps": [{"percent": 5, "bake": "4h"}, {"percent": 25, "bake": "4h"}],
    "guardrails": ["error", "refusal", "unrecorded", "score:helpful"],
}
NOW = START + timedelta(hours=12)


@pytest.fixture
def filled(registry: Registry) -> Registry:
    """`bot` at 0.1.2, revision 3 of prod."""
    fill(registry)
    factory.declare(registry, scores=(DeclaredScore(name="helpful", passes_from=5_000),))
    factory.make_channels(registry, prod=Policy(rollout=POLICY))
    return registry


def planned(registry: Registry, release: str = "") -> CanaryPlanDocument:
    return canary_plan(registry, CanaryPlanRequest(app="bot", channel="prod", release=release), now=NOW).document


def shares(found: CanaryPlanDocument) -> dict[str, float]:
    return {each.guardrail: round(each.bad, 3) for each in found.guardrails}


def test_shares_of_bad_keys_are_those_of_a_day(filled: Registry) -> None:
    report_week(filled, NOW, keys=400, bad=0.05, unrecorded=20, scores=100, low_scores=8)
    found = planned(filled)
    assert found.days == 7
    assert found.keys_a_day == pytest.approx(400, rel=0.1)
    assert shares(found) == {"error": 0.05, "refusal": 0.0, "unrecorded": 0.05, "score:helpful": 0.08}
    assert {each.state for each in found.guardrails} == {"judges"}


def test_users_who_come_every_day_are_no_new_keys(filled: Registry) -> None:
    """300 users have 75 keys at 25 %, so 200 of them never meet the canary; 300 others each day do in three days."""
    report_week(filled, NOW, keys=300, users=300)
    assert [step.enough_keys_seconds for step in planned(filled).steps] == [None, None]


def test_each_day_has_other_keys_and_so_there_are_enough_of_them(filled: Registry) -> None:
    report_week(filled, NOW, keys=300)
    times = [step.enough_keys_seconds for step in planned(filled).steps]
    assert times == [pytest.approx(200 / 15 * 86_400, rel=0.1), pytest.approx(200 / 75 * 86_400, rel=0.1)]


def test_a_release_without_a_whole_day_has_the_shares_of_those_before(filled: Registry) -> None:
    report_week(filled, NOW, keys=300, bad=0.1, revision=2)
    found = planned(filled)
    assert (found.of_stable, found.stable, shares(found)["error"]) == (False, "0.1.2", 0.1)
    report_week(filled, NOW, keys=300, days=2, number=50)
    found = planned(filled)
    assert (found.of_stable, shares(found)["error"]) == (True, 0.0)


def test_a_score_that_no_call_has_is_dropped(filled: Registry) -> None:
    report_week(filled, NOW, keys=400, bad=0.05)
    found = planned(filled)
    [score] = [each for each in found.guardrails if each.guardrail == "score:helpful"]
    assert score.state == "dropped" and "no key could show it" in score.why
    assert found.proposed is not None and "score:helpful" not in found.proposed["guardrails"]  # type: ignore[operator]


def test_too_few_calls_turn_a_guardrail_off(filled: Registry) -> None:
    factory.make_channels(filled, prod=Policy(rollout=POLICY | {"guardrails": ["error", "slow", "unrecorded"]}))
    report_week(filled, NOW, keys=20)
    off = {each.guardrail: each.why for each in planned(filled).guardrails if each.state == "off"}
    assert list(off) == ["slow"]
    assert "no prompt had 1,000 calls" in off["slow"]


def test_the_factor_of_limits_is_that_of_the_newest_run_beside_the_stable_release(filled: Registry) -> None:
    factory.make_channels(filled, prod=Policy(rollout=POLICY), staging=Policy())
    candidate = factory.make_release(filled, factory.content("bot", "Hello {{name}}, take 9"))
    with filled.read() as reader:
        stable = reader.find_release("bot", version="0.1.2").digest
    whole = replace(
        run(cases=25),
        app="bot",
        arms=(
            replace(arm(Arm.CANDIDATE, "new"), digest=candidate.digest),
            replace(arm(Arm.LIVE, "old"), digest=stable),
        ),
    )
    open_run(filled, OpenRequest.of(whole, key=key()), actor="ci", now=NOW)
    rows = [
        row(place, side, repeat, latency_ms=1_500.0 if side is Arm.CANDIDATE else 1_000.0)
        for place, side, repeat in expected(whole)
    ]
    report(filled, ReportRequest(run=whole.id, rows=tuple(rows), key=key()), now=NOW)
    close(filled, CloseRequest(run=whole.id, key=key()), actor="ci", now=NOW)
    report_week(filled, NOW, keys=300)
    found = planned(filled, candidate.version)
    assert (found.release, found.slow_times, found.dear_times) == (candidate.version, 1.5, 1.0)
    assert planned(filled).slow_times == 1.0


def test_where_nothing_is_live_there_is_nothing_to_stand_beside(registry: Registry) -> None:
    factory.make_channels(registry, prod=Policy())
    factory.make_releases(registry, "bot", 1)
    with pytest.raises(NothingDeployed):
        planned(registry)

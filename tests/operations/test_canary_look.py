"""Canaries whose steps the policy takes: what aborts, advances and pauses them, once, and what a person keeps."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from promptops.core.canary.decision import CanaryDecision
from promptops.core.canary.state import Coin
from promptops.core.declarations import DeclaredScore
from promptops.core.deployment_parts import Action, Kind
from promptops.core.errors import Quarantined
from promptops.core.model import Deployment, Policy
from promptops.operations.canary import Step
from promptops.store import Registry
from promptops.store.checks.checks import check_store
from tests.operations.canaries import HOUR, SETTINGS, Crowd, begin, begin_again, by_hand, live, look_once
from tests.operations.counting import stored
from tests.support import factory
from tests.support.factory import START, minutes

WEIGHT = 2_000


def decisions(registry: Registry, rollout: str = "1.2") -> tuple[CanaryDecision, ...]:
    with registry.read() as reader:
        return reader.canary_decisions("bot", "prod", rollout)


def hours(count: float) -> datetime:
    return START + count * HOUR


@pytest.fixture
def begun(registry: Registry) -> Deployment:
    """A canary at 20 %, since the start."""
    return begin(registry)


@pytest.fixture
def crowd(registry: Registry, begun: Deployment) -> Crowd:
    return Crowd(registry, begun)


def fail(crowd: Crowd, at: Deployment, now: datetime, *, canary: int, stable: int = 0, after: int = 0) -> bool:
    """So many keys of each side fail; returns whether a look is called for."""
    assert at.canary is not None
    weight = at.canary.weight
    keys = crowd.keys(canary, weight, canary=True, after=after) + crowd.keys(stable, weight, canary=False, after=after)
    return bool(crowd.report(at, now, bad={"error": keys}).reached)


def show_good(crowd: Crowd, at: Deployment, now: datetime, count: int = 500) -> None:
    """So many keys of the canary make a call, with their share of all others, and none of them is bad."""
    assert at.canary is not None
    weight = at.canary.weight
    others = crowd.keys(count * (10_000 - weight) // weight, weight, canary=False)
    crowd.report(at, now, seen=crowd.keys(count, weight, canary=True) + others)


# --- abort -----------------------------------------------------------------------------------------


def test_a_canary_that_is_worse_is_aborted_and_its_release_kept_out(
    registry: Registry, begun: Deployment, crowd: Crowd
) -> None:
    assert not fail(crowd, begun, minutes(5), canary=1, stable=4)
    assert look_once(registry, minutes(6)).verb == "hold"  # type: ignore[union-attr]
    assert fail(crowd, begun, minutes(7), canary=25, after=1_000), "the limit is reached"
    done = look_once(registry, minutes(8))
    assert done is not None and (done.verb, done.why, done.weight) == ("abort", "worse:error", 0)
    assert "the canary is worse at error" in done.reason
    assert "; the canary had 26 calls, " in done.reason and ", and stable 4 calls, " in done.reason
    ended = live(registry)
    assert (ended.kind, ended.canary, ended.actor) == (Kind.ABORT, None, "policy of prod")
    [decision] = decisions(registry)
    assert (decision.revision, decision.verb, decision.guardrail) == (ended.revision, "abort", "error")
    assert decision.numbers["exposure"]["canary"]["calls"] == 26  # type: ignore[index]
    assert look_once(registry, minutes(9)) is None
    with pytest.raises(Quarantined, match="aborted at revision 3: the canary is worse at error: "):
        begin_again(registry, now=minutes(10))
    assert check_store(registry) == ()


def test_keys_that_fail_on_both_sides_as_often_abort_nothing(
    registry: Registry, begun: Deployment, crowd: Crowd
) -> None:
    assert not fail(crowd, begun, minutes(5), canary=60, stable=240)
    assert look_once(registry, minutes(6)).verb == "hold"  # type: ignore[union-attr]


def test_a_paused_canary_is_aborted_all_the_same(registry: Registry, begun: Deployment, crowd: Crowd) -> None:
    by_hand(registry, Step.PAUSE, minutes(1))
    paused = live(registry)
    for day in range(1, 8):
        for hour in range(24):
            done = look_once(registry, hours(24 * day + hour))
            assert done is not None and done.verb == "hold", "for a week the policy does nothing"
    assert live(registry) == paused
    fail(crowd, paused, hours(200), canary=25)
    assert look_once(registry, hours(200)).verb == "abort"  # type: ignore[union-attr]


def test_a_pause_of_a_week_opens_no_look_and_a_resume_goes_on_with_what_was_counted_meanwhile(
    registry: Registry, begun: Deployment, crowd: Crowd
) -> None:
    """Whatever is reported: good keys in number, failures of both sides, and clocks of a server that was away."""
    by_hand(registry, Step.PAUSE, minutes(1))
    paused = live(registry)
    for quarter in range(1, 29):
        now = hours(6 * quarter)
        crowd.report(paused, now, seen=range(200 * quarter, 200 * quarter + 200))
        fail(crowd, paused, now, canary=1, stable=4, after=10_000 * quarter)
        done = look_once(registry, now)
        assert done is not None and (done.verb, done.revision) == ("hold", paused.revision)
    assert live(registry) == paused and decisions(registry) == ()
    [kept] = stored(registry, "rollout_state")
    assert json.loads(str(kept["state"]))["looks"] == []
    assert counts(registry)["error"] == (28, 112)
    by_hand(registry, Step.RESUME, hours(168.1))
    done = look_once(registry, hours(168.2))
    assert done is not None and (done.verb, done.why, done.weight) == ("advance", "not-worse", 5_000)
    assert counts(registry)["error"] == (28, 112)


def test_measurements_that_cannot_be_trusted_say_nothing_during_a_pause_and_pause_after_it(
    registry: Registry, begun: Deployment, crowd: Crowd
) -> None:
    by_hand(registry, Step.PAUSE, minutes(1))
    paused = live(registry)
    crowd.report(paused, minutes(2), seen=crowd.keys(300, WEIGHT, canary=True))
    assert look_once(registry, minutes(3)).verb == "hold"  # type: ignore[union-attr]
    assert live(registry) == paused
    by_hand(registry, Step.RESUME, minutes(4))
    done = look_once(registry, minutes(5))
    assert done is not None and (done.verb, done.why) == ("pause", "sample_ratio")


def test_a_key_counts_once_however_often_it_fails_and_again_in_three_minutes(
    registry: Registry, begun: Deployment, crowd: Crowd
) -> None:
    keys = crowd.keys(3, WEIGHT, canary=True)
    for minute in (1, 1, 2):
        crowd.report(begun, minutes(minute), bad={"error": keys})
    assert counts(registry) == {"error": (3, 0), "error again": (0, 0), "error often": (0, 0)}
    crowd.report(begun, minutes(3), bad={"error": keys[:2]})
    assert counts(registry) == {"error": (3, 0), "error again": (2, 0), "error often": (0, 0)}


def counts(registry: Registry, rollout: str = "1.2") -> dict[str, tuple[int, int]]:
    """The keys of both sides that the coins of `error` have counted since the start."""
    from promptops.operations.canary_status import CanaryStatusRequest, canary_status

    found = canary_status(registry, CanaryStatusRequest(app="bot", channel="prod"), now=START).document
    assert found.rollout == rollout
    return {
        Coin(coin.coin).of("error"): (coin.canary, coin.stable) for coin in found.coins if coin.guardrail == "error"
    }


# --- side and step ---------------------------------------------------------------------------------


def test_side_and_step_are_those_of_the_revision_and_not_of_the_arrival(
    registry: Registry, begun: Deployment, crowd: Crowd
) -> None:
    by_hand(registry, Step.ADVANCE, minutes(30), weight=5_000)
    between = [key for key in range(200) if WEIGHT <= crowd.bucket(key) < 5_000][:4]
    crowd.report(begun, minutes(10), taken=minutes(40), bad={"error": between[:3]})
    assert counts(registry)["error"] == (0, 3), "they were stable's at 20 %"
    crowd.report(live(registry), minutes(41), bad={"error": between[3:]})
    assert counts(registry)["error"] == (1, 3)


def test_documents_in_any_order_make_the_same_state(registry: Registry, begun: Deployment, crowd: Crowd) -> None:
    import random

    by_hand(registry, Step.ADVANCE, minutes(30), weight=5_000)
    second = live(registry)
    documents = [
        crowd.document(at, minutes(minute), bad={"error": range(first, first + 20)})
        for at, first in ((begun, 0), (second, 100))
        for minute in (1, 2, 3, 4)
    ]
    states = []
    for seed in range(3):
        order = list(documents)
        random.Random(seed).shuffle(order)
        states.append(state_after(registry, order))
    assert states[0] == states[1] == states[2]


def state_after(registry: Registry, documents: list) -> tuple[list, list]:  # type: ignore[type-arg]
    """What is kept of a canary after these documents, from nothing."""
    from promptops.core.outcomes.report import OutcomeReport
    from promptops.operations.outcomes import Document, take

    def forget(writer) -> None:  # type: ignore[no-untyped-def]
        for table in ("rollout_unit", "outcome_client"):
            writer._connection.exec_driver_sql(f"DELETE FROM {table}")
        writer.outcomes().begin_rollout("bot", "prod", "1.2", START)

    registry.write(forget)
    for each in documents:
        assert isinstance(each, OutcomeReport)
        take(registry, [Document(report=each)], now=minutes(60))
    return stored(registry, "rollout_state"), sorted(stored(registry, "rollout_unit"), key=lambda row: str(row["unit"]))


def test_outcomes_of_a_canary_never_count_for_another_one(registry: Registry, begun: Deployment, crowd: Crowd) -> None:
    by_hand(registry, Step.ABORT, minutes(10))
    second = begin_again(registry, now=minutes(20))
    assert second.canary is not None and second.canary.rollout == "1.4"
    fail(crowd, begun, minutes(5), canary=30)
    assert counts(registry, "1.4")["error"] == (0, 0)
    assert look_once(registry, minutes(25)).verb == "hold"  # type: ignore[union-attr]
    other = Crowd(registry, second, client=1)
    fail(other, second, minutes(26), canary=2)
    assert counts(registry, "1.4")["error"] == (2, 0)


def test_calls_without_a_key_or_of_a_fixed_release_take_no_part(
    registry: Registry, begun: Deployment, crowd: Crowd
) -> None:
    from dataclasses import replace

    from promptops.core.outcomes.series import Arm
    from promptops.core.outcomes.units import Unit
    from promptops.operations.outcomes import Document, take

    made = crowd.document(begun, minutes(1), bad={"error": range(3)})
    bad = list(made.bad_units)
    bad[0] = replace(bad[0], unit=Unit(id=bad[0].unit.id))
    bad[1] = replace(bad[1], assignment=replace(bad[1].assignment, arm=Arm.FIXED))
    bad[2] = replace(bad[2], assignment=replace(bad[2].assignment, revision=1))
    take(registry, [Document(report=replace(made, bad_units=tuple(bad), sampled_units=()))], now=minutes(2))
    assert counts(registry)["error"] == (0, 0)


# --- advance ---------------------------------------------------------------------------------------


def test_a_canary_that_is_shown_not_worse_advances_at_the_end_of_bake_and_finishes_at_the_end_of_wait(
    registry: Registry, begun: Deployment, crowd: Crowd
) -> None:
    show_good(crowd, begun, minutes(30))
    assert keep_looking(registry, START, hours(3.9)) == []
    [first] = keep_looking(registry, hours(3.9), hours(4.1))
    assert (first.verb, first.why, first.weight) == ("advance", "not-worse", 5_000)
    assert first.reason == "advanced to 50 %: every guardrail shows it not to be worse"
    second = live(registry)
    assert second.canary is not None and second.canary.action is Action.ADVANCE and second.actor == "policy of prod"
    show_good(crowd, second, hours(5))
    assert keep_looking(registry, hours(4.2), hours(15.9)) == [], "before 100 % only the end of wait counts"
    [last] = keep_looking(registry, hours(15.9), hours(16.2))
    assert (last.verb, last.weight) == ("finish", 10_000)
    ended = live(registry)
    assert (ended.kind, ended.version, ended.canary, ended.actor) == (Kind.PROMOTE, "0.1.1", None, "policy of prod")
    assert ended.reason.startswith("canary 1.2 finished at 50 %: every guardrail shows it")
    assert [each.verb for each in decisions(registry)] == ["advance", "finish"]
    assert check_store(registry) == ()


def keep_looking(registry: Registry, begin: datetime, end: datetime) -> list:  # type: ignore[type-arg]
    """Look every five minutes, as a server does every minute; what was done."""
    found, now = [], begin
    while now <= end:
        done = look_once(registry, now)
        found += [done] if done is not None and done.verb != "hold" else []
        now += timedelta(minutes=5)
    return found


def test_without_enough_keys_a_step_pauses_at_the_end_of_wait_and_a_person_ends_that(
    registry: Registry, begun: Deployment, crowd: Crowd
) -> None:
    show_good(crowd, begun, minutes(30), count=20)
    [paused] = keep_looking(registry, START, hours(13))
    assert (paused.verb, paused.why) == ("pause", "no_data")
    assert "keys of the sample had the canary in this step, of 200 needed" in paused.reason
    assert live(registry).canary.action is Action.PAUSE  # type: ignore[union-attr]
    by_hand(registry, Step.RESUME, hours(13.5))
    assert keep_looking(registry, hours(13.1), hours(40)) == [], "the same cause does not pause it again"
    by_hand(registry, Step.ADVANCE, hours(41), weight=5_000)
    [again] = keep_looking(registry, hours(40.1), hours(54))
    assert (again.verb, again.why) == ("pause", "no_data"), "it is another step"


def test_a_pause_says_which_guardrails_no_key_could_show(registry: Registry) -> None:
    factory.make_channels(registry, prod=Policy(rollout=SETTINGS | {"guardrails": ["error", "score:helpful"]}))
    factory.make_releases(registry, "bot", 2)
    factory.declare(registry, scores=(DeclaredScore(name="helpful", passes_from=5_000),))
    factory.go_live(registry, "bot@0.1.0")
    begun = begin_again(registry)
    show_good(Crowd(registry, begun), begun, minutes(30))
    [paused] = keep_looking(registry, START, hours(13))
    assert (paused.verb, paused.why) == ("pause", "no_data")
    assert paused.reason.endswith("of 200 needed, and none of them could show score:helpful")


def test_the_policy_may_advance_what_was_not_shown_and_says_so(registry: Registry) -> None:
    begun = begin(registry, on={"no_data": "advance"})
    show_good(Crowd(registry, begun), begun, minutes(30), count=20)
    [done] = keep_looking(registry, START, hours(13))
    assert (done.verb, done.why) == ("advance", "no_data")
    assert done.reason == "advanced to 50 %: nothing looked worse, and it is not shown that nothing is"
    assert decisions(registry)[0].shown == "nothing-worse"


def test_a_pause_by_a_person_is_not_undone(registry: Registry, begun: Deployment, crowd: Crowd) -> None:
    show_good(crowd, begun, minutes(30))
    keep_looking(registry, START, hours(3))
    by_hand(registry, Step.PAUSE, hours(3.5))
    assert keep_looking(registry, hours(3.1), hours(30)) == []
    by_hand(registry, Step.RESUME, hours(30.1))
    [done] = keep_looking(registry, hours(30.05), hours(30.5))
    assert done.verb == "advance", "the same evidence holds after the pause"


def test_the_gate_judges_the_finish_and_may_refuse_it(registry: Registry) -> None:
    from promptops.core.model import Policy
    from tests.support.factory import make_channels

    begun = begin(registry, steps=[{"percent": 20, "bake": "1h"}], wait="1h")
    show_good(Crowd(registry, begun), begun, minutes(10))
    make_channels(registry, prod=Policy(gate={"approvals": {"count": 1, "proven": False}}))
    [done] = keep_looking(registry, START, hours(2))
    assert (done.verb, done.why) == ("pause", "refused")
    assert done.reason.startswith("paused: it cannot be finished: ")
    assert live(registry).canary is not None


# --- what cannot be trusted ------------------------------------------------------------------------


def test_a_clock_that_went_back_pauses_once(registry: Registry, begun: Deployment, crowd: Crowd) -> None:
    keep_looking(registry, START, hours(1))
    done = look_once(registry, minutes(30))
    assert done is not None and (done.verb, done.why) == ("pause", "clock")
    by_hand(registry, Step.RESUME, minutes(31))
    assert keep_looking(registry, minutes(31), hours(3)) == []


def test_a_time_without_looks_that_is_longer_than_the_step_bakes_pauses(registry: Registry, begun: Deployment) -> None:
    assert look_once(registry, hours(3.9)).verb == "hold"  # type: ignore[union-attr]
    done = look_once(registry, hours(8))
    assert done is not None and (done.verb, done.why) == ("pause", "clock")


def test_lost_measurements_pause_and_what_had_begun_counts_nothing_any_more(
    registry: Registry, begun: Deployment, crowd: Crowd
) -> None:
    fail(crowd, begun, minutes(1), canary=2)
    registry.write(lambda writer: forget_measurements(writer))
    fail(crowd, begun, minutes(2), canary=30, after=500)
    done = look_once(registry, minutes(3))
    assert done is not None and (done.verb, done.why) == ("pause", "measurements_lost")
    by_hand(registry, Step.RESUME, minutes(4))
    fail(crowd, begun, minutes(5), canary=60, after=2_000)
    assert look_once(registry, minutes(6)).verb == "hold", "the first step is not judged twice"  # type: ignore[union-attr]
    by_hand(registry, Step.ADVANCE, minutes(7), weight=5_000)
    moved = [key for key in range(2_000) if WEIGHT <= crowd.bucket(key) < 5_000][:40]
    crowd.report(live(registry), minutes(8), bad={"error": moved})
    assert look_once(registry, minutes(9)).verb == "abort", "the next one is fair"  # type: ignore[union-attr]


def forget_measurements(writer) -> None:  # type: ignore[no-untyped-def]
    for table in ("rollout_state", "rollout_unit"):
        writer._connection.exec_driver_sql(f"DELETE FROM {table}")


def test_a_raised_epoch_pauses_also_where_a_person_had_paused(registry: Registry, begun: Deployment) -> None:
    by_hand(registry, Step.PAUSE, minutes(1))
    look_once(registry, minutes(2))
    registry.write(lambda writer: writer.raise_epoch(at=minutes(3), actor="Ada", action="restore"))
    assert look_once(registry, minutes(4)).verb == "hold"  # type: ignore[union-attr]
    by_hand(registry, Step.RESUME, minutes(5))
    done = look_once(registry, minutes(6))
    assert done is not None and (done.verb, done.why) == ("pause", "epoch_raised")
    by_hand(registry, Step.RESUME, minutes(7))
    assert look_once(registry, minutes(8)).verb == "hold"  # type: ignore[union-attr]


def test_keys_that_are_not_split_as_they_should_be_pause(registry: Registry, begun: Deployment, crowd: Crowd) -> None:
    crowd.report(begun, minutes(1), seen=crowd.keys(300, WEIGHT, canary=True))
    done = look_once(registry, minutes(2))
    assert done is not None and (done.verb, done.why) == ("pause", "sample_ratio")


def test_a_guardrail_may_pause_instead(registry: Registry) -> None:
    begun = begin(registry, actions={"error": "pause"})
    fail(Crowd(registry, begun), begun, minutes(1), canary=25)
    done = look_once(registry, minutes(2))
    assert done is not None and (done.verb, done.why) == ("pause", "worse:error")
    by_hand(registry, Step.RESUME, minutes(3))
    assert look_once(registry, minutes(4)).verb == "hold"  # type: ignore[union-attr]
    assert SETTINGS["guardrails"] == ["error", "refusal"]

"""What pauses a canary because its measurements cannot be trusted, from the report to the pause; and damaged rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import bindparam, text

from promptops.core.errors import RegistryDamaged
from promptops.core.model import Deployment
from promptops.core.outcomes.admission import LeftOut
from promptops.core.outcomes.call_outcome import CallOutcome, Count
from promptops.core.outcomes.counters import MAX_COUNT
from promptops.core.outcomes.report import BadUnit
from promptops.core.outcomes.series import Arm, Assignment
from promptops.core.outcomes.sums import Sums
from promptops.core.outcomes.units import Unit
from promptops.core.reference import parse_reference
from promptops.core.verdict import Outcome
from promptops.operations.canary import StartRequest, Step, start
from promptops.operations.canary_look import Looked
from promptops.operations.canary_status import CanaryStatusRequest, canary_status
from promptops.operations.evidence import AddRequest, add
from promptops.operations.feedback import Allows, everywhere
from promptops.operations.outcomes import Document, Reported, Taken, take
from promptops.store import Registry
from promptops.store.schema.columns import Moment
from tests.operations.canaries import HOUR, Crowd, begin, begin_again, by_hand, live, look_once
from tests.operations.counting import stored
from tests.support.factory import ACTOR, START, key, minutes
from tests.support.reports import MINUTE, report, series, total

WEIGHT = 2_000


@pytest.fixture
def begun(registry: Registry) -> Deployment:
    """A canary at 20 %, since the start."""
    return begin(registry)


def count(registry: Registry, at: Deployment, arm: Arm, calls: list[CallOutcome], now: datetime) -> None:
    """Report these calls of a side."""
    place = Assignment(app="bot", channel="prod", epoch=1, revision=at.revision, arm=arm)
    sums = {(series(place), int(now.timestamp()) // 60): total([Sums.of(call) for call in calls])}
    number = len(stored(registry, "outcome_client")) + 1
    document = report(registry.lineage, 1, sums, client=f"{number:032x}")
    [answer] = take(registry, [Document(report=document)], now=now).answers
    assert isinstance(answer, Reported)


def looked(registry: Registry, now: datetime) -> tuple[str, str]:
    done = look_once(registry, now)
    assert isinstance(done, Looked)
    return done.verb, done.why


def test_a_failure_of_a_key_that_has_the_canary_first_pauses_it_until_a_person_resumes(
    registry: Registry, begun: Deployment
) -> None:
    count(registry, begun, Arm.NAMED, [CallOutcome(error="TimeoutError")], minutes(1))
    assert looked(registry, minutes(2)) == ("hold", ""), "no key has it first, so no client reports such calls"
    by_hand(registry, Step.ABORT, minutes(3))
    first = StartRequest(
        reference=parse_reference("bot@0.1.1"), channel="prod", key=key(), blind=True, first_keys=("ada",)
    )
    [begun] = start(registry, first, actor=ACTOR, now=START).deployments
    count(registry, begun, Arm.NAMED, [CallOutcome(latency_ms=1.0)] * 9, minutes(1))
    assert looked(registry, minutes(2)) == ("hold", "")
    count(registry, begun, Arm.NAMED, [CallOutcome(error="TimeoutError")], minutes(3))
    assert looked(registry, minutes(4)) == ("pause", "first_keys")
    by_hand(registry, Step.RESUME, minutes(5))
    assert looked(registry, minutes(6)) == ("hold", "")


@pytest.mark.parametrize(("mismatched", "expected"), [(1, ("hold", "")), (2, ("pause", "arm_mismatch"))])
def test_clients_that_cannot_load_the_canary_pause_it_above_one_percent_of_the_calls_of_its_keys(
    registry: Registry, begun: Deployment, mismatched: int, expected: tuple[str, str]
) -> None:
    count(registry, begun, Arm.CANARY, [CallOutcome(latency_ms=1.0)] * (100 - mismatched), minutes(1))
    others = [CallOutcome(latency_ms=1.0)] * 500
    count(registry, begun, Arm.STABLE, [CallOutcome(latency_ms=1.0, mismatch=True)] * mismatched + others, minutes(1))
    assert looked(registry, minutes(2)) == expected


@pytest.mark.parametrize(("without", "expected"), [(5, ("hold", "")), (6, ("pause", "no_unit"))])
def test_calls_without_a_key_pause_it_above_five_percent(
    registry: Registry, begun: Deployment, without: int, expected: tuple[str, str]
) -> None:
    calls = [CallOutcome(latency_ms=1.0, has_unit=number >= without) for number in range(100)]
    count(registry, begun, Arm.STABLE, calls, minutes(1))
    assert looked(registry, minutes(2)) == expected


def test_a_step_waits_for_the_evidence_from_elsewhere_that_the_policy_asks_for(registry: Registry) -> None:
    begun = begin(registry, ask=["red-team"])
    Crowd(registry, begun).report(begun, minutes(30), seen=range(2_500))
    verdict(registry, Outcome.FAIL, minutes(40))
    for hour in range(1, 7):
        assert looked(registry, START + hour * HOUR) == ("hold", ""), "its check failed"
    verdict(registry, Outcome.PASS, START + 6.5 * HOUR)
    assert looked(registry, START + 7 * HOUR) == ("advance", "not-worse")


def test_a_verdict_that_is_missing_pauses_at_the_end_of_wait_and_aborts_nothing(registry: Registry) -> None:
    begun = begin(registry, ask=["red-team"], on={"inconclusive": "abort"})
    Crowd(registry, begun).report(begun, minutes(30), seen=range(2_500))
    found = [looked(registry, START + hour * HOUR) for hour in (4, 8, 12)]
    assert found == [("hold", ""), ("hold", ""), ("pause", "inconclusive")]
    assert "there is no verdict for it of red-team" in live(registry).reason


FORGED: list[dict[str, Any]] = [
    {"guardrails": ("no_such_guardrail",)},
    {"guardrails": ("slow",)},  # no guardrail of this canary's policy
    {"arm": Arm.FIXED},
    {"arm": Arm.NAMED},
    {"revision": 1},  # from before the canary
    {"revision": 99},  # not there yet
    {"epoch": 2},
    {"app": "other"},
    {"bucket": None},
]


@pytest.mark.parametrize("forged", FORGED, ids=str)
def test_what_is_not_of_the_canary_counts_for_no_guardrail(
    registry: Registry, begun: Deployment, forged: dict[str, Any]
) -> None:
    assert not forge(registry, begun, **forged).reached
    assert looked(registry, minutes(2)) == ("hold", "")
    assert forge(registry, begun).reached, "the same of the canary would abort it"


def test_a_token_reports_for_no_canary_of_an_app_that_it_has_not(registry: Registry, begun: Deployment) -> None:
    taken = forge(registry, begun, allows=lambda channel, app: app == "other")
    assert not taken.reached and taken.left_out == {LeftOut.UNKNOWN: 40}
    assert looked(registry, minutes(2)) == ("hold", "")


def test_a_key_counts_once_whatever_bucket_and_process_report_it(registry: Registry, begun: Deployment) -> None:
    for client, bucket in enumerate((0, 9_999, 1, 5_000)):
        assert not forge(registry, begun, client=client, bucket=bucket, units=1).reached
    [coin] = [
        coin
        for coin in canary_status(
            registry, CanaryStatusRequest(app="bot", channel="prod"), now=minutes(2)
        ).document.coins
        if (coin.guardrail, coin.coin) == ("error", "once")
    ]
    assert (coin.canary, coin.stable) == (1, 0)


def forge(
    registry: Registry,
    at: Deployment,
    *,
    arm: Arm = Arm.CANARY,
    revision: int = 0,
    epoch: int = 1,
    app: str = "bot",
    bucket: int | None = 0,
    guardrails: tuple[str, ...] = ("error",),
    client: int = 9,
    units: int = 40,
    allows: Allows = everywhere,
) -> Taken:
    """So many units that were made up, all of them bad and on the canary's side, in a document of their own."""
    place = Assignment(app=app, channel="prod", epoch=epoch, revision=revision or at.revision, arm=arm)
    bad = tuple(
        BadUnit(assignment=place, unit=Unit(id=f"{number:016x}", bucket=bucket), minute=MINUTE, guardrails=guardrails)
        for number in range(units)
    )
    number = len(stored(registry, "outcome_client")) + 1
    document = report(registry.lineage, number, {}, client=f"{client + number:032x}", bad=bad)
    return take(registry, [Document(report=document, allows=allows)], now=minutes(1))


def test_counts_beyond_all_that_is_real_keep_no_canary_from_its_abort(registry: Registry, begun: Deployment) -> None:
    place = Assignment(app="bot", channel="prod", epoch=1, revision=begun.revision, arm=Arm.CANARY)
    most = Sums(counts=dict.fromkeys((Count.CALLS, Count.OPENED), MAX_COUNT))
    sums = {(series(place, prompt=name), int(START.timestamp()) // 60): most for name in ("answer", "triage")}
    take(registry, [Document(report=report(registry.lineage, 1, sums))], now=minutes(1))
    crowd = Crowd(registry, begun)
    crowd.report(begun, minutes(2), bad={"error": crowd.keys(30, WEIGHT, canary=True)})
    assert looked(registry, minutes(3)) == ("abort", "worse:error")


def test_unrecorded_calls_abort_nothing_while_few_of_the_stable_release_are_recorded(registry: Registry) -> None:
    begun = begin(registry, guardrails=["error", "unrecorded"])
    report_recorded(registry, START - HOUR)
    by_hand(registry, Step.ABORT, minutes(1))
    begun = begin_again(registry, now=minutes(2))
    crowd = Crowd(registry, begun)
    place = Assignment(app="bot", channel="prod", epoch=1, revision=begun.revision, arm=Arm.STABLE)
    opened = {(series(place), int(minutes(3).timestamp()) // 60): Sums(counts={Count.OPENED: 10, Count.CALLS: 4})}
    take(registry, [Document(report=report(registry.lineage, 1, opened, client="d" * 32))], now=minutes(3))
    unrecorded = {"unrecorded": crowd.keys(30, WEIGHT, canary=True)}
    assert crowd.report(begun, minutes(4), bad=unrecorded).reached
    assert looked(registry, minutes(5)) == ("hold", "")
    more = {(series(place), int(minutes(6).timestamp()) // 60): Sums(counts={Count.OPENED: 30, Count.CALLS: 30})}
    take(registry, [Document(report=report(registry.lineage, 2, more, client="d" * 32))], now=minutes(6))
    assert looked(registry, minutes(7)) == ("abort", "worse:unrecorded")


def report_recorded(registry: Registry, now: datetime) -> None:
    """Calls of the stable release, all of them recorded."""
    place = Assignment(app="bot", channel="prod", epoch=1, revision=1, arm=Arm.STABLE)
    sums = {(series(place), int(now.timestamp()) // 60): Sums(counts={Count.OPENED: 9, Count.CALLS: 9})}
    take(registry, [Document(report=report(registry.lineage, 1, sums, client="e" * 32))], now=START)


def test_keys_of_a_clock_that_goes_wrong_are_not_known_to_be_early(registry: Registry, begun: Deployment) -> None:
    Crowd(registry, begun).report(begun, START - 2 * HOUR, taken=START + 3.9 * HOUR, seen=range(2_500))
    assert looked(registry, START + 3.9 * HOUR) == ("hold", "")
    assert looked(registry, START + 4 * HOUR) == ("hold", ""), "they may have been seen a minute ago"


def verdict(registry: Registry, outcome: Outcome, now: datetime) -> None:
    said: dict[str, Any] = {"check": "red-team", "verdict": outcome, "note": "", "key": key()}
    add(registry, AddRequest(reference=parse_reference("bot@0.1.1"), **said), actor=ACTOR, now=now)


def test_the_reason_of_an_abort_has_the_evidence_that_the_policy_judges_by(registry: Registry) -> None:
    begun = begin(registry, abort_above="ratio", ratio=2.0)
    crowd = Crowd(registry, begun)
    crowd.report(begun, minutes(1), bad={"error": crowd.keys(25, WEIGHT, canary=True)})
    done = look_once(registry, minutes(2))
    assert done is not None and done.verb == "abort"
    with registry.read() as reader:
        [decision] = reader.canary_decisions("bot", "prod", "1.2")
    evidence: Any = decision.numbers["evidence"]
    said = done.reason.rpartition("evidence ")[2].partition(" of ")[0]
    assert float(said.replace(",", "")) == pytest.approx(evidence["error"], rel=1e-3)


# --- rows that are not what this version writes ------------------------------------------------------


@pytest.mark.parametrize("state", ["{}", "not JSON", '{"counts":{},"epoch":1,"looks":[],"lost":0,"unsaid":"later"}'])
def test_a_state_that_cannot_be_read_stops_no_report_and_pauses_the_canary(
    registry: Registry, begun: Deployment, state: str
) -> None:
    crowd = Crowd(registry, begun)
    change(registry, "UPDATE rollout_state SET state = :text", state)
    [answer] = crowd.report(begun, minutes(1), bad={"error": [1, 2]}, seen=[3]).answers
    assert isinstance(answer, Reported) and answer.counted
    assert looked(registry, minutes(2)) == ("pause", "analysis_failed")
    by_hand(registry, Step.RESUME, minutes(3))
    [answer] = crowd.report(live(registry), minutes(4), bad={"error": [4]}).answers
    assert isinstance(answer, Reported) and answer.counted


def test_a_key_of_which_nothing_can_be_read_counts_no_more_and_stops_no_report(
    registry: Registry, begun: Deployment
) -> None:
    crowd = Crowd(registry, begun)
    keys = crowd.keys(40, WEIGHT, canary=True)
    crowd.report(begun, minutes(1), bad={"error": keys[:2]})
    change(registry, "UPDATE rollout_unit SET counted = :text", '{"error":"of a later version"}')
    [answer] = crowd.report(begun, minutes(2), bad={"error": keys[:2]}).answers
    assert isinstance(answer, Reported) and answer.counted
    before = stored(registry, "rollout_state")
    crowd.report(begun, minutes(3) + timedelta(seconds=1), bad={"error": keys[:2]})
    assert stored(registry, "rollout_state") == before
    assert crowd.report(begun, minutes(4), bad={"error": keys[2:]}).reached, "the others count"


def test_a_decision_that_cannot_be_read_is_damage(registry: Registry, begun: Deployment) -> None:
    values = "'bot', 'prod', 2, '1.2', 'pause', '', '', '', :text, 'Ada', :at"
    columns = "app, channel, revision, rollout, verb, cause, guardrail, shown, numbers, actor, at"
    change(registry, f"INSERT INTO canary_decision ({columns}) VALUES ({values})", "not JSON", at=begun.at)
    with registry.read() as reader, pytest.raises(RegistryDamaged, match="decision"):
        reader.canary_decisions("bot", "prod", "1.2")


def change(registry: Registry, statement: str, words: str, **more: datetime) -> None:
    """Change rows as no version of promptops does."""
    times = [bindparam(name, type_=Moment) for name in more]
    made = text(statement).bindparams(*times)
    registry.write(lambda writer: writer._connection.execute(made, {"text": words, **more}))

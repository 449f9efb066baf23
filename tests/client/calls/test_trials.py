"""What a client does with what the start of a canary froze: keys that get it first, the sample, limits of calls.

And with a canary that it cannot load.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from promptops.client.calls.desk import CallDesk
from promptops.client.calls.ledger import Ledger
from promptops.client.calls.seen import Seen
from promptops.client.prompt import Prompt, Reason, Variant
from promptops.client.state.conversations import Conversations
from promptops.client.state.lookup_view import View
from promptops.core.bucketing import bucket, key_hash
from promptops.core.hold import read_hold
from promptops.core.model import Content, ReleaseRef
from promptops.core.outcomes.call_id import read_call_id
from promptops.core.outcomes.call_outcome import Count, Measure
from promptops.core.outcomes.report import BadUnit, OutcomeReport, SampledUnit
from promptops.core.outcomes.series import Arm
from promptops.core.outcomes.sums import Sums
from promptops.core.outcomes.units import EVERY, Sample, Unit
from promptops.core.snapshot import Pointer
from promptops.core.trial import Limits, Trial
from promptops.wire.outcomes import decode
from tests.client import made
from tests.client.calls.said import LINEAGE, answer
from tests.client.fake_server import SECRET

ONE, TWO = made.release("bot", "1.0.0"), made.release("bot", "2.0.0")
WEIGHT = 2_000
WHERE = replace(made.pointer(17, ONE, canary=TWO, weight=WEIGHT), salt="bot#prod#3.17#00112233445566ff")
KEYS = [f"user-{number}" for number in range(400)]
INSIDE, OUTSIDE = ([key for key in KEYS if (bucket(WHERE.salt, key) < WEIGHT) is side] for side in (True, False))
MODEL = "openai/gpt-4o-2024-08-06"


def unloadable() -> ReleaseRef:
    """A release that needs what no version of promptops understands yet."""
    return made.shelve("2.0.0", Content(app="bot", prompts=(made.prompt("answer", "hi"),), requires=("telepathy",)))


class Process:
    """A client's view and ledger, without its threads."""

    def __init__(self, where: Pointer, **more: object) -> None:
        self.desk = CallDesk("prod")
        self.desk.take_key(LINEAGE, SECRET)
        self.ledger = self.desk.open(Ledger)
        snapshot = made.snapshot({"bot": where}, epoch=3, lineage=LINEAGE)
        book = Conversations(float)
        self.view = View.make(
            made.held(snapshot),
            channel="prod",
            desk=self.desk,
            conversations=book,
            **more,  # type: ignore[arg-type]
        )

    def get(self, key: str | None) -> Prompt:
        return self.view.resolve("bot/answer", key)

    def call(self, *keys: str, error: bool = False, **said: object) -> list[str]:
        """Call, record an answer (or raise), and return the ids of the calls."""
        ids = []
        for key in keys:
            try:
                with self.get(key).call(key=key) as call:
                    if error:
                        raise TimeoutError
                    call.record(answer(**said))  # type: ignore[arg-type]
            except TimeoutError:
                pass
            ids.append(call.id)
        return ids

    def report(self) -> OutcomeReport:
        data = self.ledger.document(client="0" * 32, number=1, lineage=LINEAGE, sdk="promptops", last=True)
        assert data is not None
        return decode(data, "prod")


def by_arm(report: OutcomeReport) -> dict[Arm, Sums]:
    found: dict[Arm, Sums] = {}
    for (series, _), sums in report.sums.items():
        arm = series.assignment.arm
        found[arm] = found[arm].merged(sums) if arm in found else sums
    return found


# --- keys that get the canary first --------------------------------------------------------------------


def with_keys(*keys: str) -> Pointer:
    return replace(WHERE, trial=Trial(keys=frozenset(key_hash(WHERE.salt, key) for key in keys)))


def test_named_keys_get_the_canary_whatever_their_bucket_and_all_others_as_before() -> None:
    process = Process(with_keys(OUTSIDE[0], INSIDE[0]))
    for key in KEYS:
        expected = "2.0.0" if key == OUTSIDE[0] or bucket(WHERE.salt, key) < WEIGHT else "1.0.0"
        assert process.get(key).version == process.view.release("bot", key).version == expected
    found = process.get(OUTSIDE[0])
    assert (found.variant, found.reason) == (Variant.CANARY, Reason.SPLIT)
    assert process.get(None).version in ("1.0.0", "2.0.0")


def test_calls_of_named_keys_are_a_side_of_their_own_and_their_units_are_compared_with_none() -> None:
    staff = (OUTSIDE[0], INSIDE[0])
    where = with_keys(*staff)
    process = Process(replace(where, trial=replace(where.trial or Trial(), sample=(EVERY, EVERY))))
    ids = process.call(*staff, error=True)
    process.call(OUTSIDE[1], INSIDE[1], error=True)
    report = process.report()
    sums = by_arm(report)
    assert {arm: (each[Count.CALLS], each[Count.BAD]) for arm, each in sums.items()} == {
        Arm.NAMED: (2, 2), Arm.STABLE: (1, 1), Arm.CANARY: (1, 1),
    }  # fmt: skip
    expected = {Unit.of(SECRET, "bot", key, salt=WHERE.salt) for key in (OUTSIDE[1], INSIDE[1])}
    assert {entry.unit for entry in report.bad_units} == {entry.unit for entry in report.sampled_units} == expected
    assert read_call_id(ids[0], lineage=LINEAGE).assignment.arm is Arm.NAMED


def test_a_conversation_of_a_named_key_stays_one() -> None:
    process = Process(with_keys(OUTSIDE[0]))
    hold = process.get(OUTSIDE[0]).hold
    said = read_hold(hold)
    assert said is not None
    assert said.arm == "named"
    found = process.view.resolve("bot/answer", OUTSIDE[0], hold=hold)
    assert (found.version, found.variant, found.reason) == ("2.0.0", Variant.CANARY, Reason.HELD)
    with found.call(key=OUTSIDE[0]) as call:
        call.record(answer())
    assert by_arm(process.report()).keys() == {Arm.NAMED}


# --- the sample ----------------------------------------------------------------------------------------


def sampled(report: OutcomeReport) -> dict[Arm, set[Unit]]:
    found: dict[Arm, set[Unit]] = {}
    for entry in report.sampled_units:
        found.setdefault(entry.assignment.arm, set()).add(entry.unit)
    return found


def test_each_side_has_a_threshold_of_its_own() -> None:
    thresholds = (EVERY, EVERY // 4)
    process = Process(replace(WHERE, trial=Trial(sample=thresholds)))
    process.desk.samples = {"bot": EVERY}  # what the answers to documents say is for times without a canary
    process.call(*KEYS)
    units = {key: Unit.of(SECRET, "bot", key, salt=WHERE.salt) for key in KEYS}
    sample = Sample(canary=thresholds[0], stable=thresholds[1])
    assert sampled(process.report()) == {
        Arm.CANARY: {units[key] for key in INSIDE},
        Arm.STABLE: {units[key] for key in OUTSIDE if sample.has(units[key], WEIGHT)},
    }


def test_a_canary_of_which_nothing_was_frozen_has_the_sample_that_answers_name() -> None:
    process = Process(WHERE)
    process.desk.samples = {"bot": EVERY}
    process.call(INSIDE[0], OUTSIDE[0])
    assert sampled(process.report()).keys() == {Arm.CANARY, Arm.STABLE}


# --- slow and dear -------------------------------------------------------------------------------------


@pytest.fixture
def took(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, float]]:
    """How long the next answer takes, in milliseconds, as far as a call can see."""
    said = {"ms": 1.0}
    read = Seen.read

    def seen(self: Seen, reading: object, *, latency_ms: float, first_token_ms: float | None) -> None:
        read(self, reading, latency_ms=said["ms"], first_token_ms=first_token_ms)  # type: ignore[arg-type]

    monkeypatch.setattr(Seen, "read", seen)
    yield said


def bad(report: OutcomeReport) -> list[tuple[Unit, tuple[str, ...]]]:
    return [(entry.unit, entry.guardrails) for entry in report.bad_units]


def uncached() -> dict[str, object]:
    found = answer()
    del found["usage"]["prompt_tokens_details"]
    return found


def test_a_call_over_its_limit_is_slow_and_one_at_it_is_not(took: dict[str, float]) -> None:
    process = Process(replace(WHERE, trial=Trial(limits={"answer": Limits(slow_ms=500)}, sample=(EVERY, EVERY))))
    for key, ms in ((OUTSIDE[0], 500.0), (OUTSIDE[1], 500.1), (INSIDE[0], 9_000.0)):
        took["ms"] = ms
        with process.get(key).call(key=key) as call:
            call.record(uncached())
    report = process.report()
    expected = {Unit.of(SECRET, "bot", key, salt=WHERE.salt): ("slow",) for key in (OUTSIDE[1], INSIDE[0])}
    assert dict(bad(report)) == expected
    assert {entry.could for entry in report.sampled_units if entry.could} == {("error", "refusal", "slow")}
    assert by_arm(report)[Arm.CANARY][Count.BAD] == 0, "a slow answer is an answer"


@pytest.mark.parametrize(("limits", "is_bad"), [(Limits(slow_ms=500), False), (Limits(cached_slow_ms=500), True)])
def test_calls_that_read_from_a_cache_have_a_limit_of_their_own(
    limits: Limits, is_bad: bool, took: dict[str, float]
) -> None:
    process = Process(replace(WHERE, trial=Trial(limits={"answer": limits})))
    took["ms"] = 9_000.0
    process.call(INSIDE[0])  # 4 of its 10 tokens are cached
    assert bool(bad(process.report())) is is_bad


def test_a_call_is_dear_without_its_cache(took: dict[str, float]) -> None:
    process = Process(replace(WHERE, trial=Trial(limits={"answer": Limits(dear_micro_usd=40)})))
    process.call(INSIDE[0])  # no rates are known yet, so it is not judged
    process.desk.rates = {MODEL: ((0, 2.0, 10.0),)}
    process.call(INSIDE[0])  # 10 * 2 + 2 * 10 = 40 millionths, with the 4 tokens from a cache as any other
    process.desk.rates = {MODEL: ((0, 2.0, 10.0), (9, 2.5, 10.0))}
    process.call(INSIDE[1])  # over 9 tokens each costs more: 45
    report = process.report()
    assert bad(report) == [(Unit.of(SECRET, "bot", INSIDE[1], salt=WHERE.salt), ("dear",))]
    cost = by_arm(report)[Arm.CANARY].histograms[Measure.COST]
    assert cost.count == 2
    assert cost.quantile(1.0) == pytest.approx(45, rel=0.01)


def test_an_error_is_neither_slow_nor_dear(took: dict[str, float]) -> None:
    process = Process(replace(WHERE, trial=Trial(limits={"answer": Limits(slow_ms=0, dear_micro_usd=0)})))
    process.call(INSIDE[0], error=True)
    assert [guardrails for _, guardrails in bad(process.report())] == [("error",)]


def test_a_prompt_without_a_limit_is_never_slow(took: dict[str, float]) -> None:
    process = Process(replace(WHERE, trial=Trial(limits={"other": Limits(slow_ms=0)})))
    took["ms"] = 1e6
    process.call(INSIDE[0])
    assert bad(process.report()) == []


# --- a canary that cannot be loaded --------------------------------------------------------------------


def test_a_client_that_lacks_what_the_canary_requires_follows_it_and_serves_stable_to_all() -> None:
    process = Process(replace(WHERE, canary=unloadable()))
    for key in (INSIDE[0], OUTSIDE[0], None):
        found = process.get(key)
        assert (found.version, found.revision, found.variant) == ("1.0.0", 17, Variant.STABLE)
    assert "telepathy" in process.view.lacking["bot"].message


def test_its_calls_say_that_their_keys_should_have_had_the_canary() -> None:
    process = Process(replace(WHERE, canary=unloadable(), trial=Trial(sample=(EVERY, EVERY))))
    process.call(*INSIDE[:3], *OUTSIDE[:2], error=True)
    report = process.report()
    sums = by_arm(report)[Arm.STABLE]
    assert (sums[Count.CALLS], sums[Count.MISMATCH]) == (5, 3)
    expected = {Unit.of(SECRET, "bot", key, salt=WHERE.salt) for key in (*INSIDE[:3], *OUTSIDE[:2])}
    units: list[BadUnit | SampledUnit] = [*report.bad_units, *report.sampled_units]
    assert {entry.unit for entry in units} == expected, "their buckets say on which side they are"
    assert {entry.assignment.arm for entry in units} == {Arm.STABLE}


def test_its_named_keys_are_compared_with_none() -> None:
    process = Process(replace(with_keys(OUTSIDE[0]), canary=unloadable()))
    process.call(OUTSIDE[0], error=True)
    report = process.report()
    assert by_arm(report).keys() == {Arm.FIXED}
    assert [entry.unit.bucket for entry in report.bad_units] == [None]

"""The sampled keys of a canary, as the database counts them: each key once, whatever rows it has."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from promptops.core.canary.advance import SampledKeys
from promptops.core.outcomes.report import BadUnit, SampledUnit
from promptops.core.outcomes.series import Arm
from promptops.core.outcomes.units import EVERY, Sample, Unit
from promptops.core.timestamp import DAY
from promptops.store import Registry
from promptops.store.queries.rollout_sample import SampleCount
from promptops.store.queries.rollouts import Revisions
from tests.core.outcomes.nouns import MINUTE
from tests.support.reports import assignment

BEGIN = MINUTE - MINUTE % DAY
WITHIN = Revisions(app="bot", channel="prod", epoch=1, first=2, last=3, minute=BEGIN)
WEIGHT = 2_500
ALL = Sample(canary=EVERY, stable=EVERY)
NAMES = ("error", "refusal", "score:tone", "score:Tone", "score:tone_of_voice", "unrecorded")


def unit(number: int, bucket: int | None = 0) -> Unit:
    return Unit(id=f"{number:016x}", bucket=bucket)


def seen(
    one: Unit, minute: int = BEGIN, *, could: Iterable[str] = (), bad: Iterable[str] = (), revision: int = 2
) -> SampledUnit:
    arm = Arm.CANARY if one.bucket is not None and one.bucket < WEIGHT else Arm.STABLE
    return SampledUnit(
        assignment=assignment(revision=revision, arm=arm),
        unit=one,
        minute=minute,
        could=tuple(sorted(could)),
        bad=tuple(sorted(bad)),
    )


def open_call(one: Unit, revision: int = 2) -> BadUnit:
    place = seen(one, revision=revision).assignment
    return BadUnit(assignment=place, unit=one, minute=BEGIN, guardrails=("unrecorded",))


def keep(registry: Registry, sampled: Sequence[SampledUnit], bad: Sequence[BadUnit] = ()) -> None:
    registry.write(lambda writer: writer.outcomes().add_units(bad, sampled))


def count(registry: Registry, sample: Sample = ALL, *, early: range = range(BEGIN, BEGIN + 10 * DAY)) -> SampleCount:
    with registry.read() as reader:
        return reader.count_sample(WITHIN, sample, WEIGHT, NAMES, early)


def test_without_keys_each_number_is_0(registry: Registry) -> None:
    none = SampledKeys(canary=0, canary_bad=0, stable=0, stable_bad=0)
    assert count(registry) == SampleCount(early=dict.fromkeys(NAMES, none))


def test_a_key_of_several_days_and_revisions_counts_once_with_all_that_any_of_them_says(registry: Registry) -> None:
    one = unit(1)
    keep(
        registry,
        [
            seen(one, BEGIN + DAY, could=["error"]),
            seen(one, could=["refusal"], bad=["refusal"]),
            seen(one, BEGIN + 2 * DAY, could=["error"], bad=["error"], revision=3),
        ],
    )
    found = count(registry, early=range(BEGIN, BEGIN + 1))
    assert (found.canary, found.stable) == (1, 0)
    once = SampledKeys(canary=1, canary_bad=1, stable=0, stable_bad=0)
    assert (found.early["error"], found.early["refusal"]) == (once, once)


def test_a_key_that_came_late_is_of_the_sample_and_judges_nothing(registry: Registry) -> None:
    keep(registry, [seen(unit(1), BEGIN + 5, could=["error"])], [open_call(unit(1))])
    assert count(registry, early=range(BEGIN, BEGIN + 5)).early["error"].canary == 0
    assert count(registry, early=range(BEGIN, BEGIN + 5)).early["unrecorded"].canary == 0
    assert count(registry, early=range(BEGIN, BEGIN + 5)).canary == 1
    assert count(registry, early=range(BEGIN, BEGIN + 6)).early["error"].canary == 1
    assert count(registry, early=range(BEGIN + 6, BEGIN + 9)).early["error"].canary == 0


@pytest.mark.parametrize("name", ["score:tone", "score:Tone", "score:tone_of_voice"])
def test_the_name_of_a_score_is_a_whole_word_with_its_case(registry: Registry, name: str) -> None:
    keep(registry, [seen(unit(1), could=[name], bad=[name])])
    found = {each: keys.canary_bad for each, keys in count(registry).early.items()}
    assert found == {each: int(each == name) for each in NAMES}


def test_a_call_that_stayed_open_counts_for_keys_of_the_sample_alone(registry: Registry) -> None:
    bad = [open_call(unit(1)), open_call(unit(3, 9_000)), open_call(unit(2), revision=4), open_call(unit(4))]
    keep(registry, [seen(unit(1)), seen(unit(2)), seen(unit(3, 9_000))], bad)
    assert count(registry).early["unrecorded"] == SampledKeys(canary=2, canary_bad=1, stable=1, stable_bad=1)


def test_keys_of_other_revisions_days_and_places_and_those_without_a_bucket_are_left_out(registry: Registry) -> None:
    one = seen(unit(1))
    keep(
        registry,
        [
            seen(unit(1), revision=1),
            seen(unit(1), revision=4),
            seen(unit(2), BEGIN - 1),
            seen(unit(3, None)),
            *(
                replace(one, assignment=replace(one.assignment, **other))
                for other in (
                    {"app": "other"},
                    {"channel": "other"},
                    {"epoch": 2},
                    {"arm": Arm.NAMED},
                    {"arm": Arm.FIXED},
                )
            ),
        ],
    )
    assert (count(registry).canary, count(registry).stable) == (0, 0)


@pytest.mark.parametrize("threshold", [0, 1, 2**31, 2**32 - 1, EVERY])
def test_the_sample_has_the_keys_below_the_threshold_of_their_side(registry: Registry, threshold: int) -> None:
    starts = [0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]
    units = [unit((start << 32) + low, bucket) for start in starts for low in (0, 2**32 - 1) for bucket in (0, 9_999)]
    keep(registry, [seen(replace(one, id=f"{int(one.id, 16) ^ (one.bucket == 0):016x}")) for one in units])
    below = 2 * sum(start < threshold for start in starts)
    for sample, sides in (
        (Sample(canary=threshold, stable=EVERY), (below, 12)),
        (Sample(canary=0, stable=threshold), (0, below)),
    ):
        found = count(registry, sample)
        assert (found.canary, found.stable) == sides


def test_it_counts_what_going_through_the_rows_counts(registry: Registry) -> None:
    lot = random.Random(7)
    units = [unit(lot.getrandbits(64), lot.randrange(10_000)) for _ in range(200)]
    rows = []
    for _ in range(600):
        could = lot.sample(NAMES[:5], lot.randint(0, 5))
        minute, revision = BEGIN + lot.randrange(3 * DAY), lot.choice([2, 3])
        bad = [name for name in could if lot.random() < 0.4]
        rows.append(seen(lot.choice(units), minute, could=could, bad=bad, revision=revision))
    opened = [open_call(one) for one in lot.sample(units, 40)]
    keep(registry, rows, opened)
    sample, half = Sample(canary=2**32 * 3 // 4, stable=2**31), BEGIN + DAY
    found = count(registry, sample, early=range(BEGIN, half))
    for canary in (True, False):
        here = [row for row in rows if sample.has(row.unit, WEIGHT) and (row.assignment.arm is Arm.CANARY) == canary]
        assert (found.canary if canary else found.stable) == len({row.unit for row in here}) > 0
        early = {row.unit for row in here if row.minute < half}
        for name, keys in found.early.items():
            able = early & {row.unit for row in here if name in row.could or name == "unrecorded"}
            was_bad = {row.unit for row in here if name in row.bad} | {
                one.unit for one in opened if name in one.guardrails
            }
            counted = (keys.canary, keys.canary_bad) if canary else (keys.stable, keys.stable_bad)
            assert counted == (len(able), len(able & was_bad))


@pytest.mark.parametrize("name", ["score:tone", "score:Tone", "score:tone_of_voice"])
def test_the_rate_of_a_day_is_that_of_this_guardrail_and_of_none_that_is_spelled_alike(
    registry: Registry, name: str
) -> None:
    alike = ["score:tone", "score:Tone", "score:tone_of_voice", "score:toneXofXvoice"]
    keep(registry, [seen(unit(number, WEIGHT), could=[each], bad=[each]) for number, each in enumerate(alike)])
    with registry.read() as reader:
        assert reader.rate_of_day("bot", "prod", BEGIN // DAY, name, most=100) == (4, 1, 1)

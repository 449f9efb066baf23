"""What a canary freezes of its app's calls: from what the registry counted of the stable release, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from promptops.core.model import AnswerCheck, Json, ReleaseRef
from promptops.core.outcomes.call_outcome import Count, Measure
from promptops.core.outcomes.histogram import Histogram
from promptops.core.outcomes.report import SampledUnit
from promptops.core.outcomes.series import Arm
from promptops.core.outcomes.sums import Sums
from promptops.core.outcomes.units import Unit
from promptops.operations.canary_limits import AtStart, at_start
from promptops.operations.undeclared_guardrails import undeclared
from promptops.store import Registry
from tests.operations.counting import fill, send
from tests.support import factory
from tests.support.reports import MINUTE, assignment, report, series

DAY = 1_440
HOUR = timedelta(hours=4)
KEYS = 600
ALL = ("error", "slow", "dear", "unrecorded")


def calls(count: int, *, opened: int | None = None, ms: float = 400.0) -> Sums:
    """So many calls, half as long as the next one, of which one costs 0.0001 dollars."""
    histograms = {Measure.LATENCY: Histogram.of([ms] * count), Measure.COST: Histogram.of([100.0] * count)}
    return Sums(counts={Count.OPENED: opened or count, Count.CALLS: count}, histograms=histograms)


def units(count: int, revision: int = 3) -> tuple[SampledUnit, ...]:
    place = assignment(revision=revision)
    return tuple(
        SampledUnit(assignment=place, unit=Unit(id=f"{number:016x}"), minute=MINUTE, could=("error",))
        for number in range(count)
    )


def frozen(
    registry: Registry, *, bake: timedelta = HOUR, minutes: float = 10, guardrails: Sequence[str] = ALL
) -> AtStart:
    """What a canary of 0.1.1 beside 0.1.2 would freeze."""
    with registry.read() as reader:
        stable, candidate = (reader.find_release("bot", version=version).ref for version in ("0.1.2", "0.1.1"))
        return at_start(
            reader,
            "bot",
            "prod",
            stable=stable,
            candidate=candidate,
            bake=bake,
            guardrails=guardrails,
            now=factory.minutes(minutes),
        )


def test_limits_are_of_the_stable_release_alone_by_prompt(registry: Registry) -> None:
    fill(registry)
    sums = {
        (series(assignment(revision=3)), MINUTE): calls(1_200),
        (series(assignment(revision=3), prompt="rare"), MINUTE): calls(100),
        (series(assignment(revision=2)), MINUTE): calls(5_000, ms=90_000.0),
        (series(assignment(revision=3, arm=Arm.FIXED)), MINUTE): calls(5_000, ms=90_000.0),
    }
    send(registry, report(registry.lineage, 1, sums, sampled=units(KEYS)))
    found = frozen(registry)
    [(prompt, limits)] = found.limits.items()
    assert prompt == "answer"
    assert isinstance(limits, dict)
    assert 400 <= limits["slow_ms"] <= 408
    assert 100 <= limits["dear_micro_usd"] <= 103
    assert (found.off, found.keys_a_day) == ({}, KEYS)


def test_nothing_is_frozen_for_a_guardrail_that_is_not_asked_for(registry: Registry) -> None:
    fill(registry)
    sums = {(series(assignment(revision=3)), MINUTE): calls(1_200)}
    send(registry, report(registry.lineage, 1, sums, sampled=units(KEYS)))
    limits = frozen(registry, guardrails=["error", "dear"]).limits["answer"]
    assert isinstance(limits, dict)
    assert limits.keys() == {"dear_micro_usd"}
    fresh = frozen(registry, guardrails=["error", "dear"], minutes=9 * DAY)
    assert fresh.off.keys() == {"dear"}


def test_the_more_calls_a_key_makes_the_more_calls_it_takes(registry: Registry) -> None:
    fill(registry)
    sums = {(series(assignment(revision=3)), MINUTE): calls(1_200)}
    send(registry, report(registry.lineage, 1, sums, sampled=units(100)))  # 12 calls a key: 6,000 calls are needed
    found = frozen(registry)
    assert found.limits == {}
    assert found.off.keys() == {"slow", "dear"}
    assert "6,000 calls" in found.off["slow"]


def test_what_is_older_than_a_week_is_not_looked_at(registry: Registry) -> None:
    fill(registry)
    sums = {(series(assignment(revision=3)), MINUTE): calls(1_200)}
    send(registry, report(registry.lineage, 1, sums, sampled=units(KEYS)))
    assert frozen(registry, minutes=9 * DAY).limits == {}


def test_a_registry_that_knows_nothing_says_so_of_each_guardrail_that_needs_something(registry: Registry) -> None:
    fill(registry)
    found = frozen(registry)
    assert (found.limits, found.keys_a_day) == ({}, 0)
    assert found.off.keys() == {"slow", "dear", "unrecorded"}


def test_an_app_that_records_few_of_its_calls_is_not_judged_by_the_others(registry: Registry) -> None:
    fill(registry)
    sums = {(series(assignment(revision=3)), MINUTE): calls(1_200, opened=3_000)}
    send(registry, report(registry.lineage, 1, sums, sampled=units(KEYS)))
    assert frozen(registry).off.keys() == {"unrecorded"}


def test_a_release_that_is_not_served_has_no_calls(registry: Registry) -> None:
    fill(registry)
    with registry.read() as reader:
        nobody = ReleaseRef(version="9.9.9", digest="sha256:" + "0" * 64)
        found = at_start(
            reader, "bot", "prod", stable=nobody, candidate=nobody, bake=HOUR, guardrails=ALL, now=factory.minutes(10)
        )
    assert found.limits == {}


# --- what no call could show -----------------------------------------------------------------------

_SCHEMA: Json = {"schema": {"type": "object"}}
_CHECKS = (AnswerCheck(kind="contains", wanted="[1]"),)


@pytest.mark.parametrize(
    ("stable", "candidate", "off"),
    [
        ({}, {}, {"schema", "check"}),
        ({"json_schema": _SCHEMA}, {"json_schema": _SCHEMA}, {"check"}),
        ({"checks": _CHECKS}, {"checks": _CHECKS}, {"schema"}),
        # What only one side can fail compares nothing: the first failure of the canary would speak against it.
        ({}, {"json_schema": _SCHEMA, "checks": _CHECKS}, {"schema", "check"}),
        ({"json_schema": _SCHEMA}, {}, {"schema", "check"}),
    ],
)
def test_a_guardrail_that_both_releases_do_not_declare_is_off(
    registry: Registry, stable: dict[str, Any], candidate: dict[str, Any], off: set[str]
) -> None:
    factory.make_channels(registry)
    for version, declared in (("0.1.0", stable), ("0.2.0", candidate)):
        what = factory.content("bot", f"Hello {version} {{{{name}}}}")
        [prompt] = what.prompts
        requires = ("checks",) if "checks" in declared else ()
        what = replace(what, prompts=(replace(prompt, **declared),), requires=requires)
        factory.make_release(registry, what, version=version)
    with registry.read() as reader:
        found = undeclared(
            reader,
            "bot",
            [reader.find_release("bot", version=version).ref for version in ("0.1.0", "0.2.0")],
            ["error", "schema", "check", "unrecorded"],
        )
    assert found.keys() == off
    assert all("in both releases" in why for why in found.values())


def test_a_score_that_no_value_fails_is_off(registry: Registry) -> None:
    fill(registry)
    found = frozen(registry, guardrails=["error", "score:helpful"])
    assert found.off == {"score:helpful": "the app declares no such score with a passAt"}

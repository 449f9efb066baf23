"""How much slower and dearer a canary may be: as much as the run said that compared it with what is stable."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from promptops.core.canary.limits import Dearer
from promptops.core.evidence.case_table import Arm
from promptops.core.gate.given import GateRelease, gate_release
from promptops.core.release_bytes import content_from_bytes
from promptops.operations.canary_limits import TIMED, dearer_of
from promptops.store import Registry
from tests.gate.world import Made, P, cases, damaged, row, run, suite_of
from tests.operations.counting import fill, send
from tests.operations.test_canary_limits import KEYS, calls, frozen, units
from tests.support.factory import minutes
from tests.support.reports import MINUTE, assignment, report, series

PLAN = cases("answer", "answer", TIMED)


@pytest.fixture
def bot(registry: Registry) -> Registry:
    """0.1.2 is stable and its calls are known; the canary would be of 0.1.1."""
    fill(registry)
    sums = {(series(assignment(revision=3)), MINUTE): calls(1_200)}
    send(registry, report(registry.lineage, 1, sums, sampled=units(KEYS)))
    return registry


def release(registry: Registry, version: str) -> GateRelease:
    with registry.read() as reader:
        found = reader.find_release("bot", version=version)
    return gate_release(content_from_bytes(found.content), found.digest, version=version, suites=(suite_of(PLAN),))


def measured(
    registry: Registry,
    *,
    slow: float = 1.0,
    dear: float = 1.0,
    live: str = "0.1.2",
    of: str = "0.1.1",
    minute: float = 1,
    rows: int = TIMED,
    **more: Any,
) -> Made:
    """A run in which the candidate took so many times as long as what is live, and cost so many times as much."""

    def detail(case: int, arm: Arm) -> dict[str, Any]:
        times = (slow, dear) if arm is Arm.CANDIDATE else (1.0, 1.0)
        return {"latency_ms": 200.0 * times[0], "cost_usd": 0.002 * times[1], **more}

    sides = {Arm.CANDIDATE: [[P]] * rows} | ({Arm.LIVE: [[P]] * rows} if live else {})
    others = {Arm.LIVE: release(registry, live)} if live else {}
    return run(
        release(registry, of),
        PLAN,
        sides,
        others=others,
        at=minutes(minute),
        name=f"{of} {live} {minute}",
        detail=detail,
    )


def keep(registry: Registry, made: Made) -> None:
    registry.write(lambda writer: writer.record(made.run))
    evidence = made.evidence
    assert evidence is not None
    registry.write(lambda writer: writer.record(evidence))


def limits(registry: Registry) -> tuple[int, int]:
    """Milliseconds and micro-dollars from which on a call of the canary is slow and dear."""
    found = frozen(registry).limits["answer"]
    assert isinstance(found, dict)
    return found["slow_ms"], found["dear_micro_usd"]


def test_a_release_that_its_evidence_found_three_times_as_dear_and_twice_as_slow_has_such_limits(bot: Registry) -> None:
    slow, dear = limits(bot)
    keep(bot, measured(bot, slow=2.0, dear=3.0))
    slower, dearer = limits(bot)
    assert slower / slow == pytest.approx(2.0, rel=0.01)
    assert dearer / dear == pytest.approx(3.0, rel=0.01)


def test_one_that_is_faster_and_cheaper_has_no_lower_ones(bot: Registry) -> None:
    before = limits(bot)
    keep(bot, measured(bot, slow=0.2, dear=0.2))
    assert limits(bot) == before


def test_the_newest_run_decides(bot: Registry) -> None:
    before = limits(bot)
    keep(bot, measured(bot, slow=5.0, dear=5.0))
    keep(bot, measured(bot, minute=2))
    assert limits(bot) == before


@pytest.mark.parametrize(
    "other",
    [
        {"live": ""},  # nothing to compare with
        {"live": "0.1.0"},  # it was compared with what is not live any more
        {"of": "0.1.0"},  # another release
        {"rows": TIMED - 1},  # too few
        {"reused": True},  # answers that were there before
    ],
)
def test_what_does_not_say_how_much_slower_it_is_changes_nothing(bot: Registry, other: dict[str, Any]) -> None:
    before = limits(bot)
    keep(bot, measured(bot, slow=3.0, dear=3.0, **other))
    assert limits(bot) == before


def test_a_run_against_another_release_with_the_same_prompts_counts_as_it_does_for_a_gate(bot: Registry) -> None:
    before = limits(bot)
    made = measured(bot, slow=3.0, dear=3.0)
    candidate, live = made.run.arms
    same = replace(made.run, arms=(candidate, replace(live, digest="sha256:" + "0" * 64, version="0.0.9")))
    keep(bot, replace(made, run=same))
    assert limits(bot) > before


def test_damaged_evidence_starts_a_canary_all_the_same(bot: Registry) -> None:
    before = limits(bot)
    keep(bot, damaged(measured(bot, slow=3.0, dear=3.0)))
    assert limits(bot) == before


def test_times_are_compared_by_their_95th_percentile_and_costs_by_their_mean() -> None:
    rows = [
        row(case, arm, 1, P, latency_ms=float(case + 1) * times, cost_usd=(0.01 if case else 0.2) * times)
        for arm, times in ((Arm.CANDIDATE, 1.5), (Arm.LIVE, 1.0))
        for case in range(100)
    ]
    rows.append(row(100, Arm.CANDIDATE, 1, P, latency_ms=1_000.0))  # one in a hundred is above the percentile
    found = dearer_of(rows)
    assert found.slow == pytest.approx(96 * 1.5 / 95)
    assert found.dear == pytest.approx(1.5)
    assert dearer_of([each for each in rows if each.arm is Arm.CANDIDATE]) == Dearer()

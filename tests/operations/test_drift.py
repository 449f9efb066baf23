"""A scheduled run beside the first three: what counts, and what so few cases can see."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from promptops.core.evidence.case_table import Arm, Case, CaseTable, Row, RowOutcome
from promptops.operations.drift import drift

P, F, E = RowOutcome.PASSED, RowOutcome.FAILED, RowOutcome.ERROR


def table(outcomes: Sequence[RowOutcome], *, clusters: Sequence[str] = ()) -> CaseTable:
    names = clusters or [""] * len(outcomes)
    cases = tuple(
        Case(suite="s", prompt="p", id=str(n), key=f"key {n}", digest="d", cluster=name) for n, name in enumerate(names)
    )
    rows = tuple(
        Row(case=n, arm=Arm.CANDIDATE, repeat=1, outcome=outcome, score=None if outcome is E else float(outcome is P))
        for n, outcome in enumerate(outcomes)
    )
    return CaseTable(cases=cases, rows=rows)


GOOD = table([P] * 100)


def test_with_fewer_than_three_runs_nothing_is_compared() -> None:
    found = drift([GOOD, GOOD], table([F] * 100))
    assert (found.runs, found.compared, found.worse) == (2, False, False)


@pytest.mark.parametrize(("lost", "worse"), [(0, False), (3, False), (60, True)])
def test_a_loss_beyond_chance_is_worse(lost: int, worse: bool) -> None:
    found = drift([GOOD] * 3, table([F] * lost + [P] * (100 - lost)))
    assert (found.worse, found.cases, found.before, found.now) == (worse, 100, 1.0, (100 - lost) / 100)
    assert (found.could_see is not None and lost / 100 < found.could_see) or worse


def test_what_could_be_seen_is_the_smallest_loss_that_is_worse() -> None:
    seen = drift([GOOD] * 3, GOOD).could_see
    assert seen is not None
    lost = round(seen * 100)
    assert drift([GOOD] * 3, table([F] * lost + [P] * (100 - lost))).worse
    assert not drift([GOOD] * 3, table([F] * (lost - 1) + [P] * (101 - lost))).worse
    assert drift([table([P] * 3)] * 3, table([F] * 3)).could_see is None, "so few cases see nothing"


def test_errors_are_no_loss_and_a_cluster_is_one_case() -> None:
    assert drift([GOOD] * 3, table([E] * 60 + [P] * 40)).cases == 40
    clusters = ["one"] * 60 + [f"c{n}" for n in range(40)]
    before = table([P] * 100, clusters=clusters)
    assert not drift([before] * 3, table([F] * 60 + [P] * 40, clusters=clusters)).worse


def test_the_first_three_count_and_not_the_last() -> None:
    found = drift([GOOD, GOOD, GOOD, table([F] * 100)], table([F] * 100))
    assert found.worse and found.before == 1.0


def test_served_models_that_changed_are_named() -> None:
    found = drift([GOOD] * 3, GOOD, models_before=["m-1"], models_now=["m-1", "m-2"])
    assert found.models == ("m-2",)

"""A scheduled run beside the first three: what counts, and what so few cases can see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from promptops.core.evidence.case_table import Arm, Case, CaseTable, Row, RowOutcome
from promptops.operations.drift import MOST_CHANGES, ServedChange, drift

P, F, E = RowOutcome.PASSED, RowOutcome.FAILED, RowOutcome.ERROR


def table(outcomes: Sequence[RowOutcome], *, clusters: Sequence[str] = (), first: int = 0, **row: str) -> CaseTable:
    """Outcomes of single answers, of cases from number ``first`` on."""
    names = clusters or [""] * len(outcomes)
    cases = tuple(
        Case(suite="s", prompt="p", id=str(n), key=f"key {n}", digest=f"digest {n}", cluster=name)
        for n, name in enumerate(names, first)
    )
    rows = tuple(
        Row(
            case=n,
            arm=Arm.CANDIDATE,
            repeat=1,
            outcome=outcome,
            score=None if outcome is E else float(outcome is P),
            **row,  # type: ignore[arg-type]
        )
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


def test_a_case_is_compared_with_its_own_first_three_runs() -> None:
    grown = [table([P] * 100)] * 3 + [table([P] * 100 + [F] * 20)] * 2
    found = drift(grown, table([P] * 100 + [F] * 20))
    assert (found.runs, found.cases, found.waiting, found.now) == (3, 100, 20, 1.0)
    later = drift([*grown, grown[-1], table([P] * 120)], table([P] * 100 + [F] * 20))
    assert (later.cases, later.waiting, later.before, later.worse) == (120, 0, 100 / 120, False)


def test_a_case_that_is_measured_by_something_else_is_another_case() -> None:
    stricter = table([F] * 100)
    changed = CaseTable(cases=tuple(replace(case, digest="x" + case.digest) for case in stricter.cases))
    found = drift([GOOD] * 3, changed.with_rows(stricter.rows))
    assert (found.compared, found.worse, found.cases, found.waiting) == (False, False, 0, 100)


def test_served_models_and_fingerprints_that_changed_are_named_with_their_answers() -> None:
    before = [table([P] * 10, served_model="m-1", fingerprint=mark) for mark in ("fp-1", "fp-1", "fp-2")]
    same = drift(before, table([P] * 10, served_model="m-1", fingerprint="fp-2")).changed
    assert same == (ServedChange(model="m-1", fingerprint="fp-1", before=20, now=0),)
    fresh = drift(before, table([P] * 10, served_model="m-1", fingerprint="fp-3")).changed
    assert [(each.fingerprint, each.before, each.now) for each in fresh] == [
        ("fp-1", 20, 0),
        ("fp-2", 10, 0),
        ("fp-3", 0, 10),
    ]
    other = drift(before, table([P] * 10, served_model="m-2", fingerprint="fp-1")).changed
    assert other == (ServedChange(model="m-1", before=30), ServedChange(model="m-2", now=10))


def test_a_provider_that_names_no_fingerprint_has_none_that_changed() -> None:
    silent, named = (table([P] * 10, served_model="m-1", fingerprint=mark) for mark in ("", "fp-1"))
    assert drift([silent] * 3, named).changed == drift([named] * 3, silent).changed == ()
    assert drift([], named).changed == ()
    assert drift([GOOD] * 3, GOOD).changed == (), "nor a model, without one"


def test_of_many_fingerprints_some_are_listed() -> None:
    rows = [replace(row, served_model="m", fingerprint=f"fp-{n}") for n, row in enumerate(GOOD.rows)]
    found = drift([table([P] * 100, served_model="m", fingerprint="fp")] * 3, GOOD.with_rows(rows))
    assert (len(found.changed), found.changes) == (MOST_CHANGES, 101)

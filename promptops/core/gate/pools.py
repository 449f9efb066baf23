"""Pools: all runs of a pair of contents, put together case by case.

A pool belongs to what a prompt sends in the candidate and in the other release, white space normalised, and to its
cases, whatever their suite. Nothing ages out of it, so no blank, no new release and no waiting opens another look.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from promptops.core.evidence.case_table import Arm, Case, RowOutcome
from promptops.core.evidence.table_columns import Answer, ByCase, Call
from promptops.core.gate.given import GatePrompt
from promptops.core.gate.records import Record
from promptops.core.gate.settings import Measure


class Universe:
    """The cases of a comparison, in order. A case of an earlier run is one of them by its id, or by its variables."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self.cases = tuple(cases)
        self._by_id = {case.id: place for place, case in enumerate(self.cases)}
        self._by_key = {case.key: place for place, case in enumerate(self.cases)}

    def place(self, case: Case) -> int | None:
        """Returns which case of the comparison it is."""
        return self._by_id.get(case.id, self._by_key.get(case.key))


@dataclass(frozen=True, kw_only=True)  # no slots: answers are read once
class Part:
    """What a run says of a comparison: for each case of it that was asked there, its place in the run.

    A case that the run left to an earlier one is not among them, so no answer is in two parts. ``arm`` is the one with
    which the candidate is compared, if any.
    """

    record: Record
    prompt: str
    arm: Arm | None
    at: dict[int, int]

    def case(self, place: int) -> Case:
        """Returns a case of the comparison as the run has it."""
        return self.record.cases[self.at[place]]

    def answers(self, arm: Arm | None) -> ByCase[Answer]:
        """Returns the answers to each case of an arm, or of the one that is compared; None for what is missing."""
        return self._own if arm is Arm.CANDIDATE else self._other

    def errors(self, arm: Arm | None) -> Errors:
        """Counts what is wrong with the answers of an arm, or of the one that is compared."""
        return self._own_errors if arm is Arm.CANDIDATE else self._other_errors

    @cached_property
    def calls(self) -> ByCase[Call]:
        """What the candidate's answers to each case took and cost; None for what is missing."""
        return self.record.calls(self.at, Arm.CANDIDATE)

    @cached_property
    def _own_errors(self) -> Errors:
        return count_errors(self._own.values())

    @cached_property
    def _other_errors(self) -> Errors:
        return count_errors(self._other.values())

    @cached_property
    def _own(self) -> ByCase[Answer]:
        return self._read(Arm.CANDIDATE)

    @cached_property
    def _other(self) -> ByCase[Answer]:
        assert self.arm is not None
        return self._read(self.arm)

    def _read(self, arm: Arm) -> ByCase[Answer]:
        return self.record.answers(self.at, arm)


class Mean(NamedTuple):
    """What an arm got for a case over all repeats of all runs: where what is missing counts as 0, and as 1.

    ``late`` is ``low`` with answers as failures whose first attempt timed out.
    """

    low: float
    high: float
    late: float


def parts_of(
    records: Iterable[Record], universe: Universe, suite: str, prompt: GatePrompt, other: str | None = None
) -> list[Part]:
    """Returns the runs that put cases of the comparison to this prompt's content, in the order given, by whatever name.

    With ``other``, only runs that put them to that content as well, in another arm.
    """
    found = []
    for record in records:
        for name, arm in _prompts(record, prompt, other):
            at = places_of(record, universe, suite, name, arm)
            if at:
                found.append(Part(record=record, prompt=name, arm=arm, at=at))
                break
    return found


def ids_of(parts: Iterable[Part], own: Record) -> tuple[str, ...]:
    """Returns the ids of the runs that were read, with the run of the release that left all its cases to them."""
    return tuple(dict.fromkeys((*(part.record.id for part in parts), own.id)))


def _prompts(record: Record, prompt: GatePrompt, other: str | None) -> Iterator[tuple[str, Arm | None]]:
    for candidate in sorted(record.candidate.prompts, key=lambda one: (one.prompt != prompt.name, one.prompt)):
        if candidate.digest == prompt.content:
            arm = None if other is None else record.arm_with(candidate.prompt, other)
            if other is None or arm is not None:
                yield candidate.prompt, arm


def places_of(record: Record, universe: Universe, suite: str, prompt: str, arm: Arm | None) -> dict[int, int]:
    """Returns the place in the run of each case that can be compared with an arm, if one is named.

    Where two suites have a case, it is that of the suite of this name.
    """
    found: dict[int, int] = {}
    others = []
    for there, case in enumerate(record.cases):
        if case.prompt == prompt and not case.reused and not case.is_same_in(arm):
            if case.suite != suite:
                others.append((there, case))
            elif (place := universe.place(case)) is not None:
                found.setdefault(place, there)
    for there, case in others:
        if (place := universe.place(case)) is not None:
            found.setdefault(place, there)
    return found


def means_of(parts: Sequence[Part], count: int, arm: Arm | None, measure: Measure) -> list[Mean]:
    """Returns what an arm (None: the one it is compared with) got for each case, over all runs that planned it."""
    if len(parts) == 1:
        only = parts[0].answers(arm)
        return [_mean(only.get(place, ()), measure) for place in range(count)]
    every = [part.answers(arm) for part in parts]
    return [_mean([one for answers in every for one in answers.get(place, ())], measure) for place in range(count)]


def _mean(answers: Sequence[Answer | None], measure: Measure) -> Mean:
    if len(answers) == 1 and measure is Measure.PASS:
        only = answers[0]
        return _UNKNOWN if only is None else _ONE.get((only.outcome, only.first_attempt_failed), _UNKNOWN)
    if not answers:
        return Mean(low=0.0, high=1.0, late=0.0)
    known = [answer for answer in answers if answer is not None and answer.outcome is not RowOutcome.ERROR]
    count, unknown = len(answers), len(answers) - len(known)
    got = math.fsum(_value(answer, measure) for answer in known)
    late = math.fsum(_value(answer, measure) for answer in known if not answer.first_attempt_failed)
    return Mean(low=got / count, high=(got + unknown) / count, late=late / count)


_UNKNOWN = Mean(low=0.0, high=1.0, late=0.0)
_FAILED = Mean(low=0.0, high=0.0, late=0.0)
_ONE = {  # what most tables hold: one answer, which passed or failed
    (RowOutcome.PASSED, False): Mean(low=1.0, high=1.0, late=1.0),
    (RowOutcome.PASSED, True): Mean(low=1.0, high=1.0, late=0.0),
    (RowOutcome.FAILED, False): _FAILED,
    (RowOutcome.FAILED, True): _FAILED,
}


def _value(answer: Answer, measure: Measure) -> float:
    if measure is Measure.PASS:
        return 1.0 if answer.outcome is RowOutcome.PASSED else 0.0
    assert answer.score is not None
    return answer.score


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """How many of the planned answers of some runs are errors or missing, and how many came late: after a first attempt
    that timed out.
    """

    planned: int = 0
    errors: int = 0
    missing: int = 0
    late: int = 0

    @property
    def share(self) -> float:
        """The share of errors and of what is missing."""
        return (self.errors + self.missing) / self.planned if self.planned else 1.0

    def late_more_than(self, other: Errors, limit: float) -> bool:
        """Returns whether the candidate, of which this is, is late by more than the limit than the other arm.

        Errors and missing answers of the candidate count as late: so no answer helps by not being there.
        """
        own = (self.late + self.errors + self.missing) / self.planned if self.planned else 1.0
        return own - (other.late / other.planned if other.planned else 0.0) > limit


def errors_of(parts: Sequence[Part], arm: Arm | None) -> Errors:
    """Counts what is wrong with an arm's answers (None: the arm it is compared with) in these runs."""
    counted = [part.errors(arm) for part in parts]
    return Errors(
        planned=sum(one.planned for one in counted),
        errors=sum(one.errors for one in counted),
        missing=sum(one.missing for one in counted),
        late=sum(one.late for one in counted),
    )


def count_errors(answers: Iterable[Sequence[Answer | None]]) -> Errors:
    """Counts what is wrong with the answers to some cases."""
    counts = Counter(
        None if answer is None else (answer.outcome, answer.first_attempt_failed)
        for of_case in answers
        for answer in of_case
    )
    missing = counts.pop(None, 0)
    errors = sum(count for each, count in counts.items() if each is not None and each[0] is RowOutcome.ERROR)
    late = counts[RowOutcome.PASSED, True] + counts[RowOutcome.FAILED, True]
    return Errors(planned=missing + counts.total(), errors=errors, missing=missing, late=late)

"""What a result file says, as cases and rows: the same nouns whatever tool wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from promptops.core.digest import canonical, digest
from promptops.core.errors import Invalid
from promptops.core.escape import one_line
from promptops.core.evidence.case_table import MAX_REPEATS, MAX_ROWS, Arm, Case, CaseTable, Row, RowOutcome
from promptops.core.evidence.content import case_key
from promptops.core.evidence.evidence import Count
from promptops.core.evidence.run import SuiteRef
from promptops.core.model import Json
from promptops.core.suite import suite

PASSED, FAILED, ERROR = RowOutcome.PASSED, RowOutcome.FAILED, RowOutcome.ERROR

_WORTH: Final = {PASSED: 1.0, FAILED: 0.0}

_LIMIT: Final = 8 << 20  # bytes of what one case measures: a few fields as they are read, each within its own limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How often one check of a suite passed, failed, and could not decide."""

    passed: int = 0
    failed: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The results in one file. Its ``table`` has the candidate's arm alone; a case without a row is missing.

    ``tools`` are names with versions, ``repeats`` the most that a case has. ``complete`` is False where the tool says
    itself that its run was not finished; ``notes`` are sentences about what was read in another way than the tool does.
    """

    suite: str
    table: CaseTable
    checks: Mapping[str, Tally]
    tools: Mapping[str, str]
    served_models: tuple[str, ...] = ()
    complete: bool = True
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> tuple[Count, ...]:
        """What each check of the file said, for evidence."""
        prompt = self.table.cases[0].prompt
        return tuple(
            Count(prompt=prompt, check=name, passed=tally.passed, failed=tally.failed, errors=tally.errors)
            for name, tally in self.checks.items()
        )

    @property
    def suite_ref(self) -> SuiteRef:
        """The suite as the file has it: its digest is that of its cases. The app has no such suite."""
        cases = sorted((case.id, case.digest) for case in self.table.cases)
        return SuiteRef(
            name=self.suite,
            kind=suite.SuiteKind.SAMPLE,
            digest=digest(canonical([list(case) for case in cases], limit=64 << 20)),
            prompts=(self.table.cases[0].prompt,),
            repeats=max(self.repeats, 1),
        )

    @property
    def repeats(self) -> int:
        return max((row.repeat for row in self.table.rows), default=0)

    @property
    def missing(self) -> int:
        """The number of cases without a row."""
        return len(self.table.cases) - len({row.case for row in self.table.rows})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """For what a file is read: the prompt that its cases were put to, and the name of a suite where it has none."""

    prompt: str
    file: str = "results"

    def collector(self, own: str = "") -> Collector:
        """Returns a collector; ``own`` is the name in the file."""
        return Collector(suite=own or self.file, prompt=self.prompt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A case as a tool's file has it. ``id`` is the tool's own name for it, or empty: then its digest is its id.

    ``checks`` is whatever of the file decides what is measured; only its digest is kept.
    """

    variables: Mapping[str, Json]
    id: str = ""
    expected: str | None = None
    checks: Json = None
    cluster: str = ""
    tags: tuple[str, ...] = ()
    judged: bool = False


@dataclass(slots=True)
class Collector:
    """Collects the cases and rows of one file for a suite and a prompt."""

    suite: str
    prompt: str
    _places: dict[str, int] = field(default_factory=dict)
    _cases: list[Case] = field(default_factory=list)
    _last: list[int] = field(default_factory=list)
    _rows: list[Row] = field(default_factory=list)
    _taken: set[int] = field(default_factory=set)
    _checks: dict[str, list[int]] = field(default_factory=dict)
    _newest: tuple[Asked, int] | None = None

    def case(self, asked: Asked, *, alone: bool = False) -> int:
        """Returns the place of a case, which is new or was there. ``alone``: it may be there once.

        Raises:
            Invalid: another case has this id, or there are too many.
        """
        if (
            self._newest is not None and not alone and self._newest[0] == asked
        ):  # a repeat: mostly they follow each other
            return self._newest[1]
        made = self._made(asked)
        place = self._places.setdefault(made.id, len(self._cases))
        if place == len(self._cases):
            self._cases.append(made)
            self._last.append(0)
        elif alone or self._cases[place] != made:
            shown = one_line(made.id, 80)
            raise Invalid(
                f"the case {shown} is there twice" + ("" if alone else " with other variables or checks"),
                hint="Each case needs an id, a name or an input of its own.",
            )
        self._newest = (asked, place)
        return place

    def row(
        self, case: int, outcome: RowOutcome, *, repeat: int = 0, score: float | None = None, **more: object
    ) -> None:
        """Adds what came of one try; without a number it is the next repeat. ``more`` are fields of a row.

        Raises:
            Invalid: this repeat is there, a number is out of its range, or there are too many rows.
        """
        repeat = repeat or self._last[case] + 1
        if repeat > MAX_REPEATS or case * MAX_REPEATS + repeat in self._taken:
            what = "is there twice" if repeat <= MAX_REPEATS else f"is over the limit of {MAX_REPEATS:,}"
            raise Invalid(f"the repeat {repeat} of case {case + 1} {what}")
        if len(self._rows) >= MAX_ROWS:
            raise Invalid(f"the file has over {MAX_ROWS:,} results")
        worth = None if outcome is ERROR else _WORTH[outcome] if score is None else score
        fields = {"case": case, "arm": Arm.CANDIDATE, "repeat": repeat, "outcome": outcome, "score": worth, **more}
        self._rows.append(Row(**fields))  # type: ignore[arg-type]
        self._taken.add(case * MAX_REPEATS + repeat)
        self._last[case] = repeat

    def count(self, check: str, outcome: RowOutcome) -> None:
        """Counts what one check said of one answer."""
        if check not in self._checks and len(self._checks) >= _MOST_CHECKS:
            raise Invalid(f"the file has over {_MOST_CHECKS:,} different checks")
        self._checks.setdefault(check, [0, 0, 0])[_ORDER.index(outcome)] += 1

    def results(
        self,
        tools: Mapping[str, str],
        *,
        served_models: Sequence[str] = (),
        complete: bool = True,
        notes: Sequence[str] = (),
    ) -> Results:
        """Returns what was collected.

        Raises:
            Invalid: it holds no result.
        """
        if not self._rows:
            raise Invalid("the file has no result", hint="A run without cases measures nothing, so it is no evidence.")
        tallies = {name: Tally(passed=p, failed=f, errors=e) for name, (p, f, e) in sorted(self._checks.items())}
        return Results(
            suite=self.suite,
            table=CaseTable(cases=tuple(self._cases), rows=tuple(self._rows)),
            checks=tallies,
            tools=tools,
            served_models=tuple(sorted(set(served_models))),
            complete=complete,
            notes=tuple(notes),
        )

    def _made(self, asked: Asked) -> Case:
        measured = suite.Case(
            variables=asked.variables, expected=asked.expected, cluster=asked.cluster, tags=asked.tags
        )
        checks = _UNKNOWN if asked.checks is None else digest(canonical(asked.checks, limit=_LIMIT))
        of_case = suite.case_digest(measured, [checks])
        return Case(
            suite=self.suite,
            prompt=self.prompt,
            id=asked.id or of_case,
            key=case_key(asked.variables),
            digest=of_case,
            cluster=asked.cluster,
            tags=asked.tags,
            judged=asked.judged,
        )


_UNKNOWN: Final = digest(canonical(None))
"""What stands for the checks that a file does not name."""

_ORDER: Final = (PASSED, FAILED, ERROR)
_MOST_CHECKS: Final = 1_000
"""Different names of checks in one file: more are no names but texts."""


def worst(outcomes: Sequence[RowOutcome]) -> RowOutcome:
    """Returns what the outcomes of all checks make of an answer: an error hides no failure, and never passes."""
    return FAILED if FAILED in outcomes else ERROR if ERROR in outcomes else PASSED

"""The case table: what was put to which release, and what came of each try. It holds ids and numbers and no texts.

Cases are fixed before the first call (the *plan*), rows come as answers do. A row names its case by its place in the
list of cases.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from promptops.core.digest import MAX_NUMBER
from promptops.core.errors import Invalid

MAX_CASES: Final = 200_000
MAX_ROWS: Final = 200_000
MAX_REPEATS: Final = 1_000
LONGEST_ID: Final = 500
"""Characters of an id, a cluster, a tag or a name in the table: a path or a sentence, and no document."""
REQUEST_DIGITS: Final = 16
"""Digits of a request's digest that tell two requests of one case apart; all 64 would be a third of a plan's bytes."""


_ALIKE: Final = re.compile("~[0-9]+")


class Arm(StrEnum):
    """Which release a case is put to: the candidate, the one that is live, or the best of an earlier time."""

    CANDIDATE = "candidate"
    LIVE = "live"
    ANCHOR = "anchor"


class RowOutcome(StrEnum):
    """What came of one try. What users would see as a failure FAILED; an ERROR says nothing of the release: a limit of
    the provider, a timeout, a lost connection, a judge that named no choice.
    """

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case of a suite for one prompt.

    ``id`` is :attr:`promptops.core.suite.suite.Case.id`, ``key`` the digest of its variables with white space
    normalised, ``digest`` that of all that is measured. ``cluster`` is the given one (:func:`given_cluster`), or
    :func:`alike` for a group of similar cases without one. ``judged``: a model decides one of its checks.
    ``unchanged``: the candidate's request and live's are the same bytes, so it is called once and never compared.
    ``request`` are the first :data:`REQUEST_DIGITS` of the digest of the candidate's request. ``reused``: the run
    leaves it out, since an earlier one asked the same; :mod:`promptops.core.gate.reuse` says whose answer stands.
    """

    suite: str
    prompt: str
    id: str
    key: str
    digest: str
    cluster: str = ""
    tags: tuple[str, ...] = ()
    judged: bool = False
    unchanged: bool = False
    request: str = ""
    reused: bool = False

    def __post_init__(self) -> None:
        """Raises Invalid: it lacks a name, one is too long, or it is left to an earlier run and compared."""
        texts = (self.suite, self.prompt, self.id, self.key, self.digest)
        if not all(texts) or max(map(len, (*texts, self.cluster, *self.tags))) > LONGEST_ID:
            shown = f"{self.suite} {self.id}"[:80]
            raise Invalid(f"case {shown}: a case has names of 1 to {LONGEST_ID} characters")
        if len(self.request) > REQUEST_DIGITS or (self.reused and not (self.unchanged and self.request)):
            raise Invalid(f"case {self.id[:80]}: only an unchanged case with the digest of its request is reused")

    @property
    def is_alike(self) -> bool:
        """True if its cluster was not given, but found: cases that are alike."""
        return _ALIKE.fullmatch(self.cluster) is not None


def alike(number: int) -> str:
    """Returns the cluster of the group of similar cases with this number."""
    return f"~{number}"


def given_cluster(name: str) -> str:
    """Returns a cluster as a suite names it; none is called as :func:`alike` calls one."""
    return f"~{name}" if name.startswith("~") else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one try of a case: the place of the case, the arm, and which repeat it is, from 1.

    ``score`` is 0 to 1, None for an error. ``error`` is a word: ``rate_limited``, ``timeout``, ``judge`` …
    ``first_attempt_failed`` says that the first attempt timed out or was lost after the first byte. ``reused``: the
    answer was there before, recorded or cached, and brings no latency. ``fingerprint`` is what the provider says of the
    machinery behind its model (``system_fingerprint`` of OpenAI's API).
    """

    case: int
    arm: Arm
    repeat: int
    outcome: RowOutcome
    score: float | None = None
    latency_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    error: str = ""
    first_attempt_failed: bool = False
    reused: bool = False
    served_model: str = ""
    fingerprint: str = ""

    def __post_init__(self) -> None:
        """Raises Invalid: a number is out of its range."""
        if not 0 <= self.case < MAX_CASES or not 1 <= self.repeat <= MAX_REPEATS:
            raise Invalid(f"a row of case {self.case}, repeat {self.repeat}: there are no such")
        score = self.score
        if score is not None and not 0 <= score <= 1:  # refuses NaN too
            raise Invalid(f"{self}: {score} is not a score from 0 to 1")
        for number in (self.latency_ms, self.cost_usd, self.input_tokens, self.output_tokens):
            if number is not None and not 0 <= number < MAX_NUMBER:
                raise Invalid(f"{self}: {number} is not a number from 0 to 2^53")
        if (score is None) != (self.outcome is RowOutcome.ERROR):
            raise Invalid(f"{self}: an error has no score, and every other outcome has one")
        if max(len(self.error), len(self.served_model), len(self.fingerprint)) > LONGEST_ID:
            raise Invalid(f"{self}: an error, a model and a fingerprint have at most {LONGEST_ID} characters")

    def __str__(self) -> str:
        return f"row of case {self.case}, {self.arm.value}, repeat {self.repeat}"

    @property
    def place(self) -> tuple[int, Arm, int]:
        """What no two rows of a table share."""
        return self.case, self.arm, self.repeat


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTable:
    """Cases and rows that fit together, rows in the order of their places.

    Raises:
        Invalid: two cases or two rows are the same, a row is of no case, or there are too many.
    """

    cases: tuple[Case, ...]
    rows: tuple[Row, ...] = ()

    def __post_init__(self) -> None:
        _require_few(len(self.cases), MAX_CASES, "cases")
        _require_few(len(self.rows), MAX_ROWS, "rows")
        require_distinct(self.cases)
        if len({row.place for row in self.rows}) < len(self.rows):
            raise Invalid(f"the {_first_twice(self.rows)} is there twice")
        stray = next((row for row in self.rows if row.case >= len(self.cases)), None)
        if stray is not None:
            raise Invalid(f"there is a {stray}, and there are {len(self.cases)} cases")
        object.__setattr__(self, "rows", tuple(sorted(self.rows, key=_in_order)))

    def with_rows(self, rows: Iterable[Row]) -> CaseTable:
        """Returns the table of the same cases with these rows."""
        return CaseTable(cases=self.cases, rows=tuple(rows))


def require_distinct(cases: Sequence[Case]) -> None:
    """Raises Invalid: two cases of one suite and prompt have one id."""
    seen: set[tuple[str, str, str]] = set()
    for case in cases:
        name = (case.suite, case.prompt, case.id)
        if name in seen:
            raise Invalid(f"the case {case.id} of the suite {case.suite} is there twice for the prompt {case.prompt}")
        seen.add(name)


_ARMS: Final = {arm: number for number, arm in enumerate(Arm)}


def _in_order(row: Row) -> tuple[int, int, int]:
    return row.case, _ARMS[row.arm], row.repeat


def _first_twice(rows: Sequence[Row]) -> Row:
    seen: set[tuple[int, Arm, int]] = set()
    return next(row for row in rows if row.place in seen or seen.add(row.place))  # type: ignore[func-returns-value]


def _require_few(count: int, most: int, what: str) -> None:
    if count > most:
        raise Invalid(f"there are {count:,} {what}, and a table has at most {most:,}")

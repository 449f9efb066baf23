"""The case table: what was put to which release, and what came of each try. It holds ids and numbers and no texts.

Cases are fixed before the first call (the *plan*), rows come as answers do. A row names its case by its place in the
list of cases.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

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


_ERROR: Final = RowOutcome.ERROR  # a name of the module is read in a fifth of the time, and there are many rows


def _are_names(texts: Collection[str]) -> bool:
    return min(map(len, texts), default=1) > 0 and _are_short(texts)


def _are_short(texts: Collection[str]) -> bool:
    return max(map(len, texts), default=0) <= LONGEST_ID


def _is_number(number: float | None) -> bool:
    return number is None or 0 <= number < MAX_NUMBER


def _is_score(score: float | None) -> bool:
    return score is None or 0 <= score <= 1  # refuses NaN too


def _is_case(place: int) -> bool:
    return 0 <= place < MAX_CASES


def _is_repeat(repeat: int) -> bool:
    return 1 <= repeat <= MAX_REPEATS


def _are_requests(texts: Collection[str]) -> bool:
    return max(map(len, texts), default=0) <= REQUEST_DIGITS


def _may_be_left(reused: bool, unchanged: bool, request: str) -> bool:
    return not reused or (unchanged and request != "")


def _is_scored(score: float | None, outcome: RowOutcome) -> bool:
    return (score is None) == (outcome is _ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case of a suite for one prompt.

    ``id`` is :attr:`promptops.core.suite.suite.Case.id`, ``key`` the digest of its variables with white space
    normalised, ``digest`` that of all that is measured. ``cluster`` is the given one (:func:`given_cluster`), or
    :func:`alike` for a group of similar cases without one. ``judged``: a model decides one of its checks.
    ``unchanged``: the candidate's request and live's are the same bytes, so it is called once and never compared with
    live; ``as_anchor``: so are the candidate's and the anchor's, and it is never compared with the anchor.
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
    as_anchor: bool = False

    def __post_init__(self) -> None:
        """Raises Invalid: it lacks a name, one is too long, or it is left to an earlier run and compared."""
        names = (self.suite, self.prompt, self.id, self.key, self.digest)
        if not _are_names(names) or not _are_short((self.cluster, *self.tags)):
            shown = f"{self.suite} {self.id}"[:80]
            raise Invalid(f"case {shown}: a case has names of 1 to {LONGEST_ID} characters")
        if not _are_requests((self.request,)) or not _may_be_left(self.reused, self.unchanged, self.request):
            raise Invalid(f"case {self.id[:80]}: only an unchanged case with the digest of its request is reused")

    def is_same_in(self, arm: Arm | None) -> bool:
        """Returns whether the candidate's request is that of an arm, so that it says nothing about the two."""
        return (self.unchanged and arm is Arm.LIVE) or (self.as_anchor and arm is Arm.ANCHOR)

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
        if not _is_case(self.case) or not _is_repeat(self.repeat):
            raise Invalid(f"a row of case {self.case}, repeat {self.repeat}: there are no such")
        if not _is_score(self.score):
            raise Invalid(f"{self}: {self.score} is not a score from 0 to 1")
        for number in (self.latency_ms, self.cost_usd, self.input_tokens, self.output_tokens):
            if not _is_number(number):
                raise Invalid(f"{self}: {number} is not a number from 0 to 2^53")
        if not _is_scored(self.score, self.outcome):
            raise Invalid(f"{self}: an error has no score, and every other outcome has one")
        if not _are_short((self.error, self.served_model, self.fingerprint)):
            raise Invalid(f"{self}: an error, a model and a fingerprint have at most {LONGEST_ID} characters")

    def __str__(self) -> str:
        return row_at(self.case, self.arm, self.repeat)

    @property
    def place(self) -> tuple[int, Arm, int]:
        """What no two rows of a table share."""
        return self.case, self.arm, self.repeat


def row_at(case: int, arm: Arm, repeat: int) -> str:
    """Returns a row in words, by its place."""
    return f"row of case {case}, {arm.value}, repeat {repeat}"


def _each(fits: Callable[[Any], bool]) -> Callable[[Collection[Any]], bool]:
    return lambda values: all(map(fits, values))


FITS: Final[Mapping[type, Mapping[str, Callable[[Collection[Any]], bool]]]] = {
    Case: {
        **dict.fromkeys(("suite", "prompt", "id", "key", "digest"), _are_names),
        "cluster": _are_short,
        "tags": _each(_are_short),
        "request": _are_requests,
    },
    Row: {
        "case": _each(_is_case),
        "repeat": _each(_is_repeat),
        "score": _each(_is_score),
        **dict.fromkeys(("latency_ms", "cost_usd", "input_tokens", "output_tokens"), _each(_is_number)),
        **dict.fromkeys(("error", "served_model", "fingerprint"), _are_short),
    },
}
"""What the fields of each noun may hold, for a reader of whole columns."""

TOGETHER: Final[Mapping[type, tuple[tuple[str, ...], Callable[..., bool]]]] = {
    Case: (("reused", "unchanged", "request"), _may_be_left),
    Row: (("score", "outcome"), _is_scored),
}
"""Which fields of each noun have to go together."""


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


ORDER: Final = {arm: number for number, arm in enumerate(Arm)}
"""The order of the arms in a table."""


def _in_order(row: Row) -> tuple[int, int, int]:
    return row.case, ORDER[row.arm], row.repeat


def _first_twice(rows: Sequence[Row]) -> Row:
    seen: set[tuple[int, Arm, int]] = set()
    return next(row for row in rows if row.place in seen or seen.add(row.place))  # type: ignore[func-returns-value]


def _require_few(count: int, most: int, what: str) -> None:
    if count > most:
        raise Invalid(f"there are {count:,} {what}, and a table has at most {most:,}")

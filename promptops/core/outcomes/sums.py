"""What calls did, added up: the same noun for ten seconds of one process and for a day of all of them.

Adding is associative and commutative, also at every limit, so that documents may come in any order and rows be joined
by hour and by day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from promptops.core.declarations import MAX_NAMES as MAX_NAMES
from promptops.core.declarations import UNDECLARED as UNDECLARED
from promptops.core.errors import Invalid
from promptops.core.outcomes.call_outcome import LONGEST_ERROR, CallOutcome, Count, Measure
from promptops.core.outcomes.counters import MAX_COUNT, added, folded, kept_names, require_counts
from promptops.core.outcomes.histogram import Histogram
from promptops.core.outcomes.series import WORD, require_line

MAX_ERRORS: Final = 20
"""Classes of errors that stay apart; all others are counted as :data:`OTHER`."""
OTHER: Final = "other"

MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The scores of one name: how many, their sum in millionths, and how many are below the declared ``passAt``.

    The sum is a whole number so that adding has no order; a score is rounded to the nearest millionth.

    Raises:
        Invalid: the numbers do not fit together.
    """

    count: int
    millionths: int
    below: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.count <= MAX_COUNT and 0 <= self.below <= self.count and 0 <= self.millionths <= MAX_COUNT):
            raise Invalid(f"{self}: a score has a count from 1, no more below than that, and a sum from 0")
        if self.millionths > self.count * MILLION:
            raise Invalid(f"{self}: no score is over 1")

    @classmethod
    def of(cls, score: float, *, pass_at: float | None = None) -> Score:
        """Returns one score.

        Raises:
            Invalid: it is not from 0 to 1.
        """
        require_score(score)
        below = pass_at is not None and score < pass_at
        return cls(count=1, millionths=int(score * MILLION + 0.5), below=int(below))

    @property
    def mean(self) -> float:
        """The mean score, 0 to 1."""
        return self.millionths / self.count / MILLION

    def merged(self, other: Score) -> Score:
        """Returns the scores of both."""
        return Score(
            count=min(self.count + other.count, MAX_COUNT),
            millionths=min(self.millionths + other.millionths, MAX_COUNT),
            below=min(self.below + other.below, MAX_COUNT),
        )


def require_score(score: float) -> None:
    """Checks a score.

    Raises:
        Invalid: it is not a number from 0 to 1.
    """
    if not 0 <= score <= 1:  # refuses NaN too
        raise Invalid(f"{score!r} is not a score from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What calls did, added up: counters, errors by class, outcomes and scores by name, and histograms.

    What was not counted is left out. An outcome is what a call led to later, such as ``ticket_resolved``.

    Raises:
        Invalid: a count is not from 1 to 2^53 - 1, a name is malformed, or there are too many.
    """

    counts: Mapping[Count, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, Score] = field(default_factory=dict)
    histograms: Mapping[Measure, Histogram] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_counts(self.counts, "counts")
        if self.errors:
            require_counts(self.errors, "errors")
            _require_few(self.errors, MAX_ERRORS, OTHER, "classes of errors")
            for name in self.errors:
                require_error(name)
        if self.outcomes:
            require_counts(self.outcomes, "outcomes")
        for names, what in ((self.outcomes, "names of outcomes"), (self.scores, "names of scores")):
            if names:
                _require_few(names, MAX_NAMES, UNDECLARED, what)
                for name in names:
                    require_word(name)
        if not all(histogram.counts for histogram in self.histograms.values()):
            raise Invalid("an empty histogram is left out")

    @classmethod
    def of(cls, call: CallOutcome) -> Sums:
        """Returns the sums of one call."""
        return cls(
            counts=dict(call.counts()),
            errors={call.error: 1} if call.error else {},
            histograms={name: Histogram.of([value]) for name, value in call.measures()},
        )

    def __getitem__(self, name: Count) -> int:
        """Returns a counter; 0 where nothing was counted."""
        return self.counts.get(name, 0)

    @property
    def failed(self) -> int:
        """How many calls ended in an error."""
        return sum(self.errors.values())

    def latency(self) -> Histogram:
        """Returns the latencies of all calls that were answered, whether they read from a cache or not."""
        parts = (self.histograms.get(name, Histogram()) for name in (Measure.LATENCY, Measure.CACHED_LATENCY))
        return next(parts).merged(next(parts))

    def merged(self, other: Sums) -> Sums:
        """Returns the sums of both."""
        return Sums(
            counts=added(self.counts, other.counts),
            errors=folded(added(self.errors, other.errors), MAX_ERRORS, OTHER),
            outcomes=folded(added(self.outcomes, other.outcomes), MAX_NAMES, UNDECLARED),
            scores=_scores(self.scores, other.scores),
            histograms=_histograms(self.histograms, other.histograms),
        )


def require_error(name: str) -> None:
    """Checks the class of an error.

    Raises:
        Invalid: it is empty, too long, or has characters that are not printable.
    """
    if not name:
        raise Invalid("the class of an error is empty")
    require_line(name, "the class of an error", LONGEST_ERROR)


def require_word(name: str) -> None:
    """Checks the name of a score or an outcome.

    Raises:
        Invalid: it has other characters than letters, digits, ``_``, ``.`` and ``-``, or more than 64 of them.
    """
    if not WORD.fullmatch(name):
        raise Invalid(
            f"{name[:80]!r} is not the name of a score or an outcome",
            hint="Letters, digits, '_', '.' and '-', up to 64, beginning with a letter or a digit: ticket_resolved.",
        )


def _require_few(names: Mapping[str, object], most: int, rest: str, what: str) -> None:
    if len(names) - (rest in names) > most:
        raise Invalid(f"there are {len(names)} {what}, and at most {most} stay apart beside '{rest}'")


def _scores(one: Mapping[str, Score], other: Mapping[str, Score]) -> Mapping[str, Score]:
    total = dict(one)
    for name, score in other.items():
        total[name] = total[name].merged(score) if name in total else score
    kept = kept_names((name for name in total if name != UNDECLARED), MAX_NAMES)
    for name in total.keys() - kept - {UNDECLARED}:
        score = total.pop(name)
        total[UNDECLARED] = total[UNDECLARED].merged(score) if UNDECLARED in total else score
    return total


def _histograms(one: Mapping[Measure, Histogram], other: Mapping[Measure, Histogram]) -> Mapping[Measure, Histogram]:
    total = dict(one)
    for name, histogram in other.items():
        total[name] = total[name].merged(histogram) if name in total else histogram
    return total

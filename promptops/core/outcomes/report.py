"""What a process reports of a stretch of time: sums of its calls, units that had a bad event, units of the sample, and
feedback on calls, and some calls by themselves.

A report is known by its process and its number, so a registry that was sent it twice counts it once.
:mod:`promptops.wire.outcomes` has its JSON.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from promptops.core.errors import Invalid
from promptops.core.model import is_name
from promptops.core.outcomes.call_id import LONGEST as LONGEST_CALL_ID
from promptops.core.outcomes.call_outcome import CallOutcome
from promptops.core.outcomes.counters import MAX_COUNT, require_counts
from promptops.core.outcomes.kept_call import MAX_CALLS, KeptCall
from promptops.core.outcomes.series import LONGEST_LINE, Assignment, Series, require_line, require_minute
from promptops.core.outcomes.sums import UNDECLARED, Score, Sums, require_score, require_word
from promptops.core.outcomes.units import Unit

MAX_ROWS: Final = 5_000
MAX_UNITS: Final = 20_000
MAX_FEEDBACK: Final = 5_000
"""Rows of sums, units of each kind, and feedback in a report: more than a process collects (``recorder``)."""
MAX_GUARDRAILS: Final = 60
"""Guardrails of a unit: all that are known, and one for each score that an app may declare."""

GUARDRAIL: Final = re.compile(r"[a-z][a-z_]{0,39}(?::[A-Za-z0-9][A-Za-z0-9_.-]{0,63})?")
"""A guardrail: ``error``, or a score by its name, ``score:helpful``."""

_ID: Final = re.compile(r"[0-9a-f]{32}")

Order: TypeAlias = tuple[tuple[str, int, int, str], tuple[str, ...], tuple[str, ...], int, tuple[str, int]]


class Guardrail(StrEnum):
    """What a key can be bad at, at most once in a component of a canary. Later versions may add some."""

    ERROR = "error"
    REFUSAL = "refusal"
    SCHEMA = "schema"
    CHECK = "check"
    SLOW = "slow"
    DEAR = "dear"
    UNRECORDED = "unrecorded"
    """A call was opened more than ten minutes ago, and not recorded since."""


def score_guardrail(name: str) -> str:
    """Returns the guardrail of a declared score: bad is a score below its ``passAt``."""
    return f"score:{name}"


class Dropped(StrEnum):
    """What a process has no room for, and counts instead."""

    CALLS = "calls"
    UNITS = "units"
    SAMPLED = "sampled"
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadUnit:
    """A unit that had a bad event in a minute, and at which guardrails, in the order of their names.

    Raises:
        Invalid: there is no guardrail, too many, one is not a word, or they are not in order.
    """

    assignment: Assignment
    unit: Unit
    minute: int
    guardrails: tuple[str, ...]

    def __post_init__(self) -> None:
        require_minute(self.minute)
        require_guardrails(self.guardrails)
        if not self.guardrails:
            raise Invalid("a bad unit is bad at a guardrail at least")

    def order(self) -> Order:
        """Returns the unit's place in a report: first what others have in common with it."""
        return self.assignment.order(), self.guardrails, (), self.minute, self.unit.order()


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledUnit:
    """A unit of the sample that made a call: since which minute of the report's time, at which guardrails it could be
    bad (a score: one was given), and at which of those it was.

    Raises:
        Invalid: it was bad where it could not be, a guardrail is not a word, or they are too many or not in order.
    """

    assignment: Assignment
    unit: Unit
    minute: int
    could: tuple[str, ...]
    bad: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_minute(self.minute)
        require_guardrails(self.could)
        require_guardrails(self.bad)
        if not set(self.bad) <= set(self.could):
            raise Invalid("a sampled unit is bad only at guardrails at which it could be")

    def order(self) -> Order:
        """Returns the unit's place in a report: first what others have in common with it."""
        return self.assignment.order(), self.could, self.bad, self.minute, self.unit.order()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a call led to: an outcome by its name, or a score from 0 to 1. ``call`` is the id of the call.

    Raises:
        Invalid: the name or the score is not one, or the id is no short line.
    """

    call: str
    name: str
    score: float | None = None

    def __post_init__(self) -> None:
        if not self.call:
            raise Invalid("feedback names its call")
        require_line(self.call, "a call id", LONGEST_CALL_ID)
        require_word(self.name)
        if self.score is not None:
            require_score(self.score)

    @property
    def once(self) -> bytes:
        """8 bytes that are the same for the same call and name, which count once, whichever score comes first."""
        kind = "outcome" if self.score is None else "score"
        return hashlib.sha256(f"{kind}\0{self.name}\0{self.call}".encode()).digest()[:8]

    def sums(self, outcomes: Collection[str], scores: Mapping[str, float | None]) -> Sums:
        """Returns what it adds to the sums of its call, for an app that declares these outcomes, and these scores with
        their ``passAt``. A name that is not declared is counted as undeclared.
        """
        if self.score is None:
            return Sums(outcomes={self.name if self.name in outcomes else UNDECLARED: 1})
        if self.name not in scores:
            return Sums(scores={UNDECLARED: Score.of(self.score)})
        return Sums(scores={self.name: Score.of(self.score, pass_at=scores[self.name])})


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeReport:
    """What one process reports of one channel.

    ``client`` is the process, as in its heartbeats, and ``number`` counts its reports from 1. ``lineage`` says which
    registry's counting the revisions are of. ``sums`` are by series and minute. ``dropped`` has what the process had no
    room for. Units are in the order of their places.

    Raises:
        Invalid: a part is malformed, or there is too much of it.
    """

    client: str
    number: int
    channel: str
    lineage: str
    sdk: str = ""
    sums: Mapping[tuple[Series, int], Sums] = field(default_factory=dict)
    bad_units: tuple[BadUnit, ...] = ()
    sampled_units: tuple[SampledUnit, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    calls: tuple[KeptCall, ...] = ()
    dropped: Mapping[Dropped, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.client):
            raise Invalid("a client's id is 32 lower-case hex digits")
        if not 1 <= self.number <= MAX_COUNT:
            raise Invalid(f"{self.number} is not the number of a report: they count from 1")
        if not is_name(self.channel):
            raise Invalid(f"{self.channel[:80]!r} is not a channel's name")
        require_line(self.lineage, "a lineage", LONGEST_LINE)
        require_line(self.sdk, "a client's sdk", LONGEST_LINE)
        require_counts(self.dropped, "dropped")
        self._require_few()
        self._require_channel()
        for _, minute in self.sums:
            require_minute(minute)
        object.__setattr__(self, "bad_units", tuple(sorted(self.bad_units, key=BadUnit.order)))
        object.__setattr__(self, "sampled_units", tuple(sorted(self.sampled_units, key=SampledUnit.order)))

    def _require_few(self) -> None:
        for what, count, most in (
            ("rows of sums", len(self.sums), MAX_ROWS),
            ("bad units", len(self.bad_units), MAX_UNITS),
            ("sampled units", len(self.sampled_units), MAX_UNITS),
            ("lines of feedback", len(self.feedback), MAX_FEEDBACK),
            ("kept calls", len(self.calls), MAX_CALLS),
        ):
            if count > most:
                raise Invalid(f"the report has {count:,} {what}, and at most {most:,} are taken")

    def _require_channel(self) -> None:
        found = {series.assignment.channel for series, _ in self.sums}
        found |= {entry.assignment.channel for entry in self.bad_units}
        found |= {entry.assignment.channel for entry in self.sampled_units}
        if others := sorted(found - {self.channel}):
            raise Invalid(f"the report is of the channel {self.channel}, and has a row of {others[0]}")


def guardrails_of(outcome: CallOutcome) -> tuple[str, ...]:
    """Returns the guardrails at which a call was bad, in the order of their names."""
    if outcome.cancelled:
        return ()
    found = {
        Guardrail.CHECK: outcome.check_failed,
        Guardrail.ERROR: bool(outcome.error),
        Guardrail.REFUSAL: outcome.refused,
        Guardrail.SCHEMA: outcome.schema_failed,
    }
    return tuple(guardrail.value for guardrail, is_bad in found.items() if is_bad)


def require_guardrails(names: tuple[str, ...]) -> None:
    """Checks names of guardrails.

    Raises:
        Invalid: one is not a word, they are not each once and in order, or too many.
    """
    if len(names) > MAX_GUARDRAILS:
        raise Invalid(f"there are {len(names)} guardrails, and at most {MAX_GUARDRAILS} are taken")
    if list(names) != sorted(set(names)):
        raise Invalid("guardrails are each there once, in the order of their names")
    for name in names:
        if not GUARDRAIL.fullmatch(name):
            raise Invalid(f"{name[:80]!r} is not a guardrail")

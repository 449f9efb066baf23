"""What a gate asks, as nouns: the policy key ``gate:`` after it was read by :mod:`promptops.core.gate.reading`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from promptops.core.evidence.run import Source

LEVELS: Final[Mapping[int, tuple[float, ...]]] = {1: (0.05,), 2: (0.03, 0.02), 3: (0.03, 0.015, 0.005)}
"""The probability of a false pass that each look at one content may spend, by the number of looks: together 5 %."""

FAIL_LEVEL: Final = 0.05
"""With at most this probability a release is said to be worse by the margin that is not."""

LARGEST_MARGIN: Final = 0.2
"""Up to here every false pass was counted (``make calibrate``); more is no margin, but a different product."""

TRIES_WITHIN: Final = timedelta(days=30)
"""How long a content that was judged against what is live counts as a try."""


class Measure(StrEnum):
    """What of an answer is compared: whether it passed, or its score."""

    PASS = "pass"  # noqa: S105 no password
    SCORE = "score"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRule:
    """Which runs count, and how old the newest may be. ``by`` are names of tokens or addresses; empty: anyone's."""

    max_age: timedelta = timedelta(days=14)
    sources: tuple[Source, ...] = (Source.RUN,)
    by: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    max_errors: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """Every case passes in ``agree`` of ``of`` repeats. ``regressions`` are cases that pass on live and fail now."""

    agree: int = 2
    of: int = 3
    regressions: int | None = None
    suites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotWorse:
    """No changed prompt is worse than live by the margin; ``anchor`` is the time whose best release counts as well."""

    margin: float
    measure: Measure = Measure.PASS
    anchor: timedelta | None = None
    suites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """At least this share of a suite's answers pass, whatever is live."""

    suite: str
    at_least: float
    measure: Measure = Measure.PASS


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """95 of 100 calls take at most so many milliseconds."""

    p95_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a call may cost on average, what a month of ``calls_a_day`` may, and how many times what live costs.

    ``source`` is where that is read: in the release's runs, or in what was measured where users are. Without
    ``calls_a_day``, a month is one of the planned traffic, and at least of the measured one.
    """

    per_call_usd: float | None = None
    monthly_usd: float | None = None
    calls_a_day: int | None = None
    growth: float | None = None
    source: Source = Source.RUN

    @property
    def by_traffic(self) -> bool:
        """Whether a month is one of the traffic, since the policy names no calls a day."""
        return self.monthly_usd is not None and self.calls_a_day is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """A judge counts with so many labelled answers, and at least this sensitivity + specificity − 1.

    ``by`` are names of tokens or addresses: who may record labels instead of the evidence's ``by``, and whose labels
    count though they had a part in the release.
    """

    labels: int = 100
    youden: float = 0.4
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """A verdict of another system: who may give it, and how old it may be."""

    by: tuple[str, ...] = ()
    max_age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Days, in UTC, on which nothing is promoted; the last one included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEnds:
    """No model of the release ends within this time."""

    within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """How many people have to approve, and whether only those count whose address is proven."""

    count: int = 1
    proven: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Waivers:
    """Which checks a person may waive, and for how long at most."""

    may: tuple[str, ...] = ("latency", "cost", "freeze")
    at_most: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """What the gate asks of one app. A check that is None is not asked."""

    evidence: EvidenceRule = EvidenceRule()
    required: Required | None = None
    not_worse: NotWorse | None = None
    bar: tuple[Bar, ...] = ()
    latency: Latency | None = None
    cost: Cost | None = None
    judges: Judges | None = None
    external: Mapping[str, External] = field(default_factory=dict)
    freeze: tuple[Freeze, ...] = ()
    model_ends: ModelEnds | None = None
    approvals: Approvals | None = None
    waivers: Waivers = Waivers()
    looks: int = 3
    tries: int = 5
    tries_shared: bool = False
    days: int = 1
    renames: Mapping[str, str] = field(default_factory=dict)
    warns: bool = False

    @property
    def levels(self) -> tuple[float, ...]:
        """The level of each look, in order."""
        return LEVELS[self.looks]

    @property
    def asks(self) -> bool:
        """Whether there is any check."""
        return bool(
            self.required
            or self.not_worse
            or self.bar
            or self.latency
            or self.cost
            or self.judges
            or self.external
            or self.freeze
            or self.model_ends
            or self.approvals
        )

    @property
    def proven(self) -> bool:
        """Whether an approval counts only from a person whose address is proven."""
        return self.approvals is None or self.approvals.proven

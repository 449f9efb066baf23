"""Reports of calls as clients send them, small and of one app."""

from __future__ import annotations

from promptops.core.outcomes.call_id import call_head, make_call_id
from promptops.core.outcomes.call_outcome import CallOutcome, Tokens
from promptops.core.outcomes.histogram import Histogram
from promptops.core.outcomes.report import BadUnit, Feedback, OutcomeReport, SampledUnit
from promptops.core.outcomes.series import Arm, Assignment, Series
from promptops.core.outcomes.sums import Sums
from promptops.core.outcomes.units import Unit
from tests.support.factory import START

MINUTE = int(START.timestamp()) // 60
"""The minute of ``factory.START``."""

CLIENT = "0123456789abcdef" * 2
CALL = Sums.of(CallOutcome(latency_ms=400.0, tokens=Tokens(input=1_000, output=100)))
FAILED = Sums.of(CallOutcome(error="TimeoutError"))


def assignment(app: str = "bot", revision: int = 1, *, arm: Arm = Arm.STABLE, channel: str = "prod") -> Assignment:
    """What calls of an app were assigned to, in the first epoch."""
    return Assignment(app=app, channel=channel, epoch=1, revision=revision, arm=arm)


def series(place: Assignment | None = None, *, prompt: str = "answer", model: str = "", **more: str) -> Series:
    """A series; ``more`` are tags."""
    return Series(assignment=place or assignment(), prompt=prompt, model=model, tags=tuple(sorted(more.items())))


def report(
    lineage: str,
    number: int = 1,
    sums: dict[tuple[Series, int], Sums] | None = None,
    *,
    client: str = CLIENT,
    channel: str = "prod",
    bad: tuple[BadUnit, ...] = (),
    sampled: tuple[SampledUnit, ...] = (),
    feedback: tuple[Feedback, ...] = (),
) -> OutcomeReport:
    """A report; without sums, of one call of ``bot``."""
    return OutcomeReport(
        client=client,
        number=number,
        channel=channel,
        lineage=lineage,
        sums={(series(), MINUTE): CALL} if sums is None else sums,
        bad_units=bad,
        sampled_units=sampled,
        feedback=feedback,
    )


def call_id(
    lineage: str,
    secret: bytes = b"",
    *,
    place: Assignment | None = None,
    random: int = 0,
    unit: Unit | None = None,
    prompt: str = "answer",
) -> str:
    """The id of a call of a prompt."""
    head = call_head(place or assignment(), prompt, lineage=lineage)
    return make_call_id(head, random=random.to_bytes(6, "big"), secret=secret, unit=unit)


def total(rows: list[Sums]) -> Sums:
    """The sums of all of them."""
    found = Sums()
    for sums in rows:
        found = found.merged(sums)
    return found


def calls(count: int, *, latency_ms: float = 400.0) -> Sums:
    """The sums of so many calls that were alike."""
    one = Sums.of(CallOutcome(latency_ms=latency_ms))
    histograms = {name: Histogram(counts=dict.fromkeys(each.counts, count)) for name, each in one.histograms.items()}
    return Sums(counts=dict.fromkeys(one.counts, count), histograms=histograms)

"""Spans that arrive together -> what is to be counted, each once, and its sums.

A wrapper around an SDK and the SDK itself may both be instrumented. Then the outer span repeats what the inner one
says, so a request to a model in which another one lies is not counted. The inner one ends first and arrives first, so
its keys tell a registry which later span repeats it.

Several requests that belong to one call, as an agent makes them, are one call: their tokens add up, the call takes from
its first begin to its last end, and it ended as the last one did.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from promptops.core.answers.reading import Finish
from promptops.core.errors import Invalid
from promptops.core.outcomes.call_outcome import CallOutcome
from promptops.core.outcomes.pinned import is_pinned_model
from promptops.core.outcomes.recorder import KIB, Recorded, Recorder, Room
from promptops.core.outcomes.report import BadUnit, guardrails_of
from promptops.core.outcomes.series import Series
from promptops.core.outcomes.units import Unit
from promptops.core.spans.names import Fact
from promptops.core.spans.span import Facts, ModelSpan, is_model, read_model_span
from promptops.core.spans.stamp import Stamp, read_stamp

_DEEPEST: Final = 32  # spans between a request to a model and one that it lies in
_ROOM: Final = Room(sums=16 * 1024 * KIB)  # some thousand series and minutes of one request
_MINUTE: Final = 60 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class StampedSpan:
    """A request to a model of a release, to be counted once.

    ``minute`` is the one in which it ended, since 1970. ``key`` is the span's own, ``above`` has those of the spans
    that it lies in. What a registry knows of it comes later: the ``tier`` of the model's price, the model that the
    release pins (empty where it is not known), and the unit of its call.
    """

    stamp: Stamp
    span: ModelSpan
    minute: int
    key: bytes
    above: tuple[bytes, ...]
    tier: int | None = None
    pinned: str = ""
    unit: Unit | None = None

    @property
    def call_key(self) -> bytes:
        """The key of its call; that of the span without one."""
        return once(b"call", self.stamp.call.encode()) if self.stamp.call else self.key


def once(kind: bytes, name: bytes) -> bytes:
    """Returns the 8 bytes by which something is known to have been counted."""
    return blake2b(name, digest_size=8, person=kind).digest()


@dataclass(slots=True)
class Batch:
    """The spans of one request. ``rejected`` of them had a stamp that cannot be counted; ``why`` says it of the first.

    ``lineage`` and ``epoch`` are those of the registry.
    """

    lineage: str
    epoch: int
    rejected: int = 0
    why: str = ""
    _spans: list[tuple[Stamp, ModelSpan]] = field(default_factory=list)
    _parents: dict[bytes, bytes] = field(default_factory=dict)

    def add(self, facts: Facts, *, trace: bytes, id: bytes, parent: bytes, start: int, end: int, failed: bool) -> None:
        """Takes a span with :data:`~promptops.core.spans.names.REVISION`. Never raises."""
        self._parents[trace + id] = trace + parent if parent else b""
        if facts.get(Fact.REPORTED) is True or not is_model(facts):
            return
        try:
            stamp = read_stamp(facts, lineage=self.lineage, epoch=self.epoch)
            if len(trace) != 16 or len(id) != 8:
                raise Invalid("a trace id has 16 bytes, and a span id 8")
        except Invalid as error:
            self.reject(error.message)
            return
        span = read_model_span(facts, trace=trace, id=id, parent=parent, start=start, end=end, failed=failed)
        self._spans.append((stamp, span))

    def reject(self, why: str, count: int = 1) -> None:
        """Counts spans that are not taken."""
        self.rejected += count
        self.why = self.why or why

    def counted(self) -> tuple[StampedSpan, ...]:
        """Returns the requests to models that are to be counted, each once and in the order in which they ended."""
        above = {span.trace + span.id: self._above(span.trace + span.id) for _, span in self._spans}
        repeating = {name for names in above.values() for name in names}
        found: dict[bytes, StampedSpan] = {}
        for stamp, span in sorted(self._spans, key=lambda each: each[1].end):
            name = span.trace + span.id
            if name not in repeating and name not in found:
                keys = tuple(once(b"span", outer) for outer in above[name])
                minute = span.end // _MINUTE
                found[name] = StampedSpan(stamp=stamp, span=span, minute=minute, key=once(b"span", name), above=keys)
        return tuple(found.values())

    def _above(self, name: bytes) -> tuple[bytes, ...]:
        """The spans that a span lies in, as far as they are known."""
        found: list[bytes] = []
        while len(found) < _DEEPEST and (name := self._parents.get(name, b"")) and name not in found:
            found.append(name)
        return tuple(found)


def count_spans(spans: Iterable[StampedSpan], new_calls: Collection[bytes]) -> Recorded:
    """Returns what is counted of spans that were not counted before: sums by series and minute, the units of calls that
    were bad, and how much had no room.

    Of a call whose key is not among the new ones, an earlier span was counted, so that only tokens are added.
    """
    recorder = Recorder(_ROOM)
    calls: dict[bytes, list[StampedSpan]] = {}
    for each in spans:
        calls.setdefault(each.call_key, []).append(each)
    for key, parts in calls.items():
        last = parts[-1]
        for part in parts if key not in new_calls else parts[:-1]:
            if part.span.tokens is not None:
                recorder.counted(_series(part), part.minute, part.span.tokens.counts())
        if key in new_calls:
            outcome = _outcome(parts)
            recorder.record(_series(last), last.minute, outcome)
            if last.unit is not None and (bad := guardrails_of(outcome)):
                place = last.stamp.assignment
                recorder.bad(BadUnit(assignment=place, unit=last.unit, minute=last.minute, guardrails=bad))
    return recorder.swap()


def _series(part: StampedSpan) -> Series:
    return Series(
        assignment=part.stamp.assignment,
        prompt=part.stamp.prompt,
        model=part.span.model,
        tier=part.tier if part.span.model else None,
    )


def _outcome(parts: Sequence[StampedSpan]) -> CallOutcome:
    """What became of a call: it took from its first begin to its last end, and ended as its last request did."""
    span = parts[-1].span
    taken = (span.end - min(part.span.start for part in parts)) / 1e6
    return CallOutcome(
        error="" if span.is_cancelled else span.error,
        cancelled=span.is_cancelled,
        has_unit=parts[-1].unit is not None,
        refused=span.finish in (Finish.REFUSAL, Finish.CONTENT_FILTER),
        truncated=span.finish is Finish.LENGTH,
        unread=span.tokens is None and not span.error,
        pin_mismatch=any(not is_pinned_model(part.pinned, part.span.model) for part in parts),
        tokens=span.tokens,
        latency_ms=taken if taken >= 0 else None,
        first_token_ms=span.first_token_ms,
    )

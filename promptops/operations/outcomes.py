"""Takes what clients report, and keeps the secret with which they do. A report is no fact: it is measured, and expires.

A document counts once, by its client and number, and feedback once, by its call and name. Several are taken in one
transaction, so that a fleet costs a server few commits; one that cannot count has an error of its own, and the others
count.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.declarations import Capture
from promptops.core.errors import PromptopsError, RegistryMismatch
from promptops.core.model import Json
from promptops.core.outcomes.admission import Admitted, LeftOut, admit, place_call, without_content
from promptops.core.outcomes.counted_numbers import CountedNumbers
from promptops.core.outcomes.kept_call import PlacedCall
from promptops.core.outcomes.report import BadUnit, Feedback, OutcomeReport, SampledUnit
from promptops.core.outcomes.report_key import SECRET_BYTES, ReportKey
from promptops.core.outcomes.series import Assignment, Series
from promptops.core.outcomes.sums import Sums
from promptops.core.outcomes.units import Sample
from promptops.operations.feedback import Allows, FeedbackDesk, Led, everywhere, refusal
from promptops.operations.known_releases import Known
from promptops.operations.rollout_feed import Keys, Place, feed

if TYPE_CHECKING:
    from promptops.store import Registry, Writer


def report_key(registry: Registry, channel: str = "") -> ReportKey:
    """Returns the secret of the registry's reporting clients, the same for every channel; the first call makes it.

    Raises:
        ChannelNotFound: listing the channels that exist.
    """
    with registry.read() as reader:
        if channel:
            reader.channel(channel)
        secret = reader.report_secret(registry.lineage)
    if not secret:
        made = secrets.token_bytes(SECRET_BYTES).hex()
        secret = registry.write(lambda writer: writer.keep_report_secret(registry.lineage, made))
    return ReportKey(registry=registry.name, lineage=registry.lineage, secret=bytes.fromhex(secret))


# --- what comes, and what is answered ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document that came, with the token of this id, empty without one; ``allows`` says what that reports for."""

    report: OutcomeReport
    token: str = ""
    allows: Allows = everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Feedback that came by itself, of a ``minute`` or of now; ``allows`` says what its token reports for."""

    feedback: Feedback
    minute: int | None = None
    allows: Allows = everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What came of a document. ``counted`` is false if it was counted before.

    ``sample`` has by app the threshold for its sample while no canary runs; ``left_out`` how many parts do not count,
    by the reason. ``rates`` are those of its models as clients read them, in the answer of :func:`report`.
    """

    number: int
    counted: bool
    sample: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[LeftOut, int] = field(default_factory=dict)
    rates: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """What came of feedback. ``reason`` says why it does not count, or ``undeclared``; else it is empty."""

    counted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of all, in its order; and what was added and left out, for a server's own counters.

    ``releases`` has the version that each assignment means, empty for one that takes no part in a canary: what that was
    is chosen by the process. ``reached`` are the places, app and channel, whose canary has to be looked at now.
    """

    answers: tuple[Reported | Fed | PromptopsError, ...]
    sums: Mapping[Assignment, Sums]
    releases: Mapping[Assignment, str]
    left_out: Mapping[LeftOut, int]
    reached: tuple[Place, ...] = ()


def report(registry: Registry, channel: str, body: bytes, *, now: datetime) -> Reported:
    """Take a document in the form of :mod:`promptops.wire.outcomes`, from a client that has the database itself, and
    return what came of it, with the rates of its models.

    Raises:
        Invalid: it is no document. RegistryMismatch: it is of another registry.
        Conflict: it comes too late to know whether it was counted.
    """
    from promptops.evals.price_list import PriceList
    from promptops.wire.outcomes import decode

    document = decode(body, channel)
    [answer] = take(registry, [Document(report=document)], now=now).answers
    if isinstance(answer, PromptopsError):
        raise answer
    assert isinstance(answer, Reported)
    rates = PriceList().of({series.model for series, _ in document.sums}, now)
    return replace(answer, rates={model: found.to_json() for model, found in rates.items()})


def take(
    registry: Registry, incoming: Sequence[Document | Line], *, now: datetime, known: Known | None = None
) -> Taken:
    """Take documents and feedback in one transaction.

    Raises:
        RegistryUnavailable: none was counted.
    """
    remembered = known or Known()
    return registry.write(lambda writer: _Taking(writer, registry.lineage, now, remembered).take(incoming))


# --- one transaction -----------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Draft:
    """What of something that came may count; which feedback does is known when all of it was read."""

    source: Document | Line
    counted: bool = True
    admitted: Admitted = field(default_factory=Admitted)
    led: list[Led] = field(default_factory=list)
    refused: LeftOut | None = None


class _Taking:
    """One transaction that takes what came."""

    def __init__(self, writer: Writer, lineage: str, now: datetime, remembered: Known) -> None:
        self._writer = writer
        self._desk = writer.outcomes()
        self._desk.lock()
        self._feedback = FeedbackDesk(writer, self._desk, remembered.prompts, lineage=lineage, now=now)
        self._lineage = lineage
        self._now = now
        self._remembered = remembered
        self._numbers: dict[tuple[str, str, str], CountedNumbers] = {}
        self._changed: dict[tuple[str, str, str], CountedNumbers] = {}
        self._sums: dict[tuple[Series, int], Sums] = {}
        self._bad: list[BadUnit] = []
        self._sampled: list[SampledUnit] = []
        self._scored: list[SampledUnit] = []
        self._kept: list[PlacedCall] = []
        self._captures: dict[str, bool] = {}
        self._left_out: Counter[LeftOut] = Counter()

    def take(self, incoming: Sequence[Document | Line]) -> Taken:
        desk = self._desk
        self._numbers = desk.numbers_of({_reporter(each) for each in incoming if isinstance(each, Document)})
        drafts = [self._draft(each) for each in incoming]
        marks = {led.mark for draft in drafts if isinstance(draft, _Draft) for led in draft.led}
        fresh = set(desk.new_marks(marks, self._now))
        answers = tuple(self._count(draft, fresh) if isinstance(draft, _Draft) else draft for draft in drafts)
        if without_room := desk.add_sums(self._sums):
            self._left_out[LeftOut.SERIES] += without_room
        desk.add_units(self._bad, self._sampled)
        reached = feed(self._writer, desk, self._remembered.trials, Keys(self._bad, self._sampled, self._scored))
        if without_room := desk.add_calls(self._kept, self._now):
            self._left_out[LeftOut.CALLS] += without_room
        desk.put_numbers(self._changed, self._now)
        desk.prune(self._now)
        sums = by_assignment(self._sums)
        releases = {place: self._remembered.release(self._writer, place) for place in sums}
        return Taken(answers=answers, sums=sums, releases=releases, left_out=self._left_out, reached=reached)

    def _draft(self, each: Document | Line) -> _Draft | PromptopsError:
        if isinstance(each, Line):
            return self._draft_line(each)
        report, reporter = each.report, _reporter(each)
        known = self._changed.get(reporter, self._numbers.get(reporter, CountedNumbers()))
        try:
            draft = _Draft(source=each, counted=self._is_new(report, known))
        except PromptopsError as error:
            return error
        if draft.counted:
            self._changed[reporter] = known.with_(report.number)
            calls = [
                place_call(call, channel=report.channel, lineage=self._lineage, secret=self._feedback.secret)
                for call in report.calls
            ]
            apps = _apps(report) | {call.assignment.app for call in calls if isinstance(call, PlacedCall)}
            draft.admitted = admit(report, self._desk.standing(apps, report.channel, self._now, each.allows), calls)
            for entry in report.feedback:
                led = self._feedback.read(entry, each.allows)
                if isinstance(led, LeftOut):
                    draft.admitted.left_out[led] += 1
                else:
                    draft.led.append(led)
        return draft

    def _draft_line(self, each: Line) -> _Draft | PromptopsError:
        led = self._feedback.read(each.feedback, each.allows, each.minute)
        if not isinstance(led, LeftOut):
            return _Draft(source=each, led=[led])
        self._left_out[led] += 1
        error = refusal(each.feedback, led, self._lineage)
        return error or _Draft(source=each, counted=False, refused=led)

    def _is_new(self, report: OutcomeReport, known: CountedNumbers) -> bool:
        if report.lineage != self._lineage:
            raise RegistryMismatch(
                f"the document is of the registry {report.lineage or '(none)'}, and this one is {self._lineage}",
                hint="Send it to the registry that the client follows.",
            )
        return report.number not in known

    def _count(self, draft: _Draft, fresh: set[bytes]) -> Reported | Fed:
        left_out = draft.admitted.left_out
        undeclared = False
        for place, sums in draft.admitted.sums.items():
            self._add(place, sums)
        for led in draft.led:
            if led.mark not in fresh:
                left_out[LeftOut.AGAIN] += 1
                continue
            fresh.remove(led.mark)
            undeclared = led.undeclared
            self._add((led.series, led.minute), led.sums)
            self._bad += [led.bad_unit] if led.bad_unit else []
            self._scored += [led.scored] if led.scored else []
        self._bad += draft.admitted.bad_units
        self._sampled += draft.admitted.sampled_units
        self._kept += map(self._as_declared, draft.admitted.calls)
        self._left_out += left_out
        if isinstance(draft.source, Line):
            refused = draft.refused or (LeftOut.AGAIN if left_out else None)
            reason = refused.value if refused else "undeclared" if undeclared else ""
            return Fed(counted=refused is None, reason=reason)
        report = draft.source.report
        seen = self._desk.standing(_apps(report), report.channel, self._now, draft.source.allows).revisions
        sample = {app: self._threshold(app, report.channel) for app in sorted(seen)}
        return Reported(number=report.number, counted=draft.counted, sample=sample, left_out=dict(left_out))

    def _as_declared(self, placed: PlacedCall) -> PlacedCall:
        """A call without its variables where the app does not declare that they are captured (any more)."""
        app = placed.assignment.app
        if placed.call.variables is not None and app not in self._captures:
            found = self._writer.declarations(app)
            self._captures[app] = found is not None and found.declared.capture is Capture.VARIABLES
        if placed.call.variables is None or self._captures[app]:
            return placed
        return replace(placed, call=without_content(placed.call))

    def _add(self, place: tuple[Series, int], sums: Sums) -> None:
        known = self._sums.get(place)
        self._sums[place] = known.merged(sums) if known else sums

    def _threshold(self, app: str, channel: str) -> int:
        known = self._remembered.threshold(app, channel, self._now)
        if known is not None:
            return known
        keys = self._desk.keys_a_day(app, channel, self._now)
        return self._remembered.keep_threshold(app, channel, self._now, Sample.giving(keys).stable)


def _reporter(each: Document) -> tuple[str, str, str]:
    return each.token, each.report.client, each.report.channel


def _apps(report: OutcomeReport) -> set[str]:
    apps = {series.assignment.app for series, _ in report.sums}
    apps |= {unit.assignment.app for unit in report.bad_units}
    return apps | {unit.assignment.app for unit in report.sampled_units}


def by_assignment(sums: Mapping[tuple[Series, int], Sums]) -> Mapping[Assignment, Sums]:
    """Returns the sums of all series and minutes of each assignment."""
    total: dict[Assignment, Sums] = {}
    for (series, _), each in sums.items():
        known = total.get(series.assignment)
        total[series.assignment] = known.merged(each) if known else each
    return total

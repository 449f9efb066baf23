"""What calls led to, by their ids alone: which release, prompt and side it counts for, and whether it is believed."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from promptops.core.errors import Invalid, NotFound, PromptopsError, RegistryMismatch
from promptops.core.outcomes.admission import LeftOut, seal_of
from promptops.core.outcomes.call_id import CallId, prompt_digits, read_call_id
from promptops.core.outcomes.call_id import Standing as Seal
from promptops.core.outcomes.report import BadUnit, Feedback, SampledUnit, score_guardrail
from promptops.core.outcomes.series import Assignment, Series
from promptops.core.outcomes.sums import Sums

if TYPE_CHECKING:
    from promptops.store import Reader, Writer
    from promptops.store.queries.outcome_desk import OutcomeDesk

_MOST = 10_000  # releases whose prompts are kept
_NEWEST: Final = 20
"""Releases that are searched for the prompt of a call beside those that are live."""

Allows: TypeAlias = Callable[[str, str], bool]
"""Whether a caller reports for a channel and an app."""


def everywhere(channel: str, app: str) -> bool:
    """Allows everything: for a caller that has the database itself."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Led:
    """What one line of feedback adds: to the sums of a series in a minute, once for its ``mark``; and the unit of its
    call where a score is below what passes; ``scored`` has the unit of any score that can be, for samples.
    """

    mark: bytes
    series: Series
    minute: int
    sums: Sums
    bad_unit: BadUnit | None = None
    scored: SampledUnit | None = None
    undeclared: bool = False


class FeedbackDesk:
    """Reads feedback within one transaction."""

    def __init__(self, writer: Writer, desk: OutcomeDesk, prompts: Prompts, *, lineage: str, now: datetime) -> None:
        self._writer = writer
        self._desk = desk
        self._prompts = prompts
        self._digests: dict[tuple[str, str, int], tuple[str, ...]] = {}
        self._declared: dict[str, tuple[Collection[str], Mapping[str, float | None]]] = {}
        self._lineage = lineage
        self._now = now
        self.secret = bytes.fromhex(writer.report_secret(lineage))

    def read(self, entry: Feedback, allows: Allows, minute: int | None = None) -> Led | LeftOut:
        """Returns what feedback adds, in this minute or now; or why it does not count."""
        try:
            call = read_call_id(entry.call, lineage=self._lineage)
        except Invalid:
            return LeftOut.MALFORMED
        except RegistryMismatch:
            return LeftOut.FOREIGN
        place = call.assignment
        standing = self._desk.standing([place.app], place.channel, self._now, allows)
        if not standing.knows(place):
            return LeftOut.UNKNOWN
        at = standing.minute_of(standing.minute if minute is None else minute)
        if at is None:
            return LeftOut.OLD
        seal = seal_of(call, self.secret)
        if seal is Seal.FORGED:
            return LeftOut.FORGED
        prompt = self._prompt(call)
        if prompt is None:
            return LeftOut.UNKNOWN
        return self._led(entry, call, prompt, at, sealed=seal is Seal.SEALED)

    def _led(self, entry: Feedback, call: CallId, prompt: str, minute: int, *, sealed: bool) -> Led:
        place = call.assignment
        if place.app not in self._declared:
            self._declared[place.app] = declared(self._writer, place.app)
        outcomes, scores = self._declared[place.app]
        sums = entry.sums(outcomes, scores)
        below = any(score.below for score in sums.scores.values())
        can_be_bad = scores.get(entry.name) is not None and entry.score is not None
        unit = call.unit(self.secret) if sealed and can_be_bad else None
        bad, scored = None, None
        if unit is not None:
            could = (score_guardrail(entry.name),)
            scored = SampledUnit(assignment=place, unit=unit, minute=minute, could=could, bad=could if below else ())
            if below:
                bad = BadUnit(assignment=place, unit=unit, minute=minute, guardrails=could)
        return Led(
            mark=entry.once,
            series=Series(assignment=place, prompt=prompt),
            minute=minute,
            sums=sums,
            bad_unit=bad,
            scored=scored,
            undeclared=entry.name not in (scores if entry.score is not None else outcomes),
        )

    def _prompt(self, call: CallId) -> str | None:
        """The name of the prompt of a call, from the releases that it may have been of, the likeliest first."""
        place = call.assignment
        where = (place.app, place.channel, place.revision)
        if where not in self._digests:
            self._digests[where] = tuple(dict.fromkeys(self._releases_of(place)))
        for digest in self._digests[where]:
            if name := self._prompts.of(digest, self._writer).get(call.prompt):
                return name
        return None

    def _releases_of(self, place: Assignment) -> Iterator[str]:
        """The releases of the call's revision, those that are live, and the newest ones: a process may keep to any."""
        with suppress(NotFound):
            then = self._writer.deployment(place.app, place.channel, place.revision)
            yield from (release.digest for release in then.served())
        if (live := self._writer.live(place.app, place.channel)) is not None:
            yield from (release.digest for release in live.served())
        yield from (release.digest for release in self._writer.releases(place.app, limit=_NEWEST))


class Prompts:
    """The names of the prompts of releases, by their digits in call ids. A release never changes, so they are kept."""

    def __init__(self) -> None:
        self._known: dict[str, Mapping[str, str]] = {}

    def of(self, digest: str, reader: Reader) -> Mapping[str, str]:
        """Returns those of the release with this digest; none where it is not there."""
        known = self._known.get(digest)
        if known is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            names = [name for stored in reader.contents([digest]) for name in json.loads(stored.content)["prompts"]]
            known = self._known[digest] = {prompt_digits(name): name for name in names}
        return known


def refusal(entry: Feedback, left_out: LeftOut, lineage: str) -> PromptopsError | None:
    """Returns the error of feedback that came by itself on what is no call of this registry; None for other reasons."""
    if left_out in (LeftOut.MALFORMED, LeftOut.FOREIGN):
        try:
            read_call_id(entry.call, lineage=lineage)
        except (Invalid, RegistryMismatch) as error:
            return error
    return None


def declared(reader: Reader, app: str) -> tuple[Collection[str], Mapping[str, float | None]]:
    """Returns the outcomes that an app declares, and its scores with what passes."""
    version = reader.declarations(app)
    if version is None:
        return (), {}
    return version.declared.outcomes, {score.name: score.pass_at for score in version.declared.scores}

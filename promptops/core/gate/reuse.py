"""Which earlier answers stand for the cases that a run left out, because they were asked before.

The plan of a run marks such a case, and the run has no answer of it. So an answer is in one run alone: a pool counts it
once, and it is as old as its own run, however often later runs lean on it. Nothing is left to choose, for one suite and
one prompt at a time:

- a run leans on the run before it, of those that the policy counts and that put any of these cases (by their digests)
  to the same content as the same requests; whatever came of that one, and whether or not it was closed. That one may
  lean on the one before it in the same way;
- the run that is leaned on has all of these cases that were ever put. Else a run of a few that failed, asked until they
  pass, would be followed by one that leaves them out;
- a run leaves out all cases that have an answer in the one before it, or none. To ask those again that failed would be
  a second chance for them alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from promptops.core.evidence.case_table import Arm, Case, RowOutcome
from promptops.core.evidence.table_columns import Answer, Call
from promptops.core.floating_models import is_floating
from promptops.core.gate.given import GatePrompt
from promptops.core.gate.pools import Errors, Part, Universe, count_errors
from promptops.core.gate.records import Record
from promptops.core.gate.settings import EvidenceRule

_NONE: Mapping[int, Part] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The answers that stand for the cases of a run of the release: for each case the run that asked it."""

    parts: tuple[Part, ...]

    def answers(self, place: int) -> Sequence[Answer | None]:
        """Returns the answer of each repeat of a case; None for what is missing."""
        return self.parts[place].answers(Arm.CANDIDATE)[place]

    def calls(self, place: int) -> Sequence[Call | None]:
        """Returns what each repeat of a case took and cost; None for what is missing."""
        return self.parts[place].calls[place]

    @property
    def repeats(self) -> int:
        """How often the case was asked that was asked least often."""
        return min((len(self.answers(place)) for place in range(len(self.parts))), default=0)

    @property
    def errors(self) -> Errors:
        """What is wrong with these answers."""
        return count_errors(self.answers(place) for place in range(len(self.parts)))

    @property
    def under_way(self) -> Record | None:
        """A run that may still report one of these answers; the oldest."""
        found = {part.record.id: part.record for part in self.parts if part.record.under_way}
        return min(found.values(), key=lambda record: (record.at, record.id), default=None)


def standing(
    records: Iterable[Record],
    parts: Sequence[Part],
    universe: Universe,
    prompt: GatePrompt,
    own: Sequence[Record],
    rule: EvidenceRule,
    now: datetime,
) -> Standing | str:
    """Returns the answers that stand for the cases of the release's own runs, or why there are none for some.

    ``universe`` are the cases of a suite and a prompt as these runs have them: one run, or those of several days,
    oldest first. ``records`` are all runs that count, in the same order, and ``parts`` what they asked of these cases.
    """
    if not any(case.reused for case in universe.cases):
        mine = [part for part in parts if any(part.record is one for one in own)]
        asked = {place: part for part in mine for place in part.at}
        return Standing(parts=tuple(asked[place] for place in range(len(universe.cases))))
    if is_floating(prompt.model):
        return "it left out cases, and what their model stands for may have changed since"
    links = [link for link in _links(records, parts, universe, prompt) if _order(link.record) <= _order(own[-1])]
    found = _resolved(links, rule)
    if isinstance(found, str):
        return found
    old = next((part for part in found.values() if now - part.record.at > rule.max_age), None)
    if old is not None:
        return f"it left out cases, whose run is of {old.record.at:%Y-%m-%d}, older than the policy takes"
    return Standing(parts=tuple(found[place] for place in range(len(universe.cases))))


def reusable(
    records: Iterable[Record], parts: Sequence[Part], universe: Universe, prompt: GatePrompt, rule: EvidenceRule,
    at: datetime, repeats: int = 1,
) -> Mapping[int, Part]:  # fmt: skip
    """Returns the cases that a run leaves out which is opened at this time, each with the run that asked it."""
    links = list(_links(records, parts, universe, prompt))
    if not links or is_floating(prompt.model):
        return _NONE
    found = _resolved(links, rule)
    if isinstance(found, str) or not _whole(links):
        return _NONE
    return {place: part for place, part in found.items() if _answered(part, place, repeats, at, rule)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """A run that planned cases of the comparison as they are: their places in its plan, and what it asked of them."""

    record: Record
    prompt: str
    at: Mapping[int, int]
    part: Part | None

    def case(self, place: int) -> Case:
        return self.record.cases[self.at[place]]

    @property
    def leans(self) -> bool:
        return any(self.case(place).reused for place in self.at)


def _links(records: Iterable[Record], parts: Sequence[Part], universe: Universe, prompt: GatePrompt) -> Iterable[_Link]:
    asked = {part.record.id: part for part in parts}
    for record in records:
        part = asked.get(record.id)
        names = [one.prompt for one in record.candidate.prompts if one.digest == prompt.content]
        for name in [part.prompt] if part else sorted(names, key=lambda one: (one != prompt.name, one)):
            at = _planned(record, name, universe)
            if at:
                yield _Link(record=record, prompt=name, at=at, part=part)
                break


def _planned(record: Record, prompt: str, universe: Universe) -> dict[int, int]:
    """Returns the place in the run of each case that it planned as it is here; of several suites, that of this one.

    Held cases are left out: their digests do not say by which checks of the suite they are measured.
    """
    found: dict[int, int] = {}
    held = {name for name, suite in record.suites.items() if suite.held}
    for there, case in enumerate(record.cases):
        if (
            case.prompt == prompt
            and case.request
            and case.suite not in held
            and (place := universe.place(case)) is not None
        ):
            here = universe.cases[place]
            same = (case.digest, case.request) == (here.digest, here.request)
            if same and (place not in found or case.suite == here.suite):
                found[place] = there
    return found


def _resolved(links: Sequence[_Link], rule: EvidenceRule) -> dict[int, Part] | str:
    """Returns which run asked each case that the newest of these runs planned, or why one of them may not lean."""
    first = next((place for place in reversed(range(len(links))) if not links[place].leans), None)
    if first is None:
        return "it left out cases, and no earlier run that counts asked the same"
    found = {place: part for place in links[first].at if (part := links[first].part) is not None}
    for number in range(first + 1, len(links)):
        link = links[number]
        if not _whole(links[:number]):
            return "it left out cases, and the run before it asked only a part of them"
        leaned = _leaned(link, found, rule)
        if isinstance(leaned, str):
            return leaned
        found = leaned
    return found


def _whole(links: Sequence[_Link]) -> bool:
    """Returns whether the newest run has all cases that any of them has."""
    return all(link.at.keys() <= links[-1].at.keys() for link in links)


def _leaned(link: _Link, before: Mapping[int, Part], rule: EvidenceRule) -> dict[int, Part] | str:
    """Returns which run asked each case of a run that leans on the one before it."""
    record = link.record
    if record.content(Arm.LIVE, link.prompt) != record.content(Arm.CANDIDATE, link.prompt):
        return "it left out cases of a prompt that changed"
    found: dict[int, Part] = {}
    for place in link.at:
        case, part = link.case(place), before.get(place)
        if case.reused and part is None:
            return f"it left out the case {case.id[:40]}, and no earlier run that counts asked the same"
        if not case.reused:
            repeats = record.suites[case.suite].repeats
            if part is not None and case.unchanged and _answered(part, place, repeats, record.at, rule):
                return "it left out some cases and asked others again, of which an earlier run has the answers too"
            part = link.part
        assert part is not None
        found[place] = part
    return found


def _answered(part: Part, place: int, repeats: int, at: datetime, rule: EvidenceRule) -> bool:
    """Returns whether a run was closed by this time and has every answer to a case, whatever it says."""
    evidence, answers = part.record.evidence, part.answers(Arm.CANDIDATE).get(place, ())
    closed = evidence is not None and evidence.complete and evidence.at <= at
    answered = all(answer is not None and answer.outcome is not RowOutcome.ERROR for answer in answers)
    return closed and answered and len(answers) >= repeats and at - part.record.at <= rule.max_age


def _order(record: Record) -> tuple[datetime, str]:
    return record.at, record.id

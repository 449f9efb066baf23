"""Looks and tries: how often the runs of a content were looked at, and how many contents live has judged.

Every run is a look. Under ``days: 2`` a run asks the half of the cases that is due, and two runs are one look: of both
halves, on two days in UTC. Which half a case is in follows from its id and the content
(:func:`promptops.core.evidence.content.share_of`). A half that is asked again begins another look, whatever the first
one said, so a run that looks bad is spent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from promptops.core.advice import Sentence, option
from promptops.core.evidence.case_table import Arm
from promptops.core.evidence.content import share_of
from promptops.core.gate.given import GateInput, GatePrompt
from promptops.core.gate.own_runs import planned
from promptops.core.gate.pools import Part, Universe, parts_of, places_of
from promptops.core.gate.records import Record, Records
from promptops.core.gate.settings import TRIES_WITHIN, GateSettings
from promptops.core.gate.verdict import evaluate


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How many looks were spent, and the run of each share of the cases in the last one."""

    count: int
    days: int
    last: Mapping[int, Part]

    @property
    def runs(self) -> tuple[Part, ...]:
        """The runs of the last look, oldest first; a run of all cases is one."""
        return tuple({part.record.id: part for part in self.last.values()}.values())

    @property
    def lacking(self) -> tuple[int, ...]:
        """The shares that the last look still lacks; none before the first look."""
        return tuple(share for share in range(self.days) if share not in self.last) if self.count else ()

    @property
    def on(self) -> tuple[date, ...]:
        """The days in UTC on which the last look was taken."""
        return tuple(part.record.at.date() for part in self.runs)

    def due(self, today: date) -> int | None:
        """Returns the share that a run of today asks; None if this look goes on tomorrow."""
        if not self.lacking:
            return 0
        return None if today in self.on else self.lacking[0]


def looks_of(
    parts: Sequence[Part], universe: Universe, content: str, days: int = 1, within: timedelta = timedelta.max
) -> Looks:
    """Returns the looks that runs of a content spent, given oldest first.

    A run joins a look if it has one share of the cases alone, which the look lacks, is of another day than all of its
    runs, and not longer than ``within`` after the first of them.
    """
    count = 0
    last: dict[int, Part] = {}
    for part in parts:
        shares = {share_of(universe.cases[place].id, content, days) for place in part.at} if days > 1 else {0}
        look = Looks(count=count, days=days, last=last)
        joins = (
            len(shares) == 1
            and shares <= set(look.lacking)
            and part.record.at.date() not in look.on
            and part.record.at - look.runs[0].record.at <= within
        )
        if not joins:
            count, last = count + 1, {}
        of_all = len(shares) > 1
        last |= dict.fromkeys(range(days) if of_all else shares, part)
    return Looks(count=count, days=days, last=last)


def waiting(given: GateInput, settings: GateSettings, looks: Looks) -> tuple[str, Sentence] | None:
    """Returns why the last look says nothing yet, and what to do when; None if it has all its cases."""
    if not looks.lacking:
        return None
    asked = " and ".join(f"{day:%Y-%m-%d}" for day in looks.on)
    some = (
        "one half of its cases was" if looks.days == 2 else f"{len(looks.last)} of {looks.days} parts of its cases were"
    )
    reason = f"{some} asked, on {asked}, and the policy spreads them over {settings.days} days"
    after = looks.on[-1] + timedelta(days=1)
    when = "The rest is due: " if given.now.date() >= after else f"The rest is due from {after:%Y-%m-%d}, 00:00 UTC: "
    hint = Sentence(when, evaluate(given))
    if given.candidate.released:
        hint = Sentence(hint, " with ", option("rebase", "what asks only that"), ".")
    return reason, hint


def begun(
    given: GateInput, settings: GateSettings, records: Records, suite: str, prompt: GatePrompt, other: str | None = None
) -> tuple[str, Sentence] | None:
    """Returns what is due of a release of which a part of the cases was asked, and none of the others yet."""
    if settings.days == 1:
        return None
    universe = Universe(planned(records.own(given.candidate.digest), suite, prompt.name, other=other))
    parts = parts_of(records.counted, universe, suite, prompt, other)
    return waiting(given, settings, looks_of(parts, universe, prompt.content, settings.days, settings.evidence.max_age))


def tries(
    records: Iterable[Record], universe: Universe, suite: str, own: Sequence[Part], other: str, now: datetime
) -> tuple[int, int]:
    """Returns which content this one is of those judged against ``other`` on these cases in 30 days, and how many.

    ``own`` are the runs of the content itself.
    """
    first: dict[str, tuple[datetime, str]] = {}
    content = own[0].record.content(Arm.CANDIDATE, own[0].prompt)
    mine = [(part.record.at, part.record.id) for part in own if part.record.at > now - TRIES_WITHIN]
    if mine:
        first[content] = min(mine)
    for record in records:
        if record.at <= now - TRIES_WITHIN:
            continue
        for candidate in record.candidate.prompts:
            arm = record.arm_with(candidate.prompt, other)
            if arm is None or candidate.digest in (content, other) or candidate.digest in first:
                continue
            if places_of(record, universe, suite, candidate.prompt, arm):
                first[candidate.digest] = (record.at, record.id)
    ordered = sorted(first, key=lambda one: first[one])
    return (ordered.index(content) + 1 if content in first else len(ordered) + 1), len(ordered)

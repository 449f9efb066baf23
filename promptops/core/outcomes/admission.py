"""What of a report counts: rows of releases that the channel served, of apps that the caller reports for, in time.

The rest is left out and counted by its reason. It does not make the other rows of a report wait or vanish: a process
reports of several apps, and one of them may have been renamed or taken from its token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeVar

from promptops.core.errors import Invalid, RegistryMismatch
from promptops.core.outcomes.call_id import CallId, read_call_id
from promptops.core.outcomes.call_id import Standing as Seal
from promptops.core.outcomes.kept_call import KeptCall, PlacedCall
from promptops.core.outcomes.report import BadUnit, OutcomeReport, SampledUnit
from promptops.core.outcomes.report_key import SECRET_BYTES
from promptops.core.outcomes.series import Arm, Assignment, Series
from promptops.core.outcomes.sums import Sums
from promptops.core.timestamp import DAY

OLDEST: Final = 60 * DAY
"""Minutes after which a report counts for nothing: what is known of its number is forgotten then."""

MAX_SERIES: Final = 1_000
"""Series of an app on a channel in a day that stay apart. A process that reports more, by mistake or on purpose, fills
neither the database nor a screen: of the rest, model, tier and tags are left out, and twice as many are not kept.
"""

U = TypeVar("U", BadUnit, SampledUnit)


class LeftOut(StrEnum):
    """Why a part of a report does not count."""

    UNKNOWN = "unknown"
    """There is no such app on the channel, the caller does not report for it, or it never had that revision."""
    OLD = "old"
    """It is more than 60 days old."""
    SERIES = "series"
    """There are too many series of its app in a day."""
    CALLS = "calls"
    """More calls of an app in a day than are kept by themselves."""
    AGAIN = "again"
    """Feedback that was counted before."""
    FORGED = "forged"
    """Feedback on a call id, or a call, that no process with the secret made."""
    FOREIGN = "foreign"
    """Feedback on a call of another registry, or such a call."""
    MALFORMED = "malformed"
    """Feedback on what is not a call id, or a call that has none of this report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a registry knows when a report comes: its epoch, the minute, and by app the newest revision on the channel,
    of the apps that the caller reports for.
    """

    epoch: int
    minute: int
    revisions: Mapping[str, int]

    def knows(self, assignment: Assignment) -> bool:
        """Returns whether the registry may have served what a call was assigned to.

        Revisions of earlier epochs are believed: what they were is not known after a restore.
        """
        newest = self.revisions.get(assignment.app)
        if newest is None or assignment.epoch > self.epoch:
            return False
        if assignment.epoch == 0 or assignment.revision == 0:  # a fallback, before anything was heard of the registry
            return assignment.arm is Arm.FIXED and assignment.revision == 0
        return assignment.epoch < self.epoch or assignment.revision <= newest

    def minute_of(self, minute: int) -> int | None:
        """Returns the minute at which something counts, never after now; None for what is too old."""
        return None if minute < self.minute - OLDEST else min(minute, self.minute)


@dataclass(slots=True, kw_only=True)
class Admitted:
    """What counts of a report, and how much does not."""

    sums: dict[tuple[Series, int], Sums] = field(default_factory=dict)
    bad_units: tuple[BadUnit, ...] = ()
    sampled_units: tuple[SampledUnit, ...] = ()
    calls: tuple[PlacedCall, ...] = ()
    left_out: Counter[LeftOut] = field(default_factory=Counter)


def seal_of(call: CallId, secret: bytes) -> Seal:
    """Returns whether a process with the registry's secret made an id. Without a secret here, none was ever given to a
    client, so a seal is forged.
    """
    seal = call.standing(secret or bytes(SECRET_BYTES))
    return Seal.FORGED if seal is Seal.SEALED and not secret else seal


def place_call(call: KeptCall, *, channel: str, lineage: str, secret: bytes) -> PlacedCall | LeftOut:
    """Returns a kept call that came for a channel with what its id says, or why it is not kept.

    Its unit is known if the id has the seal of the secret; without a seal the call is kept without one, and without its
    variables, which could not be erased by their key.
    """
    try:
        found = read_call_id(call.call, lineage=lineage)
    except Invalid:
        return LeftOut.MALFORMED
    except RegistryMismatch:
        return LeftOut.FOREIGN
    if found.assignment.channel != channel or not found.is_of(call.prompt):
        return LeftOut.MALFORMED
    seal = seal_of(found, secret)
    if seal is Seal.FORGED:
        return LeftOut.FORGED
    if seal is not Seal.SEALED:
        return PlacedCall(call=without_content(call), assignment=found.assignment)
    unit = found.unit(secret)
    return PlacedCall(call=call, assignment=found.assignment, unit=unit.id if unit else "")


def without_content(call: KeptCall) -> KeptCall:
    """Returns a kept call without what was captured of it."""
    return call if call.variables is None else replace(call, api="", rendered="", variables=None)


def admit(report: OutcomeReport, standing: Standing, calls: Iterable[PlacedCall | LeftOut] = ()) -> Admitted:
    """Returns what of a report counts; ``calls`` are those that it keeps by themselves, with their places."""
    found = Admitted()
    found.calls = tuple(_calls(calls, standing, found.left_out))
    for (series, minute), sums in report.sums.items():
        if (at := _minute(series.assignment, minute, standing, found.left_out)) is not None:
            before = found.sums.get((series, at))
            found.sums[series, at] = before.merged(sums) if before else sums
    found.bad_units = tuple(_units(report.bad_units, standing, found.left_out))
    found.sampled_units = tuple(_units(report.sampled_units, standing, found.left_out))
    return found


def _calls(
    calls: Iterable[PlacedCall | LeftOut], standing: Standing, left_out: Counter[LeftOut]
) -> Iterator[PlacedCall]:
    for call in calls:
        if isinstance(call, LeftOut):
            left_out[call] += 1
        elif _minute(call.assignment, call.call.at // 60, standing, left_out) is not None:
            yield call


def folded_series(series: Series) -> Series:
    """Returns the series that counts where a day has too many."""
    return replace(series, model="other", tier=None, tags=())


def _units(units: Iterable[U], standing: Standing, left_out: Counter[LeftOut]) -> Iterator[U]:
    for unit in units:
        if (at := _minute(unit.assignment, unit.minute, standing, left_out)) is not None:
            yield unit if at == unit.minute else replace(unit, minute=at)


def _minute(assignment: Assignment, minute: int, standing: Standing, left_out: Counter[LeftOut]) -> int | None:
    if not standing.knows(assignment):
        left_out[LeftOut.UNKNOWN] += 1
        return None
    if (at := standing.minute_of(minute)) is None:
        left_out[LeftOut.OLD] += 1
    return at

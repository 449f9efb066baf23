"""Where one transaction takes reports: what the registry knows of them, what was counted before, and what is added."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, select

from promptops.core.model import Deployment
from promptops.core.outcomes.admission import Standing
from promptops.core.outcomes.counted_numbers import CountedNumbers
from promptops.core.outcomes.kept_call import PlacedCall
from promptops.core.outcomes.report import BadUnit, SampledUnit
from promptops.core.outcomes.series import Series
from promptops.core.outcomes.sums import Sums
from promptops.core.timestamp import DAY, minute_of
from promptops.store.queries import erasures, kept_calls, outcome_once, outcome_units, outcomes, rollouts
from promptops.store.queries.outcome_once import Reporter
from promptops.store.queries.rollouts import StoredState
from promptops.store.schema import tables

_PRUNE_ONCE_IN: Final = 50
"""Transactions between two deletions of what is over, on average: there is no hurry."""
_AT_ONCE = 500
_head = tables.head
_REVISIONS = select(_head.c.app, _head.c.revision).where(
    _head.c.channel == bindparam("channel"), _head.c.revision > 0, _head.c.app.in_(bindparam("apps", expanding=True))
)


class OutcomeDesk:
    """Takes reports within one transaction, which :meth:`lock` makes the only one that does."""

    def __init__(self, connection: Connection, epoch: int) -> None:
        self._connection = connection
        self.epoch = epoch
        self._revisions: dict[tuple[str, str], int] = {}

    def lock(self) -> None:
        """Waits until no other transaction takes reports; none does from here to the end of this one."""
        outcomes.lock(self._connection)

    def standing(
        self, apps: Collection[str], channel: str, now: datetime, allows: Callable[[str, str], bool]
    ) -> Standing:
        """What is known of these apps on a channel, as far as a caller is allowed to report for the channel and app."""
        allowed = [app for app in apps if allows(channel, app)]
        unknown = sorted({app for app in allowed if (channel, app) not in self._revisions})
        for start in range(0, len(unknown), _AT_ONCE):
            some = unknown[start : start + _AT_ONCE]
            self._revisions |= {(channel, app): 0 for app in some}
            for row in self._connection.execute(_REVISIONS, {"channel": channel, "apps": some}):
                self._revisions[channel, row.app] = row.revision
        revisions = {app: self._revisions[channel, app] for app in allowed if self._revisions[channel, app]}
        return Standing(epoch=self.epoch, minute=minute_of(now), revisions=revisions)

    # --- counted once ---

    def numbers_of(self, reporters: Collection[Reporter]) -> dict[Reporter, CountedNumbers]:
        """Which documents of these clients were counted; a client that is not known is left out."""
        return outcome_once.numbers_of(self._connection, reporters)

    def put_numbers(self, numbers: Mapping[Reporter, CountedNumbers], now: datetime) -> None:
        """Remember for 60 days which documents of these clients were counted."""
        outcome_once.put_numbers(self._connection, numbers, _day(now))

    def new_marks(self, marks: Collection[bytes], now: datetime) -> frozenset[bytes]:
        """Remember these marks of 8 bytes for 60 days; answers those that were not known."""
        return outcome_once.new_marks(self._connection, marks, _day(now))

    # --- added ---

    def add_sums(self, sums: Mapping[tuple[Series, int], Sums]) -> int:
        """Add what series did in minutes; answers how many rows were left out, since a day has too many series."""
        return outcomes.add_sums(self._connection, sums)

    def add_units(self, bad: Sequence[BadUnit], sampled: Sequence[SampledUnit]) -> None:
        """Add the units that were bad, and those of samples."""
        outcome_units.add_bad_units(self._connection, bad)
        outcome_units.add_sampled_units(self._connection, sampled)

    def add_calls(self, calls: Sequence[PlacedCall], now: datetime) -> int:
        """Keep calls by themselves; answers how many were left out, since a day has too many."""
        if not calls:
            return 0
        return kept_calls.add_calls(self._connection, erasures.without_erased(self._connection, calls), minute_of(now))

    # --- canaries ---

    def running(self, channel: str, apps: Collection[str]) -> tuple[Deployment, ...]:
        """What is live of those of these apps that have a canary there whose steps the policy takes."""
        return rollouts.running_of(self._connection, channel, apps)

    def begin_rollout(self, app: str, channel: str, rollout: str, now: datetime) -> None:
        """Keep that a canary began and that nothing was counted yet. It needs no lock: no report is of it before."""
        rollouts.put_state(self._connection, app, channel, rollout, "", now)

    def rollout_state(self, app: str, channel: str, rollout: str) -> StoredState | None:
        """What is known of a canary's keys; None where it is lost."""
        return rollouts.find_state(self._connection, app, channel, rollout)

    def keep_rollout_state(self, app: str, channel: str, rollout: str, state: str, at: datetime | None = None) -> None:
        """Keep what is known of a canary's keys, and ``at`` that it was looked at."""
        rollouts.put_state(self._connection, app, channel, rollout, state, at)

    def counted_units(self, app: str, channel: str, rollout: str, units: Collection[str]) -> dict[str, dict[str, str]]:
        """As what a canary counted these units, by coin; those that it did not are left out."""
        return rollouts.find_counted(self._connection, app, channel, rollout, units)

    def put_counted_units(self, app: str, channel: str, rollout: str, counted: Mapping[str, Mapping[str, str]]) -> None:
        """Keep as what a canary counted these units."""
        rollouts.put_counted(self._connection, app, channel, rollout, counted)

    # --- erased ---

    def next_erasure(self) -> int:
        """The number of the next erasure."""
        return erasures.next_number(self._connection)

    def capturing_apps(self) -> tuple[str, ...]:
        """The apps that ever declared that variables are captured."""
        return erasures.capturing_apps(self._connection)

    def erase(self, *, call: str = "", units: Collection[str] = ()) -> int:
        """Removes what was captured of a call, or of all calls of these units; answers of how many calls."""
        return erasures.erase(self._connection, call=call, units=units)

    def keys_a_day(self, app: str, channel: str, now: datetime) -> int:
        """About how many keys an app has on a channel in a day."""
        return outcome_units.keys_a_day(self._connection, app, channel, _day(now))

    def prune(self, now: datetime, *, chance: float = 1 / _PRUNE_ONCE_IN) -> None:
        """Now and then, delete what is over, and what was erased where an earlier state of the database came back."""
        if random.random() < chance:  # noqa: S311 it only spreads the work
            outcomes.prune_sums(self._connection, minute_of(now))
            outcome_units.prune_units(self._connection, minute_of(now))
            outcome_once.prune_once(self._connection, _day(now))
            kept_calls.prune_calls(self._connection, minute_of(now))
            rollouts.prune_rollouts(self._connection, now)
            erasures.erase_again(self._connection, now, kept_calls.KEPT_DAYS)


def _day(at: datetime) -> int:
    return minute_of(at) // DAY

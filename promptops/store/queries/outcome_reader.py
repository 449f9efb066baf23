"""What clients reported, as a part of what one transaction sees of a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from promptops.core.timestamp import DAY, minute_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import datetime

    from promptops.core.outcomes.erasure import Erasure
    from promptops.core.outcomes.kept_call import Kept, PlacedCall
    from promptops.core.outcomes.outcome_row import OutcomeRow
    from promptops.core.outcomes.series import Assignment


class OutcomeReader:
    """Reads measurements, and the secret that they are reported with."""

    _connection: Connection

    def report_secret(self, lineage: str) -> str:
        """The secret of reporting clients in hex, empty before it was made."""
        from promptops.store.queries.report_keys import find_secret

        return find_secret(self._connection, lineage)

    def outcome_rows(
        self,
        app: str,
        *,
        since: datetime,
        until: datetime | None = None,
        channel: str = "",
        now: datetime,
        widest: int = 1440,
    ) -> Iterator[OutcomeRow]:
        """What the calls of an app did in a time, in order; until now without an end.

        Each call is in one row. Rows of minutes are kept for 2 days, of hours for 60 and of days for 400, and a row
        that is not whole within the time is left out: so the time begins with its first whole row. No row is of more
        than ``widest`` minutes.
        """
        from promptops.store.queries.outcomes import read_sums

        begin = -int(-since.timestamp() // 60)
        end = None if until is None else minute_of(until)
        return read_sums(self._connection, app, channel, since=begin, until=end, now=minute_of(now), widest=widest)

    def has_outcomes(self) -> bool:
        """Whether any call was ever counted: most registries count none, and then import no more."""
        from promptops.store.schema.tables import outcome

        return self._connection.execute(select(outcome.c.app).limit(1)).first() is not None

    def outcome_days(
        self, apps: Collection[str], channels: Collection[str], *, since: datetime
    ) -> Iterator[OutcomeRow]:
        """What the calls of these apps did on these channels since a day began, by app, each row of a day; its sums
        have counts alone.
        """
        from promptops.store.queries.outcomes import read_days

        return read_days(self._connection, apps, channels, minute_of(since))

    def is_reported(self, app: str, channel: str, *, since: datetime) -> bool:
        """Whether calls of an app were reported on a channel on the day of that time, or later."""
        from promptops.core.timestamp import minute_of
        from promptops.store.queries.outcomes import is_reported

        return is_reported(self._connection, app, channel, minute_of(since))

    def outcome_keys(
        self, app: str, *, since: datetime, until: datetime | None = None, channel: str = ""
    ) -> Mapping[Assignment, int]:
        """About how many keys each assignment of an app had in these days, from its sample; of 30 days at most."""
        from promptops.store.queries.outcome_units import keys_of

        last = None if until is None else minute_of(until) // DAY
        return keys_of(self._connection, app, channel, minute_of(since) // DAY, last)

    def keys_a_day(self, app: str, channel: str, now: datetime) -> int:
        """About how many keys an app has on a channel in a day, from its sample; 0 where nothing was sampled."""
        from promptops.store.queries.outcome_units import keys_a_day

        return keys_a_day(self._connection, app, channel, minute_of(now) // DAY)

    def count_of_day(self, app: str, channel: str, day: int) -> int:
        """About how many keys an app had on a channel on a day, counted in days since 1970."""
        from promptops.store.queries.outcome_units import count_of_day

        return count_of_day(self._connection, app, channel, day)

    def keys_of_day(
        self, app: str, channel: str, day: int, *, most: int
    ) -> Iterator[tuple[Assignment, str, frozenset[str], frozenset[str]]]:
        """Keys of a day's sample, the smallest ids first and at most so many: the assignment, the id, and the
        guardrails at which it could be bad, and was. A key that two assignments had is there twice.
        """
        from promptops.store.queries.outcome_units import keys_of_day

        return keys_of_day(self._connection, app, channel, day, most)

    def rate_of_day(self, app: str, channel: str, day: int, guardrail: str, *, most: int) -> tuple[int, int, int]:
        """About how many keys an app had on a day, and of so many of them at most, how many of the stable side could be
        bad at a guardrail, and were.
        """
        from promptops.store.queries.outcome_units import rate_of_day

        return rate_of_day(self._connection, app, channel, day, guardrail, most)

    def days_bad(self, place: Assignment, guardrail: str, *, since: datetime) -> frozenset[tuple[int, str]]:
        """Days since then with units of an assignment that were bad at a guardrail, as far as they are kept."""
        from promptops.store.queries.outcome_units import days_bad

        return days_bad(self._connection, place, guardrail, minute_of(since))

    def counted_feedback(self, marks: Collection[bytes]) -> frozenset[bytes]:
        """Those of these marks of feedback, of 8 bytes, that were counted in the last 60 days."""
        from promptops.store.queries.outcome_once import known_marks

        return known_marks(self._connection, marks)

    def erasure(self, number: int) -> Erasure:
        """The erasure of this number, of which there is one.

        Raises:
            RegistryDamaged: no row has it.
        """
        from promptops.store.queries.erasures import find_erasure

        return find_erasure(self._connection, number)

    def kept_calls(self, name: str) -> tuple[PlacedCall, ...]:
        """The calls that are kept with this id, or of the trace or the provider's answer with it, the oldest first.

        Raises:
            RegistryDamaged: a row is not what was written.
        """
        from promptops.store.queries.kept_calls import find_calls

        return find_calls(self._connection, name)

    def captured_calls(
        self, app: str, channel: str, *, until: datetime, wanted: Callable[[str, Kept], bool]
    ) -> Iterator[PlacedCall]:
        """The calls of an app on a channel whose variables are kept and that came until then, the newest first; those
        that are ``wanted``, by their id and why they are kept.

        Raises:
            RegistryDamaged: a row is not what was written.
        """
        from promptops.store.queries.kept_calls import newest_calls

        return newest_calls(self._connection, app, channel, minute_of(until), wanted)

"""Sums of what calls did: added to the rows of their minute, hour and day, read again by day and hour, and deleted.

A transaction that adds holds one lock, so that two servers never add to one row at once. On PostgreSQL it is a lock of
no row, so nothing but another report waits for it; SQLite has one writer anyway.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Final

from sqlalchemy import Connection, and_, bindparam, delete, false, func, or_, select, text, tuple_

from promptops.core.outcomes.admission import MAX_SERIES, folded_series
from promptops.core.outcomes.outcome_row import OutcomeRow
from promptops.core.outcomes.series import Series
from promptops.core.outcomes.sums import Sums
from promptops.store.queries.outcome_rows import (
    DAY,
    HOUR,
    MINUTE,
    SPANS,
    Key,
    counts_of,
    key_of,
    series_of,
    sums_of,
    values_of,
)
from promptops.store.schema import tables
from promptops.store.schema.rows import Values

KEPT: Final = {MINUTE: 2 * DAY, HOUR: 60 * DAY, DAY: 400 * DAY}
"""Minutes that a row of each span is kept: the finer it is, the shorter."""

_AT_ONCE = 100  # keys of five values in a query: below the limits of SQLite
_row = tables.outcome
_KEY = tuple_(_row.c.app, _row.c.channel, _row.c.span, _row.c.start, _row.c.series)
_KEYS = _KEY.in_(bindparam("keys", expanding=True))
_KNOWN = select(_row.c.app, _row.c.channel, _row.c.span, _row.c.start, _row.c.series).where(_KEYS)
_FIND = _KNOWN.add_columns(_row.c.sums)
_COUNT = (
    select(func.count())
    .select_from(_row)
    .where(
        _row.c.app == bindparam("app"),
        _row.c.channel == bindparam("channel"),
        _row.c.span == DAY,
        _row.c.start == bindparam("start"),
    )
)
_ANY = select(
    select(_row.c.start)
    .where(
        _row.c.app == bindparam("app"),
        _row.c.channel == bindparam("channel"),
        _row.c.span == DAY,
        _row.c.start >= bindparam("since"),
    )
    .exists()
)
_PUT = text(
    "INSERT INTO outcome (app, channel, span, start, series, epoch, revision, arm, prompt, model, tier, tags, sums)"
    " VALUES (:app, :channel, :span, :start, :series, :epoch, :revision, :arm, :prompt, :model, :tier, :tags, :sums)"
    " ON CONFLICT (app, channel, span, start, series) DO UPDATE SET sums = excluded.sums"
)
_LOCK = text("SELECT pg_advisory_xact_lock('outcome'::regclass::oid::bigint)")
_PRUNE = {span: delete(_row).where(_row.c.span == span, _row.c.start < bindparam("before")) for span in SPANS}


def lock(connection: Connection) -> None:
    """Makes this the only transaction that adds reports, until its end. On SQLite it is that already."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK)


# --- adding ----------------------------------------------------------------------------------------


def add_sums(connection: Connection, sums: Mapping[tuple[Series, int], Sums]) -> int:
    """Adds the sums of series in minutes, and returns how many rows were left out because a day has too many series."""
    kept, left_out = _within_limits(connection, sums)
    wanted: dict[Key, tuple[Series, Sums]] = {}
    for (series, minute), added in kept.items():
        for span in SPANS:
            key = key_of(series, minute, span)
            before = wanted.get(key)
            wanted[key] = (series, before[1].merged(added) if before else added)
    rows: list[Values] = []
    for batch in _batches(sorted(wanted)):
        there = {tuple(row[:5]): row.sums for row in connection.execute(_FIND, {"keys": batch})}
        for key in batch:
            series, added = wanted[key]
            total = sums_of(there[key]).merged(added) if key in there else added
            rows.append(values_of(key, series, total))
    if rows:
        connection.execute(_PUT, rows)
    return left_out


def _within_limits(
    connection: Connection, sums: Mapping[tuple[Series, int], Sums]
) -> tuple[Mapping[tuple[Series, int], Sums], int]:
    """The sums with series folded where a day has too many, and how many rows have no room even so."""
    days = {key_of(series, minute, DAY): series for series, minute in sums}
    known: set[Key] = set()
    for batch in _batches(sorted(days)):
        known |= {(row[0], row[1], row[2], row[3], row[4]) for row in connection.execute(_KNOWN, {"keys": batch})}
    if len(days) == len(known):
        return sums, 0
    room = _Room(connection, known)
    kept: dict[tuple[Series, int], Sums] = {}
    left_out = 0
    for (series, minute), added in sums.items():
        place = room.place(series, minute)
        if place is None:
            left_out += 1
            continue
        before = kept.get((place, minute))
        kept[place, minute] = before.merged(added) if before else added
    return kept, left_out


class _Room:
    """How many series each app has on a channel in a day, and so which new ones there is room for."""

    def __init__(self, connection: Connection, known: set[Key]) -> None:
        self._connection = connection
        self._known = known
        self._counts: dict[tuple[str, str, int], int] = {}

    def place(self, series: Series, minute: int) -> Series | None:
        """The series that counts for this one, or none."""
        for each, most in ((series, MAX_SERIES), (folded_series(series), 2 * MAX_SERIES)):
            key = key_of(each, minute, DAY)
            if key in self._known:
                return each
            app, channel, _, start, _ = key
            if self._count(app, channel, start) < most:
                self._known.add(key)
                self._counts[app, channel, start] += 1
                return each
        return None

    def _count(self, app: str, channel: str, start: int) -> int:
        place = (app, channel, start)
        if place not in self._counts:
            where = {"app": app, "channel": channel, "start": start}
            self._counts[place] = self._connection.execute(_COUNT, where).scalar_one()
        return self._counts[place]


def _batches(keys: list[Key]) -> Iterator[list[Key]]:
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))


# --- reading ---------------------------------------------------------------------------------------


def is_reported(connection: Connection, app: str, channel: str, since: int) -> bool:
    """Whether calls of an app were reported on a channel on the day of this minute, or later."""
    where = {"app": app, "channel": channel, "since": since // DAY * DAY}
    return bool(connection.execute(_ANY, where).scalar_one())


def read_sums(
    connection: Connection,
    app: str,
    channel: str = "",
    *,
    since: int,
    until: int | None,
    now: int,
    widest: int = DAY,
) -> Iterator[OutcomeRow]:
    """Yields what the calls of an app did from the minute ``since`` until before the minute ``until``, or until now.

    Each call is in one row: of a day where that is within the time as a whole, of an hour or a minute at the edges, as
    far as there are such at the minute ``now``. A row that is not whole within the time is left out. No row is wider
    than ``widest``, of which there have to be rows since then.
    """
    ranges = cover(since, until, now, widest)
    parts = [and_(_row.c.span == span, _row.c.start.between(low, high)) for span, low, high in ranges]
    found = select(_row).where(_row.c.app == app, or_(false(), *parts))
    if channel:
        found = found.where(_row.c.channel == channel)
    for row in connection.execute(found.order_by(_row.c.start, _row.c.channel, _row.c.series)):
        yield OutcomeRow(series=series_of(row), minute=row.start, width=row.span, sums=sums_of(row.sums))


def read_days(
    connection: Connection, apps: Collection[str], channels: Collection[str], since: int
) -> Iterator[OutcomeRow]:
    """Yields the rows of days of these apps on these channels from the minute ``since`` on, with their counts alone."""
    found = select(_row).where(  # both as lists, so that each pair is a seek in the primary key
        _row.c.app.in_(apps), _row.c.channel.in_(channels), _row.c.span == DAY, _row.c.start >= since
    )
    for row in connection.execute(found.order_by(_row.c.app, _row.c.channel, _row.c.start, _row.c.series)):
        yield OutcomeRow(series=series_of(row), minute=row.start, width=row.span, sums=counts_of(row.sums))


def cover(since: int, until: int | None, now: int, widest: int = DAY) -> Iterator[tuple[int, int, int]]:
    """Yields which rows have a time once: those of a span from the first start to the last."""
    begin, end = _up(since, _finest(since, now)), _up(now + 1, DAY)
    if until is not None:
        end = until - until % _finest(until - 1, now)
    end = max(begin, end)
    for span, wider in pairwise(span for span in SPANS if span <= widest):
        first = min(_up(begin, wider), end)
        last = max(end - end % wider, first)
        if first > begin:
            yield span, begin, first - span
        if end > last:
            yield span, last, end - span
        begin, end = first, last
    if end > begin:
        yield widest, begin, end - widest


def _finest(minute: int, now: int) -> int:
    """The finest span of which the row that begins at a minute is still there."""
    return next((span for span in SPANS if minute >= now - KEPT[span]), DAY)


def _up(minute: int, span: int) -> int:
    return -(-minute // span) * span


def prune_sums(connection: Connection, minute: int) -> None:
    """Deletes the rows that are over at this minute."""
    for span, statement in _PRUNE.items():
        connection.execute(statement, {"before": minute - KEPT[span]})

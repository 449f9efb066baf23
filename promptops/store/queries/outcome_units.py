"""Units that clients report: those that were bad, and those of the samples, each in a row that later reports add to."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    case,
    delete,
    distinct,
    func,
    select,
    text,
)

from promptops.core.outcomes.report import BadUnit, SampledUnit
from promptops.core.outcomes.series import Arm, Assignment
from promptops.core.timestamp import DAY
from promptops.store.schema import tables

KEPT: Final = 30 * DAY
"""Minutes that a unit is kept after it was last reported: longer than any canary."""
MOST_MINUTES: Final = 3
"""Minutes of a bad unit that are kept: it was bad once, twice, or again and again."""

_AT_ONCE = 500
_ENOUGH = 1_024  # units of which a sketch is taken; fewer are counted
_bad, _sample = tables.bad_unit, tables.sample_unit
_UNITS: BindParameter[list[str]] = bindparam("units", expanding=True)
_FIND_BAD = select(_bad.c.unit, _bad.c.minutes, _bad.c.minute).where(
    *(_bad.c[name] == bindparam(name) for name in ("app", "channel", "epoch", "revision", "arm", "guardrail")),
    _bad.c.unit.in_(_UNITS),
)
_FIND_SAMPLED = select(_sample).where(
    *(_sample.c[name] == bindparam(name) for name in ("app", "channel", "day", "epoch", "revision", "arm")),
    _sample.c.unit.in_(_UNITS),
)
_PUT_BAD = text(
    "INSERT INTO bad_unit (app, channel, epoch, revision, arm, guardrail, unit, bucket, minutes, minute)"
    " VALUES (:app, :channel, :epoch, :revision, :arm, :guardrail, :unit, :bucket, :minutes, :minute)"
    " ON CONFLICT (app, channel, epoch, revision, arm, guardrail, unit)"
    " DO UPDATE SET minutes = excluded.minutes, minute = excluded.minute"
)
_PUT_SAMPLED = text(
    "INSERT INTO sample_unit (app, channel, day, unit, epoch, revision, arm, bucket, minute, could, bad)"
    " VALUES (:app, :channel, :day, :unit, :epoch, :revision, :arm, :bucket, :minute, :could, :bad)"
    " ON CONFLICT (app, channel, day, unit, epoch, revision, arm)"
    " DO UPDATE SET minute = excluded.minute, could = excluded.could, bad = excluded.bad"
)
_SMALLEST = (
    select(_sample.c.unit)
    .distinct()
    .where(
        _sample.c.app == bindparam("app"), _sample.c.channel == bindparam("channel"), _sample.c.day == bindparam("day")
    )
    .order_by(_sample.c.unit)
    .limit(_ENOUGH)
)
_OF_DAY = (
    select(*(_sample.c[name] for name in ("unit", "epoch", "revision", "arm", "could", "bad")))
    .where(
        _sample.c.app == bindparam("app"),
        _sample.c.channel == bindparam("channel"),
        _sample.c.day == bindparam("day"),
        _sample.c.arm.in_([Arm.STABLE.value, Arm.CANARY.value]),
    )
    .order_by(_sample.c.unit)
    .limit(bindparam("most"))
)


def names_in(column: ColumnElement[str], named: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a list of JSON has a name, as JSON. LIKE would take upper case for lower on SQLite, and `_` for any."""
    return func.replace(column, named, "") != column


_AMONG = _OF_DAY.subquery()
_NAMED: BindParameter[str] = bindparam("named", type_=Text())
_IN_ALL = and_(_AMONG.c.arm == Arm.STABLE.value, names_in(_AMONG.c.could, _NAMED))
_RATE = select(
    func.count(distinct(_AMONG.c.unit)).label("units"),
    func.max(_AMONG.c.unit).label("top"),
    func.sum(case((_IN_ALL, 1), else_=0)).label("able"),
    func.sum(case((and_(_IN_ALL, names_in(_AMONG.c.bad, _NAMED)), 1), else_=0)).label("were_bad"),
)
_DAYS_BAD = select(_bad.c.unit, _bad.c.minutes, _bad.c.minute).where(
    *(_bad.c[name] == bindparam(name) for name in ("app", "channel", "epoch", "revision", "arm", "guardrail")),
    _bad.c.minute >= bindparam("since"),
)


def add_bad_units(connection: Connection, units: Iterable[BadUnit]) -> None:
    """Adds units that were bad: of each guardrail the first minutes, and the last one."""
    groups: dict[tuple[Assignment, str], dict[str, list[BadUnit]]] = defaultdict(lambda: defaultdict(list))
    for entry in units:
        for guardrail in entry.guardrails:
            groups[entry.assignment, guardrail][entry.unit.id].append(entry)
    for (assignment, guardrail), by_unit in sorted(
        groups.items(), key=lambda group: (group[0][0].order(), group[0][1])
    ):
        place = {**_place(assignment), "guardrail": guardrail}
        for names in _batches(by_unit):
            there = {row.unit: row for row in connection.execute(_FIND_BAD, {**place, "units": names})}
            rows = []
            for name in names:
                known = there.get(name)
                minutes = {entry.minute for entry in by_unit[name]} | set(json.loads(known.minutes) if known else ())
                last = max(*minutes, known.minute if known else 0)
                first = sorted(minutes)[:MOST_MINUTES]
                unit = by_unit[name][0].unit
                rows.append(
                    {**place, "unit": name, "bucket": unit.bucket, "minutes": json.dumps(first), "minute": last}
                )
            connection.execute(_PUT_BAD, rows)


def add_sampled_units(connection: Connection, units: Iterable[SampledUnit]) -> None:
    """Adds units of samples: of each day the first minute, and all guardrails of the day."""
    groups: dict[tuple[Assignment, int], dict[str, list[SampledUnit]]] = defaultdict(lambda: defaultdict(list))
    for entry in units:
        groups[entry.assignment, entry.minute // DAY][entry.unit.id].append(entry)
    for (assignment, day), by_unit in sorted(groups.items(), key=lambda group: (group[0][0].order(), group[0][1])):
        place = {**_place(assignment), "day": day}
        for names in _batches(by_unit):
            there = {row.unit: row for row in connection.execute(_FIND_SAMPLED, {**place, "units": names})}
            rows = []
            for name in names:
                known, entries = there.get(name), by_unit[name]
                minute = min([entry.minute for entry in entries] + ([known.minute] if known else []))
                could = {each for entry in entries for each in entry.could}
                bad = {each for entry in entries for each in entry.bad}
                if known:
                    could |= set(json.loads(known.could))
                    bad |= set(json.loads(known.bad))
                unit = {"unit": name, "bucket": entries[0].unit.bucket, "minute": minute}
                rows.append({**place, **unit, "could": json.dumps(sorted(could)), "bad": json.dumps(sorted(bad))})
            connection.execute(_PUT_SAMPLED, rows)


def keys_a_day(connection: Connection, app: str, channel: str, day: int) -> int:
    """Returns about how many keys an app has on a channel in a day, from the busier one of this day and the day before.

    A sample takes the units whose ids are smallest, and ids are spread evenly. So the 1,024 smallest say how many there
    are, within 6 % in 19 of 20 times, whatever the threshold was. Fewer than that are counted: then all were taken.
    """
    return max(count_of_day(connection, app, channel, each) for each in (day - 1, day))


def keys_of(connection: Connection, app: str, channel: str, since: int, until: int | None) -> Mapping[Assignment, int]:
    """Returns about how many keys each assignment of an app had, from its sample in these days."""
    days = [_sample.c.day >= since] + ([] if until is None else [_sample.c.day <= until])
    columns = [_sample.c[name] for name in ("channel", "epoch", "revision", "arm")]
    found = (
        select(*columns, func.count(distinct(_sample.c.unit)).label("units"), func.max(_sample.c.unit).label("top"))
        .where(_sample.c.app == app, *days, *([_sample.c.channel == channel] if channel else []))
        .group_by(*columns)
    )
    return {
        Assignment(app=app, channel=row.channel, epoch=row.epoch, revision=row.revision, arm=Arm(row.arm)): estimate(
            row.units, row.top
        )
        for row in connection.execute(found)
    }


def count_of_day(connection: Connection, app: str, channel: str, day: int) -> int:
    """Returns about how many keys an app had on a channel on a day."""
    units = [row[0] for row in connection.execute(_SMALLEST, {"app": app, "channel": channel, "day": day})]
    return estimate(len(units), units[-1] if units else "")


def keys_of_day(
    connection: Connection, app: str, channel: str, day: int, most: int
) -> Iterator[tuple[Assignment, str, frozenset[str], frozenset[str]]]:
    """Yields keys of the sample of a day that took part in comparisons, the smallest ids first: the assignment, the id,
    and the guardrails at which it could be bad, and was. A key that two assignments had is there twice.
    """
    texts: dict[str, frozenset[str]] = {}  # few are different
    places: dict[tuple[int, int, str], Assignment] = {}
    for row in connection.execute(_OF_DAY, {"app": app, "channel": channel, "day": day, "most": most}):
        place = (row.epoch, row.revision, row.arm)
        if place not in places:
            places[place] = Assignment(
                app=app, channel=channel, epoch=row.epoch, revision=row.revision, arm=Arm(row.arm)
            )
        for names in (row.could, row.bad):
            if names not in texts:
                texts[names] = frozenset(json.loads(names))
        yield places[place], row.unit, texts[row.could], texts[row.bad]


def rate_of_day(
    connection: Connection, app: str, channel: str, day: int, guardrail: str, most: int
) -> tuple[int, int, int]:
    """Returns about how many keys an app had on a channel on a day, and among the smallest ids how many keys of the
    stable side could be bad at a guardrail, and were. It reads no key.
    """
    place = {"app": app, "channel": channel, "day": day, "most": most, "named": json.dumps(guardrail)}
    row = connection.execute(_RATE, place).one()
    return estimate(row.units, row.top or "", most), row.able or 0, row.were_bad or 0


def days_bad(connection: Connection, place: Assignment, guardrail: str, since: int) -> frozenset[tuple[int, str]]:
    """Returns days since a minute, with units of an assignment that were bad at a guardrail: of each unit the days of
    its first minutes and of the last one, as far as they are kept.
    """
    rows = connection.execute(_DAYS_BAD, {**_place(place), "guardrail": guardrail, "since": since})
    return frozenset(
        (minute // DAY, row.unit)
        for row in rows
        for minute in (*json.loads(row.minutes), row.minute)
        if minute >= since
    )


def estimate(units: int, largest: str, enough: int = _ENOUGH) -> int:
    """Returns about how many units there are, of which these many have the smallest ids, up to the largest. Fewer than
    ``enough`` are all of them.
    """
    if units < enough:
        return units
    return (units - 1) * 2**64 // max(1, int(largest, 16))


def prune_units(connection: Connection, minute: int) -> None:
    """Deletes the units that are over at this minute."""
    connection.execute(delete(_bad).where(_bad.c.minute < minute - KEPT))
    connection.execute(delete(_sample).where(_sample.c.day < (minute - KEPT) // DAY))


def _place(assignment: Assignment) -> dict[str, str | int]:
    return {
        "app": assignment.app,
        "channel": assignment.channel,
        "epoch": assignment.epoch,
        "revision": assignment.revision,
        "arm": assignment.arm.value,
    }


def _batches(by_unit: Collection[str]) -> Iterator[list[str]]:
    names = sorted(by_unit)
    return (names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE))

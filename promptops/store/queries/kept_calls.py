"""Calls that are kept by themselves: added once, found by their ids, and deleted after 30 days."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, or_, select, text

from promptops.core.digest import canonical
from promptops.core.errors import Invalid, RegistryDamaged
from promptops.core.json_codec import from_json, to_json
from promptops.core.model import Json
from promptops.core.outcomes.kept_call import Kept, KeptCall, PlacedCall
from promptops.core.outcomes.series import Assignment
from promptops.core.timestamp import DAY
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values

KEPT_DAYS: Final = 30
MOST_A_DAY: Final = 2_000
"""Calls of an app on a channel that are kept of a day: enough to look at, and a process that fails at every call fills
no database.
"""

_MOST_FOUND = 100
_PAGE = 1_000  # rows of a few hundred bytes that are read at a time
_call = tables.kept_call
_CONTENT = ("api", "rendered", "variables")
_COUNT = (
    select(func.count())
    .select_from(_call)
    .where(
        _call.c.app == bindparam("app"),
        _call.c.channel == bindparam("channel"),
        _call.c.minute.between(bindparam("first"), bindparam("last")),
    )
)
_PUT = text(
    "INSERT INTO kept_call (call, app, channel, minute, unit, trace, response, about, variables)"
    " VALUES (:call, :app, :channel, :minute, :unit, :trace, :response, :about, :variables)"
    " ON CONFLICT (call) DO NOTHING"
)


def add_calls(connection: Connection, calls: Sequence[PlacedCall], now: int) -> int:
    """Adds calls that came in the minute ``now``; answers how many were left out, since a day has too many."""
    day = now // DAY * DAY
    room: Counter[tuple[str, str]] = Counter()
    for app, channel in sorted({(each.assignment.app, each.assignment.channel) for each in calls}):
        where = {"app": app, "channel": channel, "first": day, "last": day + DAY - 1}
        room[app, channel] = MOST_A_DAY - (connection.execute(_COUNT, where).scalar() or 0)
    kept = []
    for each in calls:
        place = each.assignment.app, each.assignment.channel
        if room[place] > 0:
            room[place] -= 1
            kept.append(_values(each, now))
    if kept:
        connection.execute(_PUT, kept)
    return len(calls) - len(kept)


def find_calls(connection: Connection, name: str) -> tuple[PlacedCall, ...]:
    """Returns the calls with this id, or of the trace or the answer with it, the oldest first.

    Raises:
        RegistryDamaged: a row is not what was written.
    """
    query = select(_call).where(or_(_call.c.call == name, _call.c.trace == name, _call.c.response == name))
    if not name:
        return ()
    return tuple(map(_placed, connection.execute(query.order_by(_call.c.minute, _call.c.call).limit(_MOST_FOUND))))


def newest_calls(
    connection: Connection, app: str, channel: str, until: int, wanted: Callable[[str, Kept], bool]
) -> Iterator[PlacedCall]:
    """Yields the calls of an app on a channel whose variables are kept and that came until a minute, the newest first.

    ``wanted`` says of a call's id and why it is kept whether it is one of them. Variables are read of those alone: a
    channel may keep 60,000 calls.

    Raises:
        RegistryDamaged: a row is not what was written.
    """
    where = (_call.c.app == app) & (_call.c.channel == channel) & (_call.c.variables != "")
    page = select(_call.c.call, _call.c.minute, _call.c.about).where(where)
    page = page.order_by(_call.c.minute.desc(), _call.c.call).limit(_PAGE)
    rows = connection.execute(page.where(_call.c.minute <= until)).all()
    while rows:  # page by page: who has enough leaves no open cursor
        names = [row.call for row in rows if wanted(row.call, _kept(row.about))]
        for start in range(0, len(names), _MOST_FOUND):
            part = names[start : start + _MOST_FOUND]
            whole = {row.call: row for row in connection.execute(select(_call).where(_call.c.call.in_(part)))}
            yield from (_placed(whole[name]) for name in part if name in whole)
        last = rows[-1]
        later = (_call.c.minute == last.minute) & (_call.c.call > last.call)
        rows = connection.execute(page.where((_call.c.minute < last.minute) | later)).all()


def _kept(about: str) -> Kept:
    try:
        return Kept(json.loads(about)["call"]["kept"])
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> RegistryDamaged:
    return RegistryDamaged(f"a row about a call is not what was written: {error}")


def prune_calls(connection: Connection, now: int) -> None:
    """Deletes calls that came more than 30 days before the minute ``now``."""
    connection.execute(delete(_call).where(_call.c.minute < now - KEPT_DAYS * DAY))


def _values(placed: PlacedCall, now: int) -> Values:
    call = placed.call
    return {
        "call": call.call,
        "app": placed.assignment.app,
        "channel": placed.assignment.channel,
        "minute": now,
        "unit": placed.unit,
        "trace": call.trace,
        "response": call.response,
        "about": canonical(
            {"call": to_json(call, without=("call", *_CONTENT)), "assignment": to_json(placed.assignment)}
        ).decode(),
        "variables": "" if call.variables is None else canonical(_content(call)).decode(),
    }


def _content(call: KeptCall) -> Json:
    """What is forgotten when the variables are: they, and what was made of them."""
    return {name: to_json(value) for name in _CONTENT if (value := getattr(call, name))}


def _placed(row: AnyRow) -> PlacedCall:
    try:
        about: dict[str, Any] = json.loads(row.about)
        whole = {**about["call"], "call": row.call}
        if row.variables:
            whole |= {"variables": {}, **json.loads(row.variables)}
        assignment = from_json(Assignment, about["assignment"], "assignment")
        return PlacedCall(call=from_json(KeptCall, whole, "call"), assignment=assignment, unit=row.unit)
    except (ValueError, TypeError, KeyError, Invalid) as error:
        raise _damaged(error) from error

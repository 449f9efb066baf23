"""What was captured of calls, removed: of a call, of a key's calls, and again where an earlier state came back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, bindparam, func, select, update

from promptops.core.errors import RegistryDamaged
from promptops.core.outcomes.admission import without_content
from promptops.core.outcomes.erasure import Erasure
from promptops.core.outcomes.kept_call import PlacedCall
from promptops.store.schema import tables

_AT_ONCE: Final = 500
_call, _erasure, _declaration = tables.kept_call, tables.erasure, tables.declaration
_CAPTURING = (
    select(_declaration.c.app)
    .where(_declaration.c.settings.contains('"capture":"variables"', autoescape=True))
    .distinct()
    .order_by(_declaration.c.app)
)
_NEXT = select(func.coalesce(func.max(_erasure.c.number), 0) + 1)
_SINCE = select(_erasure).where(_erasure.c.at >= bindparam("since"))
_FORGET = update(_call).where(_call.c.variables != "").values(variables="")


def next_number(connection: Connection) -> int:
    """The number of the next erasure, while reports are locked."""
    return int(connection.execute(_NEXT).scalar_one())


def find_erasure(connection: Connection, number: int) -> Erasure:
    """The erasure of this number.

    Raises:
        RegistryDamaged: no row has it.
    """
    row = connection.execute(select(_erasure).where(_erasure.c.number == number)).first()
    if row is None:
        raise RegistryDamaged(f"the erasure {number} is gone, and an answer names it")
    return Erasure(**row._mapping)


def capturing_apps(connection: Connection) -> tuple[str, ...]:
    """The apps that ever declared that variables are captured: no other app has any."""
    return tuple(row.app for row in connection.execute(_CAPTURING))


def erase(connection: Connection, *, call: str = "", units: Collection[str] = ()) -> int:
    """Removes what was captured of a call, or of all calls of these units; answers of how many calls."""
    _overwriting(connection)
    if call:
        return connection.execute(_FORGET.where(_call.c.call == call)).rowcount
    return sum(connection.execute(_FORGET.where(_call.c.unit.in_(some))).rowcount for some in _parts(sorted(units)))


def without_erased(connection: Connection, calls: Sequence[PlacedCall]) -> list[PlacedCall]:
    """Returns calls that came; those that began before they were erased have no variables: a report may be late."""
    captured = [each.call.at for each in calls if each.call.variables is not None]
    if not captured:
        return list(calls)
    since = datetime.fromtimestamp(min(captured), UTC)
    ends = _ends(_erasures(connection, since))
    return [
        replace(each, call=without_content(each.call))
        if max((ends[name] for name in (each.call.call, each.unit) if name in ends), default=0) >= each.call.at
        else each
        for each in calls
    ]


def erase_again(connection: Connection, now: datetime, days: int) -> int:
    """Removes what these last days' erasures removed, where the database came back from a copy of before them."""
    ends = _ends(_erasures(connection, now - timedelta(days=days)))
    found: list[str] = []
    for column in (_call.c.unit, _call.c.call):
        for some in _parts(sorted(ends)):
            rows = select(_call.c.call, column.label("name"), _call.c.minute)
            found += [
                row.call
                for row in connection.execute(rows.where(column.in_(some), _call.c.variables != ""))
                if 60 * row.minute <= ends[row.name]
            ]
    return sum(connection.execute(_FORGET.where(_call.c.call.in_(some))).rowcount for some in _parts(sorted(found)))


def _erasures(connection: Connection, since: datetime) -> list[Erasure]:
    return [Erasure(**row._mapping) for row in connection.execute(_SINCE, {"since": since})]


def _ends(erasures: Iterable[Erasure]) -> dict[str, float]:
    """Until when what was captured is erased, by the call or the unit, in seconds since 1970."""
    ends: dict[str, float] = {}
    for each in erasures:
        for name in (each.call, *each.units) if each.call else each.units:
            ends[name] = max(ends.get(name, 0), each.at.timestamp())
    return ends


def _parts(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE)]


def _overwriting(connection: Connection) -> None:
    """On SQLite, what is removed is overwritten in the file."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")

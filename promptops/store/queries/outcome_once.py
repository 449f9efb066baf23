"""What makes a report count once: the numbers of documents by client, and the marks of what has no number."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, TypeAlias

from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, tuple_

from promptops.core.outcomes.counted_numbers import CountedNumbers
from promptops.store.schema import tables

KEPT_DAYS: Final = 60
"""Days that a number or a mark is remembered after it came; what is reported later than that counts for nothing."""
MOST_OF_A_TOKEN: Final = 50_000
"""Clients of a token that are remembered: those that were silent longest are forgotten first."""

_AT_ONCE = 300
_client, _mark = tables.outcome_client, tables.feedback

Reporter: TypeAlias = tuple[str, str, str]
"""The id of the token, empty without one, the id of the client, and the channel."""

_NUMBERS = select(_client).where(
    tuple_(_client.c.token, _client.c.client, _client.c.channel).in_(bindparam("keys", expanding=True))
)
_PUT = text(
    "INSERT INTO outcome_client (token, client, channel, number, counted, day)"
    " VALUES (:token, :client, :channel, :number, :counted, :day)"
    " ON CONFLICT (token, client, channel)"
    " DO UPDATE SET number = excluded.number, counted = excluded.counted, day = excluded.day"
)
_MARKS = select(_mark.c.mark).where(_mark.c.mark.in_(bindparam("marks", expanding=True)))
_COUNT = select(_client.c.token, func.count()).group_by(_client.c.token)
_NEWEST = select(_client.c.client).where(_client.c.token == bindparam("whose")).order_by(_client.c.day.desc())
_TRIM = delete(_client).where(
    _client.c.token == bindparam("whose"),
    _client.c.client.in_(_NEWEST.order_by(_client.c.client).offset(MOST_OF_A_TOKEN).limit(10 * MOST_OF_A_TOKEN)),
)


def numbers_of(connection: Connection, reporters: Collection[Reporter]) -> dict[Reporter, CountedNumbers]:
    """Returns which documents of these clients were counted; a client that is not known is left out."""
    wanted, found = sorted(reporters), dict[Reporter, CountedNumbers]()
    for start in range(0, len(wanted), _AT_ONCE):
        for row in connection.execute(_NUMBERS, {"keys": wanted[start : start + _AT_ONCE]}):
            numbers = CountedNumbers(newest=row.number, bits=int(row.counted, 16))
            found[row.token, row.client, row.channel] = numbers
    return found


def put_numbers(connection: Connection, numbers: Mapping[Reporter, CountedNumbers], day: int) -> None:
    """Remembers which documents of these clients were counted."""
    rows = [
        {"token": token, "client": client, "channel": channel, "number": each.newest, "counted": f"{each.bits:x}"}
        for (token, client, channel), each in sorted(numbers.items())
    ]
    if rows:
        connection.execute(_PUT, [{**row, "day": day} for row in rows])


def new_marks(connection: Connection, marks: Collection[bytes], day: int) -> frozenset[bytes]:
    """Remembers these marks of 8 bytes, and returns those that were not known."""
    by_number = {int.from_bytes(mark, "big", signed=True): mark for mark in marks}
    wanted = sorted(by_number)
    for start in range(0, len(wanted), _AT_ONCE):
        for row in connection.execute(_MARKS, {"marks": wanted[start : start + _AT_ONCE]}):
            del by_number[row.mark]
    if by_number:
        connection.execute(insert(_mark), [{"mark": number, "day": day} for number in sorted(by_number)])
    return frozenset(by_number.values())


def known_marks(connection: Connection, marks: Collection[bytes]) -> frozenset[bytes]:
    """Returns those of these marks of 8 bytes that are remembered."""
    by_number = {int.from_bytes(mark, "big", signed=True): mark for mark in marks}
    wanted = sorted(by_number)
    rows = (
        row
        for start in range(0, len(wanted), _AT_ONCE)
        for row in connection.execute(_MARKS, {"marks": wanted[start : start + _AT_ONCE]})
    )
    return frozenset(by_number[row.mark] for row in rows)


def prune_once(connection: Connection, day: int) -> None:
    """Forgets what is over on this day, and clients of tokens that have too many."""
    connection.execute(delete(_mark).where(_mark.c.day < day - KEPT_DAYS))
    connection.execute(delete(_client).where(_client.c.day < day - KEPT_DAYS))
    for token, count in connection.execute(_COUNT).all():
        if count > MOST_OF_A_TOKEN:
            connection.execute(_TRIM, {"whose": token})

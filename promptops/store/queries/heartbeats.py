"""Stores the heartbeats of running clients: one row each, overwritten by the next heartbeat.

Nothing here is a fact: no line in the audit log, no guard, nothing in git.

A row belongs to its token. A token has a limited number of rows, of which the oldest go first, so invented clients
never cost more than their own token's list. If all rows together are too many, new clients are left out, and no live
client is removed.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, func, select, text, tuple_

from promptops.core.asked import asked_from_json, asked_to_json
from promptops.core.heartbeat import LISTED_FOR, Beat, Room, State
from promptops.store.schema import tables
from promptops.store.schema.columns import Moment
from promptops.store.schema.rows import AnyRow

FORGOTTEN_AFTER = timedelta(days=1)
"""A client that was silent for this long is deleted; it left the lists long before."""

_FORGET_ONCE_IN = 20  # batches between two deletions of old clients, on average: there is no hurry
_SKEW = timedelta(minutes=1)
"""How far the clocks of servers may differ; a later ``seen_at`` comes from before a clock was set back."""
_AT_ONCE = 500  # clients in a list of a query: few queries, below the limit of SQLite
_NOTHING = "{}"
_client = tables.client
_KEY = ("token", "id")
_TEXTS = (*_KEY, "channel", "name", "sdk", "state", "lineage", "revisions", "cannot_load", "understands", "asks")
_UPDATED = ", ".join(f"{name} = excluded.{name}" for name in (*_TEXTS[2:], "leaving", "epoch", "seen_at"))
# One statement for a batch of any size: its text never changes, so it is compiled and prepared once. A goodbye is
# final: reports that arrive after it are ignored.
_UPSERT = """
INSERT INTO client (token, id, channel, name, sdk, state, lineage, revisions, cannot_load, understands, asks, leaving,
    epoch, seen_at)
SELECT {texts}, CAST(beat.value ->> 'leaving' AS {flag}), CAST(beat.value ->> 'epoch' AS BIGINT), :seen_at
FROM {beats} WHERE true
ON CONFLICT (token, id) DO UPDATE SET {updated}
WHERE client.channel = excluded.channel AND NOT client.leaving
AND (excluded.leaving OR client.seen_at <= excluded.seen_at OR client.seen_at > :future)
"""


def _upsert(beats: str, flag: str) -> str:
    texts = ", ".join(f"beat.value ->> '{name}'" for name in _TEXTS)
    return _UPSERT.format(texts=texts, beats=beats, updated=_UPDATED, flag=flag)


_MOMENTS = bindparam("seen_at", type_=Moment), bindparam("future", type_=Moment)
_BY_DIALECT = {
    "sqlite": text(_upsert("json_each(:beats) AS beat", "INTEGER")).bindparams(*_MOMENTS),
    "postgresql": text(_upsert("json_array_elements(CAST(:beats AS json)) AS beat (value)", "BOOLEAN")).bindparams(
        *_MOMENTS
    ),
}
_FORGET = delete(_client).where(_client.c.seen_at < bindparam("before"))
_COUNT = select(_client.c.token, func.count()).group_by(_client.c.token)
_COUNT_OF = select(func.count()).select_from(_client).where(_client.c.token == bindparam("whose"))
_KNOWN = select(_client.c.token, _client.c.id).where(
    tuple_(_client.c.token, _client.c.id).in_(bindparam("keys", expanding=True))
)
_NEWEST = select(_client.c.id).where(_client.c.token == bindparam("whose")).order_by(_client.c.seen_at.desc())
_TRIM = delete(_client).where(
    _client.c.token == bindparam("whose"), _client.c.id.in_(_NEWEST.order_by(_client.c.id).offset(bindparam("kept")))
)
_SEEN = select(*(each for each in _client.c if each.name != "asks"))
"""Without what the clients ask for, which few questions are about and which may be long."""
_SEEN = _SEEN.where(_client.c.seen_at >= bindparam("since"), ~_client.c.leaving)
_SEEN = _SEEN.order_by(_client.c.name, _client.c.id, _client.c.token)


def put_beats(connection: Connection, beats: Iterable[Beat], now: datetime, room: Room) -> None:
    """Replace each client's heartbeat by its newest. Now and then, forget clients that are long silent.

    Token and id identify a client, which follows one channel: a heartbeat with its id on another one changes nothing.
    """
    newest = {(beat.token, beat.id): beat for beat in beats}
    if newest:
        counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(_COUNT)}
        if sum(counts.values()) + len(newest) > room.in_all:
            _leave_out(connection, newest, now, room)
        # In one order everywhere: two servers that write the same clients never wait for each other.
        rows = [_row(newest[each]) for each in sorted(newest)]
        values = {"beats": json.dumps(rows, ensure_ascii=False), "seen_at": now, "future": now + _SKEW}
        connection.execute(_BY_DIALECT[connection.dialect.name], values)
        for token, more in Counter(token for token, _ in newest).items():
            full = counts.get(token, 0) + more > room.of_a_token
            if full and connection.execute(_COUNT_OF, {"whose": token}).scalar_one() > room.of_a_token:
                connection.execute(_TRIM, {"whose": token, "kept": room.of_a_token})
    if random.randrange(_FORGET_ONCE_IN) == 0:  # noqa: S311 it only spreads the work
        connection.execute(_FORGET, {"before": now - FORGOTTEN_AFTER})


def _leave_out(connection: Connection, newest: dict[tuple[str, str], Beat], now: datetime, room: Room) -> None:
    """Forget all that no list shows any more; where that is not enough, leave out those who are not known yet."""
    connection.execute(_FORGET, {"before": now - LISTED_FOR})
    count = connection.execute(select(func.count()).select_from(_client)).scalar_one()
    new = sorted(newest.keys() - _known(connection, newest))
    for each in new[max(0, room.in_all - count) :]:
        del newest[each]


def _known(connection: Connection, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    wanted, known = sorted(keys), set[tuple[str, str]]()
    for start in range(0, len(wanted), _AT_ONCE):
        rows = connection.execute(_KNOWN, {"keys": wanted[start : start + _AT_ONCE]})
        known |= {(row.token, row.id) for row in rows}
    return known


def seen_since(
    connection: Connection, since: datetime, channel: str = "", *, failing: bool = False
) -> list[tuple[Beat, datetime]]:
    """The last heartbeats since that time, in order of name; clients that sent a goodbye are left out.

    With ``failing`` only the clients that cannot load an app.
    """
    statement = _SEEN.where(_client.c.channel == channel) if channel else _SEEN
    statement = statement.where(_client.c.cannot_load != _NOTHING) if failing else statement
    return [(_beat(row), row.seen_at) for row in connection.execute(statement, {"since": since})]


def asking_since(connection: Connection, since: datetime, channel: str) -> list[Beat]:
    """The last heartbeats since that time on one channel, in order of name, with what the clients ask for."""
    statement = _SEEN.add_columns(_client.c.asks).where(_client.c.channel == channel)
    rows = connection.execute(statement, {"since": since})
    return [replace(_beat(row), asks=asked_from_json(json.loads(row.asks))) for row in rows]


def _beat(row: AnyRow) -> Beat:
    return Beat(
        id=row.id,
        channel=row.channel,
        name=row.name,
        sdk=row.sdk,
        state=State(row.state),
        lineage=row.lineage,
        epoch=row.epoch,
        revisions=json.loads(row.revisions),
        cannot_load=json.loads(row.cannot_load),
        leaving=row.leaving,
        understands=tuple(json.loads(row.understands)),
        token=row.token,
    )


def _row(beat: Beat) -> dict[str, str | int]:
    return {
        "token": beat.token,
        "id": beat.id,
        "channel": beat.channel,
        "name": beat.name,
        "sdk": beat.sdk,
        "state": beat.state.value,
        "lineage": beat.lineage,
        "revisions": json.dumps(dict(beat.revisions), sort_keys=True),
        "cannot_load": json.dumps(dict(beat.cannot_load), sort_keys=True, ensure_ascii=False),
        "understands": json.dumps(beat.understands),
        "asks": json.dumps(None if beat.asks is None else asked_to_json(beat.asks), ensure_ascii=False),
        "leaving": beat.leaving,
        "epoch": beat.epoch,
    }

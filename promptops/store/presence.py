"""Where running clients leave what they say of themselves: one row each, overwritten by the next.

Nothing here is a fact: no line in the audit log, no guard, nothing in git.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, select, text

from promptops.core.presence import Beat, State
from promptops.store import tables
from promptops.store.columns import Moment

FORGOTTEN_AFTER = timedelta(days=1)

_FORGET_ONCE_IN = 20
_SKEW = timedelta(minutes=1)
"""By so much the clocks of servers may differ; what was seen later than that was seen before a clock was set back."""
_client = tables.client
_TEXTS = ("id", "channel", "name", "sdk", "state", "lineage", "revisions")
_UPDATED = ", ".join(f"{name} = excluded.{name}" for name in (*_TEXTS[1:], "epoch", "seen_at"))
# One statement for a batch of any size: its text never changes, so it is compiled and prepared once.
_UPSERT = """
INSERT INTO client (id, channel, name, sdk, state, lineage, revisions, epoch, seen_at)
SELECT {texts}, CAST(beat.value ->> 'epoch' AS BIGINT), :seen_at
FROM {beats} WHERE true
ON CONFLICT (id) DO UPDATE SET {updated}
WHERE client.channel = excluded.channel AND (client.seen_at <= excluded.seen_at OR client.seen_at > :future)
"""


def _upsert(beats: str) -> str:
    texts = ", ".join(f"beat.value ->> '{name}'" for name in _TEXTS)
    return _UPSERT.format(texts=texts, beats=beats, updated=_UPDATED)


_MOMENTS = bindparam("seen_at", type_=Moment), bindparam("future", type_=Moment)
_BY_DIALECT = {
    "sqlite": text(_upsert("json_each(:beats) AS beat")).bindparams(*_MOMENTS),
    "postgresql": text(_upsert("json_array_elements(CAST(:beats AS json)) AS beat (value)")).bindparams(*_MOMENTS),
}
_FORGET = delete(_client).where(_client.c.seen_at < bindparam("before"))
_SEEN = select(_client).where(_client.c.seen_at >= bindparam("since")).order_by(_client.c.name, _client.c.id)


def put_beats(connection: Connection, beats: Iterable[Beat], now: datetime) -> None:
    """What each client said last replaces what it said before. Now and then, forget those that are long silent.

    An id is that of one client, which follows one channel: whoever uses it on another one changes nothing.
    """
    newest = {beat.id: beat for beat in beats}
    if newest:
        # In one order everywhere: two servers that write the same clients never wait for each other.
        rows = [_row(newest[each]) for each in sorted(newest)]
        values = {"beats": json.dumps(rows, ensure_ascii=False), "seen_at": now, "future": now + _SKEW}
        connection.execute(_BY_DIALECT[connection.dialect.name], values)
    if random.randrange(_FORGET_ONCE_IN) == 0:  # noqa: S311 it only spreads the work
        connection.execute(_FORGET, {"before": now - FORGOTTEN_AFTER})


def seen_since(connection: Connection, since: datetime, channel: str = "") -> list[tuple[Beat, datetime]]:
    """What the clients that were heard of since then said last, in order of name."""
    statement = _SEEN.where(_client.c.channel == channel) if channel else _SEEN
    found = []
    for row in connection.execute(statement, {"since": since}):
        beat = Beat(
            id=row.id,
            channel=row.channel,
            name=row.name,
            sdk=row.sdk,
            state=State(row.state),
            lineage=row.lineage,
            epoch=row.epoch,
            revisions=json.loads(row.revisions),
        )
        found.append((beat, row.seen_at))
    return found


def _row(beat: Beat) -> dict[str, str | int]:
    return {
        "id": beat.id,
        "channel": beat.channel,
        "name": beat.name,
        "sdk": beat.sdk,
        "state": beat.state.value,
        "lineage": beat.lineage,
        "revisions": json.dumps(dict(beat.revisions), sort_keys=True),
        "epoch": beat.epoch,
    }

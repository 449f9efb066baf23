"""Finds and deletes what a registry keeps for a while: answers to requests by their keys, and reports of clients.

No fact is here: none of it is in the audit log or in git, and no guard is on its tables.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, select, tuple_

from promptops.store.schema import tables

Key = tuple[str, str]
"""The id of a token, empty without one, and an idempotency key of it."""

_PAGE = 1_000
"""Keys that are read or deleted at once: a writer that waits for it hardly notices."""

_idempotency, _client = tables.idempotency, tables.client
_TOKEN, _KEY, _AT = _idempotency.c.token, _idempotency.c.key, _idempotency.c.at
_KEYS = (
    select(_TOKEN, _KEY, _AT)
    .where(tuple_(_TOKEN, _KEY) > tuple_(bindparam("token"), bindparam("key")))
    .order_by(_TOKEN, _KEY)
    .limit(_PAGE)
)
_FORGET_KEYS = delete(_idempotency).where(tuple_(_TOKEN, _KEY).in_(bindparam("keys", expanding=True)))
_SILENT = _client.c.seen_at < bindparam("since")
_COUNT_SILENT, _FORGET_SILENT = select(func.count()).select_from(_client).where(_SILENT), delete(_client).where(_SILENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPage:
    """Some keys of a registry: those that are over by their age, those of tokens that ended, and the last one of all.

    ``last`` is None where there are no more.
    """

    old: tuple[Key, ...]
    ended: tuple[Key, ...]
    last: Key | None


class Housekeeping:
    """What can be thrown away, as one transaction sees it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keys(self, after: Key, *, before: datetime, ended: Collection[str]) -> KeyPage:
        """The next keys after one, in order; over are those from ``before``, and those of the tokens that ``ended``."""
        rows = self._connection.execute(_KEYS, {"token": after[0], "key": after[1]}).all()
        of_ended = tuple((row.token, row.key) for row in rows if row.token in ended)
        old = tuple((row.token, row.key) for row in rows if row.at < before and row.token not in ended)
        last = (rows[-1].token, rows[-1].key) if rows else None
        return KeyPage(old=old, ended=of_ended, last=last)

    def forget_keys(self, keys: Collection[Key]) -> None:
        """Delete these keys, at most a page of them, with their answers."""
        self._connection.execute(_FORGET_KEYS, {"keys": list(keys)})

    def silent_clients(self, since: datetime) -> int:
        """How many clients did not report since then."""
        return int(self._connection.execute(_COUNT_SILENT, {"since": since}).scalar_one())

    def forget_clients(self, since: datetime) -> int:
        """Delete the reports of clients that did not report since then; returns how many there were."""
        return self._connection.execute(_FORGET_SILENT, {"since": since}).rowcount

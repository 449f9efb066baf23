"""What one transaction sees of a registry: all that an operation may read, and the only way to read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select

from promptops.core.model import AuditEntry
from promptops.store import tables
from promptops.store.channels import ChannelReader
from promptops.store.releases import ReleaseReader
from promptops.store.rows import audit_of

_audit, _idempotency = tables.audit, tables.idempotency
_ANSWER = select(_idempotency.c.request, _idempotency.c.body).where(_idempotency.c.key == bindparam("key"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an idempotency key was used for, and what was answered then."""

    request: str
    body: bytes


class Reader(ReleaseReader, ChannelReader):
    """One consistent view of the registry, valid inside the ``with`` or the work it was handed to."""

    def audit(
        self,
        *,
        app: str = "",
        channel: str = "",
        actor: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> tuple[AuditEntry, ...]:
        """The audit log, newest first, narrowed by whatever is given."""
        statement = select(_audit).order_by(_audit.c.seq.desc()).limit(limit)
        for column, value in ((_audit.c.app, app), (_audit.c.channel, channel), (_audit.c.actor, actor)):
            if value:
                statement = statement.where(column == value)
        if since is not None:
            statement = statement.where(_audit.c.at >= since)
        if until is not None:
            statement = statement.where(_audit.c.at <= until)
        return tuple(audit_of(row) for row in self._connection.execute(statement))

    def answer(self, key: str) -> Answer | None:
        """What was answered to the request that carried this key; None for a new key, and for the empty one."""
        if not key:
            return None
        row = self._connection.execute(_ANSWER, {"key": key}).first()
        return Answer(request=row.request, body=row.body) if row else None

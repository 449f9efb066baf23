"""Reading channels and their logs: what is live where, what was, and where a rollback could go.

Every query that a rollback makes walks an index from the newest row down, so it costs the same at 10,000 releases as at
10. Those statements are built once, here: building one takes as long as running it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, bindparam, func, not_, select

from promptops.core.errors import ChannelNotFound, NotFound
from promptops.core.model import Channel, Deployment, Kind, Past, Quarantine
from promptops.store import tables
from promptops.store.rows import channel_of, deployment_columns, deployment_of, past_of, quarantine_of

_deployment, _head, _policy, _quarantine = tables.deployment, tables.head, tables.channel_policy, tables.quarantine
_PAGE = 50


def _is_live(table: FromClause) -> ColumnElement[bool]:
    return and_(table.c.app == _head.c.app, table.c.channel == _head.c.channel, table.c.revision == _head.c.revision)


def _judged(table: FromClause, source: FromClause | None = None) -> Select[*tuple[Any, ...]]:
    """Deployments with what makes their releases bad: see :func:`promptops.store.rows.past_of`."""
    yank, other = tables.yank, _quarantine.alias("other")
    same = and_(other.c.app == table.c.app, other.c.channel == table.c.channel, other.c.digest == table.c.digest)
    newest = select(func.max(other.c.id)).where(same).scalar_subquery()
    joined = (source if source is not None else table).outerjoin(
        yank, and_(yank.c.app == table.c.app, yank.c.digest == table.c.digest)
    )
    joined = joined.outerjoin(_quarantine, and_(_quarantine.c.id == newest, not_(_quarantine.c.lifted)))
    flaws = (yank.c.actor, yank.c.reason, _quarantine.c.actor, _quarantine.c.reason)
    return select(*deployment_columns(table), *flaws).select_from(joined)


def _of(table: FromClause) -> ColumnElement[bool]:
    return and_(table.c.app == bindparam("app"), table.c.channel == bindparam("channel"))


_POLICY = select(_policy).where(_policy.c.channel == bindparam("channel")).order_by(_policy.c.version.desc()).limit(1)
_LOG = select(*deployment_columns(_deployment)).where(_of(_deployment)).order_by(_deployment.c.revision.desc())
_NEWEST = _LOG.limit(1)
_REVISION = _LOG.where(_deployment.c.revision == bindparam("revision"))
_PROMOTED = _NEWEST.where(_deployment.c.digest == bindparam("digest"), _deployment.c.kind != Kind.ROLLBACK.value)
_LIVE = select(*deployment_columns(_deployment)).select_from(_head.join(_deployment, _is_live(_deployment)))
_PAST = (
    _judged(_deployment)
    .where(_of(_deployment), _deployment.c.revision < bindparam("before"))
    .order_by(_deployment.c.revision.desc())
    .limit(_PAGE)
)
_HELD = (
    select(_quarantine)
    .where(_of(_quarantine), _quarantine.c.digest == bindparam("digest"))
    .order_by(_quarantine.c.id.desc())
    .limit(1)
)


class ChannelReader:
    """Channels and deployments as one transaction sees them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def channels(self) -> tuple[Channel, ...]:
        """Every channel with its newest policy, in order of name."""
        newest = select(_policy.c.channel, func.max(_policy.c.version).label("version")).group_by(_policy.c.channel)
        latest = newest.subquery()
        same = and_(latest.c.channel == _policy.c.channel, latest.c.version == _policy.c.version)
        rows = self._connection.execute(select(_policy).join(latest, same).order_by(_policy.c.channel))
        return tuple(channel_of(row) for row in rows)

    def channel(self, name: str) -> Channel:
        """The channel with its newest policy.

        Raises:
            ChannelNotFound: listing the channels that exist.
        """
        row = self._connection.execute(_POLICY, {"channel": name}).first()
        if row is None:
            raise ChannelNotFound(f"there is no channel '{name}'", known=[c.name for c in self.channels()])
        return channel_of(row)

    def deployment(self, app: str, channel: str, revision: int) -> Deployment:
        """The entry of this revision.

        Raises:
            NotFound: the log does not reach there.
        """
        found = self._first(_REVISION, app=app, channel=channel, revision=revision)
        if found is None:
            raise NotFound(f"{app}:{channel} has no revision {revision}")
        return found

    def live(self, app: str, channel: str) -> Deployment | None:
        """What the channel serves of the app now."""
        return self._first(_NEWEST, app=app, channel=channel)

    def live_on(self, channel: str) -> tuple[Deployment, ...]:
        """What the channel serves of every app, in order of app."""
        rows = self._connection.execute(_LIVE.where(_head.c.channel == channel).order_by(_head.c.app))
        return tuple(deployment_of(row) for row in rows)

    def live_at(self, app: str, channel: str, at: datetime) -> Deployment | None:
        """What the channel served of the app at that moment: the greatest revision that was not made later."""
        return self._first(_NEWEST.where(_deployment.c.at <= at), app=app, channel=channel)

    def channels_serving(self, app: str, digest: str) -> tuple[str, ...]:
        """The channels that serve this release now, in order."""
        statement = _LIVE.where(_head.c.app == app, _deployment.c.digest == digest).order_by(_head.c.channel)
        return tuple(deployment_of(row).channel for row in self._connection.execute(statement))

    def history(
        self, app: str, channel: str, *, until: datetime | None = None, limit: int | None = None
    ) -> tuple[Deployment, ...]:
        """The log, newest first; only what was made until then, only so many."""
        statement = _LOG.limit(limit)
        if until is not None:
            statement = statement.where(_deployment.c.at <= until)
        rows = self._connection.execute(statement, {"app": app, "channel": channel})
        return tuple(deployment_of(row) for row in rows)

    def past(self, app: str, channel: str, *, before: int) -> Iterator[Past]:
        """The log below revision ``before``, newest first, read page by page as it is asked for."""
        while True:
            rows = self._connection.execute(_PAST, {"app": app, "channel": channel, "before": before}).all()
            yield from map(past_of, rows)
            if len(rows) < _PAGE:
                return
            before = rows[-1].revision

    def overview(self, depth: int = 4) -> tuple[tuple[Deployment, tuple[Past, ...]], ...]:
        """Everything that is live, in order of app and channel, with up to ``depth`` entries below its position.

        Two queries, however much is live: revisions have no gaps, so the entries are a range of them.
        """
        live = [deployment_of(row) for row in self._connection.execute(_LIVE.order_by(_head.c.app, _head.c.channel))]
        now, past = _deployment.alias("now"), _deployment.alias("past")
        position = func.coalesce(now.c.restores, now.c.revision)
        below = and_(
            past.c.app == now.c.app,
            past.c.channel == now.c.channel,
            past.c.revision < position,
            past.c.revision >= position - depth,
        )
        source = _head.join(now, _is_live(now)).join(past, below)
        # In the order of the heads: SQLite then starts from them and not from all of history.
        statement = _judged(past, source).order_by(_head.c.app, _head.c.channel, past.c.revision.desc())
        found = map(past_of, self._connection.execute(statement))
        pasts = {key: tuple(group) for key, group in groupby(found, lambda p: (p.deployment.app, p.deployment.channel))}
        return tuple((current, pasts.get((current.app, current.channel), ())) for current in live)

    def was_stable(self, app: str, channel: str, digest: str) -> Deployment | None:
        """The newest promotion of this release on the channel, or break-glass pin of it that was recorded."""
        return self._first(_PROMOTED, app=app, channel=channel, digest=digest)

    def quarantine(self, app: str, channel: str, digest: str) -> Quarantine | None:
        """The quarantine this release is in on the channel, if it is in one."""
        row = self._connection.execute(_HELD, {"app": app, "channel": channel, "digest": digest}).first()
        return None if row is None or row.lifted else quarantine_of(row)

    def quarantines(self, app: str, channel: str) -> tuple[Quarantine, ...]:
        """The releases of the app that are in quarantine on the channel, newest first."""
        newest = select(func.max(_quarantine.c.id)).where(_of(_quarantine)).group_by(_quarantine.c.digest)
        statement = select(_quarantine).where(_quarantine.c.id.in_(newest)).order_by(_quarantine.c.id.desc())
        rows = self._connection.execute(statement, {"app": app, "channel": channel})
        return tuple(quarantine_of(row) for row in rows if not row.lifted)

    def _first(self, statement: Select[*tuple[Any, ...]], **parameters: str | int) -> Deployment | None:
        row = self._connection.execute(statement, parameters).first()
        return deployment_of(row) if row else None

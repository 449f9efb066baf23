"""Reading channels and their logs: what is live where, what was, and where a rollback could go.

Every query that a rollback makes walks an index from the newest row down, so it costs the same at 10,000 releases as at
10. Those statements are built once, here: building one takes as long as running it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    TableValuedAlias,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
)

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.deployment_parts import Kind
from promptops.core.errors import ChannelNotFound, NotFound
from promptops.core.model import Channel, Deployment, Past, Quarantine
from promptops.store.schema import tables
from promptops.store.schema.columns import Number
from promptops.store.schema.rows import channel_of, deployment_columns, deployment_of, past_of, quarantine_of

_deployment, _head, _policy, _quarantine = tables.deployment, tables.head, tables.channel_policy, tables.quarantine
_removal = tables.channel_removal
_PAGE = 50  # entries of a log at a time: a rollback rarely looks past the first few


def _is_live(table: FromClause) -> ColumnElement[bool]:
    return and_(table.c.app == _head.c.app, table.c.channel == _head.c.channel, table.c.revision == _head.c.revision)


def _judged(table: FromClause, source: FromClause | None = None) -> Select[*tuple[Any, ...]]:
    """Deployments with what makes their releases bad: see :func:`promptops.store.schema.rows.past_of`."""
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
_REMOVED = and_(_removal.c.channel == _policy.c.channel, _removal.c.version == _policy.c.version)
_NEWEST_POLICY = _POLICY.add_columns(_removal.c.actor.label("removed_by"), _removal.c.reason.label("removed_for"))
_NEWEST_POLICY = _NEWEST_POLICY.select_from(_policy.outerjoin(_removal, _REMOVED))
_LOG = select(*deployment_columns(_deployment)).where(_of(_deployment)).order_by(_deployment.c.revision.desc())
_NEWEST = _LOG.limit(1)
_REVISION = _LOG.where(_deployment.c.revision == bindparam("revision"))
# A rollback, a step of a canary and its abort belong to a promotion of their release, which is the one to find.
_BESIDE = (Kind.ROLLBACK.value, Kind.CANARY.value, Kind.ABORT.value)
_PROMOTED = _NEWEST.where(_deployment.c.digest == bindparam("digest"), _deployment.c.kind.not_in(_BESIDE))
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


def _in(ranges: TableValuedAlias) -> ColumnElement[bool]:
    """Entries of these ranges: app, channel, first and last revision of each."""

    def part(place: int) -> ColumnElement[Any]:
        return ranges.c.value.op("->>")(literal_column(str(place)))

    of = and_(_deployment.c.app == part(0), _deployment.c.channel == part(1))
    return and_(of, _deployment.c.revision.between(cast(part(2), Number), cast(part(3), Number)))


def _below_on_sqlite() -> Select[*tuple[Any, ...]]:
    ranges = func.json_each(bindparam("ranges", type_=Text)).table_valued("value")
    return _judged(_deployment, ranges.join(_deployment, _in(ranges)))


def _below_on_postgresql() -> Select[*tuple[Any, ...]]:
    """With a limit that limits nothing: it keeps the planner from reading all of history instead, as it likes to."""
    ranges = func.json_array_elements(cast(bindparam("ranges", type_=Text), JSON)).table_valued("value")
    newest = select(_deployment).where(_in(ranges)).order_by(_deployment.c.revision.desc())
    past = newest.limit(bindparam("depth")).lateral("past")
    return _judged(past, ranges.join(past, true()))


@cache
def _below(dialect: str) -> Select[*tuple[Any, ...]]:
    return _below_on_sqlite() if dialect == "sqlite" else _below_on_postgresql()


class ChannelReader:
    """Channels and deployments as one transaction sees them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def channels(self) -> tuple[Channel, ...]:
        """Every channel with its newest policy, in order of name."""
        newest = select(_policy.c.channel, func.max(_policy.c.version).label("version")).group_by(_policy.c.channel)
        latest = newest.subquery()
        same = and_(latest.c.channel == _policy.c.channel, latest.c.version == _policy.c.version)
        there = select(_policy).join(latest, same).where(~exists().where(_REMOVED))
        rows = self._connection.execute(there.order_by(_policy.c.channel))
        return tuple(channel_of(row) for row in rows)

    def last_version(self, name: str) -> int:
        """The version of the newest policy of a channel, also of one that was removed; 0 if there never was any."""
        row = self._connection.execute(_POLICY, {"channel": name}).first()
        return row.version if row is not None else 0

    def channel(self, name: str) -> Channel:
        """The channel with its newest policy.

        Raises:
            ChannelNotFound: listing the channels that exist.
        """
        row = self._connection.execute(_NEWEST_POLICY, {"channel": name}).first()
        if row is not None and row.removed_by is not None:
            raise ChannelNotFound(
                f"the channel '{name}' was removed by {row.removed_by}: {row.removed_for}",
                hint=Sentence("To make it anew, declare it in promptops.yml: ", Advice(Action.APPLY_CHANNELS)),
            )
        if row is None:
            raise ChannelNotFound(f"there is no channel '{name}'", known=[c.name for c in self.channels()])
        return channel_of(row)

    def deployment(self, app: str, channel: str, revision: int) -> Deployment:
        """The entry of this revision.

        Raises:
            NotFound: the log does not reach there.
        """
        deployment = self._first(_REVISION, app=app, channel=channel, revision=revision)
        if deployment is None:
            raise NotFound(f"{app}:{channel} has no revision {revision}")
        return deployment

    def live(self, app: str, channel: str) -> Deployment | None:
        """What the channel serves of the app now."""
        return self._first(_NEWEST, app=app, channel=channel)

    def live_on(self, channel: str) -> tuple[Deployment, ...]:
        """What the channel serves of every app, in order of app."""
        rows = self._connection.execute(_LIVE.where(_head.c.channel == channel).order_by(_head.c.app))
        return tuple(deployment_of(row) for row in rows)

    def live_revisions(self, channel: str = "") -> dict[tuple[str, str], int]:
        """The revision that every app is at, by channel and app; on one channel or on all."""
        statement = select(_head.c.channel, _head.c.app, _head.c.revision).where(_head.c.revision > 0)
        statement = statement.where(_head.c.channel == channel) if channel else statement
        return {(row[0], row[1]): row[2] for row in self._connection.execute(statement)}

    def live_at(self, app: str, channel: str, at: datetime) -> Deployment | None:
        """What the channel served of the app at that moment: the greatest revision that was not made later."""
        return self._first(_NEWEST.where(_deployment.c.at <= at), app=app, channel=channel)

    def channels_serving(self, app: str, digest: str) -> tuple[str, ...]:
        """The channels that serve this release now, as the stable one or as the canary, in order."""
        served = or_(_deployment.c.digest == digest, _deployment.c.canary_digest == digest)
        statement = _LIVE.where(_head.c.app == app, served).order_by(_head.c.channel)
        return tuple(deployment_of(row).channel for row in self._connection.execute(statement))

    def history(
        self, app: str, channel: str, *, first: int = 1, until: datetime | None = None, limit: int | None = None
    ) -> tuple[Deployment, ...]:
        """Returns the log, newest first, down to the revision ``first`` and up to the moment ``until``, at most
        ``limit`` deployments.
        """
        statement = _LOG.where(_deployment.c.revision >= first).limit(limit)
        if until is not None:
            statement = statement.where(_deployment.c.at <= until)
        rows = self._connection.execute(statement, {"app": app, "channel": channel})
        return tuple(deployment_of(row) for row in rows)

    def past(self, app: str, channel: str, *, before: int) -> Iterator[Past]:
        """The log below revision ``before``, newest first, read page by page."""
        while True:
            rows = self._connection.execute(_PAST, {"app": app, "channel": channel, "before": before}).all()
            yield from map(past_of, rows)
            if len(rows) < _PAGE:
                return
            before = rows[-1].revision

    def overview(
        self, depth: int = 4, *, channel: str = "", apps: Collection[str] | None = None
    ) -> tuple[tuple[Deployment, tuple[Past, ...]], ...]:
        """Everything that is live, in order of app and channel, with up to ``depth`` entries below its position.

        Only on this channel and of these apps, where they are given. Two queries, however much is live: revisions have
        no gaps, so the entries are a range of them.
        """
        wanted = [_head.c.channel == channel] if channel else []
        wanted += [] if apps is None else [_head.c.app.in_(apps)]
        heads = _LIVE.where(*wanted).order_by(_head.c.app, _head.c.channel)
        live = [deployment_of(row) for row in self._connection.execute(heads)]
        # Given as values, the ranges leave no database a choice but to look each up in the index.
        ranges = json.dumps([[d.app, d.channel, d.position - depth, d.position - 1] for d in live])
        below = _below(self._connection.dialect.name)
        pasts: dict[tuple[str, str], list[Past]] = {}
        for row in self._connection.execute(below, {"ranges": ranges, "depth": depth}):
            pasts.setdefault((row.app, row.channel), []).append(past_of(row))
        for each in pasts.values():
            each.sort(key=lambda past: -past.deployment.revision)
        return tuple((current, tuple(pasts.get((current.app, current.channel), ()))) for current in live)

    def was_stable(self, app: str, channel: str, digest: str) -> Deployment | None:
        """The newest promotion of this release on the channel, or override with it that was recorded."""
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

    def withdrawn(self, channel: str) -> Mapping[str, Mapping[str, datetime]]:
        """The releases of the channel's apps that no conversation may stay on, by app: the digests, each with when it
        was put in quarantine there or yanked, the newest first.
        """
        from promptops.store.queries.withdrawn import withdrawn_on

        return withdrawn_on(self._connection, channel)

    def _first(self, statement: Select[*tuple[Any, ...]], **parameters: str | int) -> Deployment | None:
        row = self._connection.execute(statement, parameters).first()
        return deployment_of(row) if row else None

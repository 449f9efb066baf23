"""Canaries whose steps the policy takes: which there are, and what is known of their keys.

The state is a measurement. It is changed under the lock of reports alone, so it moves on in the order in which they are
taken.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import BindParameter, Connection, and_, bindparam, delete, select, text

from promptops.core.canary.decision import CanaryDecision
from promptops.core.errors import RegistryDamaged
from promptops.core.model import Deployment
from promptops.core.outcomes.series import Arm
from promptops.core.timestamp import DAY
from promptops.store.queries.rollout_rows import decision_of
from promptops.store.schema import tables
from promptops.store.schema.rows import deployment_columns, deployment_of

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Table

    from promptops.core.outcomes.series import Assignment

KEPT: Final = timedelta(days=30)
"""How long what is known of keys is kept after the canary was looked at last."""

_AT_ONCE = 500
_rollout, _head, _log = tables.rollout, tables.head, tables.deployment
_state, _unit = tables.rollout_state, tables.rollout_unit
_SIDES: Final = (Arm.STABLE.value, Arm.CANARY.value)
_UNITS: BindParameter[list[str]] = bindparam("units", expanding=True)
_APPS: BindParameter[list[str]] = bindparam("apps", expanding=True)
_HERE = and_(_log.c.app == bindparam("app"), _log.c.channel == bindparam("channel"))
_RUNNING = (
    select(*deployment_columns(_log))
    .select_from(_head.join(_log, and_(*(_log.c[name] == _head.c[name] for name in ("app", "channel", "revision")))))
    .where(_log.c.canary_rollout.is_not(None))
    .order_by(_log.c.app, _log.c.channel)
)
_RUNNING_OF = _RUNNING.where(_head.c.channel == bindparam("channel"), _head.c.app.in_(_APPS))
_STEPS = (
    select(*deployment_columns(_log))
    .where(_HERE, _log.c.revision >= bindparam("first"), _log.c.canary_rollout == bindparam("rollout"))
    .order_by(_log.c.revision)
)
_OF_STATE = and_(
    _state.c.app == bindparam("app"), _state.c.channel == bindparam("channel"), _state.c.rollout == bindparam("rollout")
)
_STATE = select(_state.c.state, _state.c.at).where(_OF_STATE)
_COUNTED = select(_unit.c.unit, _unit.c.counted).where(
    *(_unit.c[name] == bindparam(name) for name in ("app", "channel", "rollout")), _unit.c.unit.in_(_UNITS)
)
_PUT_STATE = text(
    "INSERT INTO rollout_state (app, channel, rollout, state, at) VALUES (:app, :channel, :rollout, :state, :at)"
    " ON CONFLICT (app, channel, rollout) DO UPDATE SET state = excluded.state, at = excluded.at"
).bindparams(bindparam("at", type_=_state.c.at.type))
_KEEP_STATE = text(
    "UPDATE rollout_state SET state = :state WHERE app = :app AND channel = :channel AND rollout = :rollout"
)
_PUT_UNIT = text(
    "INSERT INTO rollout_unit (app, channel, rollout, unit, counted)"
    " VALUES (:app, :channel, :rollout, :unit, :counted)"
    " ON CONFLICT (app, channel, rollout, unit) DO UPDATE SET counted = excluded.counted"
)
_decision = tables.canary_decision
_DECISIONS = (
    select(*_decision.c)
    .where(*(_decision.c[name] == bindparam(name) for name in ("app", "channel", "rollout")))
    .order_by(_decision.c.revision)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredState:
    """The state of a canary as text, empty before anything was counted, and when it was looked at last."""

    text: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """The revisions of an app on a channel from one to another, in an epoch, since a minute: a part of a canary."""

    app: str
    channel: str
    epoch: int
    first: int
    last: int
    minute: int

    def has(self, place: Assignment) -> bool:
        """Returns whether a call was assigned at one of them."""
        there = (place.app, place.channel, place.epoch) == (self.app, self.channel, self.epoch)
        return there and self.first <= place.revision <= self.last

    @property
    def day(self) -> int:
        """The day since which their keys called."""
        return self.minute // DAY

    def conditions(self, table: Table) -> tuple[ColumnElement[bool], ...]:
        """Returns what holds for the rows of either side at these revisions, in a table of units."""
        there = [table.c[name] == getattr(self, name) for name in ("app", "channel", "epoch")]
        return (*there, table.c.revision.between(self.first, self.last), table.c.arm.in_(_SIDES))


def running(connection: Connection) -> tuple[Deployment, ...]:
    """Returns what is live of every app with a canary."""
    return tuple(map(deployment_of, connection.execute(_RUNNING)))


def running_of(connection: Connection, channel: str, apps: Collection[str]) -> tuple[Deployment, ...]:
    """Returns the same of these apps on a channel."""
    rows = connection.execute(_RUNNING_OF, {"channel": channel, "apps": sorted(apps)})
    return tuple(map(deployment_of, rows))


def steps_of(connection: Connection, app: str, channel: str, rollout: str) -> tuple[Deployment, ...]:
    """Returns the deployments of a canary so far, from its start on."""
    first = number_of(rollout)
    rows = connection.execute(_STEPS, {"app": app, "channel": channel, "rollout": rollout, "first": first})
    return tuple(map(deployment_of, rows))


def number_of(rollout: str) -> int:
    """Returns the revision with which a canary began, which its name says; 0 for one that says nothing."""
    number = rollout.partition(".")[2]
    return int(number) if number.isdecimal() and len(number) < 19 else 0


def decisions_of(connection: Connection, app: str, channel: str, rollout: str) -> tuple[CanaryDecision, ...]:
    """Returns what the policy decided about a canary, oldest first.

    Raises:
        RegistryDamaged: a row is not what was written.
    """
    rows = connection.execute(_DECISIONS, {"app": app, "channel": channel, "rollout": rollout})
    try:
        return tuple(map(decision_of, rows))
    except ValueError as error:
        raise RegistryDamaged(
            f"a decision about the canary {rollout} of {app} on {channel} is damaged: {error}"
        ) from error


# --- what is known of keys -------------------------------------------------------------------------


def find_state(connection: Connection, app: str, channel: str, rollout: str) -> StoredState | None:
    """Returns the state of a canary; None where it is lost."""
    row = connection.execute(_STATE, {"app": app, "channel": channel, "rollout": rollout}).first()
    return None if row is None else StoredState(text=row.state, at=row.at)


def put_state(connection: Connection, app: str, channel: str, rollout: str, state: str, at: datetime | None) -> None:
    """Keeps the state of a canary, and when it was looked at; None: it was not, as where a report was counted."""
    place = {"app": app, "channel": channel, "rollout": rollout, "state": state}
    if at is None:
        connection.execute(_KEEP_STATE, place)
    else:
        connection.execute(_PUT_STATE, {**place, "at": at})


def find_counted(
    connection: Connection, app: str, channel: str, rollout: str, units: Collection[str]
) -> dict[str, dict[str, str]]:
    """Returns as what each of these units was counted, by coin; those that were not are left out."""
    place = {"app": app, "channel": channel, "rollout": rollout}
    names = sorted(units)
    return {
        row.unit: json.loads(row.counted)
        for start in range(0, len(names), _AT_ONCE)
        for row in connection.execute(_COUNTED, {**place, "units": names[start : start + _AT_ONCE]})
    }


def put_counted(
    connection: Connection, app: str, channel: str, rollout: str, counted: Mapping[str, Mapping[str, str]]
) -> None:
    """Keeps as what these units were counted."""
    place = {"app": app, "channel": channel, "rollout": rollout}
    if counted:
        rows = [{**place, "unit": unit, "counted": json.dumps(coins)} for unit, coins in sorted(counted.items())]
        connection.execute(_PUT_UNIT, rows)


def prune_rollouts(connection: Connection, now: datetime) -> None:
    """Deletes what is known of the keys of canaries that were last looked at too long ago."""
    for row in connection.execute(select(_state).where(_state.c.at < now - KEPT)).all():
        place = {"app": row.app, "channel": row.channel, "rollout": row.rollout}
        for table in (_unit, _state):
            connection.execute(delete(table).where(*(table.c[name] == value for name, value in place.items())))

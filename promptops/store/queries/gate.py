"""What a gate's verdict rests on, cheaply: its state, which is equal as long as the verdict is, and suites by time.

The rows are insert-only, so how many there are says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, Table, func, select

from promptops.core.evidence.release_suites import ReleaseSuites
from promptops.store.queries.evidence import suites_of
from promptops.store.schema import tables

_suites, _deployment = tables.release_suites, tables.deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """How much there is of each kind of fact that decides a verdict about a release on a channel."""

    app: str
    channel: str
    digest: str
    policy: int
    revision: int
    counts: tuple[int, ...]


def gate_state(connection: Connection, app: str, channel: str, digest: str) -> GateState:
    """The state of everything that a gate's verdict on this release rests on."""
    of_app = [tables.run, tables.evidence, _suites, tables.release, tables.provenance]
    of_app += [tables.approval, tables.waiver, tables.quarantine, tables.yank]
    counts = [_count(table).where(table.c.app == app).scalar_subquery() for table in of_app]
    counts += [_count(tables.token).scalar_subquery()]
    policy = select(func.max(tables.channel_policy.c.version)).where(tables.channel_policy.c.channel == channel)
    here = (_deployment.c.app == app, _deployment.c.channel == channel)
    revision = select(func.max(_deployment.c.revision)).where(*here)
    row = connection.execute(select(policy.scalar_subquery(), revision.scalar_subquery(), *counts)).one()
    return GateState(
        app=app, channel=channel, digest=digest, policy=row[0] or 0, revision=row[1] or 0, counts=tuple(row[2:])
    )


def _count(table: Table) -> Select[int]:
    return select(func.count()).select_from(table)


def suites_at(connection: Connection, app: str, digest: str, at: datetime) -> ReleaseSuites | None:
    """The suites of a release as they were known at a time: of its newest clean commit, else of its newest files."""
    query = select(_suites).where(_suites.c.app == app, _suites.c.digest == digest, _suites.c.at <= at)
    row = connection.execute(query.order_by(_suites.c.dirty, _suites.c.number.desc()).limit(1)).first()
    return suites_of(row) if row else None

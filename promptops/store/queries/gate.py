"""What a gate's verdict rests on, cheaply: its state, which is equal as long as the verdict is, and suites by time.

The rows are insert-only, so how many there are says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select, text

from promptops.core.evidence.release_suites import ReleaseSuites
from promptops.store.queries.evidence import suites_of
from promptops.store.schema import tables

_suites = tables.release_suites


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
    policy, revision, *counts = connection.execute(_STATE, {"app": app, "channel": channel}).one()
    return GateState(
        app=app, channel=channel, digest=digest, policy=policy or 0, revision=revision or 0, counts=tuple(counts)
    )


# As text, since SQLAlchemy takes longer to put a dozen subqueries together than a database to answer them.
_STATE: Final = text("""
SELECT (SELECT max(version) FROM channel_policy WHERE channel = :channel),
       (SELECT max(revision) FROM deployment WHERE app = :app AND channel = :channel),
       (SELECT count(*) FROM token),
       (SELECT count(*) FROM run WHERE app = :app),
       (SELECT count(*) FROM evidence WHERE app = :app),
       (SELECT count(*) FROM release_suites WHERE app = :app),
       (SELECT count(*) FROM "release" WHERE app = :app),
       (SELECT count(*) FROM provenance WHERE app = :app),
       (SELECT count(*) FROM approval WHERE app = :app),
       (SELECT count(*) FROM waiver WHERE app = :app),
       (SELECT count(*) FROM quarantine WHERE app = :app),
       (SELECT count(*) FROM yank WHERE app = :app),
       (SELECT count(*) FROM declaration WHERE app = :app)
""")


def suites_at(connection: Connection, app: str, digest: str, at: datetime) -> ReleaseSuites | None:
    """The suites of a release as they were known at a time: of its newest clean commit, else of its newest files."""
    query = select(_suites).where(_suites.c.app == app, _suites.c.digest == digest, _suites.c.at <= at)
    row = connection.execute(query.order_by(_suites.c.dirty, _suites.c.number.desc()).limit(1)).first()
    return suites_of(row) if row else None

"""What serving asks that nothing else does: how far a channel is, and the contents of any releases by digest.

Each is one query, and none of them gets slower with the number of releases.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from promptops.core.digest import digest as digest_of
from promptops.store.schema import tables

AT_ONCE = 16
"""Contents that are read and in memory at a time: 16 MiB at most."""

_release, _audit, _journal, _epoch, _registry = (
    tables.release,
    tables.audit,
    tables.journal,
    tables.epoch,
    tables.registry,
)
_ABOUT_THE_CHANNEL = select(func.max(_audit.c.seq)).where(_audit.c.channel == bindparam("channel")).scalar_subquery()
# By name, which is indexed, and there are few yanks. The sum keeps SQLite from walking through all lines instead.
_YANKED = (
    select(func.max(_journal.c.seq + 0)).where(_journal.c.ref >= "yanks/", _journal.c.ref < "yanks0").scalar_subquery()
)
# By name too: an app declares something else a few times in its life.
_DECLARED = (
    select(func.max(_journal.c.seq + 0))
    .where(_journal.c.ref >= "declarations/", _journal.c.ref < "declarations0")
    .scalar_subquery()
)
_NEWEST_EPOCH = select(func.max(_epoch.c.epoch)).scalar_subquery()
_PLACE = select(_registry.c.name, _registry.c.lineage, _NEWEST_EPOCH, _ABOUT_THE_CHANNEL, _YANKED, _DECLARED)
_CONTENTS = select(_release.c.app, _release.c.digest, _release.c.content).where(
    _release.c.digest.in_(bindparam("digests", expanding=True))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Which registry's counting this is, and how far a channel is in it.

    ``cursor`` is the number of the newest line of the audit log that may have changed what the channel serves, where a
    rollback there would go, or what an app declares; 0 before the first. As long as a progress is equal, so is the
    channel's snapshot.
    """

    registry: str
    lineage: str
    epoch: int
    cursor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredContent:
    """The content of a release as it is stored, and whether it is what was released."""

    app: str
    digest: str
    content: bytes
    intact: bool


def progress(connection: Connection, channel: str) -> Progress:
    name, lineage, epoch, *lines = connection.execute(_PLACE, {"channel": channel}).one()
    return Progress(registry=name, lineage=lineage, epoch=epoch or 1, cursor=max(line or 0 for line in lines))


def contents(connection: Connection, digests: Sequence[str]) -> Iterator[StoredContent]:
    """Yields the contents in the order of the digests, read page by page; unknown digests are left out."""
    wanted = list(dict.fromkeys(digests))
    for start in range(0, len(wanted), AT_ONCE):
        batch = wanted[start : start + AT_ONCE]
        rows = {row.digest: row for row in connection.execute(_CONTENTS, {"digests": batch})}
        for row in (rows[digest] for digest in batch if digest in rows):
            intact = digest_of(row.content) == row.digest
            yield StoredContent(app=row.app, digest=row.digest, content=row.content, intact=intact)

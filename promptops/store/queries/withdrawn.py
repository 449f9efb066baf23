"""Which releases of a channel's apps no conversation may stay on: those in quarantine there, and those yanked anywhere.

One query, however many apps there are. It walks indexes from the apps of the channel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, func, not_, select, union_all

from promptops.store.schema import tables

_head, _quarantine, _yank = tables.head, tables.quarantine, tables.yank
_other = _quarantine.alias("other")
_newest = (
    select(func.max(_other.c.id))
    .where(
        _other.c.app == _quarantine.c.app,
        _other.c.channel == _quarantine.c.channel,
        _other.c.digest == _quarantine.c.digest,
    )
    .scalar_subquery()
)
_ON = _head.c.channel == bindparam("channel")
_QUARANTINED = (
    select(_quarantine.c.app, _quarantine.c.digest, _quarantine.c.at)
    .select_from(
        _head.join(_quarantine, and_(_quarantine.c.app == _head.c.app, _quarantine.c.channel == _head.c.channel))
    )
    .where(_ON, not_(_quarantine.c.lifted), _quarantine.c.id == _newest)
)
_YANKED = (
    select(_yank.c.app, _yank.c.digest, _yank.c.at)
    .select_from(_head.join(_yank, _yank.c.app == _head.c.app))
    .where(_ON)
)
_WITHDRAWN = union_all(_QUARANTINED, _YANKED)


def withdrawn_on(connection: Connection, channel: str) -> Mapping[str, Mapping[str, datetime]]:
    """Returns the digests by app, each with the moment when it was withdrawn, the newest first."""
    found: dict[str, dict[str, datetime]] = defaultdict(dict)
    for app, digest, at in connection.execute(_WITHDRAWN, {"channel": channel}):
        found[app][digest] = max(at, found[app].get(digest, at))
    return {
        app: dict(sorted(digests.items(), key=lambda each: (each[1], each[0]), reverse=True))
        for app, digests in found.items()
    }

"""Compares what a channel serves with what it is about to serve, for the code that calls and the processes that run.

A comparison of big releases can take long, so no lock is held meanwhile. Contents never change, so
what was found holds under the lock as well; what clients say of themselves is as good as their last heartbeats.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from promptops.core.callers import ContractChange
from promptops.core.errors import Invalid
from promptops.core.heartbeat import LIVE_FOR
from promptops.core.model import Deployment, Release, ReleaseRef

if TYPE_CHECKING:
    from promptops.store import Reader, Registry

_QUICK: Final = 64 << 10
"""Bytes of two releases up to which they are compared under the lock: to begin anew there takes longer."""

_COMPARED: Final = 2 << 20
"""Bytes of releases that are compared after a rollback of many apps, which bounds the time that its answer takes."""


class Uncompared(Exception):
    """Raised under the lock for a pair of releases that were not compared yet."""

    def __init__(self, comparisons: Comparisons, old: ReleaseRef, new: ReleaseRef) -> None:
        super().__init__(f"{old.digest} and {new.digest}")
        self._comparisons, self._pair = comparisons, (old, new)

    def compare(self) -> None:
        """Compares them, outside of any transaction."""
        self._comparisons.compare(*self._pair)


class Comparisons:
    """The comparisons of one promotion."""

    def __init__(self, registry: Registry, app: str, channel: str, now: datetime) -> None:
        self._registry = registry
        self._place = app, channel
        self._now = now
        self._known: dict[tuple[str, str], ContractChange] = {}

    def prepare(self, release: Release) -> None:
        """Compares a large release with what is live now, so that it need not be done between two tries."""
        if len(release.content) < _QUICK:
            return
        app, channel = self._place
        with self._registry.read() as reader:
            current = reader.live(app, channel)
        if current is not None and current.stable not in (None, release.ref):
            self.compare(current.stable, release.ref)

    def compare(self, old: ReleaseRef, new: ReleaseRef) -> None:
        """Compares two releases, outside of any transaction, and asks which live processes would break."""
        with self._registry.read() as reader:
            contents = _contents(reader, [old, new])
        found = _compared(contents, *self._place, old, new)
        [self._known[old.digest, new.digest]] = _beside_clients(self._registry, [found], self._now)

    def before(self, reader: Reader, current: Deployment | None, release: Release) -> ContractChange | None:
        """Returns what a release changes for callers of what is live; None where nothing is.

        Raises:
            Uncompared: the two have to be compared first, since they are large or callers have to change.
        """
        if current is None or current.stable is None:
            return None
        pair = current.stable.digest, release.digest
        if pair not in self._known:
            contents = _contents(reader, [current.stable]) | {release.digest: release.content}
            if sum(map(len, contents.values())) > _QUICK:
                raise Uncompared(self, current.stable, release.ref)
            found = _compared(contents, *self._place, current.stable, release.ref)
            if found.needs:
                raise Uncompared(self, current.stable, release.ref)
            self._known[pair] = found
        return self._known[pair]

    def after(self, deployments: Iterable[Deployment]) -> tuple[ContractChange, ...]:
        """Returns what these deployments changed for callers, as far as it was compared before."""
        pairs = [(old.digest, new.digest) for old, new in filter(None, map(_pair, deployments))]
        return tuple(self._known[pair] for pair in pairs if pair in self._known)


def contract_changes(
    registry: Registry, deployments: Iterable[Deployment], *, now: datetime
) -> tuple[ContractChange, ...]:
    """Returns what deployments that were made changed for callers, each against what was live before.

    Of many apps only as many as are compared in little time; a release that cannot be read is left out. Nothing where
    it cannot be worked out: the deployments are done, and have to be answered as such.
    """
    with suppress(Exception):
        with registry.read() as reader:
            stored = list(_stored(reader, deployments))
        found = [_compared(contents, made.app, made.channel, *pair) for made, pair, contents in stored]
        return _beside_clients(registry, found, now)
    return ()


def _stored(
    reader: Reader, deployments: Iterable[Deployment]
) -> Iterator[tuple[Deployment, tuple[ReleaseRef, ReleaseRef], dict[str, bytes]]]:
    """Yields deployments with the contents that are compared, up to a number of bytes of all."""
    left = _COMPARED
    for made in deployments:
        if left > 0 and (pair := _pair(made)) is not None:
            contents = _contents(reader, pair)
            left -= sum(map(len, contents.values()))
            if left >= 0 and len(contents) == 2:
                yield made, pair, contents


def _pair(made: Deployment) -> tuple[ReleaseRef, ReleaseRef] | None:
    """Returns what was live before a deployment and what is live or on trial since; None where these are one."""
    new = made.canary.release if made.canary else made.stable
    if made.before is None or new is None or made.before.digest == new.digest:
        return None
    return made.before, new


def _contents(reader: Reader, releases: Iterable[ReleaseRef]) -> dict[str, bytes]:
    stored = reader.contents([release.digest for release in releases])
    return {each.digest: each.content for each in stored if each.intact}


def _compared(contents: dict[str, bytes], app: str, channel: str, old: ReleaseRef, new: ReleaseRef) -> ContractChange:
    """Returns the changes in words alone; none where one of the contents is damaged."""
    from promptops.core.callers import needs_of
    from promptops.core.contract import compare
    from promptops.core.release_bytes import content_from_bytes

    compared = ContractChange(app=app, channel=channel, old=old.version, new=new.version)
    try:
        before, after = (content_from_bytes(contents[each.digest]) for each in (old, new))
    except (KeyError, Invalid):
        return compared
    changes = compare(before, after)
    words = tuple(replace(change, before=None, after=None) for change in changes)
    return replace(compared, changes=words, needs=needs_of(words, before, after))


def _beside_clients(registry: Registry, found: Sequence[ContractChange], now: datetime) -> tuple[ContractChange, ...]:
    """Returns the changes with what the live clients of their channels say; nothing is read where none is asked."""
    channels = {each.channel for each in found if each.needs}
    if not channels:
        return tuple(found)
    with registry.read() as reader:
        beats = {channel: reader.clients_asking(now - LIVE_FOR, channel) for channel in channels}
    return tuple(each.beside(beats[each.channel]) if each.needs else each for each in found)

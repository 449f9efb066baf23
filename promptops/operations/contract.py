"""Compares what a channel serves with what it is about to serve, for the code that calls.

A comparison can take as long as two big releases are different, so no lock is held meanwhile. Contents never change, so
what was found holds under the lock as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from promptops.core.callers import ContractChange
from promptops.core.errors import Invalid
from promptops.core.model import Change, Deployment, Release, ReleaseRef

if TYPE_CHECKING:
    from promptops.store import Registry

_COMPARED: Final = 2 << 20
"""Bytes of releases that are compared after a rollback of many apps, which bounds the time that its answer takes."""


class Uncompared(Exception):
    """Raised under the lock for a pair of releases that were not compared yet."""

    def __init__(self, old: ReleaseRef, new: ReleaseRef) -> None:
        super().__init__(f"{old.digest} and {new.digest}")
        self.old = old
        self.new = new


class Comparisons:
    """The comparisons of one promotion."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[tuple[str, str], tuple[Change, ...]] = {}

    def compare(self, old: ReleaseRef, new: ReleaseRef) -> None:
        """Compares two releases, outside of any transaction."""
        self._known[old.digest, new.digest] = _changes(_contents(self._registry, [old, new]), old, new) or ()

    def before(self, current: Deployment | None, release: Release) -> ContractChange | None:
        """Returns what a release changes for callers of what is live; None where nothing is.

        Raises:
            Uncompared: the two have to be compared first.
        """
        if current is None or current.stable is None:
            return None
        return self._of(current.app, current.channel, current.stable, release.ref)

    def after(self, deployments: Iterable[Deployment]) -> tuple[ContractChange, ...]:
        """Returns what these deployments changed for callers, as far as it was compared before."""
        pairs = ((made, _pair(made)) for made in deployments)
        return tuple(
            self._of(made.app, made.channel, *pair)
            for made, pair in pairs
            if pair is not None and (pair[0].digest, pair[1].digest) in self._known
        )

    def _of(self, app: str, channel: str, old: ReleaseRef, new: ReleaseRef) -> ContractChange:
        if (old.digest, new.digest) not in self._known:
            raise Uncompared(old, new)
        changes = self._known[old.digest, new.digest]
        return ContractChange(app=app, channel=channel, old=old.version, new=new.version, changes=changes)


def contract_changes(registry: Registry, deployments: Iterable[Deployment]) -> tuple[ContractChange, ...]:
    """Returns what deployments that were made changed for callers, each against what was live before.

    Of many apps only as many as are compared in little time; a release that cannot be read is left out.
    """
    found, left = [], _COMPARED
    for made in deployments:
        pair = _pair(made)
        if pair is None or left <= 0:
            continue
        contents = _contents(registry, pair)
        left -= sum(map(len, contents.values()))
        changes = _changes(contents, *pair) if left >= 0 else None
        if changes is not None:
            old, new = pair
            found.append(
                ContractChange(app=made.app, channel=made.channel, old=old.version, new=new.version, changes=changes)
            )
    return tuple(found)


def _pair(made: Deployment) -> tuple[ReleaseRef, ReleaseRef] | None:
    """Returns what was live before a deployment and what is live or on trial since; None where these are one."""
    new = made.canary.release if made.canary else made.stable
    if made.before is None or new is None or made.before.digest == new.digest:
        return None
    return made.before, new


def _contents(registry: Registry, releases: Iterable[ReleaseRef]) -> dict[str, bytes]:
    with registry.read() as reader:
        stored = reader.contents([release.digest for release in releases])
        return {each.digest: each.content for each in stored if each.intact}


def _changes(contents: dict[str, bytes], old: ReleaseRef, new: ReleaseRef) -> tuple[Change, ...] | None:
    """Returns the changes in words alone; None where one of the contents is damaged."""
    from promptops.core.contract import compare_release
    from promptops.core.release_bytes import content_from_bytes

    if not {old.digest, new.digest} <= contents.keys():
        return None
    try:
        changes = compare_release(contents[old.digest], content_from_bytes(contents[new.digest]))
    except Invalid:
        return None
    return tuple(replace(change, before=None, after=None) for change in changes)

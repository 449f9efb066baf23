"""A channel as its clients see it: which release each app serves there. What a client needs to resolve it offline.

A snapshot only points; the releases it points to are immutable and are held or fetched by digest. Within a lineage and
an epoch an app's revision only goes up, so of two snapshots the newer one is known without a clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from promptops.core.declarations import NOTHING, Declarations
from promptops.core.model import ReleaseRef
from promptops.core.trial import Trial

MAX_EPOCH: Final = 1_000_000
MAX_REVISION: Final = 1_000_000_000
MAX_CURSOR: Final = 1_000_000_000_000
"""No real registry reaches more restores, changes of an app, or lines of an audit log than these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """What a channel serves of one app: its revision there, the stable release, and the canary with its weight in
    basis points and its salt (none: weight 0, no salt). Without a stable release the app is off: nothing is served.
    ``last_good`` is where a rollback would go: a client holds its content beforehand, so that following a rollback
    needs no further request.

    The rest is no part of what the revision is, and may change without one. ``declared`` is what the app declares of
    its calls, without the plan. ``withdrawn`` are the digests of releases that no conversation stays on: those in
    quarantine here, and those that were yanked. Where they are too many, it has the newest, and no conversation stays
    on what it was assigned before the revision ``held_from``. ``trial`` is what the start of its canary froze.
    """

    revision: int
    stable: ReleaseRef | None
    canary: ReleaseRef | None = None
    weight: int = 0
    salt: str = ""
    last_good: ReleaseRef | None = None
    declared: Declarations = NOTHING
    withdrawn: tuple[str, ...] = ()
    held_from: int = 0
    trial: Trial | None = None

    @property
    def decided(self) -> Pointer:
        """The part that its revision decides for ever."""
        return replace(self, last_good=None, declared=NOTHING, withdrawn=(), held_from=0, trial=None)

    @property
    def version(self) -> str:
        """The version of the stable release; empty where the app is off."""
        return self.stable.version if self.stable else ""

    @property
    def digest(self) -> str:
        """The digest of the stable release; empty where the app is off."""
        return self.stable.digest if self.stable else ""

    def served(self) -> Iterator[ReleaseRef]:
        """The releases it serves: the stable one, and the canary. None where the app is off."""
        if self.stable is not None:
            yield self.stable
        if self.canary is not None:
            yield self.canary

    def releases(self) -> Iterator[ReleaseRef]:
        """The releases it names, each once, what is served first."""
        named = (self.stable, self.canary, self.last_good)
        yield from dict.fromkeys(release for release in named if release is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All apps of a channel, or with ``partial`` only those that changed: an event.

    ``lineage`` and ``epoch`` say which registry's counting this is; ``cursor`` is the number of the newest line of the
    audit log that is about this channel.
    """

    registry: str
    lineage: str
    epoch: int
    channel: str
    cursor: int
    apps: Mapping[str, Pointer]
    partial: bool = False

    def only(self, apps: Collection[str]) -> Snapshot:
        """Returns the snapshot of these apps only; unknown ones are left out."""
        return replace(self, apps={app: pointer for app, pointer in self.apps.items() if app in apps})

    def plain(self) -> Snapshot:
        """Returns the snapshot without what is no part of a revision, except where a rollback would go."""
        apps = {app: replace(pointer.decided, last_good=pointer.last_good) for app, pointer in self.apps.items()}
        return replace(self, apps=apps)

    def since(self, older: Snapshot | None) -> Snapshot:
        """Returns the apps that changed since an older snapshot, as a partial one; all if it counts differently."""
        known: Mapping[str, Pointer] = {}
        if older is not None and (older.lineage, older.epoch) == (self.lineage, self.epoch):
            known = older.apps
        changed = {app: pointer for app, pointer in self.apps.items() if known.get(app) != pointer}
        return replace(self, apps=changed, partial=True)

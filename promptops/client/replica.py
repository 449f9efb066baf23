"""What a process knows of one channel: what it holds, how it got it, and how it stands with its registry. No network.

Snapshots and events arrive from several threads or tasks. Whoever has one calls :meth:`Replica.adopt`, which judges it
against what is held at that moment, and swaps both the held and the view of it, or nothing. Readers take the view by
one reference and never wait.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from promptops.client.acceptance import judge
from promptops.client.held import Held, build, keeping, needed, with_version
from promptops.client.origin import Place
from promptops.client.overrides import OverrideFile
from promptops.client.prompt import Reason, Source
from promptops.client.schedule import Dice, Schedule
from promptops.client.settings import Settings
from promptops.client.status import Change
from promptops.client.view import View
from promptops.core.model import ReleaseRef
from promptops.core.presence import State
from promptops.core.snapshot import Snapshot
from promptops.wire.snapshot import encode

STALE_AFTER = 3
"""Polls without contact after which what is served is called stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a client takes from the world: seconds that never jump, the time of day, and chance."""

    clock: Callable[[], float]
    now: Callable[[], datetime]
    dice: Dice


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A place as it answered last: whether it is a server of ours, and the etag of what was held then."""

    api: bool
    etag: str = ""
    held: Held | None = None


class Replica:
    """One channel of one client. Every method may be called from any thread."""

    def __init__(self, settings: Settings, channel: str, world: World) -> None:
        self.settings = settings
        self.channel = channel
        self.world = world
        self.held: Held | None = None
        self.kept = Source.SERVER
        self.overrides: Mapping[str, OverrideFile] = {}
        self.schedule = Schedule(interval=settings.poll, now=world.clock(), dice=world.dice)
        self.started = world.clock()
        self.contact: float | None = None
        self.place: Place | None = None
        self.problem = ""
        self.unfollowed = ""  # why nothing is followed in this process by itself; empty where it is
        self.disk = ""
        self.polls = 0
        self.failing = False
        self.streaming = False
        self.rejected: Counter[str] = Counter()
        self.unsaved = False
        self._untold: deque[Change] = deque()
        self._known: dict[Place, _Known] = {}
        self._lock = threading.Lock()
        self._wanted = tuple((each.app, each.version) for each in (*settings.pins, *settings.versions))
        self.view = self._view(*self._grade())

    def forked(self) -> None:
        """This process is a copy: whoever held the lock is not here, nor who was in the middle of a change."""
        self._lock = threading.Lock()
        self.streaming = False
        self.failing, self.problem = True, "this process was forked, and has not asked yet"
        self.view = self._view(*self._grade())

    # --- what arrives ----------------------------------------------------------------------------

    def missing(self, snapshot: Snapshot, spare: Mapping[str, bytes]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The digests to fetch before it can be served, and those to fetch afterwards, for a rollback to come.

        Raises:
            Rejected: it will not be followed, whatever is fetched.
        """
        with self._lock:
            merged = self._judge(snapshot)
            wanted = [digest for digest in needed(merged, self.held) if digest not in spare] if merged else ()
        served = {
            ref.digest
            for pointer in snapshot.apps.values()
            for ref in (pointer.stable, pointer.canary)
            if ref is not None
        }
        first = tuple(digest for digest in wanted if digest in served)
        return first, tuple(digest for digest in wanted if digest not in served)

    def adopt(self, snapshot: Snapshot, contents: Mapping[str, bytes]) -> None:
        """Follow what arrived, if it says anything new; :meth:`take_changes` has what that is.

        Raises:
            Rejected: it is not followed, and everything is as it was.
        """
        with self._lock:
            merged = self._judge(snapshot)
            if merged is None:
                return
            before = self.held
            held = keeping(build(merged, contents, older=before, required=self.settings.required), self._wanted)
            self.held, self.kept, self.unsaved = held, Source.SERVER, True
            self.view = self._view(Source.SERVER, Reason.STATIC)
            self._untold.extend(_changes(before.snapshot if before else None, held.snapshot))
            self._in_contact()  # last: who sees that it is ready finds everything in its place

    def take_changes(self) -> tuple[Change, ...]:
        """What is served otherwise since it was asked last. Whoever gets them tells them: nobody else will."""
        found = []
        with suppress(IndexError):  # it is empty, or another thread took the last one
            while True:
                found.append(self._untold.popleft())
        return tuple(found)

    def hold(self, contents: Mapping[str, bytes]) -> None:
        """Hold releases that a rollback would go to."""
        with self._lock:
            if self.held is not None:
                built = build(self.held.snapshot, contents, older=self.held, required=self.settings.required)
                self._swap(built, self.kept)

    def hold_version(self, app: str, release: ReleaseRef, data: bytes) -> None:
        """Hold a release by its name.

        Raises:
            Rejected: it is not what its digest says.
        """
        with self._lock:
            if self.held is not None:
                self._swap(with_version(self.held, app, release, data), self.kept)

    def keep(self, app: str, version: str) -> bool:
        """Hold a version from now on, if it is held now; False where it is not."""
        with self._lock:
            if self.held is None or version not in self.held.versions(app):
                return False
            kept = keeping(self.held, [(app, version)])
            if kept is not self.held:
                self._swap(kept, self.kept)
            return True

    def restore(self, held: Held, source: Source) -> None:
        """Start from what is on disk."""
        with self._lock:
            self._swap(held, source)
            self.unsaved = False

    def _judge(self, snapshot: Snapshot) -> Snapshot | None:
        if self.settings.apps:
            snapshot = snapshot.only(self.settings.apps)
        return judge(snapshot, self.held, channel=self.channel)

    def _swap(self, held: Held, source: Source) -> None:
        self.held, self.kept, self.unsaved = keeping(held, self._wanted), source, True
        self.view = self._view(*self._grade())

    # --- how it is served ------------------------------------------------------------------------

    def look(self) -> None:
        """Make the view anew where prompts are of another kind now than they say, or an override came or ended."""
        with self._lock:
            graded = self._grade()
            if graded != self._graded:
                self.view = self._view(*graded)

    def set_overrides(self, active: Mapping[str, OverrideFile]) -> None:
        """Serve these break-glass files, whatever the registry says."""
        with self._lock:
            self.overrides = dict(active)
            self.view = self._view(*self._grade())

    def _view(self, source: Source, reason: Reason) -> View:
        self._graded = (source, reason)
        return View.make(
            self.held,
            channel=self.channel,
            source=source,
            reason=reason,
            pins={pin.app: pin.version for pin in self.settings.pins},
            overrides=self.overrides,
            apps=self.settings.apps or None,
        )

    def _grade(self) -> tuple[Source, Reason]:
        state = self.state
        if state is State.READY:
            return Source.SERVER, Reason.STATIC
        source = Source.CACHE if self.contact is not None else self.kept
        return source, Reason.STALE if state is State.STALE else Reason.CACHED

    # --- how it stands with its registry ---------------------------------------------------------

    @property
    def state(self) -> State:
        if self.contact is None and (self.held is None or self.kept is Source.BUNDLE):
            return State.COLD
        if self.age > STALE_AFTER * self.settings.poll:
            return State.STALE
        return State.DISCONNECTED if self.contact is None or self.failing or self.unfollowed else State.READY

    @property
    def age(self) -> float:
        """Seconds since the last contact; since the start where there was none."""
        return self.world.clock() - (self.started if self.contact is None else self.contact)

    @property
    def too_old(self) -> bool:
        """True where what is served is older than the application said it may be."""
        limit = self.settings.max_stale
        return limit is not None and self.age > limit

    def is_api(self, place: Place) -> bool:
        """True where the place is known to be a server of ours."""
        known = self._known.get(place)
        return known is not None and known.api

    def etag(self, place: Place) -> str:
        """The etag to ask this place with; empty where nothing is held."""
        held, known = self.held, self._known.get(place)
        if held is None:
            return ""
        if known is not None and known.held is held and known.etag:
            return known.etag
        return f'"{encode(replace(held.snapshot, partial=False))[1]}"'

    def heard(self, place: Place, *, api: bool, etag: str = "") -> None:
        """A place answered with something that is followed, or said that nothing is new."""
        self._known[place] = _Known(api=api, etag=etag, held=self.held)
        self.place = place
        self._in_contact()
        self.look()

    def failed(self, problem: str) -> None:
        """No place answered with anything that is followed."""
        self.failing, self.problem = True, problem
        self.look()

    def _in_contact(self) -> None:
        self.contact, self.failing, self.problem = self.world.clock(), False, ""
        self.kept = Source.SERVER

    def answered(self, place: Place, *, api: bool) -> None:
        """A place answered with an error; whether it is a server of ours is known even so."""
        known = self._known.get(place)
        self._known[place] = replace(known, api=api) if known else _Known(api=api)


def _changes(before: Snapshot | None, after: Snapshot) -> tuple[Change, ...]:
    """What is served otherwise than before; nothing for the first snapshot there is."""
    if before is None:
        return ()
    found = []
    for app, pointer in after.apps.items():
        old = before.apps.get(app)
        if old is None or replace(old, last_good=None) != replace(pointer, last_good=None):
            found.append(
                Change(
                    channel=after.channel,
                    app=app,
                    revision=pointer.revision,
                    version=pointer.stable.version,
                    before=old.stable.version if old else "",
                    canary=pointer.canary.version if pointer.canary else "",
                )
            )
    return tuple(found)

"""What a process knows of one channel: what it holds, how it got it, and how it stands with its registry. No network.

Snapshots and events arrive from several threads. :meth:`Replica.receive` judges one against what is held at
that moment, follows at once what is ready to be served (a rollback, mostly), and notes the rest as coming. A loader
claims an app, loads it without the lock, and hands the outcome to :meth:`Replica.settle`. So no app waits for another's
bytes or compiling. Held and view are swapped together; readers take the view by one reference and never wait.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from promptops.client.follow.acceptance import judge
from promptops.client.follow.arrival import changes, sort
from promptops.client.follow.schedule import Schedule, World
from promptops.client.prompt import Reason, Source
from promptops.client.settings import Settings
from promptops.client.sources.http_messages import BATCH
from promptops.client.sources.source import Place
from promptops.client.state.lookup_view import OverrideFile, View
from promptops.client.state.release_set import (
    CompiledRelease,
    Held,
    Rejected,
    Unloaded,
    holding,
    keeping,
    lacking,
    with_version,
)
from promptops.client.status import Change
from promptops.core.escape import one_line
from promptops.core.heartbeat import MAX_WORDS, State
from promptops.core.model import ReleaseRef
from promptops.core.snapshot import Pointer, Snapshot
from promptops.wire.snapshot import encode

T = TypeVar("T")

STALE_AFTER = 3
"""Polls without contact after which what is served is called stale."""


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
        self.notes: dict[str, tuple[str, ...]] = {
            "pin-missing": (),
            "source-invalid": (),
        }  # by the name they are logged
        self._failure = ""
        self.unfollowed = ""  # why nothing is followed in this process by itself; empty where it is
        self.disk = ""
        self.polls = 0
        self.failing = False
        self.streaming = False
        self.rejected: Counter[str] = Counter()
        self.unsaved = False
        self.spare: dict[str, bytes] = {}
        self.batch = BATCH
        self._coming: dict[str, Pointer] = {}
        self._claimed: dict[str, Pointer] = {}
        self.compiling: Set[str] = frozenset()
        self._first: frozenset[str] = frozenset()
        self._untold: deque[Change] = deque()
        self._unsaid: deque[tuple[str, Unloaded]] = deque()
        self.old_until: dict[Place, float] = {}  # places whose server takes no more of a heartbeat than 0.1.0's
        self._known: dict[Place, _Known] = {}
        self._lock = threading.Lock()
        self._wanted = tuple((each.app, each.version) for each in (*settings.fixed, *settings.versions))
        self.view = self._view(*self._grade())

    def forked(self) -> None:
        """Reset after a fork: the threads that held the lock or were making a change are not in this process."""
        self._lock = threading.Lock()
        self._claimed = {}
        self.streaming = False
        self.failing, self._failure = True, "this process was forked, and has not asked yet"
        self.view = self._view(*self._grade())

    # --- what arrives ----------------------------------------------------------------------------

    def receive(self, snapshot: Snapshot) -> Rejected | None:
        """Judge what arrived, which may be an event, and follow what needs no loading. The rest is coming.

        Returns why a place is not up to date, if the snapshot is older than what is held.

        Raises:
            Rejected: nothing of it is followed, and everything is as it was.
        """
        with self._lock:
            if self.settings.apps:
                snapshot = snapshot.only(self.settings.apps)
            verdict = judge(snapshot, self.held, channel=self.channel)
            if self.held is None:
                self._first = frozenset(verdict.news)
            found = sort(snapshot, verdict, self.held, self._coming, required=self.settings.required)
            self._coming = found.coming
            self._put(verdict.base, found.ready, {}, {}, found.unloaded)
            return next(iter(verdict.refused.values()), None) if verdict.behind else None

    @property
    def is_coming(self) -> bool:
        """True if a release to load was not tried yet."""
        return any(self._claimed.get(app) != at and not self._failed(app, at) for app, at in list(self._coming.items()))

    def _failed(self, app: str, pointer: Pointer) -> bool:
        known = self.held.unloaded.get(app) if self.held else None
        return known is not None and known.pointer == pointer

    @property
    def is_loading(self) -> bool:
        """True while any thread or task loads a release."""
        return bool(self._claimed)

    @property
    def is_late(self) -> bool:
        """True if the bytes of an app did not come because no place answered, so that asking again soon may help."""
        unloaded = self.held.unloaded if self.held else {}
        return any(app in unloaded and unloaded[app].reason in _AGAIN for app in list(self._coming))

    def claim(self, tried: Mapping[str, Pointer], *, again: bool) -> dict[str, Pointer]:
        """Claim for this caller the releases to load that no other loader has, except those already tried.

        ``again``: also what failed before.
        """
        with self._lock:
            found = {
                app: pointer
                for app, pointer in self._coming.items()
                if pointer not in (self._claimed.get(app), tried.get(app)) and (again or not self._failed(app, pointer))
            }
            self._claimed |= found
            return found

    def release(self, claimed: Mapping[str, Pointer]) -> None:
        """Give back what was claimed. Without the lock: a generator that is collected as garbage does so anywhere."""
        for app, pointer in claimed.items():
            if self._claimed.get(app) == pointer:
                self._claimed.pop(app, None)

    def settle(
        self,
        loaded: Mapping[str, Pointer],
        contents: Mapping[str, bytes],
        compiled: Mapping[str, CompiledRelease],
        failed: Mapping[str, Unloaded],
    ) -> None:
        """Follow the loaded apps and note the failed ones, except apps that the channel has moved on meanwhile.

        :meth:`take_changes` returns the changes in what is served.
        """
        with self._lock:
            if self.held is None:
                return
            loaded = {app: pointer for app, pointer in loaded.items() if self._coming.get(app) == pointer}
            failed = {app: each for app, each in failed.items() if self._coming.get(app) == each.pointer}
            for app in (*loaded, *(app for app, each in failed.items() if each.final)):
                del self._coming[app]
            unloaded = {app: each for app, each in self.held.unloaded.items() if app not in loaded}
            self._put(self.held.snapshot, loaded, contents, compiled, {**unloaded, **failed})

    def _put(
        self,
        base: Snapshot,
        loaded: Mapping[str, Pointer],
        contents: Mapping[str, bytes],
        compiled: Mapping[str, CompiledRelease],
        unloaded: dict[str, Unloaded],
    ) -> None:
        """Hold this, and report what is new about it; nothing if it is held already."""
        before = self.held
        snapshot = replace(base, apps={**base.apps, **loaded}) if loaded else base
        gone = before.gone.apps if before and before.gone else {}
        unloaded = unloaded | dict(lacking({*snapshot.apps, *gone, *unloaded, *self._coming}, self.settings.required))
        if before is not None and (snapshot, unloaded) == (before.snapshot, before.unloaded):
            return
        held = holding(snapshot, contents, compiled, older=before, unloaded=unloaded)
        self._swap(held, self.kept)
        self._untold.extend(changes(before, loaded, self.channel, self._first))
        self._first -= loaded.keys() | unloaded.keys()
        for app, each in unloaded.items():
            if before is None or before.unloaded.get(app) != each:
                self.rejected[each.reason] += 1
                self._unsaid.append((app, each))

    def take_unloaded(self) -> tuple[tuple[str, Unloaded], ...]:
        """The apps that could not be loaded since the last call, as :meth:`take_changes`."""
        return tuple(_taken(self._unsaid))

    def take_changes(self) -> tuple[Change, ...]:
        """What is served otherwise since it was asked last. Whoever gets them tells them: nobody else will."""
        return tuple(_taken(self._untold))

    def tidy(self) -> None:
        """Let go of bytes that came and that nothing needs any more."""
        coming = {ref.digest for pointer in list(self._coming.values()) for ref in pointer.served()}
        for digest in list(self.spare):
            if digest not in coming:
                self.spare.pop(digest, None)

    @property
    def cannot_load(self) -> Mapping[str, str]:
        """The apps whose newest is not served, each with the reason in one line."""
        unloaded = self.held.unloaded if self.held else {}
        return {one_line(app, 63): one_line(each.message, MAX_WORDS) for app, each in unloaded.items()}

    def served_of(self, app: str) -> str:
        """The version that is served of an app; empty for none."""
        pointer = self.held.apps.get(app) if self.held else None
        return pointer.stable.version if pointer else ""

    def rollbacks(self) -> tuple[str, ...]:
        """The digests of releases that a rollback would go to and that are not held."""
        held = self.held
        lasts = [pointer.last_good for pointer in held.snapshot.apps.values()] if held else []
        return tuple(dict.fromkeys(last.digest for last in lasts if last and held and last.digest not in held.contents))

    def hold(self, contents: Mapping[str, bytes]) -> None:
        """Hold releases that a rollback would go to."""
        with self._lock:
            held = self.held
            if held is not None and contents:
                self._swap(holding(held.snapshot, contents, {}, older=held, unloaded=held.unloaded), self.kept)

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
            self._unsaid.extend(held.unloaded.items())
            self.unsaved = False

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
        """Serve these override files, whatever the registry says."""
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
            fixed={fixed.app: fixed.version for fixed in self.settings.fixed},
            overrides=self.overrides,
            apps=self.settings.apps or None,
            coming=self._coming,
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
        if self.contact is None and (self.held is None or not self.held.apps or self.kept is Source.BUNDLE):
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

    @property
    def problem(self) -> str:
        """Why the last attempt failed, or the first note; empty if there is neither."""
        return self._failure or next((text for texts in self.notes.values() for text in texts), "")

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
        self.failing, self._failure = True, problem
        self.look()

    def heard_event(self) -> None:
        """An event arrived that is followed."""
        with self._lock:
            if self.held is not None and self.contact is not None:
                self._in_contact()
        self.look()

    def _in_contact(self) -> None:
        self.contact, self.failing, self._failure = self.world.clock(), False, ""
        self.kept = Source.SERVER

    def answered(self, place: Place, *, api: bool) -> None:
        """A place answered with an error; whether it is a server of ours is known even so."""
        known = self._known.get(place)
        self._known[place] = replace(known, api=api) if known else _Known(api=api)


_AGAIN = frozenset({"timeout", "connect", "network", *(f"status-{status}" for status in (429, 500, 502, 503, 504))})
"""Why bytes did not come that may come in a moment."""


def _taken(queue: deque[T]) -> Iterator[T]:
    with suppress(IndexError):  # it is empty, or another thread took the last one
        while True:
            yield queue.popleft()

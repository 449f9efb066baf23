"""The newest snapshot of every channel that somebody follows, kept as bytes; and who wants to hear of the next one.

One thread waits for changes of the registry, whoever makes them, and takes a new snapshot of those channels that moved.
Everything else happens on the event loop: a channel is one reference to an immutable :class:`Served`, so a reader sees
the old one or the new one whole. Whoever follows compares what it has sent with what is newest, so nobody has a queue
that could grow: a slow reader gets fewer and larger events.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from promptops.core.errors import ChannelNotFound, PromptopsError
from promptops.core.snapshot import Snapshot
from promptops.core.token import matches
from promptops.operations import snapshots
from promptops.server.live.exhaustion import end_if_exhausted
from promptops.store.engine.listening import Way
from promptops.wire.snapshot import encode

if TYPE_CHECKING:
    from promptops.server.live.pace import Pace
    from promptops.store import Registry
    from promptops.store.engine.watching import Watch
    from promptops.store.queries.serving import Progress

_VIEWS = 64
_EVENTS = 256
_PAST = 32
_KEPT_SECONDS = 600.0
_LOOK_ANYWAY = 5.0
_TRY_AGAIN = 0.5
_CHECK_SECONDS = 1.0
_log = logging.getLogger("promptops.server")
_WAYS: Final = {
    Way.FILE: (logging.INFO, "changes are seen in the registry's file"),
    Way.NOTIFY: (logging.INFO, "the database announces changes (LISTEN)"),
    Way.POLL: (
        logging.WARNING,
        "the server polls the database for changes several times a second: LISTEN is not delivered, as through"
        " PgBouncer in transaction mode",
    ),
}


class Selection(NamedTuple):
    """Which apps of a channel somebody is told of: those that fit a pattern and, unless None, were asked for."""

    patterns: tuple[str, ...] = ("*",)
    asked: frozenset[str] | None = None

    def of(self, snapshot: Snapshot) -> Snapshot:
        """The same snapshot, with these apps only."""
        if self == EVERYTHING:
            return snapshot
        return snapshot.only([app for app in snapshot.apps if self._has(app)])

    def _has(self, app: str) -> bool:
        return (self.asked is None or app in self.asked) and any(matches(pattern, app) for pattern in self.patterns)


EVERYTHING: Final = Selection()


class Served:
    """A snapshot and its bytes: of the whole channel, and of what was asked for of it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.mark = mark_of(snapshot)
        self._views: OrderedDict[Selection, tuple[bytes, str]] = OrderedDict({EVERYTHING: encode(snapshot)})
        self._events: OrderedDict[tuple[str, Selection], tuple[bytes, bool]] = OrderedDict()

    def view(self, selection: Selection = EVERYTHING) -> tuple[bytes, str]:
        """The bytes and the digest of the snapshot, with the selected apps only."""
        found = self._views.get(selection)
        if found is None:
            found = self._views[selection] = encode(selection.of(self.snapshot))
            if len(self._views) > _VIEWS:
                self._views.popitem(last=False)
        else:
            self._views.move_to_end(selection)
        return found

    def event(self, since: Snapshot | None, selection: Selection = EVERYTHING) -> tuple[bytes, bool]:
        """What changed of the selected apps since an older snapshot, as bytes, and whether anything did.

        Without an older one, or with one of another counting, that is all of them.
        """
        key = mark_of(since) if since is not None else "", selection
        found = self._events.get(key)
        if found is None:
            changed = selection.of(self.snapshot.since(since))
            again = since is None or (since.lineage, since.epoch) != (changed.lineage, changed.epoch)
            found = self._events[key] = encode(changed)[0], again or bool(changed.apps)
            if len(self._events) > _EVENTS:
                self._events.popitem(last=False)
        return found


def mark_of(snapshot: Snapshot) -> str:
    """What tells this snapshot of a channel from every other one of it."""
    return f"{snapshot.lineage}.{snapshot.epoch}.{snapshot.cursor}"


class Follower:
    """Waits for a new snapshot of a channel, or for the server's end. ``owner`` is whose turn it takes."""

    def __init__(self, owner: str = "") -> None:
        self.changed = asyncio.Event()
        self.ended = False
        self._owner = owner
        self._called = False

    def call(self, pace: Pace) -> None:
        """Wake it in its turn. Several changes before its turn wake it once."""
        if not self._called:
            self._called = True
            pace.when(self._owner, self._hear, wakes=True)

    def _hear(self) -> None:
        self._called = False
        self.changed.set()

    def end(self) -> None:
        """Nothing comes any more."""
        self.ended = True
        self.changed.set()


class Feed:
    """Snapshots as they are now. Made and used on the event loop, but for its own thread and :meth:`take`."""

    def __init__(self, registry: Registry, *, pace: Pace, changed: Callable[[], None]) -> None:
        self._registry = registry
        self._pace = pace
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._served: dict[str, Served] = {}
        self._past: dict[str, OrderedDict[str, Snapshot]] = {}
        self._followers: dict[str, set[Follower]] = {}
        self._asked_at: dict[str, float] = {}
        self._taking = threading.Lock()  # what follows is changed by threads that hold it
        self._known: dict[str, Progress] = {}
        self._watch: Watch | None = None
        self._way: Way | None = None
        self._ended = threading.Event()
        self._looked_at = 0.0
        self._thread = threading.Thread(target=self._run, name="promptops feed", daemon=True)
        self._loop.call_later(_CHECK_SECONDS, self._look_around)

    # --- on the event loop ------------------------------------------------------------------------

    def close(self) -> None:
        """End the thread. Blocks until it has ended."""
        self._ended.set()
        if self._watch is not None:
            self._watch.close()
            self._thread.join()

    def end_followers(self) -> None:
        """Tell every follower, and whoever comes later, that nothing comes any more."""
        self._ended.set()
        for followers in self._followers.values():
            for follower in followers:
                follower.end()

    @property
    def age(self) -> float:
        """Seconds since it was last known that every channel kept is the newest; no end of them, if the thread died."""
        return time.monotonic() - self._looked_at if self._thread.is_alive() else float("inf")

    @property
    def way(self) -> str:
        """How the server sees changes of the registry: by notification (``notify``), query (``poll``) or ``file``."""
        return self._watch.way.value if self._watch is not None else ""

    @property
    def following(self) -> int:
        """How many followers there are."""
        return sum(map(len, self._followers.values()))

    def newest(self, channel: str) -> Served | None:
        """The channel's newest snapshot, where it is kept."""
        found = self._served.get(channel)
        if found is not None:  # or every name that somebody makes up would be remembered
            self._asked_at[channel] = time.monotonic()
        return found

    def past(self, channel: str, mark: str) -> Snapshot | None:
        """The channel's snapshot of this mark, if it was one of the last."""
        return self._past.get(channel, OrderedDict()).get(mark)

    def follow(self, channel: str, follower: Follower) -> None:
        """Tell this follower of changes of the channel."""
        self._followers.setdefault(channel, set()).add(follower)
        if self._ended.is_set():
            follower.end()

    def leave(self, channel: str, follower: Follower) -> None:
        """Tell it nothing more."""
        followers = self._followers.get(channel, set())
        followers.discard(follower)
        if not followers:
            self._followers.pop(channel, None)

    def _put(self, channel: str, served: Served) -> None:
        self._served[channel] = served
        self._asked_at.setdefault(channel, time.monotonic())
        past = self._past.setdefault(channel, OrderedDict())
        past[served.mark] = served.snapshot
        if len(past) > _PAST:
            past.popitem(last=False)
        for follower in self._followers.get(channel, ()):
            follower.call(self._pace)

    def _drop(self, channel: str) -> None:
        """The channel is kept no more; whoever still follows it has to come again."""
        for kept in (self._served, self._past, self._asked_at):
            kept.pop(channel, None)
        for follower in self._followers.get(channel, ()):
            follower.end()

    def _look_around(self) -> None:
        """Wake all followers: they check whether their tokens are still valid."""
        if not self._ended.is_set():
            self._loop.call_later(_CHECK_SECONDS, self._look_around)
            for follower in chain.from_iterable(self._followers.values()):
                follower.call(self._pace)

    # --- in threads -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to wait for changes. Blocks until the watch is set up."""
        self._watch = self._registry.watch()
        self._say_way(self._watch)
        self._looked_at = time.monotonic()
        self._thread.start()

    def take(self, channel: str) -> Served:
        """Take the channel's first snapshot and keep it from now on. Blocks.

        Raises:
            ChannelNotFound, RegistryUnavailable
        """
        with self._taking:  # or a change between reading and keeping it would go unseen
            return self._take(channel)

    def _take(self, channel: str) -> Served:
        progress = snapshots.progress(self._registry, channel)
        served = Served(snapshots.snapshot(self._registry, channel))
        self._known[channel] = progress
        self._tell(self._put, channel, served)
        return served

    def _run(self) -> None:
        assert self._watch is not None
        failing = False
        while not self._ended.is_set():
            if self._watch.wait(_TRY_AGAIN if failing else _LOOK_ANYWAY):
                self._tell(self._changed)
            if self._ended.is_set():
                return
            self._say_way(self._watch)
            try:
                self._look()
            except PromptopsError as error:
                end_if_exhausted(error)
                if not failing:
                    _log.warning("the registry does not answer, so nothing new is served: %s", error.message)
                failing = True
            except Exception as error:  # noqa: BLE001 the thread has to outlive unexpected errors
                end_if_exhausted(error)
                _log.exception("no snapshot could be taken")
                failing = True
            else:
                if failing:
                    _log.warning("the registry answers again")
                failing = False
                self._looked_at = time.monotonic()

    def _say_way(self, watch: Watch) -> None:
        if watch.way is not self._way:
            self._way = watch.way
            _log.log(*_WAYS[watch.way])

    def _look(self) -> None:
        """Take a new snapshot of every channel that moved, and forget those nobody asked for in a while."""
        with self._taking:
            unused = time.monotonic() - _KEPT_SECONDS
            for channel, known in list(self._known.items()):
                if channel not in self._followers and self._asked_at.get(channel, unused + 1) < unused:
                    del self._known[channel]
                    self._tell(self._drop, channel)
                    continue
                try:
                    if snapshots.progress(self._registry, channel) != known:
                        self._take(channel)
                except ChannelNotFound:
                    del self._known[channel]
                    self._tell(self._drop, channel)

    def _tell(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed: the server has ended
            self._ended.set()

"""Keeps the newest snapshot of every followed channel as bytes, and wakes the followers when there is a newer one.

One thread waits for changes of the registry by any process, and takes a new snapshot of the channels that changed.
Everything else happens on the event loop: a channel is one reference to an immutable :class:`Served`, so a reader sees
the old snapshot or the new one, never a mixture. A follower compares the snapshot it sent last with the newest, so no
follower has a queue that could grow: a slow reader gets fewer and larger events.
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

# Clients choose their apps, so the encoded forms kept of one snapshot are bounded; a form that was dropped is encoded
# again. A channel has few selections in use at a time, and each of them may resume from several older snapshots.
_VIEWS = 64
_EVENTS = 256  # four snapshots to resume from for each selection
# Older snapshots from which a stream can resume. A client that was away for more changes than that gets all apps.
_PAST = 32
# Seconds that a channel without followers is kept, so that a client that polls seldom still finds it in memory.
_KEPT_SECONDS = 600.0
# Seconds between two looks at the registry when no change was announced, in case an announcement was lost.
_LOOK_ANYWAY = 5.0
# Seconds between two tries while the registry does not answer: soon, because nothing new is served meanwhile.
_TRY_AGAIN = 0.5
# Seconds between two checks of the followers' tokens: a stream outlives a revoked token by about this time.
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
    """The apps of a channel that a client gets: those that match a pattern and, unless it is None, are in ``asked``. A
    client that refuses extensions gets them ``plain``.
    """

    patterns: tuple[str, ...] = ("*",)
    asked: frozenset[str] | None = None
    plain: bool = False

    def of(self, snapshot: Snapshot) -> Snapshot:
        """Returns the snapshot with the selected apps only."""
        if self == EVERYTHING:
            return snapshot
        found = snapshot.only([app for app in snapshot.apps if self._has(app)])
        return found.plain() if self.plain else found

    def _has(self, app: str) -> bool:
        return (self.asked is None or app in self.asked) and any(matches(pattern, app) for pattern in self.patterns)


EVERYTHING: Final = Selection()


class Served:
    """A snapshot and its bytes: of the whole channel, and of the selections that clients requested."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.mark = mark_of(snapshot)
        self._views: OrderedDict[Selection, tuple[bytes, str]] = OrderedDict({EVERYTHING: encode(snapshot)})
        self._events: OrderedDict[tuple[str, Selection], tuple[bytes, bool]] = OrderedDict()

    def view(self, selection: Selection = EVERYTHING) -> tuple[bytes, str]:
        """Returns the bytes and the digest of the snapshot, with the selected apps only."""
        view = self._views.get(selection)
        if view is None:
            view = self._views[selection] = encode(selection.of(self.snapshot))
            if len(self._views) > _VIEWS:
                self._views.popitem(last=False)
        else:
            self._views.move_to_end(selection)
        return view

    def event(self, since: Snapshot | None, selection: Selection = EVERYTHING) -> tuple[bytes, bool]:
        """Returns the selected apps that changed since an older snapshot, as bytes, and whether any did.

        Without an older snapshot, or with one of another lineage or epoch, the event has all selected apps.
        """
        key = mark_of(since) if since is not None else "", selection
        event = self._events.get(key)
        if event is None:
            changed = selection.of(self.snapshot.since(since))
            again = since is None or (since.lineage, since.epoch) != (changed.lineage, changed.epoch)
            event = self._events[key] = encode(changed)[0], again or bool(changed.apps)
            if len(self._events) > _EVENTS:
                self._events.popitem(last=False)
        return event


def mark_of(snapshot: Snapshot) -> str:
    """Returns the text that identifies this snapshot among all snapshots of its channel."""
    return f"{snapshot.lineage}.{snapshot.epoch}.{snapshot.cursor}"


class Follower:
    """Waits for a new snapshot of a channel, or for the server's end. It is woken in the turns of its ``owner``."""

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
        """End it: no further snapshot comes."""
        self.ended = True
        self.changed.set()


class Feed:
    """The current snapshots. It is made and used on the event loop, except for its own thread and :meth:`take`."""

    def __init__(self, registry: Registry, *, pace: Pace, changed: Callable[[], None]) -> None:
        self._registry = registry
        self._pace = pace
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._served: dict[str, Served] = {}
        self._past: dict[str, OrderedDict[str, Snapshot]] = {}
        self._followers: dict[str, set[Follower]] = {}
        self._asked_at: dict[str, float] = {}
        # The feed's thread and the threads of take() both take snapshots. Only a thread that holds this lock may do so
        # and change _known. All that clients read is changed on the event loop alone, and needs no lock.
        self._taking = threading.Lock()
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
        """End every follower, and each that comes later."""
        self._ended.set()
        for followers in self._followers.values():
            for follower in followers:
                follower.end()

    @property
    def age(self) -> float:
        """Seconds since every kept channel was last known to be the newest; infinite if the thread died."""
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
        """Returns the channel's newest snapshot, or None where it is not kept."""
        served = self._served.get(channel)
        if served is not None:  # otherwise every invented name in a request would be remembered
            self._asked_at[channel] = time.monotonic()
        return served

    def past(self, channel: str, mark: str) -> Snapshot | None:
        """Returns the channel's snapshot with this mark, if it is one of the last few."""
        return self._past.get(channel, OrderedDict()).get(mark)

    def follow(self, channel: str, follower: Follower) -> None:
        """Wake this follower when the channel changes."""
        self._followers.setdefault(channel, set()).add(follower)
        if self._ended.is_set():
            follower.end()

    def leave(self, channel: str, follower: Follower) -> None:
        """Wake this follower no more."""
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
        """Keep the channel no longer. Its followers end, and their clients connect again."""
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
        with self._taking:  # otherwise a change between reading and keeping would be missed
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
        """Take a new snapshot of every changed channel, and forget the channels without requests for a while."""
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

"""How a process follows one channel: everything but the network, the threads and the waiting.

Whoever follows takes turns: :meth:`Course.poll` and :meth:`Course.beat` say whether there is something to ask,
:meth:`Course.settle` takes what came of it, :meth:`Course.tend` does what is to be done on this machine, and
:meth:`Course.pause` says how long the next turn can wait. Disks and hooks may be slow, so none of this is for an event
loop's own thread.
"""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from promptops.client import settings
from promptops.client.disk import cache
from promptops.client.disk.cache_format import Problem, restore, stored_of, whole
from promptops.client.disk.override import Overrides, read_overrides, signature
from promptops.client.disk.trusted_files import read_bundle
from promptops.client.follow.heartbeats import heartbeat, tell
from promptops.client.follow.refresh import INTERNAL, Asking, Refreshed, refresh
from promptops.client.follow.replica import Replica
from promptops.client.follow.schedule import spread
from promptops.client.prompt import Source
from promptops.client.sources.source import Place
from promptops.client.state.lookup_view import OverrideFile
from promptops.client.state.release_set import Held, Rejected, Rejection
from promptops.client.status import OnChange, OnState, log
from promptops.core.heartbeat import Beat, State
from promptops.core.snapshot import Snapshot

_BEAT = 30.0
_LOOK = 2.0
"""Seconds between two looks at the override files, where a place for them is named."""
_SOON = 0.25
"""Seconds within which a change is on disk and told to the server: of many processes on a machine, all follow first."""
_QUIET = 3600.0


class Course:
    """One channel of one client, on its way. Turns are taken by one thread at a time; events may come from another."""

    def __init__(self, replica: Replica, *, on_change: OnChange | None, on_state: OnState | None) -> None:
        self.replica = replica
        self.identity = secrets.token_hex(16)
        self._on_change = on_change
        self._on_state = on_state
        self._call_soon: Callable[..., object] | None = None
        self._state = replica.state
        self._trouble = ""
        self._notes: tuple[tuple[str, str], ...] = ()
        self._ignored: frozenset[tuple[str, str]] = frozenset()
        self._glass: object = None
        self._beat_at = 0.0
        self._told: Place | None = None
        self._disk_said = self._save_at = -_QUIET
        self._slot = self._find_slot()

    def forked(self) -> None:
        """In a forked child: the same prompts, another process. Its first poll comes soon, not with its siblings'."""
        self.identity = secrets.token_hex(16)
        self._beat_at, self._told = 0.0, None
        self.replica.forked()
        self._state = self.replica.state
        world = self.replica.world
        self.replica.schedule.due = world.clock() + min(1.0, self.replica.settings.poll) * world.dice()
        log(logging.INFO, "forked", "a forked process follows %s", self.replica.channel)

    # --- turns -----------------------------------------------------------------------------------

    def poll(self, deadline: float) -> Asking | None:
        """A refresh, where one is due."""
        if self.replica.schedule.wait(self.replica.world.clock()) > 0:
            return None
        return refresh(self.replica, deadline)

    def beat(self) -> Beat | None:
        """A heartbeat, where one is due and somebody is there to hear it."""
        replica = self.replica
        if self._until_beat() > 0:
            return None
        self._beat_at = replica.world.clock() + spread(_BEAT, replica.world.dice)
        beat = heartbeat(replica, self.identity, settings.name_of(replica.settings.name))
        if beat is not None:
            self._told = replica.place
        return beat

    def goodbye(self, deadline: float) -> Asking | None:
        """The goodbye to the server that last got a heartbeat, once; None if no server got one."""
        place, self._told = self._told, None
        if place is None or self.replica.failing:
            return None
        beat = heartbeat(self.replica, self.identity, settings.name_of(self.replica.settings.name), leaving=True)
        return None if beat is None else tell(self.replica, place, beat, deadline)

    def settle(self, refreshed: Refreshed) -> None:
        """A refresh is over: when is the next one, and what is there to say about this one?"""
        replica, now = self.replica, self.replica.world.clock()
        if refreshed.trouble is None and refreshed.late:
            replica.schedule.failed(now)  # the place answers: the missing bytes may come in a moment
        elif refreshed.trouble is None:
            # All who started together were answered together: they part here.
            replica.schedule.started(now) if replica.polls == 1 else replica.schedule.succeeded(now)
        if refreshed.trouble is None:
            self._trouble = ""
            self._say_notes(tuple((name, text) for name, texts in replica.notes.items() for text in texts))
        else:
            if refreshed.trouble.reason == INTERNAL:  # everything else has set the state already
                replica.failed(refreshed.trouble.message)
            replica.schedule.failed(now, retry_after=refreshed.trouble.retry_after)
            self.say_trouble(refreshed)
        self.tell_changes()
        self.say_state()

    def tell_changes(self) -> None:
        """Tell the log and the hook now, and the server and the disk in a moment, when everybody had time to follow."""
        changes, unloaded = self.replica.take_changes(), self.replica.take_unloaded()
        if changes or unloaded:
            now = self.replica.world.clock()
            soon = now + _SOON * self.replica.world.dice()
            self._beat_at = min(self._beat_at, soon)
            if self._save_at <= now:
                self._save_at = soon
        for change in changes:
            log(
                logging.INFO,
                "changed",
                "%s:%s is at revision %d: %s -> %s",
                change.app,
                change.channel,
                change.revision,
                change.before or "nothing",
                f"{change.version}, canary {change.canary}" if change.canary else change.version,
                app=change.app,
                channel=change.channel,
                revision=change.revision,
            )
            self._call(self._on_change, change)
        for app, each in unloaded:
            served = self.replica.served_of(app)
            keeps = f"version {served} is still served" if served else "nothing of it is served"
            log(
                logging.WARNING,
                "cannot-load",
                "%s:%s cannot be loaded, and %s: %s",
                app,
                self.replica.channel,
                keeps,
                each.message,
                app=app,
                channel=self.replica.channel,
                reason=str(each.reason),
            )

    def tend(self) -> None:
        """Look at the override files, at the age of what is served, and bring to disk what is new."""
        self._look_at_overrides()
        self.replica.look()
        self.tell_changes()  # of a refresh that was given up, and followed what it had got even so
        self.say_state()
        if self.replica.unsaved and self.replica.world.clock() >= self._save_at:
            self._save()

    def pause(self) -> float:
        """Seconds that the next turn can wait."""
        replica, now = self.replica, self.replica.world.clock()
        waits = [replica.schedule.wait(now)]
        if replica.unsaved and self._slot is not None:
            waits.append(max(0.0, self._save_at - now))
        if replica.settings.override:
            waits.append(_LOOK)
        return min(*waits, self._until_beat())

    def _until_beat(self) -> float:
        """Seconds until the next heartbeat; without end while nobody would hear it."""
        replica = self.replica
        if (
            not replica.settings.heartbeat
            or replica.failing
            or replica.place is None
            or not replica.is_api(replica.place)
        ):
            return math.inf
        return max(0.0, self._beat_at - replica.world.clock())

    # --- what is said ----------------------------------------------------------------------------

    def say_state(self) -> None:
        """Tell the log and the hook where the state is another one than it was."""
        before, now = self._state, self.replica.state
        if now is before:
            return
        self._state = now
        level = logging.INFO if now is State.READY or self.replica.unfollowed else logging.WARNING
        log(level, "state", "%s: %s -> %s", self.replica.channel, before, now, channel=self.replica.channel, state=now)
        self._call(self._on_state, before, now)

    def say_trouble(self, refreshed: Refreshed) -> None:
        """Once for each reason, until a place answers again."""
        trouble = refreshed.trouble
        assert trouble is not None
        label = refreshed.place.label if refreshed.place else "the registry"
        kind, verb = ("refresh-rejected", "is not followed") if refreshed.rejected else ("refresh-failed", "failed")
        hint = ""
        if trouble.reason == Rejection.LINEAGE and self._slot is not None:
            hint = f". If it was made anew and is the right one, stop and delete {self._slot}"
        level = logging.DEBUG if self._trouble == f"{kind} {trouble.reason}" else logging.WARNING
        self._trouble = f"{kind} {trouble.reason}"
        log(level, kind, "%s %s: %s%s", label, verb, trouble.message, hint, reason=trouble.reason, place=label)

    def _say_notes(self, notes: tuple[tuple[str, str], ...]) -> None:
        for name, text in notes if notes != self._notes else ():
            log(logging.WARNING, name, "%s: %s", self.replica.channel, text)
        self._notes = notes

    def call_hooks_with(self, call_soon: Callable[..., object]) -> None:
        """Have hooks called by somebody else: an event loop that they belong to."""
        self._call_soon = call_soon

    def _call(self, hook: Callable[..., object] | None, *facts: object) -> None:
        if hook is None:
            return

        def call() -> None:
            try:
                hook(*facts)
            except Exception:  # noqa: BLE001 a hook is somebody else's code, and serving goes on whatever it does
                log(logging.ERROR, "hook-failed", "a hook raised an error", exc_info=True)

        self._call_soon(call) if self._call_soon else call()

    # --- this machine's disk ---------------------------------------------------------------------

    def begin(self) -> None:
        """Start from what is on disk: the last-known-good, or a bundle that is newer or all there is."""
        for fixed in self.replica.settings.fixed:
            log(logging.WARNING, "pin-active", "%s is fixed at %s", fixed.app, fixed.version, app=fixed.app)
        kept = self._read_slot()
        bundle = self._read_bundle(kept)
        if bundle is not None:
            self._start(bundle, Source.BUNDLE)
        elif kept is not None:
            self._start(kept, Source.DISK)
        self._look_at_overrides()
        self._state = self.replica.state

    def _start(self, held: Held, source: Source) -> None:
        self.replica.restore(held, source)
        apps = len(held.snapshot.apps)
        log(logging.INFO, "disk-read", "%s: %d apps from %s", self.replica.channel, apps, source, source=str(source))

    def _find_slot(self) -> Path | None:
        told = self.replica.settings
        first = told.places[0]
        if not told.caching or not first.is_kept:
            return None
        folder = Path(told.cache) if told.cache else settings.cache_folder()
        return folder and cache.slot_path(folder, registry=first.identity, channel=self.replica.channel, apps=told.apps)

    def _read_slot(self) -> Held | None:
        if self._slot is None:
            return None
        found = cache.load(self._slot, channel=self.replica.channel, required=self.replica.settings.required)
        for problem in found.problems:
            self._say_ignored("disk-ignored", problem)
        return found.held

    def _read_bundle(self, kept: Held | None) -> Held | None:
        if not self.replica.settings.bundle:
            return None
        found = read_bundle(Path(self.replica.settings.bundle), channel=self.replica.channel)
        for problem in found.problems:
            self._say_ignored("disk-ignored", problem)
        if found.stored is None:
            return None
        channel, required = self.replica.channel, self.replica.settings.required
        try:
            if kept is not None and not _newer(whole(found.stored.snapshot, channel), kept.snapshot):
                return None
            return restore(found.stored, channel=channel, required=required, older=kept)
        except Rejected as rejected:
            log(logging.WARNING, "disk-ignored", "the bundle is not used: %s", rejected.message)
            return None

    def _save(self) -> None:
        self.replica.unsaved = False  # before it is read: what arrives from here on is saved with the next turn
        held = self.replica.held
        if self._slot is None or held is None or not held.apps or self.replica.kept is Source.BUNDLE:
            return
        saved = cache.write(self._slot, stored_of(held))
        self.replica.disk = saved.problem.message if saved.problem else ""
        if saved.problem is None:
            return
        now = self.replica.world.clock()
        if saved.problem.reason == "disk":  # it may have room again, or be there again: it is tried once an interval
            self.replica.unsaved, self._save_at = True, now + self.replica.settings.poll
        if now - self._disk_said >= _QUIET:
            self._disk_said = now
            log(logging.WARNING, "disk-failed", "%s could not be written: %s", self._slot, saved.problem.message)

    def _look_at_overrides(self) -> None:
        path = self.replica.settings.override
        if not path:
            return
        held, now = self.replica.held, self.replica.world.now()
        ends = self.replica.view.overrides_end
        glass = (signature(Path(path)), held.snapshot.lineage if held else None)
        if glass == self._glass and not (ends is not None and now >= ends):
            return
        self._glass = glass
        found = read_overrides(Path(path), channel=self.replica.channel, lineage=glass[1], now=now)
        before = self.replica.overrides
        self.replica.set_overrides(found.active)
        self._say_overrides(found, before)

    def _say_overrides(self, found: Overrides, before: Mapping[str, OverrideFile]) -> None:
        for app, each in found.active.items():
            if app not in before or before[app].override != each.override:
                override = each.override
                until = override.expires_at.isoformat()
                what = f"{app}@{override.version} until {until}, by {override.actor}: {override.reason}"
                log(logging.WARNING, "override-active", "an override is served: %s", what, app=app)
        for app in before:
            if app not in found.active:
                log(logging.WARNING, "override-ended", "%s: no override any more", app, app=app)
        for problem in found.ignored:
            if (str(problem.path), problem.reason) not in self._ignored:
                self._say_ignored("override-ignored", problem)
        self._ignored = frozenset((str(problem.path), problem.reason) for problem in found.ignored)

    def _say_ignored(self, name: str, problem: Problem) -> None:
        log(logging.WARNING, name, "%s is not used: %s", problem.path, problem.message, reason=problem.reason)


def _newer(one: Snapshot, other: Snapshot) -> bool:
    return one.lineage == other.lineage and (one.epoch, one.cursor) > (other.epoch, other.cursor)

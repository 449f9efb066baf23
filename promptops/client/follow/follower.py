"""How a process follows one channel: everything but the network, the threads and the waiting.

A caller takes turns with :class:`ChannelFollower`: ``poll`` and ``beat`` return what there is to ask, ``settle`` takes
the result, ``tend`` does what is to be done on this machine, and ``pause`` says how long the next turn can wait. Disks
and hooks may be slow, so none of this is for the thread of an event loop.
"""

from __future__ import annotations

import math
import secrets
from typing import Final

from promptops.client import settings
from promptops.client.follow.announcer import Announcer
from promptops.client.follow.heartbeats import heartbeat, tell
from promptops.client.follow.last_good import LastGood
from promptops.client.follow.overriding import OverrideWatch
from promptops.client.follow.refresh import INTERNAL, Asking, Refreshed, refresh
from promptops.client.follow.replica import Replica
from promptops.client.follow.schedule import spread
from promptops.client.sources.source import SourcePlace
from promptops.client.status import OnChange, OnState
from promptops.core.heartbeat import Beat

_BEAT: Final = 30.0
"""Seconds between two heartbeats. A server takes a process that was silent for three of them for gone."""

_LOOK: Final = 2.0
"""Seconds between two looks at the override files, if a place for them is named: docs/client.md promises them."""

_SOON: Final = 0.25
"""Seconds within which a change is on disk and reported: of many processes on a machine, all follow it first."""

_AFTER_FORK: Final = 1.0
"""Seconds within which a forked child polls for the first time, at a random moment: not together with its siblings."""


class ChannelFollower:
    """Follows one channel of one client. One thread at a time takes turns; events may come from another."""

    def __init__(self, replica: Replica, *, on_change: OnChange | None, on_state: OnState | None) -> None:
        self.replica = replica
        self.announcer = Announcer(replica, on_change=on_change, on_state=on_state)
        self.last_good = LastGood(replica)
        self.identity = secrets.token_hex(16)
        self._overrides = OverrideWatch(replica)
        self._beat_at = 0.0
        self._asked = 0
        self._reported_to: SourcePlace | None = None

    def begin(self) -> None:
        """Start from what is on disk."""
        self.last_good.start()
        self._overrides.look()
        self.announcer.begin()

    def forked(self) -> None:
        """In a forked child: the same prompts, another process. Its first poll comes soon, not with its siblings'."""
        self._report_anew()
        self.replica.forked()
        self.announcer.forked()
        self.replica.schedule.within(_AFTER_FORK, self.replica.world.clock())

    # --- turns -----------------------------------------------------------------------------------

    def poll(self, deadline: float) -> Asking | None:
        """Returns a refresh, if one is due."""
        if self.replica.schedule.wait(self.replica.world.clock()) > 0:
            return None
        return refresh(self.replica, deadline)

    def beat(self) -> Beat | None:
        """Returns a heartbeat, if one is due and a server takes it."""
        replica = self.replica
        if self._until_beat() > 0:
            return None
        self._beat_at = replica.world.clock() + spread(_BEAT, replica.world.dice)
        self._asked = replica.asked()
        beat = heartbeat(replica, self.identity, settings.name_of(replica.settings.name))
        if beat is not None:
            self._reported_to = replica.contact.place
        return beat

    def goodbye(self, deadline: float) -> Asking | None:
        """Returns the goodbye to the server that got the last heartbeat, once; None if no server got one."""
        place, identity = self._reported_to, self.identity
        self._report_anew()  # a client may be started again, and a server lists none that said goodbye
        if place is None or self.replica.contact.failing:
            return None
        beat = heartbeat(self.replica, identity, settings.name_of(self.replica.settings.name), leaving=True)
        return None if beat is None else tell(self.replica, place, beat, deadline)

    def settle(self, refreshed: Refreshed) -> None:
        """A refresh is over: plan the next one, and log what it brought."""
        replica, now, trouble = self.replica, self.replica.world.clock(), refreshed.trouble
        if trouble is not None:
            if trouble.reason == INTERNAL:  # a refresh that ends by itself has set this
                replica.failed(trouble.message)
            replica.schedule.failed(now, retry_after=trouble.retry_after)
            self.trouble(refreshed)
        else:
            if refreshed.late:
                replica.schedule.failed(now)  # the place answers: the missing bytes may come in a moment
            elif replica.contact.polls == 1:
                replica.schedule.started(now)  # processes that started together were answered together: they part here
            else:
                replica.schedule.succeeded(now)
            self.announcer.answered()
        self.tell_changes()
        self.announcer.state()

    def tell_changes(self) -> None:
        """Announce changes now, and report and save them in a moment, after all processes had time to follow."""
        changes, unloaded = self.replica.news.take_changes(), self.replica.news.take_unloaded()
        if changes or unloaded:
            self.last_good.save_at(self._report_soon())
        self.announcer.changed(changes, unloaded)

    def trouble(self, refreshed: Refreshed) -> None:
        """Log why a refresh or an event is not followed."""
        slot = self.last_good.slot
        hint = f". If it was made anew and is the right one, stop and delete {slot}" if slot else ""
        self.announcer.trouble(refreshed, hint=hint)

    def tend(self) -> None:
        """Look at the override files and at the age of what is served, and bring to disk what is new."""
        self._overrides.look()
        self.replica.look()
        if self.replica.asked() > self._asked:  # a promotion may go by it
            self._report_soon()
        self.tell_changes()  # of a refresh that was given up, and followed what it had got even so
        self.announcer.state()
        self.last_good.save()

    def pause(self) -> float:
        """Returns the seconds that the next turn can wait."""
        replica = self.replica
        waits = [replica.schedule.wait(replica.world.clock()), self._until_beat()]
        if (save := self.last_good.wait()) is not None:
            waits.append(save)
        if replica.settings.override:
            waits.append(_LOOK)
        return min(waits)

    def _report_soon(self) -> float:
        """Have a heartbeat sent in a moment, and return that moment."""
        soon = self.replica.world.clock() + _SOON * self.replica.world.dice()
        self._beat_at = min(self._beat_at, soon)
        return soon

    def _report_anew(self) -> None:
        """Be another process for the servers from now on, whose first heartbeat is due."""
        self.identity = secrets.token_hex(16)
        self._beat_at, self._reported_to = 0.0, None

    def _until_beat(self) -> float:
        """Returns the seconds until the next heartbeat; infinite while no server would take it."""
        contact = self.replica.contact
        if not self.replica.settings.heartbeat or contact.failing:
            return math.inf
        if contact.place is None or not contact.is_api(contact.place):
            return math.inf
        return max(0.0, self._beat_at - self.replica.world.clock())

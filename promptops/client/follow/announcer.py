"""What a client says about one channel: lines of the log, and the hooks of the application."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from promptops.client.follow.refresh import Refreshed
from promptops.client.follow.replica import Replica
from promptops.client.state.release_set import Rejection, Unloaded
from promptops.client.status import Change, OnChange, OnState, log
from promptops.core.heartbeat import State


class Announcer:
    """Logs each fact once, and then calls the hook for it.

    Used by the thread that takes turns, except :meth:`changed` and :meth:`trouble`, which the listening one calls too.
    """

    def __init__(self, replica: Replica, *, on_change: OnChange | None, on_state: OnState | None) -> None:
        self._replica = replica
        self._on_change = on_change
        self._on_state = on_state
        self._call_soon: Callable[..., object] | None = None
        self._state = replica.state
        self._trouble = ""
        self._notes: Mapping[str, tuple[str, ...]] = replica.contact.notes

    def call_hooks_with(self, call_soon: Callable[..., object]) -> None:
        """Hand each call of a hook to this function: the event loop that the hooks belong to."""
        self._call_soon = call_soon

    def begin(self) -> None:
        """Log what the settings ask for; the state is taken as it is now."""
        for fixed in self._replica.settings.fixed:
            log(logging.WARNING, "pin-active", "%s is fixed at %s", fixed.app, fixed.version, app=fixed.app)
        self._state = self._replica.state

    def forked(self) -> None:
        """A forked child follows from here on."""
        self._state = self._replica.state
        log(logging.INFO, "forked", "a forked process follows %s", self._replica.channel)

    def changed(self, changes: Iterable[Change], unloaded: Iterable[tuple[str, Unloaded]]) -> None:
        """Apps are served otherwise, or could not be loaded."""
        for change in changes:
            log(
                logging.INFO,
                "changed",
                "%s:%s is at revision %d: %s -> %s",
                change.app,
                change.channel,
                change.revision,
                change.before or "nothing",
                f"{change.version}, canary {change.canary}" if change.canary else change.version or "off",
                app=change.app,
                channel=change.channel,
                revision=change.revision,
            )
            self._call(self._on_change, change)
        for app, reason in unloaded:
            served = self._replica.served_of(app)
            keeps = f"version {served} is still served" if served else "nothing of it is served"
            log(
                logging.WARNING,
                "cannot-load",
                "%s:%s cannot be loaded, and %s: %s",
                app,
                self._replica.channel,
                keeps,
                reason.message,
                app=app,
                channel=self._replica.channel,
                reason=str(reason.reason),
            )

    def state(self) -> None:
        """The state may have changed."""
        before, now, channel = self._state, self._replica.state, self._replica.channel
        if now is before:
            return
        self._state = now
        level = logging.INFO if now is State.READY or self._replica.contact.unfollowed else logging.WARNING
        log(level, "state", "%s: %s -> %s", channel, before, now, channel=channel, state=now)
        self._call(self._on_state, before, now)

    def trouble(self, refreshed: Refreshed, *, hint: str = "") -> None:
        """A refresh or an event failed: a warning once for each reason, until a place answers again.

        ``hint`` is for a registry that was made anew.
        """
        trouble = refreshed.trouble
        assert trouble is not None
        label = refreshed.place.label if refreshed.place else "the registry"
        event, verb = ("refresh-rejected", "is not followed") if refreshed.rejected else ("refresh-failed", "failed")
        reason = f"{event} {trouble.reason}"
        level = logging.DEBUG if self._trouble == reason else logging.WARNING
        self._trouble = reason
        shown = hint if trouble.reason == Rejection.LINEAGE else ""
        log(level, event, "%s %s: %s%s", label, verb, trouble.message, shown, reason=trouble.reason, place=label)

    def answered(self) -> None:
        """A place answered: the trouble is over, and its notes may be others."""
        self._trouble = ""
        notes = self._replica.contact.notes
        if notes != self._notes:
            for event, texts in notes.items():
                for text in texts:
                    log(logging.WARNING, event, "%s: %s", self._replica.channel, text)
        self._notes = notes

    def _call(self, hook: Callable[..., object] | None, *facts: object) -> None:
        if hook is None:
            return

        def call() -> None:
            try:
                hook(*facts)
            except Exception:  # noqa: BLE001 an error in a hook must not stop the following
                log(logging.ERROR, "hook-failed", "a hook raised an error", exc_info=True)

        self._call_soon(call) if self._call_soon else call()

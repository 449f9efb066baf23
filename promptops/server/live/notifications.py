"""Sends notifications beside requests: one thread looks what is due, and each receiver has a thread while it is sent
something, so that a slow one holds up no other.

Each server does this, however many there are: one of them at a time has a receiver.
"""

from __future__ import annotations

import logging
import secrets
import threading
from typing import TYPE_CHECKING, Final

from promptops import clock
from promptops.core.errors import PromptopsError
from promptops.operations.sending import Sender, secrets_in
from promptops.operations.webhook import over_http
from promptops.server.live.exhaustion import end_if_exhausted

if TYPE_CHECKING:
    from ssl import SSLContext

    from promptops.store import Registry

_EVERY: Final = 2.0
"""Seconds between two looks where no change was announced: for what is tried again, and for tests."""
_AGAIN: Final = 0.2
"""Seconds between two looks at least: reports of clients change an SQLite file many times a second."""
_ENDING: Final = 2.0  # seconds at the end for what is on its way; what does not arrive is sent by the next process
_log = logging.getLogger("promptops.server")


def _trust() -> SSLContext:
    from promptops.client.sources.trust import machine_trust  # takes memory, and few servers send anything

    return machine_trust()


class Notifications:
    """The sender of one server."""

    def __init__(self, registry: Registry, path: str) -> None:
        self._sender = Sender(
            registry,
            secrets=lambda: secrets_in(path),
            now=clock.now,
            holder=f"server-{secrets.token_hex(8)}",
            send=over_http(_trust),
        )
        self._called = threading.Event()
        self._ended = threading.Event()
        self._busy: dict[str, threading.Thread] = {}
        self._fails = False
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def call(self) -> None:
        """Look soon: the registry changed."""
        self._called.set()

    def close(self) -> None:
        """Begin nothing more, and wait a little for what is on its way. Blocks."""
        self._ended.set()
        self._sender.end()
        self._called.set()
        if self._thread.is_alive():
            self._thread.join()
        for thread in list(self._busy.values()):
            thread.join(_ENDING / max(1, len(self._busy)))

    def _run(self) -> None:
        while not self._ended.wait(_AGAIN):
            try:
                due = self._sender.due()
                self._fails = False
            except Exception as error:  # noqa: BLE001 the thread has to outlive unexpected errors
                end_if_exhausted(error)
                self._say(error)
                due = ()
            self._busy = {name: thread for name, thread in self._busy.items() if thread.is_alive()}
            for name in due:
                if name not in self._busy and not self._ended.is_set():
                    thread = threading.Thread(
                        target=self._send, args=(name,), name=f"notifications {name}", daemon=True
                    )
                    self._busy[name] = thread
                    thread.start()
            self._called.wait(_EVERY)
            self._called.clear()

    def _send(self, name: str) -> None:
        try:
            self._sender.send(name)
        except Exception as error:  # noqa: BLE001 another look finds what is left
            end_if_exhausted(error)
            self._say(error)

    def _say(self, error: Exception) -> None:
        if self._fails:
            return
        self._fails = True
        if isinstance(error, PromptopsError):  # /readyz reports a registry that does not answer
            _log.warning("no notifications are sent: %s", error.message)
        else:
            _log.error("no notifications are sent", exc_info=error)

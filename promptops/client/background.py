"""What both clients do in the background: follow with threads, and end with the process or at a fork."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from functools import partial

from promptops.client.base_client import BaseClient
from promptops.client.follow.refresh import Refreshed, get_version
from promptops.client.follow.threads import ChannelThreads
from promptops.client.process import changes_threads
from promptops.client.settings import ClientSettings, references_of
from promptops.client.sources.local import open_local
from promptops.client.sources.source import OpenPlace, SourcePlace
from promptops.client.state.app_release import ServedRelease
from promptops.client.status import log
from promptops.core.errors import Invalid, PromptUnavailable, ReleaseNotFound
from promptops.core.reference import Reference, require_text

_CLIENTS: weakref.WeakSet[BackgroundClient] = weakref.WeakSet()

_AT_EXIT = 0.5
"""Seconds that the goodbyes of all clients may take when the process ends, and the same again for their threads."""


class BackgroundClient(BaseClient):
    """A client with a :class:`ChannelThreads` for each of its channels."""

    def _begin(self) -> None:
        self._channel_threads: dict[str, ChannelThreads] = {}
        # A function and no method: otherwise this would keep alive a client that the application has dropped.
        weakref.finalize(self, _drop, self._channel_threads).atexit = False

    def _start_following(self, first: Callable[[], Callable[[], object]]) -> None:
        """Read what is on disk, and start the threads. ``first`` makes what is called after a channel's first refresh.

        Raises:
            Invalid, ExtraMissing: a place can never be opened.
        """
        for follower in self._followers.values():
            if follower.replica.held is None:
                follower.begin()
        open_place = partial(_open, self._settings)  # no method, as above
        self._channel_threads.update(
            {name: ChannelThreads(follower, open_place) for name, follower in self._followers.items()}
        )
        for threads in self._channel_threads.values():
            threads.start(first())
        _remember(self)

    def _log_started(self) -> None:
        places = ", ".join(place.label for place in self._settings.places)
        log(logging.INFO, "started", "%s follows %s: %s", "+".join(self._replicas), places, self.state)

    def _end(self, seconds: float) -> None:
        _CLIENTS.discard(self)
        end_all(self._channel_threads.values(), seconds)
        log(logging.INFO, "stopped", "%s is not followed any more", "+".join(self._replicas))

    def _fetch(self, wanted: Reference, channel: str) -> ServedRelease:
        """Hold one version of an app from now on. I/O, unless it is held already.

        Raises:
            ReleaseNotFound, PromptUnavailable: why it could not be had.
        """
        replica = self._replicas[channel]
        if not replica.keep(wanted.app, wanted.version):
            threads = self._channel_threads.get(channel)
            if threads is None:
                raise PromptUnavailable("the client was not started", hint="await client.start(), or async with.")
            deadline = time.monotonic() + self._settings.timeout
            _require(threads.ask(get_version(replica, wanted, deadline), deadline), wanted)
        return replica.view.release(wanted.app, version=wanted.version)

    def _is_running(self) -> bool:
        return bool(self._channel_threads) and all(threads.running for threads in self._channel_threads.values())


def end_all(channels: Iterable[ChannelThreads], seconds: float) -> None:
    """End each with a goodbye, in at most so many seconds each."""
    for threads in list(channels):
        threads.close(seconds)


def one_version(text: str) -> Reference:
    """Returns one version of an app, ``support-bot@1.3.0``.

    Raises:
        Invalid: the text names no version, or several.
    """
    require_text(text)
    references = references_of([text], "fetch()")
    if len(references) != 1:
        raise Invalid("fetch() takes one version of an app", hint="For example client.fetch('bot@1.3.0').")
    return references[0]


def _require(refreshed: Refreshed, wanted: Reference) -> None:
    if refreshed.trouble is None:
        return
    if refreshed.trouble.reason == "status-404":
        raise ReleaseNotFound(f"the registry has no {wanted}, or not for this token")
    raise PromptUnavailable(f"{wanted} could not be had: {refreshed.trouble.message}")


def _open(settings: ClientSettings, place: SourcePlace) -> OpenPlace:
    if not place.is_http:
        return open_local(place)
    from promptops.client.sources.http_transport import HttpPlace  # httpx is loaded with the first web server

    return HttpPlace(place, verify=settings.verify, proxy=settings.proxy)


def _drop(channels: dict[str, ChannelThreads]) -> None:
    """The application has dropped the client: its threads end, and nothing waits for them."""
    for threads in list(channels.values()):
        threads.drop()


# --- processes ------------------------------------------------------------------------------------

_registering = threading.Lock()
_registered = False


def _remember(client: BackgroundClient) -> None:
    global _registered  # once for all clients of a process
    with _registering:
        _CLIENTS.add(client)
        if not _registered:
            _registered = True
            atexit.register(_close_all)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=_after_fork)


def _close_all() -> None:
    clients, until = list(_CLIENTS), time.monotonic() + _AT_EXIT
    channels = [threads for client in clients for threads in client._channel_threads.values()]
    goodbyes = [threads.report_outcomes(_AT_EXIT) for threads in channels]
    goodbyes += [threads.say_goodbye() for threads in channels]
    for over in goodbyes:
        over.wait(max(0.0, until - time.monotonic()))
    until = time.monotonic() + _AT_EXIT
    for client in clients:
        client._end(max(0.0, until - time.monotonic()))


def _after_fork() -> None:
    global _registering  # a thread that is not in this process may have held it
    _registering = threading.Lock()
    if changes_threads():
        return  # the first use of a client detects the fork, and by then the process has its final threads
    for client in list(_CLIENTS):
        client._follow_forked()

"""The client for threads: ``Client``. It follows its channel in the background and answers out of memory."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from functools import partial
from types import TracebackType
from typing import Self

from promptops.client.base_client import Answering
from promptops.client.follow.refresh import Refreshed, get_version
from promptops.client.follow.threads import Following
from promptops.client.process import changes_threads
from promptops.client.settings import Settings, references_of
from promptops.client.sources.local import open_local
from promptops.client.sources.source import Origin, Place
from promptops.client.state.app_release import Served
from promptops.client.status import log
from promptops.core.errors import Invalid, PromptUnavailable, ReleaseNotFound
from promptops.core.reference import Reference

_CLIENTS: weakref.WeakSet[Client] = weakref.WeakSet()
_AT_EXIT = 0.5
"""Seconds that the goodbyes of all clients may take when the process ends, and the same again for their threads."""
_IN_PASSING = 1.0
"""Seconds that a call may take to ask the registry, where no thread does."""


class Client(Answering):
    """Follows a channel and hands out its prompts::

        client = Client("https://registry.internal", channel="prod")
        prompt = client.get_prompt("support-bot/answer", key=user)
        openai.chat.completions.create(**prompt.to_openai(question=question))

    Making one waits ``start_timeout`` at most for the first answer, and never raises because something is out of
    reach. Its threads end with :meth:`close`, with the ``with`` it is used in, when nobody has the client any more, or
    with the process; a forked child has threads of its own, however it was forked.
    """

    def _begin(self) -> None:
        # A partial and no method, so that the threads do not keep alive a client that nobody has any more.
        opened = partial(_open, self._settings)
        self._followings = {name: Following(course, opened) for name, course in self._courses.items()}
        self._dropped = weakref.finalize(self, _let_go, tuple(self._followings.values()))
        self._dropped.atexit = False
        for course in self._courses.values():
            course.begin()
        self._first = [following.start() for following in self._followings.values()]
        _remember(self)
        self._go_on(self._settings.start_timeout)
        places = ", ".join(place.label for place in self._settings.places)
        log(logging.INFO, "started", "%s follows %s: %s", "+".join(self._replicas), places, self.state)

    def refresh(self, seconds: float | None = None) -> bool:
        """Ask the registry now, and wait for it: at most ``seconds``, or as long as a refresh may take. I/O.

        True where every channel had an answer that is followed. Raises nothing because something is out of reach.
        """
        if not self._mark[0]:
            self._notice()
        until = time.monotonic() + (self._settings.timeout + 1.0 if seconds is None else seconds)
        answered = [each.refresh(max(0.0, until - time.monotonic())) for each in self._followings.values()]
        return all(answered)

    def fetch(self, reference: str, *, channel: str | None = None) -> Served:
        """Get one version of an app, ``support-bot@1.3.0``, and hold it from now on. I/O, unless it is held already.

        Raises:
            ReleaseNotFound: the registry has no such version, or not for this token.
            PromptUnavailable: it could not be had.
        """
        replica = self._of(channel)
        wanted = the_version(reference)
        if not replica.keep(wanted.app, wanted.version):
            deadline = time.monotonic() + self._settings.timeout
            following = self._followings[replica.channel]
            require(following.ask(get_version(replica, wanted, deadline), deadline), wanted)
        return replica.view.release(wanted.app, version=wanted.version)

    def close(self, seconds: float = 2.0) -> None:
        """Stop following. Waits this many seconds for the threads, of which one for the server to take the goodbye.
        The client still serves what it holds.
        """
        _CLIENTS.discard(self)
        self._dropped.detach()
        for following in self._followings.values():
            following.close(seconds)
        log(logging.INFO, "stopped", "%s is not followed any more", "+".join(self._replicas))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_running(self) -> bool:
        return all(following.running for following in self._followings.values())

    def _forked(self) -> None:
        self._process = os.getpid()
        self._first = [following.forked() for following in self._followings.values()]

    def _go_on(self, seconds: float = _IN_PASSING) -> None:
        taken = [following.take_turn(seconds) for following in self._followings.values()]
        self._mark[0] = not any(taken)
        first, self._first = self._first, []
        until = time.monotonic() + self._settings.start_timeout
        for done in first:
            done.wait(max(0.0, until - time.monotonic()))


def _open(told: Settings, place: Place) -> Origin:
    if not place.is_http:
        return open_local(place)
    from promptops.client.sources.http_transport import HttpOrigin

    return HttpOrigin(place, token=place.token, verify=told.verify, proxy=told.proxy)


def _let_go(followings: tuple[Following, ...]) -> None:
    """Nobody has the client any more: its threads end, and nobody waits for them."""
    for following in followings:
        following.close(0.0)


def the_version(text: str) -> Reference:
    """One version of an app, as it is asked for.

    Raises:
        Invalid: for what is none, or several.
    """
    found = references_of([text], "fetch()")
    if len(found) != 1:
        raise Invalid("fetch() is asked for one version of an app", hint="For example client.fetch('bot@1.3.0').")
    return found[0]


def require(refreshed: Refreshed, wanted: Reference) -> None:
    """Do nothing where a version was had.

    Raises:
        ReleaseNotFound, PromptUnavailable: why it was not.
    """
    if refreshed.trouble is None:
        return
    if refreshed.trouble.reason == "status-404":
        raise ReleaseNotFound(f"the registry has no {wanted}, or not for this token")
    raise PromptUnavailable(f"{wanted} could not be had: {refreshed.trouble.message}")


# --- processes ------------------------------------------------------------------------------------

_registering = threading.Lock()
_registered = False


def _remember(client: Client) -> None:
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
    said = [following.say_goodbye() for client in clients for following in client._followings.values()]
    for over in said:
        over.wait(max(0.0, until - time.monotonic()))
    until = time.monotonic() + _AT_EXIT
    for client in clients:
        client.close(max(0.0, until - time.monotonic()))


def _after_fork() -> None:
    global _registering  # whoever held it is not here
    _registering = threading.Lock()
    if changes_threads():
        return  # the first use of a client detects the fork, and by then the process has its final threads
    for client in list(_CLIENTS):
        client._forked()
        client._first = []  # what the parent held a moment ago is new enough to begin with

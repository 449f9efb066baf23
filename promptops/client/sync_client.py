"""The client for threads: ``Client``. It follows its channel in the background and answers out of memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from promptops.client.background import BackgroundClient, one_version
from promptops.client.state.app_release import ServedRelease

_IN_PASSING = 1.0
"""Seconds that a call may take to ask the registry, where no thread does."""


class Client(BackgroundClient):
    """Follows a channel and hands out its prompts::

        client = Client("https://registry.internal", channel="prod")
        prompt = client.get_prompt("support-bot/answer", key=user)
        openai.chat.completions.create(**prompt.to_openai(question=question))

    Making one waits ``start_timeout`` at most for the first answer, and never raises because something is out of
    reach. Its threads end with :meth:`close`, with the ``with`` it is used in, when the application drops the client,
    or with the process; a forked child has threads of its own, however it was forked.
    """

    def _begin(self) -> None:
        super()._begin()
        self._first: list[threading.Event] = []
        self._start_following(self._next_first)
        self._go_on(self._settings.start_timeout)
        self._log_started()

    def _next_first(self) -> Callable[[], None]:
        self._first.append(first := threading.Event())
        return first.set

    def refresh(self, seconds: float | None = None) -> bool:
        """Ask the registry now, and wait for it: at most ``seconds``, or as long as a refresh may take. I/O.

        True if every channel had an answer that is followed. Raises nothing because something is out of reach.
        """
        if not self._mark[0]:
            self._notice()
        until = time.monotonic() + (self._settings.timeout + 1.0 if seconds is None else seconds)
        answered = [threads.refresh(max(0.0, until - time.monotonic())) for threads in self._channel_threads.values()]
        return all(answered)

    def fetch(self, reference: str, *, channel: str | None = None) -> ServedRelease:
        """Get one version of an app, ``support-bot@1.3.0``, and hold it from now on. I/O, unless it is held already.

        Raises:
            ReleaseNotFound: the registry has no such version, or not for this token.
            PromptUnavailable: it could not be had.
        """
        replica = self._of(channel)
        return self._fetch(one_version(reference), replica.channel)

    def close(self, seconds: float = 2.0) -> None:
        """Stop following. Waits this many seconds for the threads, of which one for the server to take the goodbye, and
        the others for it to take what was not reported yet: a job that ends may give it a minute. The client still
        serves what it holds.
        """
        self._end(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _forked(self) -> None:
        self._process, self._first = os.getpid(), []
        for threads in self._channel_threads.values():
            threads.forked(self._next_first())

    def _follow_forked(self) -> None:
        self._forked()
        self._first = []  # what the parent held a moment ago is new enough to begin with

    def _go_on(self, seconds: float = _IN_PASSING) -> None:
        taken = [threads.take_turn(seconds) for threads in self._channel_threads.values()]
        self._mark[0] = not any(taken)
        first, self._first = self._first, []
        until = time.monotonic() + self._settings.start_timeout
        for done in first:
            done.wait(max(0.0, until - time.monotonic()))

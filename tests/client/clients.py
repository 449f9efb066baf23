"""Both clients behind one face, so that a test of what they promise is written once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from promptops import AsyncClient, Client, Prompt, State, Status
from promptops.client.calls.call import Call
from promptops.client.state.app_release import ServedRelease

T = TypeVar("T")

RARELY = 86_400.0 * 366
"""The longest interval of polls that there can be: the second one, at a random moment of it, never comes in a test."""


class InLoop:
    """An ``AsyncClient`` in a loop of its own in another thread, to be used like a ``Client``."""

    def __init__(self, *arguments: Any, **told: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop", daemon=True)
        self._thread.start()
        try:
            self.client = AsyncClient(*arguments, **told)
            self._run(self.client.start())
        except BaseException:
            self._end()
            raise

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def get_prompt(self, name: str, **asked: Any) -> Prompt:
        return self.client.get_prompt(name, **asked)

    def call(self, name: str, **asked: Any) -> Call[Prompt]:
        return self.client.call(name, **asked)

    def outcome(self, call_id: str, name: str) -> None:
        self.client.outcome(call_id, name)

    def score(self, call_id: str, name: str, value: float) -> None:
        self.client.score(call_id, name, value)

    def release(self, app: str, **asked: Any) -> ServedRelease:
        return self.client.release(app, **asked)

    def status(self, channel: str | None = None) -> Status:
        return self.client.status(channel)

    @property
    def state(self) -> State:
        return self.client.state

    def refresh(self, seconds: float | None = None) -> bool:
        return self._run(self.client.refresh(seconds))

    def fetch(self, reference: str) -> ServedRelease:
        return self._run(self.client.fetch(reference))

    def close(self, seconds: float = 2.0) -> None:
        if not self._loop.is_closed():
            self._run(self.client.close(seconds))
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


AnyClient = Client | InLoop


class Maker:
    """Makes clients of one kind that follow ``prod``, have no cache, and are closed at the end of the test."""

    def __init__(self, kind: type[Client] | type[InLoop]) -> None:
        self.kind = kind
        self.made: list[AnyClient] = []

    def __call__(self, source: Any, **told: Any) -> AnyClient:
        usual: dict[str, Any] = {"channel": "prod", "cache_dir": False, "start_timeout": 20.0}
        made = self.kind(source, **{**usual, **told})
        self.made.append(made)
        return made


@contextmanager
def makers(kind: type[Client] | type[InLoop]) -> Iterator[Maker]:
    maker = Maker(kind)
    try:
        yield maker
    finally:
        for client in maker.made:
            client.close()

"""What a server has while it runs: the registry, what is kept of it in memory, and how it is asked.

Applications' reads have threads of their own, and with the others they are as many as the registry has connections; so
whatever else is asked, somebody who only wants a snapshot waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from anyio import CapacityLimiter, to_thread

from promptops import clock
from promptops.core.errors import DeadlineExceeded, RegistryDamaged
from promptops.operations import presence as presences
from promptops.operations import serving, tokens
from promptops.operations.serving import StoredRelease
from promptops.server.access import Tokens
from promptops.server.feed import Feed, Served
from promptops.server.limits import Counter
from promptops.server.metrics import Metrics
from promptops.server.presence import Presence
from promptops.server.readiness import Readiness
from promptops.server.settings import MIB, Settings
from promptops.store import Registry

if TYPE_CHECKING:
    from promptops.core.presence import Beat

T = TypeVar("T")

READERS: Final = 4
OTHERS: Final = 9
"""Threads for applications' reads and for everything else; the registry's pool has two connections more."""

BATCH: Final = 4 * MIB
"""How much of releases one answer has, unless a single one is larger."""

_CACHE = 64 * MIB


class State:
    """One running server. Everything is to be used on the event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.counter = Counter(settings.limits)
        self.metrics = Metrics()
        self.tokens = Tokens(partial(self.ask, tokens.find_token))
        self.contents = Contents(self)
        self.readiness = Readiness(self)
        self.documentation = b""
        self.registry: Registry
        self.feed: Feed
        self.presence: Presence
        self._readers = CapacityLimiter(READERS)

    async def open(self) -> None:
        """Connect to the registry and begin to follow it.

        Raises:
            Unavailable: there is none, or its guards are gone.
        """
        to_thread.current_default_thread_limiter().total_tokens = OTHERS
        self.registry = await to_thread.run_sync(self._connect)
        self.feed = Feed(self.registry, changed=self.tokens.forget)
        self.presence = Presence(self._write_beats)
        await to_thread.run_sync(self.feed.start)
        self.presence.start()
        self.metrics.gauge("promptops_streams", "Event streams that are open.", lambda: self.feed.following)
        self.metrics.gauge(
            "promptops_feed_age_seconds",
            "Time since it was known that what is served is newest.",
            lambda: self.feed.age,
        )

    async def close(self) -> None:
        """Let go of everything."""
        await self.presence.close()
        await to_thread.run_sync(self.feed.close)
        self.registry.close()

    async def ask(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call ``function(registry, …)`` in a thread for applications' reads, within the deadline.

        Raises:
            DeadlineExceeded: it took too long. Or what the function raises.
        """
        seconds = self.settings.limits.deadline
        try:
            async with asyncio.timeout(seconds):
                return await to_thread.run_sync(
                    partial(function, self.registry, *arguments), limiter=self._readers, abandon_on_cancel=True
                )
        except TimeoutError:
            raise DeadlineExceeded(f"the registry did not answer within {seconds:g} s") from None

    async def channel(self, name: str) -> Served:
        """The channel's newest snapshot.

        Raises:
            ChannelNotFound: listing the channels that exist. RegistryUnavailable
        """
        found = self.feed.newest(name)
        return found if found is not None else await self.ask(lambda _registry: self.feed.take(name))

    def _connect(self) -> Registry:
        return Registry.open(self.settings.registry, allow_network_fs=self.settings.allow_network_fs)

    async def _write_beats(self, beats: Sequence[Beat]) -> None:
        await to_thread.run_sync(presences.record_beats, self.registry, beats, clock.now())


class Contents:
    """Contents of releases by digest. They never change, so those asked for lately stay in memory."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._kept: OrderedDict[str, StoredRelease] = OrderedDict()
        self._size = 0

    async def of(self, digests: Sequence[str]) -> Mapping[str, StoredRelease]:
        """The contents of these digests: up to :data:`BATCH` bytes, at least one; those that do not exist are left out.

        Raises:
            RegistryDamaged: the bytes of one are not those of its digest, and there is no other. RegistryUnavailable
        """
        wanted = list(dict.fromkeys(digests))
        missing = [digest for digest in wanted if digest not in self._kept]
        found = {digest: self._kept[digest] for digest in wanted if digest in self._kept}
        for digest in found:
            self._kept.move_to_end(digest)
        if missing:
            try:
                asked = await self._state.ask(partial(serving.contents, limit=BATCH), missing)
            except RegistryDamaged:
                if not found:
                    raise
                asked = {}
            for digest, stored in asked.items():
                found[digest] = stored
                self._keep(digest, stored)
        return dict(_up_to(BATCH, ((digest, found[digest]) for digest in wanted if digest in found)))

    def _keep(self, digest: str, stored: StoredRelease) -> None:
        if digest not in self._kept:
            self._kept[digest] = stored
            self._size += len(stored.content)
        while self._size > _CACHE:
            _, lost = self._kept.popitem(last=False)
            self._size -= len(lost.content)


def _up_to(size: int, found: Iterable[tuple[str, StoredRelease]]) -> Iterator[tuple[str, StoredRelease]]:
    for place, (digest, stored) in enumerate(found):
        size -= len(stored.content)
        if size < 0 and place:
            return
        yield digest, stored

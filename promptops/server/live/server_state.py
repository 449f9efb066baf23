"""What a server has while it runs: the registry, what is kept of it in memory, and how it is asked.

Applications' reads, token lookups, changes and other requests each have their own threads; together they are as many as
the registry has connections. So a read of a snapshot waits for no other request, and a rollback waits only for other
changes, of which one token runs no more than its share.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from anyio import CapacityLimiter, to_thread

from promptops import clock
from promptops.core.errors import DeadlineExceeded, RegistryDamaged
from promptops.operations import heartbeats as presences
from promptops.operations import outcomes as measurements
from promptops.operations import snapshots, tokens
from promptops.operations.canary_look import Looked, look_at
from promptops.operations.canary_status import CanaryGauge, canary_gauges
from promptops.operations.known_releases import Known
from promptops.operations.notify import receivers
from promptops.operations.rollout_feed import Place
from promptops.operations.snapshots import StoredRelease
from promptops.operations.worth_a_look import all_worth_a_look
from promptops.server.live.access import Tokens
from promptops.server.live.canaries import Canaries
from promptops.server.live.feed import Feed, Served
from promptops.server.live.heartbeats import Presence
from promptops.server.live.id_tokens import IdTokens
from promptops.server.live.limits import Counter, RequestKind
from promptops.server.live.looks import Looks
from promptops.server.live.metrics import Metrics
from promptops.server.live.notifications import Notifications
from promptops.server.live.pace import Pace
from promptops.server.live.readiness import Readiness
from promptops.server.live.reports import Answer, Reports
from promptops.server.live.streams import Streams
from promptops.server.live.turns import Turns
from promptops.server.settings import MIB, Settings
from promptops.store import Registry

if TYPE_CHECKING:
    from promptops.core.heartbeat import Beat
    from promptops.core.token import Token

T = TypeVar("T")

READERS: Final = 4
LOOKUPS: Final = 4
CHANGES: Final = 4
"""Threads for applications' reads, for everything else that changes nothing, and for changes. The registry's pool has
six connections more: for looking up tokens, for heartbeats, for reports and canaries, for spans, for what follows its
changes, and for notifications.
"""

BULKY: Final = 4
"""How many answers of that size are made and sent at a time."""

BATCH: Final = 4 * MIB
"""How much of releases one answer has, unless a single one is larger."""

_GAUGES: Final = 10.0
"""Seconds for which the evidence of canaries, and how far receivers are, stand that the page of metrics shows."""

_CACHE = 64 * MIB
"""Bytes of contents that stay in memory: the releases that are live, also in a large registry."""


class ServerState:
    """One running server. Everything is to be used on the event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.counter = Counter(settings.limits)
        self.metrics = Metrics()
        self.tokens = Tokens(self._find_tokens)
        self.id_tokens = IdTokens(settings.issuers)
        self.streams = Streams(settings.limits.streams)
        self.pace = Pace()
        self.contents = Contents(self)
        self.readiness = Readiness(self.ask, lambda: self.feed.age)
        self.looks = Looks(lambda: self.ask(lambda registry: all_worth_a_look(registry, clock.now())))
        self.canary_gauges = Looks(self._canary_gauges, stands_for=_GAUGES)
        self.receivers = Looks(lambda: self.ask(receivers), stands_for=_GAUGES)
        self.documentation = b""
        self.registry: Registry
        self.feed: Feed
        self.presence: Presence
        self.reports: Reports
        self.canaries: Canaries
        self.notifications: Notifications
        self.known = Known()
        self._turns: Mapping[RequestKind, Turns] = {}
        self._bulky = Turns(BULKY, BULKY // 2)
        self._readers, self._doorkeepers = CapacityLimiter(READERS), CapacityLimiter(1)

    async def open(self) -> None:
        """Connect to the registry and begin to follow it.

        Raises:
            Unavailable: there is no registry, or its guards are gone.
        """
        to_thread.current_default_thread_limiter().total_tokens = LOOKUPS + CHANGES + 3
        self.registry = await to_thread.run_sync(self._connect)
        # SQLite has one writer at a time, and the order in which waiting writers get their turn is random.
        changes = CHANGES if self.registry.url.startswith("postgresql") else 1
        self._turns = {
            RequestKind.LOOKUP: Turns(LOOKUPS, LOOKUPS // 2),
            RequestKind.CHANGE: Turns(changes, (changes + 1) // 2),
        }
        self.notifications = Notifications(self.registry, self.settings.notify_secrets)
        self.feed = Feed(self.registry, pace=self.pace, changed=self._changed)
        self.presence = Presence(self._write_beats)
        self.reports = Reports(self._take_reports)
        self.canaries = Canaries(self._look_at_canaries, self.metrics.count_abort)
        await to_thread.run_sync(self.feed.start)
        self.presence.start()
        self.reports.start()
        self.canaries.start()
        self.notifications.start()
        await self.readiness.now()  # logs foreign objects on the registry's tables at the start
        self.metrics.gauge("promptops_streams", "Event streams that are open.", lambda: len(self.streams))
        self.metrics.gauge(
            "promptops_feed_age_seconds",
            "Time since it was known that what is served is newest.",
            lambda: self.feed.age,
        )

    async def close(self) -> None:
        """Let go of everything."""
        await to_thread.run_sync(self.notifications.close)
        await self.id_tokens.close()
        await self.reports.close()
        await self.canaries.close()
        await self.presence.close()
        await to_thread.run_sync(self.feed.close)
        self.registry.close()

    async def ask(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call ``function(registry, …)`` in a thread for applications' reads, within the deadline.

        Raises:
            DeadlineExceeded: it took too long. Or what the function raises.
        """
        return await self._ask(self._readers, function, *arguments)

    def turns_of(self, kind: RequestKind, *, bulky: bool, direct: bool) -> Turns | None:
        """Where a request waits for its turn: a bulky one, or one that needs a thread; None where it needs none."""
        if bulky:
            return self._bulky
        return None if direct else self._turns.get(kind)

    async def channel(self, name: str) -> Served:
        """The channel's newest snapshot.

        Raises:
            ChannelNotFound: listing the channels that exist. RegistryUnavailable
        """
        snapshot = self.feed.newest(name)
        return snapshot if snapshot is not None else await self.ask(lambda _registry: self.feed.take(name))

    async def count_report(self, owner: str, report: measurements.Document | measurements.Line) -> Answer:
        """Count what the token with this id reports, with what others report now, and return what came of it.

        Raises:
            DeadlineExceeded: it took too long, and may be counted. TooManyRequests: too much waits. RegistryUnavailable
        """
        seconds = self.settings.limits.deadline
        try:
            async with asyncio.timeout(seconds):
                return await self.reports.count(owner, report)
        except TimeoutError:
            raise DeadlineExceeded(
                f"this took more than {seconds:g} s, and it is not known whether it was counted",
                hint="Send it again: it counts once.",
            ) from None

    async def _ask(self, threads: CapacityLimiter, function: Callable[..., T], *arguments: Any) -> T:
        seconds = self.settings.limits.deadline
        try:
            async with asyncio.timeout(seconds):
                return await to_thread.run_sync(
                    partial(function, self.registry, *arguments), limiter=threads, abandon_on_cancel=True
                )
        except TimeoutError:
            raise DeadlineExceeded(f"the registry did not answer within {seconds:g} s") from None

    async def _find_tokens(self, digests: Sequence[str]) -> Mapping[str, Token | RegistryDamaged | None]:
        known = any(self.tokens.seen(digest) for digest in digests)
        with self.pace.slowly() if known else nullcontext():  # a flood of invented ones slows no request down
            return await self._ask(self._doorkeepers, tokens.find_tokens, digests)

    def _changed(self) -> None:
        self.tokens.forget()
        self.notifications.call()

    def _connect(self) -> Registry:
        return Registry.open(self.settings.registry, allow_network_fs=self.settings.allow_network_fs)

    async def _write_beats(self, beats: Sequence[Beat]) -> None:
        await to_thread.run_sync(presences.record_beats, self.registry, beats, clock.now())

    async def _take_reports(self, reports: Sequence[measurements.Document | measurements.Line]) -> measurements.Taken:
        take = partial(measurements.take, now=clock.now(), known=self.known)
        taken = await to_thread.run_sync(take, self.registry, reports)
        self.metrics.count_outcomes(taken)
        self.canaries.call(taken.reached)
        return taken

    async def _canary_gauges(self) -> tuple[CanaryGauge, ...]:
        return await self.ask(canary_gauges, self.known.trials, clock.now())

    async def _look_at_canaries(self, places: Collection[Place] | None) -> tuple[Looked, ...]:
        def concerns(app: str, channel: str) -> bool:
            return places is None or (app, channel) in places

        return await to_thread.run_sync(partial(look_at, now=clock.now()), self.registry, self.known.trials, concerns)


class Contents:
    """Contents of releases by digest. They never change, so recently used ones stay in memory."""

    def __init__(self, state: ServerState) -> None:
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
        contents = {digest: self._kept[digest] for digest in wanted if digest in self._kept}
        for digest in contents:
            self._kept.move_to_end(digest)
        if missing:
            try:
                fetched = await self._state.ask(partial(snapshots.contents, limit=BATCH), missing)
            except RegistryDamaged:
                if not contents:
                    raise
                fetched = {}
            for digest, stored in fetched.items():
                contents[digest] = stored
                self._keep(digest, stored)
        return dict(_up_to(BATCH, ((digest, contents[digest]) for digest in wanted if digest in contents)))

    def _keep(self, digest: str, stored: StoredRelease) -> None:
        if digest not in self._kept:
            self._kept[digest] = stored
            self._size += len(stored.content)
        while self._size > _CACHE:
            _, lost = self._kept.popitem(last=False)
            self._size -= len(lost.content)


def _up_to(size: int, contents: Iterable[tuple[str, StoredRelease]]) -> Iterator[tuple[str, StoredRelease]]:
    for place, (digest, stored) in enumerate(contents):
        size -= len(stored.content)
        if size < 0 and place:
            return
        yield digest, stored

"""A client without a network and without time, for what would take hours or luck otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from promptops.client.follow.follower import ChannelFollower
from promptops.client.follow.loading import has_work
from promptops.client.follow.refresh import Asking, Refreshed, advance, hear, load
from promptops.client.follow.replica import Replica
from promptops.client.follow.schedule import World
from promptops.client.settings import ClientSettings
from promptops.client.sources.source import (
    Ask,
    AskContents,
    AskReportKey,
    AskSnapshot,
    AskVersion,
    Failed,
    Question,
    SourceAnswer,
    SourcePlace,
    TellBeat,
    TellOutcomes,
    find_place,
)
from promptops.core.snapshot import Snapshot
from promptops.wire.snapshot import encode
from tests.client import made

FIRST, SECOND = find_place("https://first"), find_place("https://second")
DOWN = Failed(reason="connect", message="nobody is there")


@dataclass
class Simulation:
    """A client's way without a network: places that answer as a test says, and a clock that a test moves."""

    places: tuple[SourcePlace, ...] = (FIRST,)
    told: Mapping[str, object] = field(default_factory=dict)
    seconds: float = 1_000.0
    today: datetime = datetime(2026, 3, 1, tzinfo=UTC)
    served: dict[SourcePlace, Snapshot | Failed] = field(default_factory=dict)
    api: bool = True
    takes: float = 0.0
    asked: list[Ask] = field(default_factory=list)
    without: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        world = World(clock=lambda: self.seconds, now=lambda: self.today, dice=lambda: 0.5)
        usual: dict[str, object] = {"places": self.places, "channels": ("prod",), "caching": False}
        settings = ClientSettings(**{**usual, **self.told})  # type: ignore[arg-type]
        self.replica = Replica(settings, "prod", world)
        self.follower = ChannelFollower(self.replica, on_change=None, on_state=None)

    def poll(self, timeout: float = 5.0) -> Refreshed | None:
        """One turn, where something is due."""
        asking = self.follower.poll(self.seconds + timeout)
        if asking is None:
            return None
        refreshed = self.drive(asking)
        self.follower.settle(refreshed)
        return refreshed

    def drive(self, asking: Asking) -> Refreshed:
        step = advance(asking, None)
        while isinstance(step, Ask):
            self.asked.append(step)
            self.seconds += self.takes
            late = self.seconds > step.deadline
            step = advance(asking, DOWN if late else self.answer(step.place, step.what))
        return step

    def event(self, place: SourcePlace, data: bytes) -> Refreshed:
        """An event of a stream, and the loading of what it brings."""
        heard = hear(self.replica, place, data)
        if heard.trouble is None and has_work(self.replica):
            return self.drive(load(self.replica, place, self.seconds + 5))
        return heard

    def answer(self, place: SourcePlace, what: Question) -> SourceAnswer | Failed:
        served = self.served.get(place, DOWN)
        if isinstance(served, Failed):
            return served
        match what:
            case AskSnapshot():
                body, digest = encode(served)
                etag = f'"{digest}"'
                same = etag == what.etag
                return SourceAnswer(unchanged=same, body=b"" if same else body, etag=etag, api=self.api)
            case AskContents():
                found = {d: made.CONTENTS[d] for d in what.digests if d not in self.without}
                return SourceAnswer(contents=found, api=self.api)
            case AskVersion():
                ref = made.release(what.app, what.version)
                return SourceAnswer(body=made.CONTENTS[ref.digest], etag=ref.digest, api=self.api)
            case TellBeat():
                return SourceAnswer(api=self.api)
            case AskReportKey() | TellOutcomes():
                return Failed(reason="status-404", message="it takes no reports")

    def kinds(self) -> list[str]:
        return [type(ask.what).__name__ for ask in self.asked]

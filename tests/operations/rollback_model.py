"""A model of an app's log on a channel: what a rollback goes to, and what the policy does with a canary at a look.

It states the laws in its own words and shares no code with the product.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

STEPS = (500, 2_500)
BAKE = timedelta(hours=4)
"""How long each step lasts: then the canary goes on, since the policy takes too few keys as enough."""
ROLLOUT: dict[str, Any] = {
    "steps": [{"percent": weight // 100, "bake": f"{BAKE // timedelta(hours=1)}h"} for weight in STEPS],
    "wait": f"{BAKE // timedelta(hours=1)}h",
    "guardrails": ["error"],
    "on": {"no_data": "advance"},
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    release: int
    revision: int
    place: int  # the revision of the promotion whose release this serves
    at: datetime
    beside: bool = False  # a step of a canary, or its end


@dataclass(kw_only=True)
class Canary:
    """``by_policy`` says who takes its steps; ``looked`` is when that was thought about last."""

    release: int
    weight: int
    by_policy: bool
    began: datetime
    looked: datetime
    paused: bool = False

    def due(self, at: datetime) -> str:
        """What a look does where the canary is not worse."""
        if self.paused:
            return "hold"
        if at - self.looked > BAKE:
            return "pause"  # for so long nothing was watched
        if at - self.began < BAKE:
            return "hold"
        return "finish" if next_step(self.weight) is None else "advance"


@dataclass
class App:
    log: list[Entry] = field(default_factory=list)
    quarantined: set[int] = field(default_factory=set)
    yanked: set[int] = field(default_factory=set)
    at_once: dict[int, datetime] = field(default_factory=dict)
    canary: Canary | None = None

    @property
    def live(self) -> int | None:
        """The stable release."""
        return self.log[-1].release if self.log else None

    @property
    def on_trial(self) -> int | None:
        """The release of the canary."""
        return self.canary.release if self.canary else None

    def good(self, release: int) -> bool:
        return release not in self.quarantined | self.yanked

    def target(self) -> Entry | None:
        """Walk back from the place of what is live, as if no canary was ever in the log; the first good other release
        is it.
        """
        now = self.log[-1]
        for entry in reversed([each for each in self.log if not each.beside]):
            if entry.revision < now.place and self.good(entry.release) and entry.release != now.release:
                return entry
        return None

    def at(self, moment: datetime) -> Entry | None:
        return next((entry for entry in reversed(self.log) if entry.at <= moment), None)

    def back(self) -> Entry | None:
        """Where a rollback goes: of a canary back to what is live."""
        return self.target() if self.canary is None else self.log[-1]

    def go_live(self, release: int, at: datetime) -> None:
        revision = len(self.log) + 1
        self.log.append(Entry(release=release, revision=revision, place=revision, at=at))
        self.canary = None

    def go_back(self, entry: Entry, at: datetime) -> None:
        """A rollback leaves the canary and what is live, but for what it goes to."""
        now = self.log[-1]
        for left in {self.on_trial, now.release} - {entry.release}:
            self.keep_out(left)
        beside = entry.release == now.release
        self.log.append(
            Entry(release=entry.release, revision=now.revision + 1, place=entry.place, at=at, beside=beside)
        )
        self.canary = None

    def keep_out(self, release: int | None) -> None:
        self.quarantined |= set() if release is None else {release}

    def step(self, at: datetime, canary: Canary | None) -> None:
        """A step of a canary, or its end: what is live stays, at its place."""
        now = self.log[-1]
        self.log.append(Entry(release=now.release, revision=now.revision + 1, place=now.place, at=at, beside=True))
        self.canary = canary

    def advance(self, at: datetime, weight: int) -> None:
        assert self.canary is not None
        self.canary.weight, self.canary.began, self.canary.paused = weight, at, False
        self.step(at, self.canary)


def next_step(weight: int) -> int | None:
    """The weight of the step that follows."""
    return next((step for step in STEPS if step > weight), None)


def each_once(names: Iterable[str]) -> bool:
    """Whether nothing comes back after something else came: a canary that ended is never seen again."""
    seen: set[str] = set()
    before = ""
    for name in names:
        if name != before and name in seen:
            return False
        seen |= {name} if name else set()
        before = name
    return True

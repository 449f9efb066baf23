"""Who serves what right now: what a running client says of itself, and how that compares with what is live.

Presence is no fact of the registry: it is as good as the last minute, is overwritten, and goes into no backup of git.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from promptops.core.asked import Asked, require_few
from promptops.core.errors import Invalid
from promptops.core.features import MAX_FEATURES, is_features
from promptops.core.model import Deployment, is_name
from promptops.core.names import AppName, ChannelName

LIVE_FOR = timedelta(seconds=90)
"""A client without a heartbeat for longer is not live: three times the interval, so that two may get lost."""

LISTED_FOR = timedelta(minutes=10)
"""Time that a client stays listed after its last heartbeat: it may still serve without reaching the registry."""

MAX_WORDS = 200
"""Characters of a text in a heartbeat: one printable line."""
MAX_APPS = 2_000
"""Apps in a heartbeat, which bounds its row in the registry: far more than one process uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many clients a registry remembers: of one token, which a large fleet may share, and in all."""

    of_a_token: int = 10_000
    in_all: int = 20_000


_LONGEST_NAME = 63  # of a channel, as everywhere
_ID = re.compile(r"[0-9a-f]{32}")


class State(StrEnum):
    """How far a client is from its registry."""

    READY = "READY"
    """It was in contact within the last three polls, and the last attempt went well."""
    DISCONNECTED = "DISCONNECTED"
    """The last attempt failed; what is served is younger than three polls."""
    STALE = "STALE"
    """No contact for more than three polls. What is served is the last good, for as long as it takes."""
    COLD = "COLD"
    """Never in contact, and nothing of an earlier process: a bundle, overrides, fallbacks, or nothing is served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a client says of itself: that it runs, and which revision of each app it serves.

    ``id`` is one process's, new at each start; ``name`` is for people. ``lineage`` and ``epoch`` say which registry's
    counting the revisions are of. ``cannot_load`` has, for each app whose newest release this process cannot load, the
    reason in one line; ``revisions`` has the revision that it still serves of such an app, and no entry where it serves
    none. ``understands`` are the features that the client has (:mod:`promptops.core.features`), none for one before
    0.3.0. ``asks`` are the prompts that it used since it started, each with the names of the variables that it
    passes; None where it does not say, as one before 0.9.0. ``leaving`` is the last word of a process that closes: from
    now on it serves nothing. ``token`` is the id of the token that it came with: the server fills it in, and nothing
    that a client says can change it.

    Raises:
        Invalid: a part is malformed or too long.
    """

    id: str
    channel: str
    name: str
    sdk: str
    state: State
    lineage: str
    epoch: int
    revisions: Mapping[str, int] = field(default_factory=dict)
    cannot_load: Mapping[str, str] = field(default_factory=dict)
    leaving: bool = False
    understands: tuple[str, ...] = ()
    asks: Asked | None = None
    token: str = ""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise Invalid("a client's id is 32 lower-case hex digits")
        if not is_name(self.channel):
            raise Invalid(f"'{self.channel[:80]}' is not a channel's name")
        texts = [("name", self.name), ("sdk", self.sdk), ("lineage", self.lineage)]
        for what, text in (*texts, *(("reason", reason) for reason in self.cannot_load.values())):
            if len(text) > MAX_WORDS or not text.isprintable():
                raise Invalid(f"a client's {what} is one line of at most {MAX_WORDS} printable characters")
        for what, apps in (("revisions", self.revisions), ("cannot_load", self.cannot_load)):
            if len(apps) > MAX_APPS or not all(map(_is_app, apps)):
                raise Invalid(f"a client's {what} are those of at most {MAX_APPS:,} apps, by name")
        if not is_features(self.understands):
            raise Invalid(f"a client's understands are at most {MAX_FEATURES} features, in order")
        if self.asks is not None:
            require_few(self.asks)
        if any(not 0 <= number < 2**53 for number in (self.epoch, *self.revisions.values())):
            raise Invalid("a client's epoch and revisions are whole numbers from 0")


def _is_app(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and _is_known_name(name)


_is_known_name = lru_cache(maxsize=10_000)(is_name)
"""A fleet serves the same apps, in every heartbeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveClient:
    """A client that was heard of lately, beside what is live on its channel.

    ``behind`` are the apps it serves at an older revision than the live one, or cannot load at all; all of its apps
    where it counts differently (``comparable`` is False): it follows another registry, or one from before a restore.
    """

    beat: Beat
    seen_at: datetime
    comparable: bool
    behind: tuple[str, ...]

    @property
    def apps(self) -> frozenset[str]:
        """The apps that it follows: it serves them, or cannot load them."""
        return frozenset({*self.beat.revisions, *self.beat.cannot_load})

    def acknowledged(self, deployments: Iterable[Deployment]) -> bool:
        """True where it serves each of these deployments, or a later one, of the apps and the channel it follows."""
        relevant = [d for d in deployments if d.channel == self.beat.channel and d.app in self.apps]
        return not relevant or (
            self.comparable and all(self.beat.revisions.get(d.app, -1) >= d.revision for d in relevant)
        )

    def failing(self, deployments: Iterable[Deployment]) -> Mapping[str, str]:
        """The apps among these deployments that it does not serve since it cannot load them, with the reason."""
        here = {d.app for d in deployments if not self.acknowledged([d])}
        return {app: reason for app, reason in self.beat.cannot_load.items() if app in here}

    def limited(self, sees: Callable[[str], bool]) -> LiveClient | None:
        """The client as a token sees it that may see only these apps; None if it follows none of them."""
        if not any(map(sees, self.apps)):
            return None
        revisions = {app: number for app, number in self.beat.revisions.items() if sees(app)}
        cannot_load = {app: reason for app, reason in self.beat.cannot_load.items() if sees(app)}
        beat = replace(self.beat, revisions=revisions, cannot_load=cannot_load)
        return replace(self, beat=beat, behind=tuple(filter(sees, self.behind)))

    def under_another_id(self) -> LiveClient:
        """The same client under a substitute id, for callers with another token.

        A client's own id is random, so the substitute does not reveal it.
        """
        own = f"{self.beat.token}/{self.beat.id}".encode()
        return replace(self, beat=replace(self.beat, id=hashlib.sha256(own).hexdigest()[:32]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The clients of one channel or of all: ``live`` ones, and ``silent`` ones that stopped without a goodbye.

    A silent client may still run and not reach the registry, or be gone; a rollback does not wait for it.
    """

    live: tuple[LiveClient, ...] = ()
    silent: tuple[LiveClient, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFailure:
    """An app's release that a live client cannot load, and why, as it says itself; ``client`` is its name."""

    app: AppName
    channel: ChannelName
    client: str
    reason: str
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFollowing:
    """A live client that would keep the release before, by its name: it lacks these features of a release."""

    client: str
    lacks: tuple[str, ...]


def compare(
    beat: Beat, seen_at: datetime, *, live: Mapping[tuple[str, str], int], lineage: str, epoch: int
) -> LiveClient:
    """A client beside the live revisions, which are by channel and app, and the registry's counting."""
    comparable = (beat.lineage, beat.epoch) == (lineage, epoch)
    newest = {app: live.get((beat.channel, app), 0) for app in beat.revisions}
    late = {app for app, at in beat.revisions.items() if not comparable or at < newest[app]}
    behind = tuple(sorted(late | (beat.cannot_load.keys() - beat.revisions.keys())))
    return LiveClient(beat=beat, seen_at=seen_at, comparable=comparable, behind=behind)

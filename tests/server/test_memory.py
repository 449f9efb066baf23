"""What a server keeps in memory: as little as it needs, never longer than it is true, and nobody waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import event

from promptops import clock
from promptops.core.errors import ChannelNotFound, DeadlineExceeded, NotAuthenticated, RegistryUnavailable
from promptops.core.heartbeat import Beat, State
from promptops.core.model import Policy
from promptops.core.token import Scope, secret_digest
from promptops.operations import tokens
from promptops.operations.channels import apply_channels
from promptops.operations.tokens import find_tokens
from promptops.server.live.feed import Follower, Served
from promptops.server.live.heartbeats import Presence
from promptops.server.live.server_state import ServerState as Running
from promptops.server.settings import Limits, Settings
from promptops.store import Registry
from tests.server.conftest import mint
from tests.server.running import PATIENCE
from tests.support import factory


def beat(number: int, revision: int = 1) -> Beat:
    return Beat(
        id=f"{number:032x}",
        channel="prod",
        name="web",
        sdk="",
        state=State.READY,
        lineage="l",
        epoch=1,
        revisions={"bot": revision},
    )


async def happens(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def opened(url: str, *, deadline: float = 10.0) -> AsyncIterator[Running]:
    """The inside of a server."""
    state = Running(Settings(registry=url, limits=Limits(deadline=deadline)))
    await state.open()
    try:
        yield state
    finally:
        await state.close()


def test_heartbeats_of_a_moment_are_written_at_once_and_the_last_of_a_client_counts() -> None:
    written: list[Sequence[Beat]] = []

    async def write(beats: Sequence[Beat]) -> None:
        written.append(beats)

    async def main() -> None:
        presence = Presence(write)
        presence.start()
        for number in range(100):
            presence.say(beat(number))
        presence.say(beat(7, revision=2))
        await happens(lambda: written)
        presence.say(beat(1, revision=3))
        await happens(lambda: len(written) == 2)
        await presence.close()

    asyncio.run(main())
    assert [len(beats) for beats in written] == [100, 1]
    assert {each.id: each for each in written[0]}[f"{7:032x}"].revisions == {"bot": 2}


@pytest.mark.parametrize("trouble", [RegistryUnavailable("it is away"), ValueError("a bug")], ids=repr)
def test_a_heartbeat_never_hears_of_the_databases_trouble(trouble: Exception, caplog: pytest.LogCaptureFixture) -> None:
    answers: list[Exception | None] = [trouble, None]
    written: list[int] = []

    async def write(beats: Sequence[Beat]) -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        written.append(len(beats))

    async def main() -> None:
        presence = Presence(write)
        presence.start()
        presence.say(beat(1))
        await happens(lambda: len(answers) == 1)
        presence.say(beat(2))
        presence.say(beat(3))
        await happens(lambda: written)
        await presence.close()

    asyncio.run(main())
    assert written == [2]
    assert "heartbeats of clients are lost" in caplog.text


def test_a_flood_of_heartbeats_is_forgotten_and_not_kept() -> None:
    async def write(beats: Sequence[Beat]) -> None:
        raise AssertionError("nothing is written here")

    presence = Presence(write)
    for number in range(20_000):
        presence.say(beat(number))
    assert len(presence._beats) == 10_000


def _live(served: Served | None, app: str) -> bool:
    return served is not None and app in served.snapshot.apps


def test_a_channel_that_appears_and_is_changed_by_others_is_followed(world: Registry, registry_url: str) -> None:
    policies = {"dev": Policy(), "prod": Policy(), "new": Policy()}

    def declare() -> None:
        apply_channels(world, "test", policies, actor=factory.ACTOR, now=factory.START)

    async def main() -> None:
        async with opened(registry_url) as state:
            with pytest.raises(ChannelNotFound):
                await state.channel("new")
            await asyncio.to_thread(declare)
            first = await state.channel("new")
            assert first.snapshot.apps == {}
            follower = Follower()
            state.feed.follow("new", follower)
            await asyncio.to_thread(factory.go_live, world, "bot@0.1.0", "new")
            async with asyncio.timeout(PATIENCE):
                await follower.changed.wait()
            assert _live(state.feed.newest("new"), "bot")
            assert state.feed.past("new", first.mark) == first.snapshot
            state.feed.leave("new", follower)
            assert state.feed.following == 0

    asyncio.run(main())


def test_channels_that_somebody_makes_up_are_not_remembered(world: Registry, registry_url: str) -> None:
    async def main() -> None:
        async with opened(registry_url) as state:
            await state.channel("prod")
            for number in range(100):
                with pytest.raises(ChannelNotFound):
                    await state.channel(f"made-up-{number}")
            assert set(state.feed._asked_at) == {"prod"}

    asyncio.run(main())


def test_followers_are_told_when_the_server_ends_and_so_is_who_comes_later(registry_url: str, world: Registry) -> None:
    async def main() -> None:
        async with opened(registry_url) as state:
            await state.channel("prod")
            early, late = Follower(), Follower()
            state.feed.follow("prod", early)
            state.feed.end_followers()
            state.feed.follow("prod", late)
            assert early.ended
            assert late.ended
            assert early.changed.is_set()

    asyncio.run(main())


def test_contents_are_asked_for_once_and_the_oldest_go_when_there_are_many(world: Registry, registry_url: str) -> None:
    large = [
        factory.make_release(world, factory.content("large", f"{{{{name}}}} {number} " + "x" * 900_000))
        for number in range(80)
    ]

    async def main() -> None:
        async with opened(registry_url) as state:
            digests = [release.digest for release in large]
            for start in range(0, len(digests), 4):
                found = await state.contents.of(digests[start : start + 4])
                assert [each.content for each in found.values()] == [r.content for r in large[start : start + 4]]
            assert state.contents._size <= 64 << 20
            assert set(state.contents._kept) == set(digests[-len(state.contents._kept) :])
            asked: list[str] = []
            event.listen(state.registry._reading, "before_cursor_execute", lambda *about: asked.append(about[2]))
            again = await state.contents.of([digests[-1], digests[-2]])
            assert list(again) == [digests[-1], digests[-2]]
            assert [statement for statement in asked if "release.content" in statement] == []
            await state.contents.of([digests[0]])
            assert [statement for statement in asked if "release.content" in statement]

    asyncio.run(main())


def test_who_asks_the_registry_too_long_is_told_so(world: Registry, registry_url: str) -> None:
    go = threading.Event()

    async def main() -> None:
        async with opened(registry_url, deadline=0.1) as state:
            with pytest.raises(DeadlineExceeded):
                await state.ask(lambda _registry: go.wait(PATIENCE))
            go.set()
            assert await state.ask(lambda registry: registry.name) == "test"

    asyncio.run(main())


def test_only_lookups_of_known_tokens_slow_others_down(
    world: Registry, registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = mint(world, "known", Scope.READ)
    slow: list[int] = []

    async def main() -> None:
        async with opened(registry_url) as state:

            def find(registry: Registry, digests: Sequence[str]) -> object:
                slow.append(state.pace._slow)
                return find_tokens(registry, digests)

            monkeypatch.setattr(tokens, "find_tokens", find)
            for _ in range(2):
                state.tokens.forget()
                await state.tokens.of(secret_digest(known), clock.now())
                with pytest.raises(NotAuthenticated):
                    await state.tokens.of("0" * 64, clock.now())

    asyncio.run(main())
    assert slow == [0, 0, 1, 0]

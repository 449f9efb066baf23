"""Who has most gives way: of connections, of streams, of turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

import pytest

from promptops.core.errors import DeadlineExceeded, TooManyRequests
from promptops.core.token import Scope
from promptops.server.app import create_app
from promptops.server.http.connections import Resting
from promptops.server.live.feed import Follower
from promptops.server.live.pace import Pace
from promptops.server.live.streams import Streams
from promptops.server.live.turns import Turns
from promptops.server.settings import Settings
from promptops.store import Registry
from tests.harness.bench import flooder
from tests.server.conftest import mint
from tests.server.running import PATIENCE, inside


def test_of_whoever_has_most_that_rest_the_one_that_rests_longest_gives_way() -> None:
    resting: Resting[str] = Resting()
    assert resting.first() is None
    for name in ("a1", "a2", "a3", "b1", "b2"):
        resting.add(name[0], name)
    assert resting.first() == "a1"
    resting.remove("a", "a1")
    resting.remove("a", "a1")
    resting.add("a", "a1")  # it had something to do meanwhile
    assert resting.first() == "a2"
    for name in ("a1", "a2", "a3"):
        resting.remove("a", name)
    assert resting.first() == "b1"


def test_of_a_token_the_address_that_has_most_streams_gives_one_up() -> None:
    streams = Streams(4)
    many = [Follower() for _ in range(4)]
    for each in many:
        streams.enter("t1", "192.0.2.1", each)
    with pytest.raises(TooManyRequests):
        streams.enter("t1", "192.0.2.1", Follower())
    streams.enter("t1", "192.0.2.2", Follower())
    streams.enter("t2", "192.0.2.1", Follower())
    assert [each.ended for each in many] == [True, True, False, False]
    for token, address in (("t1", "192.0.2.1"), ("t1", "192.0.2.2")):  # each of both has its share now
        with pytest.raises(TooManyRequests):
            streams.enter(token, address, Follower())
    streams.enter("t2", "192.0.2.9", Follower())
    assert len(streams) == 4
    streams.leave("t1", "192.0.2.1", many[0])  # it was ended before
    streams.leave("t1", "192.0.2.1", many[3])
    assert len(streams) == 3


def test_owners_take_turns_and_none_has_more_than_its_share() -> None:
    async def main() -> None:
        turns, begun = Turns(slots=3, share=2), []

        async def work(owner: str, number: int) -> None:
            await turns.take(owner, PATIENCE)
            begun.append((owner, number))

        tasks = [asyncio.create_task(work("flood", number)) for number in range(10)]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(work("on-call", 0)))
        await asyncio.sleep(0.01)
        assert begun == [("flood", 0), ("flood", 1), ("on-call", 0)]
        tasks.append(asyncio.create_task(work("on-call", 1)))
        await asyncio.sleep(0.01)
        turns.give("flood")
        await asyncio.sleep(0.01)
        assert begun[3:] == [("flood", 2)] or begun[3:] == [("on-call", 1)]
        turns.give(begun[3][0])
        await asyncio.sleep(0.01)
        assert {owner for owner, _ in begun[3:5]} == {"flood", "on-call"}
        for task in tasks:
            task.cancel()

    asyncio.run(main())


def test_who_waits_too_long_or_leaves_takes_no_turn_with_it() -> None:
    async def main() -> None:
        turns = Turns(slots=1, share=1)
        await turns.take("one", PATIENCE)
        with pytest.raises(DeadlineExceeded, match="nothing was done"):
            await turns.take("two", 0.01)
        leaving = asyncio.create_task(turns.take("two", PATIENCE))
        await asyncio.sleep(0)
        leaving.cancel()
        late = asyncio.create_task(turns.take("three", PATIENCE))
        await asyncio.sleep(0)
        turns.give("one")  # it is given to one who leaves in the same moment
        late.cancel()
        await asyncio.gather(leaving, late, return_exceptions=True)
        await turns.take("four", 1.0)
        assert not turns._waiting

    asyncio.run(main())


# --- pace -----------------------------------------------------------------------------------------------


def _paced(owners: Sequence[str], *, slow: bool = False) -> list[list[str]]:
    """What is done in each round of the event loop, where all come at once."""

    async def main() -> list[list[str]]:
        pace, done, rounds = Pace(), list[str](), list[list[str]]()
        with pace.slowly() if slow else nullcontext():
            for owner in owners:
                if pace.goes():
                    done.append(owner)
                else:
                    pace.when(owner, partial(done.append, owner))
            while sum(map(len, rounds)) < len(owners):
                rounds.append(done[sum(map(len, rounds)) :])
                await asyncio.sleep(0)
        assert not pace._waiting
        return [found for found in rounds if found]

    return asyncio.run(main())


@pytest.mark.parametrize("slow", [False, True])
def test_what_all_do_at_once_is_done_one_at_a_time_and_of_each_owner_in_turn(slow: bool) -> None:
    rounds = _paced(["many"] * 30 + ["one"], slow=slow)
    assert {len(found) for found in rounds} == {1}
    assert ["one"] in rounds[:3]


def test_the_slow_pace_waits_between_two() -> None:
    begun = time.monotonic()
    _paced(["many"] * 21, slow=True)
    assert time.monotonic() - begun >= 20 * 0.002


def test_a_lone_one_goes_at_once_in_each_round() -> None:
    async def main() -> None:
        pace = Pace()
        for _ in range(20):
            assert pace.goes()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    asyncio.run(main())


def test_requests_that_wait_for_their_turn_are_all_answered_in_order(world: Registry) -> None:
    """Each of several connections sends many requests at once, at the slow pace."""
    app = create_app(Settings(registry=world.url, auth=False))

    async def talk(port: int) -> list[int]:
        reader, writer = await flooder.connected(port)
        paths = ["/v1/apps/bot/releases/0.1.0/content", "/v1/nothing"] * 15
        writer.write(b"".join(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode() for path in paths))
        statuses = [await flooder.answered(reader) for _ in paths]
        writer.close()
        return statuses

    async def main(port: int) -> list[list[int]]:
        return await asyncio.gather(*(talk(port) for _ in range(10)))

    with inside(app) as server, app.state.pace.slowly():
        assert asyncio.run(main(server.port)) == [[200, 404] * 15] * 10


def test_a_connection_that_ends_before_its_turn_holds_up_no_other(world: Registry) -> None:
    app = create_app(Settings(registry=world.url, auth=False))

    async def leave(port: int) -> None:
        _, writer = await flooder.connected(port)
        writer.write(b"GET /v1/apps HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await writer.drain()
        writer.transport.abort()

    async def main(port: int) -> None:
        await asyncio.gather(*(leave(port) for _ in range(50)))

    with inside(app) as server, app.state.pace.slowly():
        asyncio.run(main(server.port))
        assert server.get("/v1/apps").status == 200


def test_a_token_does_not_wait_for_the_connections_of_another(world: Registry) -> None:
    flooding, on_call = mint(world, "flood", Scope.READ), mint(world, "on-call", Scope.READ)
    app = create_app(Settings(registry=world.url))

    async def ask(port: int, token: str, order: list[str]) -> None:
        reader, writer = await flooder.connected(port)
        writer.write(flooder.Flood(port, token).head("GET", "/v1/channels/prod/snapshot"))
        assert await flooder.answered(reader) == 200
        order.append(token)
        writer.close()

    async def main(port: int) -> int:
        """How many others are answered between the request of the one on call and its answer."""
        order: list[str] = []
        async with asyncio.TaskGroup() as group:
            for _ in range(200):
                group.create_task(ask(port, flooding, order))
            await asyncio.sleep(0.05)
            before = len(order)
            group.create_task(ask(port, on_call, order))
        return order.index(on_call) - before

    with inside(app) as server, app.state.pace.slowly():
        assert asyncio.run(main(server.port)) < 125  # of about 175 that wait

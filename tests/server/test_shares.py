"""Who has most gives way: of connections, of streams, of turns."""

from __future__ import annotations

import asyncio

import pytest

from promptops.core.errors import DeadlineExceeded, TooManyRequests
from promptops.server.connections import Resting
from promptops.server.feed import Follower
from promptops.server.pace import Pace
from promptops.server.streams import Streams
from promptops.server.turns import Turns
from tests.server.running import PATIENCE


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


def test_what_all_do_at_once_is_done_a_few_at_a_time_and_of_each_owner_in_turn() -> None:
    async def main() -> None:
        pace, done = Pace(), []

        async def work(owner: str, number: int) -> None:
            await pace.step(owner)
            done.append(owner)

        tasks = [asyncio.create_task(work("many", number)) for number in range(100)]
        tasks.append(asyncio.create_task(work("one", 0)))
        rounds = 0
        while len(done) < 101:
            before = len(done)
            await asyncio.sleep(0)
            rounds += len(done) > before
            assert len(done) - before <= 16
        assert rounds >= 101 / 16
        assert "one" in done[:16]
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_who_leaves_meanwhile_holds_up_nobody() -> None:
    async def main() -> None:
        pace = Pace()
        leaving = [asyncio.create_task(pace.step("a")) for _ in range(50)]
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        await asyncio.wait_for(pace.step("b"), PATIENCE)
        await asyncio.sleep(0)
        assert not pace._waiting

    asyncio.run(main())

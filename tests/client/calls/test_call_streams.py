"""Answers that are streamed: read while they pass, and whole, left or broken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from promptops.core.outcomes.call_outcome import Measure
from tests.client.calls.said import answer, chunks, counts, tokens, total
from tests.client.clients import AnyClient
from tests.client.fake_server import FakeServer


def test_a_stream_passes_through_and_is_read(client: AnyClient, counting: FakeServer) -> None:
    with client.call("bot/answer", key="ada") as call:
        came = list(call.stream(chunks("H", "i")))
    client.close(60)
    assert came == list(chunks("H", "i"))
    assert counts(counting.reports()) == {"opened": 1, "calls": 1}
    assert tokens(counting.reports()) == {"input_tokens": 10, "output_tokens": 2}
    assert total(counting.reports()).histograms.keys() == {Measure.LATENCY, Measure.FIRST_TOKEN}


def test_a_stream_may_be_read_after_the_block(client: AnyClient, counting: FakeServer) -> None:
    with client.call("bot/answer", key="ada") as call:
        stream = call.stream(chunks("H", "i"))
    assert len(list(stream)) == 4
    client.close(60)
    assert counts(counting.reports()) == {"opened": 1, "calls": 1}


def test_a_stream_that_the_caller_leaves_is_cancelled_unless_the_answer_was_there(
    client: AnyClient, counting: FakeServer
) -> None:
    def reply(read: int) -> Generator[Any, None, None]:
        with client.call("bot/answer", key="ada") as call:
            for place, chunk in enumerate(call.stream(chunks("H", "i"))):
                yield chunk
                if place == read:
                    return

    cut = reply(9)
    next(cut)
    cut.close()
    assert len(list(reply(0))) == 1  # left after the first piece
    assert len(list(reply(2))) == 3  # with the reason for its end
    client.close(60)
    assert counts(counting.reports()) == {"opened": 3, "calls": 3, "cancelled": 2}


def test_a_stream_that_breaks_is_an_error(client: AnyClient, counting: FakeServer) -> None:
    def broken() -> Iterator[Any]:
        yield from chunks("H", whole=False)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError), client.call("bot/answer", key="ada") as call:
        list(call.stream(broken()))
    with client.call("bot/answer", key="ben") as call, suppress(ConnectionResetError):  # it shows the user its regret
        list(call.stream(broken()))
    with client.call("bot/answer", key="cyn") as call:
        try:
            list(call.stream(broken()))
        except ConnectionResetError:
            call.record(answer())  # it asked again
    client.close(60)
    assert dict(total(counting.reports()).errors) == {"ConnectionResetError": 2}
    assert counts(counting.reports()) == {"opened": 3, "calls": 3, "bad": 2}


def test_a_call_and_a_stream_of_asyncio_are_the_same(client: AnyClient, counting: FakeServer) -> None:
    async def slow() -> AsyncIterator[Any]:
        for chunk in chunks("H", "i"):
            await asyncio.sleep(0)
            yield chunk

    async def ask(read: int) -> list[Any]:
        came = []
        async with client.call("bot/answer", key="ada") as call:
            async for chunk in call.stream(slow()):
                came.append(chunk)
                if len(came) == read:
                    await asyncio.get_running_loop().create_future()
        return came

    async def main() -> None:
        assert len(await ask(9)) == 4
        hanging = asyncio.create_task(ask(1))
        await asyncio.sleep(0.01)
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging

    asyncio.run(main())
    client.close(60)
    assert counts(counting.reports()) == {"opened": 2, "calls": 2, "cancelled": 1}


def test_chunks_that_can_be_had_either_way_stay_so(client: AnyClient, counting: FakeServer) -> None:
    class Both:
        def __iter__(self) -> Iterator[Any]:
            return chunks("Hi")

        async def __aiter__(self) -> AsyncIterator[Any]:
            for chunk in chunks("Hi"):
                yield chunk

    async def all_of(stream: Any) -> list[Any]:
        return [chunk async for chunk in stream]

    with client.call("bot/answer", key="ada") as call:
        plain: Any = call.stream(Both())
        assert len(list(plain)) == 3
    with client.call("bot/answer", key="ada") as call:
        assert len(asyncio.run(all_of(call.stream(Both())))) == 3
    client.close(60)
    assert counts(counting.reports()) == {"opened": 2, "calls": 2}

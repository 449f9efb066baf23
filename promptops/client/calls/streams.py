"""An answer that is streamed passes through to the application, and each chunk is read on its way."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, TypeVar

from promptops.core.answers.reader import Stream

T = TypeVar("T")


class StreamReader:
    """Reads the chunks of one stream. ``over`` is called once, with the class of what ended it; None for its end."""

    __slots__ = ("_clock", "_over", "first_at", "stream")

    def __init__(
        self, clock: Callable[[], float], over: Callable[[StreamReader, type[BaseException] | None], None]
    ) -> None:
        self.stream = Stream()
        self.first_at: float | None = None
        self._clock = clock
        self._over = over

    def add(self, chunk: object) -> None:
        """Read a chunk."""
        if self.stream.add(chunk) and self.first_at is None:
            self.first_at = self._clock()

    def end(self, kind: type[BaseException] | None) -> None:
        """The stream is over."""
        self._over(self, kind)


def watched(chunks: Any, reader: StreamReader) -> Any:
    """Returns the same chunks, which are read while they pass: for ``for``, for ``async for``, or for both."""
    is_async, is_plain = hasattr(chunks, "__aiter__"), hasattr(chunks, "__iter__")
    if is_async and is_plain:
        return _Both(chunks, reader)
    return _async(chunks, reader) if is_async else _plain(chunks, reader)


def _plain(chunks: Iterable[T], reader: StreamReader) -> Iterator[T]:
    kind: type[BaseException] | None = None
    try:
        for chunk in chunks:
            reader.add(chunk)
            yield chunk
    except BaseException as error:
        kind = type(error)
        raise
    finally:
        reader.end(kind)


async def _async(chunks: AsyncIterable[T], reader: StreamReader) -> AsyncIterator[T]:
    kind: type[BaseException] | None = None
    try:
        async for chunk in chunks:
            reader.add(chunk)
            yield chunk
    except BaseException as error:
        kind = type(error)
        raise
    finally:
        reader.end(kind)


class _Both:
    """Chunks that can be had either way, as some frameworks hand them out."""

    def __init__(self, chunks: Any, reader: StreamReader) -> None:
        self._chunks = chunks
        self._reader = reader
        self._begun: Any = None

    def __iter__(self) -> Iterator[Any]:
        self._begun = self._begun or _plain(self._chunks, self._reader)
        return self._begun  # type: ignore[no-any-return]

    def __next__(self) -> Any:
        return next(iter(self))

    def __aiter__(self) -> AsyncIterator[Any]:
        self._begun = self._begun or _async(self._chunks, self._reader)
        return self._begun  # type: ignore[no-any-return]

    async def __anext__(self) -> Any:
        return await anext(self.__aiter__())

"""Server-sent events, read from pieces of bytes as they come: https://html.spec.whatwg.org/multipage/server-sent-events.html

No I/O. An event that is not complete is kept up to a limit, so a server that never ends one cannot fill the memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from promptops.core.errors import Invalid
from promptops.wire.snapshot import MAX_BYTES

MAX_EVENT = MAX_BYTES + 65_536
"""Bytes of the largest event: a snapshot, and the names of its fields."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event: its name, its data, and the id to come back with after a lost connection."""

    name: str
    data: bytes
    id: str = ""


class EventReader:
    """Pieces of a stream -> events. ``retry`` is the server's last word on reconnecting, in seconds.

    ``lines`` counts complete lines, comments too: a stream in which it stands still is dead, even if bytes drip.
    """

    __slots__ = ("_begun", "_data", "_id", "_name", "_rest", "_size", "lines", "retry")

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0
        self._id = ""
        self.lines = 0
        self.retry: float | None = None

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Returns the events that this piece completes.

        Raises:
            Invalid: an event is larger than one can be.
        """
        self._rest += piece
        if not self._begun:
            if len(self._rest) < len(_BOM) and _BOM.startswith(self._rest):
                return
            self._rest, self._begun = self._rest.removeprefix(_BOM), True
        *complete, self._rest = self._lines()
        for line in complete:
            self.lines += 1
            if event := self._take(line):
                yield event
        if self._size + len(self._rest) > MAX_EVENT:
            raise Invalid(f"an event of more than {MAX_EVENT:,} bytes")

    def _lines(self) -> list[bytes]:
        r"""Complete lines and the rest. A piece that ends in ``\r`` may go on with ``\n``, so that line waits."""
        held, text = (b"\r", self._rest[:-1]) if self._rest.endswith(b"\r") else (b"", self._rest)
        lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        lines[-1] += held
        return lines

    def _take(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._size += len(value) + 1
            if self._size > MAX_EVENT:
                raise Invalid(f"an event of more than {MAX_EVENT:,} bytes")
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        elif field == b"retry" and value.isdigit() and len(value) < 10:
            self.retry = int(value) / 1000
        return None

    def _dispatch(self) -> Event | None:
        name, data = self._name or "message", self._data
        self._name, self._data, self._size = "", [], 0
        return Event(name=name, data=b"\n".join(data), id=self._id) if data else None

"""One process that floods a server on this machine, in one of ten ways, until it is killed; it ends by itself.

``python -m tests.harness.bench.flooder KIND PORT TOKEN CONNECTIONS``; it says `flooding` when all of it has begun.
"""

from __future__ import annotations

import asyncio
import json
import resource
import secrets
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from promptops.core.token import TokenKind
from promptops.core.token import mint as make_secret

SNAPSHOT: Final = "/v1/channels/prod/snapshot"
_BEATS: Final = "/v1/channels/prod/clients"
_LARGE: Final = b'{"registry":"' + b"x" * (4 << 20) + b'"}'
_PAUSE: Final = 0.25
_PATIENCE: Final = 30.0
_LONGEST: Final = 120.0
_TROUBLE = (OSError, asyncio.IncompleteReadError, ValueError)
"""What a server may do to those who flood it."""


@dataclass(frozen=True, slots=True)
class Flood:
    """A flood: its connection does this again and again until the time is over."""

    port: int
    token: str

    def head(self, method: str, path: str, *more: str, token: str | None = None) -> bytes:
        """A request up to its body."""
        said = self.token if token is None else token
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {said}", *more, "", ""]
        return "\r\n".join(lines).encode()

    def post(self, path: str, body: bytes, *more: str) -> bytes:
        """A request with a body of JSON."""
        return self.head("POST", path, "Content-Type: application/json", f"Content-Length: {len(body)}", *more) + body

    async def asking(self, ask: Callable[[], bytes]) -> None:
        """One request after the other, each as soon as the last was answered."""
        reader, writer = await connected(self.port)
        try:
            while True:
                writer.write(ask())
                await writer.drain()
                await answered(reader)
        finally:
            writer.close()

    async def staying(self, begin: bytes, then: bytes = b"", *, read: bool = True) -> None:
        """Say this and stay; with ``then`` say that from time to time."""
        reader, writer = await connected(self.port)
        try:
            writer.write(begin)
            while not read:
                await asyncio.sleep(_PATIENCE)
            while then:
                writer.write(then)
                await asyncio.sleep(1.0)
            while await reader.read(1024):
                pass
        finally:
            writer.transport.abort()

    def beat(self) -> bytes:
        """The heartbeat of one more process."""
        document = {
            "schema": "promptops.heartbeat/1",
            "id": uuid.uuid4().hex,
            "name": "flood",
            "sdk": "",
            "state": "READY",
            "lineage": "l",
            "epoch": 1,
            "revisions": {"other": 1},
        }
        return self.post(_BEATS, json.dumps(document).encode())

    def change(self) -> bytes:
        """A change with a key of its own."""
        body = json.dumps({"release": "other@0.1.0"}).encode()
        return self.post("/v1/channels/prod/promote", body, f"Idempotency-Key: {uuid.uuid4().hex}")

    def unknown(self) -> bytes:
        """A token that nobody has, as well written as a true one."""
        return self.head("GET", SNAPSHOT, token=make_secret(TokenKind.OPERATOR, secrets.randbelow))


KINDS: Final[Mapping[str, tuple[int, Callable[[Flood], Awaitable[None]]]]] = {
    "reads": (16, lambda flood: flood.asking(lambda: flood.head("GET", SNAPSHOT))),
    "heartbeats": (16, lambda flood: flood.asking(flood.beat)),
    "streams": (2_100, lambda flood: flood.staying(flood.head("GET", "/v1/channels/prod/events"))),
    "idle connections": (4_300, lambda flood: flood.staying(b"")),
    "bad tokens": (16, lambda flood: flood.asking(lambda: flood.head("GET", SNAPSHOT, token="nonsense"))),
    "unknown tokens": (16, lambda flood: flood.asking(flood.unknown)),
    "large bodies": (8, lambda flood: flood.asking(lambda: flood.post("/v1/releases", _LARGE))),
    "slow bodies": (
        500,
        lambda flood: flood.staying(
            flood.head("POST", _BEATS, "Content-Type: application/json", "Content-Length: 60000") + b"{", b" "
        ),
    ),
    "slow readers": (500, lambda flood: flood.staying(flood.head("GET", "/openapi.json") * 50, read=False)),
    "idempotency keys": (16, lambda flood: flood.asking(flood.change)),
}
"""Each kind: how many connections, and what each of them does."""


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection, which is closed where nobody waits for it any more."""
    opening = asyncio.ensure_future(asyncio.open_connection("127.0.0.1", port, limit=1024))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise


def _close(opening: asyncio.Task[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[1].transport.abort()


async def answered(reader: asyncio.StreamReader) -> int:
    """Read one answer to its end; its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, said, rest = head.partition(b"content-length: ")
    if said:
        await reader.readexactly(int(rest.split(b"\r\n", 1)[0]))
    return int(head.split(b" ", 2)[1])


@contextmanager
def flooding(kind: str, port: int, token: str, connections: int = 0) -> Iterator[None]:
    """Meanwhile another process floods the server, from so many connections."""
    command = [
        sys.executable,
        "-m",
        "tests.harness.bench.flooder",
        kind,
        str(port),
        token,
        str(connections or KINDS[kind][0]),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "flooding\n":
                raise RuntimeError(f"the flood of {kind} did not begin")
            yield
        finally:
            process.kill()


async def _run(kind: str, flood: Flood, connections: int) -> None:
    _, work = KINDS[kind]

    async def again() -> None:
        while True:
            with suppress(*_TROUBLE):
                await work(flood)
            await asyncio.sleep(_PAUSE)  # who was closed comes again

    tasks = []
    for number in range(connections):
        tasks.append(asyncio.create_task(again()))
        if number % 50 == 49:
            await asyncio.sleep(0.01)  # or the system drops what nobody accepts yet
    await asyncio.sleep(0.2)
    print("flooding", flush=True)
    with suppress(TimeoutError):
        async with asyncio.timeout(_LONGEST):
            await asyncio.gather(*tasks)


def _main(kind: str, port: str, token: str, connections: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 16_384), most))
    asyncio.run(_run(kind, Flood(int(port), token), int(connections)))


if __name__ == "__main__":
    _main(*sys.argv[1:])

"""A server in this process, asked without a socket: an ASGI application gets a scope and says an answer.

A stream has no end, so of one its beginning is taken, and then who asked is gone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.types import Message

from promptops.core.model import Json
from promptops.server.app import Server
from tests.server.running import PATIENCE, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request. ``target`` is its address with what follows the question mark."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: Json = None

    def replaced(self, old: str, new: str) -> Asked:
        """The same about something of another name."""
        body = json.loads(json.dumps(self.body).replace(old, new))
        return Asked(method=self.method, target=self.target.replace(old, new), headers=self.headers, body=body)

    def __str__(self) -> str:
        return f"{self.method} {self.target} {'' if self.body is None else json.dumps(self.body)}"


@asynccontextmanager
async def started(app: Server) -> AsyncIterator[None]:
    """The application between its start and its end."""
    said: asyncio.Queue[Message] = asyncio.Queue()
    told: asyncio.Queue[Message] = asyncio.Queue()
    task = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, told.get, said.put))
    try:
        await told.put({"type": "lifespan.startup"})
        assert (await said.get())["type"] == "lifespan.startup.complete"
        yield
    finally:
        app.stop()
        await told.put({"type": "lifespan.shutdown"})
        await task


async def answer(app: Server, asked: Asked, authorization: Sequence[str]) -> Reply:
    """What the application answers; with as many Authorization headers as are given."""
    path, _, query = asked.target.partition("?")
    data = b"" if asked.body is None else json.dumps(asked.body).encode()
    headers = [("host", "localhost"), *asked.headers, *(("authorization", each) for each in authorization)]
    if data:
        headers += [("content-type", "application/json"), ("content-length", str(len(data)))]
    came: list[Message] = []
    begun, bodies = asyncio.Event(), iter([{"type": "http.request", "body": data, "more_body": False}])

    async def receive() -> Message:
        if (message := next(bodies, None)) is not None:
            return message
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        came.append(message)
        if message.get("body"):
            begun.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 4711),
        "server": ("127.0.0.1", 8080),
    }
    await asyncio.wait_for(app(scope, receive, send), PATIENCE)
    sent = {name.decode().lower(): value.decode("latin-1") for name, value in came[0]["headers"]}
    return Reply(came[0]["status"], sent, b"".join(each.get("body", b"") for each in came[1:]))

"""A server that dies under load: ten applications ask all the while, and what changed meanwhile is followed afterwards.

Each outage is a SIGKILL of the server, a change in the registry while it is away, and a server at the same address
again. No call of an application may fail, and each has to serve the change within 1.2 poll intervals of the return,
and the little that a busy machine adds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.harness.faults.orders import Order, What, carry_out
from tests.harness.faults.report import Row
from tests.harness.faults.worlds import World, Worlds, begin

_CLIENTS = 10
_SEED = 20260302
_GIVEN_UP_AFTER = 60.0
_BUSY = 1.0
"""Seconds that a busy machine may add between a poll and the note of it."""


def rows(worlds: Worlds, *, seconds: float, poll: float) -> Iterator[Row]:
    """One row: outages, one after the other, for so many seconds, under clients that poll so often."""
    row = Row(part="serving", what="server killed under load", database=worlds.databases.name)
    with worlds.copied(worlds.template("base", begin)) as world:
        url = f"http://127.0.0.1:{free_port()}"
        server = serve(world, url)
        with _applications(url, poll) as applications:
            until = time.monotonic() + seconds
            returns: dict[int, float] = {}
            while time.monotonic() < until or not returns:
                server, revision, back = _outage(row, world, url, server, poll)
                returns[revision] = back
            for application in applications:
                _judge(row, application, returns, poll)
        server.terminate()
        row.bad += server.wait(timeout=_GIVEN_UP_AFTER) != 0
    yield row


def _outage(
    row: Row, world: World, url: str, server: subprocess.Popen[bytes], poll: float
) -> tuple[subprocess.Popen[bytes], int, float]:
    """Kill the server, change the channel, start it again; answers the new revision and when it was back."""
    chance = random.Random(_SEED + row.rounds)
    time.sleep(chance.uniform(0.0, poll))
    server.send_signal(signal.SIGKILL)
    server.wait()
    row.rounds += 1
    row.kills += 1
    time.sleep(chance.uniform(0.0, 2 * poll))
    with world.registry() as registry:
        with registry.read() as reader:
            live = reader.live("bot", "prod")
        assert live is not None
        version = "0.1.0" if live.version == "0.1.2" else "0.1.2"
        carry_out(registry, Order(what=What.PROMOTE, key=f"outage {row.rounds}", app="bot", version=version))
    server = serve(world, url)
    back = time.monotonic()
    time.sleep(1.5 * poll)
    return server, live.revision + 1, back


def _judge(row: Row, application: subprocess.Popen[str], returns: dict[int, float], poll: float) -> None:
    """What one application has to say in the end."""
    told, _ = application.communicate(timeout=_GIVEN_UP_AFTER)
    found: dict[str, Any] = json.loads(told)
    row.acks += found["calls"]
    row.lost += found["failed"]
    row.problems += [f"a call failed: {failure}" for failure in found["failures"]]
    seen = {int(revision): moment for revision, moment in found["seen"].items()}
    for revision, back in returns.items():
        if revision not in seen:
            row.wrong(f"revision {revision}", "was never served")
        elif seen[revision] - back > 1.2 * poll + _BUSY:
            row.wrong(
                f"revision {revision}", f"{seen[revision] - back:.2f} s after the return, with a poll of {poll} s"
            )


def serve(world: World, url: str) -> subprocess.Popen[bytes]:
    """A server at this address, ready."""
    port = url.rpartition(":")[2]
    command = [sys.executable, "-m", "promptops", "serve", "--port", port, "--no-auth"]
    log = world.root / "server.log"
    with log.open("wb") as lines:
        server = subprocess.Popen(
            command,
            cwd=world.root,
            env={**os.environ, "PROMPTOPS_REGISTRY": world.url},
            stdout=subprocess.DEVNULL,
            stderr=lines,
        )
    until = time.monotonic() + _GIVEN_UP_AFTER
    while True:
        try:
            with urlopen(f"{url}/readyz", timeout=5):
                return server
        except (URLError, OSError) as error:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server does not start: {error}; {log.read_text()[-500:]}") from error
            time.sleep(0.02)


@contextmanager
def _applications(url: str, poll: float) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "tests.harness.faults.asking", url, str(poll)]
    pipe = subprocess.PIPE
    running = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        for _ in range(_CLIENTS)
    ]
    try:
        for application in running:
            if _out(application).readline() != "following\n":
                raise RuntimeError("an application does not start")
        yield running
    finally:
        for application in running:
            application.kill()
            application.wait()
            for stream in (application.stdin, application.stdout):
                if stream is not None and not stream.closed:
                    stream.close()


def _out(application: subprocess.Popen[str]) -> IO[str]:
    assert application.stdout is not None
    return application.stdout


def free_port() -> int:
    """Returns a port below those that systems give to connections: one of these could take it while its server is dead.

    Linux gives those from 32,768 on, and all others those from 49,152 on (RFC 6335).
    """
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", random.randrange(20_000, 32_000))) as found:
            return int(found.getsockname()[1])

"""Outcomes, exactly once: clients and their server are killed at any moment, documents come twice and in any order.

Document k of a client counts 4^(k-1) calls, so the sum of its calls says how often each was counted. It also says that
its own call and that of the document before led to something, which counts once, as a worker's retry does. After the
kills, what was acknowledged is counted once and what was in flight at most once. All that was not acknowledged is then
sent again, twice and at once, with some of the rest: then each document that was ever sent is counted once.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.report import Feedback, OutcomeReport
from promptops.core.outcomes.sums import UNDECLARED
from promptops.operations.outcomes import report_key
from promptops.wire.outcomes import encode
from tests.harness.faults.children import Child, Say
from tests.harness.faults.outages import free_port, serve
from tests.harness.faults.report import Row
from tests.harness.faults.worlds import World, Worlds, begin
from tests.support.reports import assignment, call_id, calls, report, series

CLIENTS = 3
DOCUMENTS = 12
"""Of a client: a count has 26 digits of base 4, and each document takes the twentieth of a second."""

_FRESH_AFTER = 50
_SERVER_DIES = 0.2
"""The share of rounds in which the server dies too, which takes a second or two to come back."""
_SEED = 20261129
_PATIENCE = 60.0


def rows(worlds: Worlds, *, rounds: int) -> Iterator[Row]:
    """One row, of this many rounds."""
    row = Row(part="outcomes", what="exactly once", database=worlds.databases.name)
    lot = random.Random(_SEED)
    template = worlds.template("base", begin)
    while row.rounds < rounds and not row.bad and not row.lost:
        with worlds.copied(template) as world, closing(_Town(world)) as town:
            for _ in range(min(_FRESH_AFTER, rounds - row.rounds)):
                town.play(row, lot)
    yield row


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where clients report, and what they make call ids with."""

    port: int
    lineage: str
    secret: bytes


class Notes:
    """What one client sent, and what was acknowledged, line by line; a line is there before anything goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, what: str, number: int) -> None:
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, f"{what} {number}\n".encode())
        finally:
            os.close(handle)

    def read(self, what: str) -> set[int]:
        """The numbers of these lines."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return {int(line.split()[1]) for line in lines if line.startswith(what)}


class _Town:
    """A registry with a server, which clients report to round after round."""

    def __init__(self, world: World) -> None:
        self._world = world
        with world.registry() as registry:
            key = report_key(registry)
        self._place = Place(port=free_port(), lineage=key.lineage, secret=key.secret)
        self._server = self._serve()
        self._led_to = 0

    def close(self) -> None:
        self._server.kill()
        self._server.wait()

    def play(self, row: Row, lot: random.Random) -> None:
        """Clients report, some are killed and maybe the server, and what is there is checked."""
        row.rounds += 1
        names = [f"{row.rounds}-{number}" for number in range(CLIENTS)]
        notes = {name: Notes(self._world.root / name) for name in names}
        children = [Child(partial(_report, self._place, name, each, lot.random())) for name, each in notes.items()]
        time.sleep(lot.uniform(0.0, 0.4))
        for child in lot.sample(children, lot.randint(1, CLIENTS)):
            child.kill()
        if row.rounds == 1 or lot.random() < _SERVER_DIES:
            self._server.send_signal(signal.SIGKILL)
            self._server.wait()
            self._server = self._serve()
            row.kills += 1
        for child in children:
            ended = child.wait()
            row.kills += ended.killed
            if ended.code and not ended.killed:
                row.wrong(f"round {row.rounds}", f"a client ended with {ended.code}")
        self._check(row, notes, lot)

    def _check(self, row: Row, notes: dict[str, Notes], lot: random.Random) -> None:
        where = f"round {row.rounds}"
        before, _ = counted(self._world)
        late: list[OutcomeReport] = []
        for name, each in notes.items():
            sent, acknowledged = each.read("sent"), each.read("acknowledged")
            judge(row, f"{where}, {name}", before.get(name, 0), sent, acknowledged)
            again = sorted(sent - acknowledged) * 2 + [number for number in sorted(acknowledged) if lot.random() < 0.3]
            late += [document(self._place, name, number) for number in again]
            self._led_to += len(sent | set(map(_before, sent)))
            row.acks += len(acknowledged)
        lot.shuffle(late)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(partial(_post, self._place), late))
        if answers != [200] * len(late):
            row.wrong(where, f"not every document that is sent again is answered: {answers}")
        after, led_to = counted(self._world)
        for name, each in notes.items():
            sent = each.read("sent")
            judge(row, f"{where}, {name}, sent again", after.get(name, 0), sent, sent)
        if led_to != self._led_to:
            row.wrong(where, f"{self._led_to} calls led to something, and {led_to} are counted")

    def _serve(self) -> subprocess.Popen[bytes]:
        return serve(self._world, f"http://127.0.0.1:{self._place.port}")


def judge(row: Row, where: str, total: int, sent: set[int], acknowledged: set[int]) -> None:
    """What the sum of a client's calls says: all that was acknowledged is there, and nothing twice."""
    for number in range(1, DOCUMENTS + 1):
        times = total >> 2 * (number - 1) & 3
        if number in acknowledged and not times:
            row.gone(where, f"document {number}")
        elif times > (number in sent):
            row.wrong(where, f"document {number} is counted {times} times")


def counted(world: World) -> tuple[dict[str, int], int]:
    """The calls of each client, and the outcomes of all."""
    now = datetime.now(UTC)
    totals: dict[str, int] = {}
    led_to = 0
    with world.registry() as registry, registry.read() as reader:
        for row in reader.outcome_rows("bot", since=now - timedelta(days=2), now=now):
            totals[row.series.model] = totals.get(row.series.model, 0) + row.sums[Count.CALLS]
            led_to += row.sums.outcomes.get(UNDECLARED, 0)
    return totals, led_to


# --- clients -----------------------------------------------------------------------------------------


def document(place: Place, name: str, number: int) -> OutcomeReport:
    """The document of a client with this number: always the same."""
    led_to = sorted({number, _before(number)})
    return report(
        place.lineage,
        number,
        {(series(assignment(), model=name), int(time.time()) // 60): calls(4 ** (number - 1))},
        client=hashlib.sha256(name.encode()).hexdigest()[:32],
        feedback=tuple(Feedback(call=_call(place, name, each), name="resolved") for each in led_to),
    )


def _before(number: int) -> int:
    """The document before; the first has none."""
    return max(number - 1, 1)


def _call(place: Place, name: str, number: int) -> str:
    digest = hashlib.sha256(f"{name} {number}".encode()).digest()
    return call_id(place.lineage, place.secret, random=int.from_bytes(digest[:6], "big"))


def _report(place: Place, name: str, notes: Notes, seed: float, _say: Say) -> None:
    """Send all documents, several times and out of order, until each is acknowledged."""
    lot = random.Random(seed)
    waiting = list(range(1, DOCUMENTS + 1))
    done: list[int] = []
    until = time.monotonic() + _PATIENCE
    while waiting and time.monotonic() < until:
        number = lot.choice(done) if done and lot.random() < 0.3 else lot.choice(waiting[:6])
        notes.add("sent", number)
        if _post(place, document(place, name, number)) != 200:
            time.sleep(0.02)
        elif number in waiting:
            notes.add("acknowledged", number)
            waiting.remove(number)
            done.append(number)
    if waiting:
        raise RuntimeError(f"{waiting} were never acknowledged")


def _post(place: Place, what: OutcomeReport) -> int:
    """The status of the answer; 0 without one."""
    connection = HTTPConnection("127.0.0.1", place.port, timeout=_PATIENCE)
    try:
        connection.request("POST", "/v1/channels/prod/outcomes", encode(what), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        found = json.loads(answer.read())
        return answer.status if found.get("number") == what.number else 0
    except (OSError, HTTPException, ValueError):
        return 0
    finally:
        connection.close()

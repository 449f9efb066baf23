"""Canaries under three servers that are killed at random: no step twice, and the state that one server would have.

Each round starts a canary. Documents of its keys go to the servers, some of them twice and those of the first step
late, while a person takes the second step and servers die. Then the state is that of one process which takes all
documents once. In every other round the canary is worse: it is aborted once, with one decision and one quarantine.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from typing import Any

from promptops.core.deployment_parts import Kind
from promptops.core.model import Deployment, Policy
from promptops.core.outcomes.report import OutcomeReport
from promptops.operations.canary import Step
from promptops.operations.outcomes import Document, take
from promptops.store import Registry
from promptops.wire.outcomes import encode
from tests.harness.faults.outages import free_port, serve
from tests.harness.faults.report import Row
from tests.harness.faults.worlds import World, Worlds
from tests.operations.canaries import SETTINGS, Crowd, begin_again, by_hand, live
from tests.operations.counting import stored
from tests.support import factory

SERVERS = 3
_DOCUMENTS = 10
_KEYS = 30
"""Of a document: each is bad in one minute under one step, so that no order of documents makes a difference."""
_SEED = 20261130
_PATIENCE = 60.0


def rows(worlds: Worlds, *, rounds: int) -> Iterator[Row]:
    """One row, of this many rounds, on PostgreSQL alone: SQLite has one server."""
    row = Row(part="canaries", what="three servers", database=worlds.databases.name)
    if worlds.databases.name == "SQLite":
        return
    with worlds.copied(worlds.template("canaries", _begin)) as world, closing(_Servers(world)) as servers:
        lot = random.Random(_SEED)
        while row.rounds < rounds and not row.bad and not row.lost:
            row.rounds += 1
            _play(row, world, servers, lot, is_worse=row.rounds % 2 == 0)
    yield row


def _begin(world: World) -> None:
    """The channel takes canaries in steps."""
    with world.registry() as registry:
        factory.make_channels(registry, prod=Policy(rollout=SETTINGS))


class _Servers:
    """The servers of one registry, each at an address of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.ports = [free_port() for _ in range(SERVERS)]
        self._running = [self._serve(port) for port in self.ports]

    def kill(self, lot: random.Random) -> None:
        """Kill one of them, and start it again."""
        number = lot.randrange(SERVERS)
        self._running[number].send_signal(signal.SIGKILL)
        self._running[number].wait()
        self._running[number] = self._serve(self.ports[number])

    def close(self) -> None:
        for server in self._running:
            server.kill()
            server.wait()

    def _serve(self, port: int) -> subprocess.Popen[bytes]:
        return serve(self._world, f"http://127.0.0.1:{port}")


def _play(row: Row, world: World, servers: _Servers, lot: random.Random, *, is_worse: bool) -> None:
    where = f"round {row.rounds}"
    with world.registry() as registry:
        release = factory.make_release(registry, factory.content(text=f"Hello {{{{name}}}}, round {row.rounds}"))
        begun = begin_again(registry, release.version, now=datetime.now(UTC))
        crowd = Crowd(registry, begun, client=row.rounds)
        first = _documents(crowd, begun, 0, is_worse=is_worse)
        second: list[OutcomeReport] = []
        if not is_worse:
            by_hand(registry, Step.ADVANCE, datetime.now(UTC), weight=5_000)
            second = _documents(crowd, live(registry), _DOCUMENTS, is_worse=False)
        sent = [*first, *second, *lot.sample(first, 3)]
        lot.shuffle(sent)
        with ThreadPoolExecutor(6) as pool:
            answers = [pool.submit(_post_until_taken, servers.ports, lot.random(), each) for each in sent]
            time.sleep(lot.uniform(0.0, 0.3))
            servers.kill(lot)
            row.kills += 1
            taken = [answer.result() for answer in answers]
        row.acks += len(taken)
        if not all(taken):
            row.gone(where, "a document was never acknowledged")
        if is_worse:
            _wait_for_the_end(row, where, registry)
            judge_end(row, where, registry, begun)
        else:
            found = _state(registry, begun)
            judge_state(row, where, found, _alone(registry, begun, [*first, *second]))
            by_hand(registry, Step.ABORT, datetime.now(UTC))


def _documents(crowd: Crowd, at: Deployment, after: int, *, is_worse: bool) -> list[OutcomeReport]:
    """Documents of different keys; those of a canary that is worse are bad on its side alone."""
    assert at.canary is not None
    now, made = datetime.now(UTC), []
    for number in range(after, after + _DOCUMENTS):
        keys = range(number * _KEYS, (number + 1) * _KEYS)
        bad = [key for key in keys if not is_worse or crowd.bucket(key) < at.canary.weight]
        made.append(crowd.document(at, now, bad={"error": bad}, seen=[] if is_worse else keys))
    return made


def _post_until_taken(ports: Sequence[int], seed: float, what: OutcomeReport) -> bool:
    """Send it to any server until one acknowledges it."""
    lot, until = random.Random(seed), time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if _post(lot.choice(ports), what):
            return True
        time.sleep(0.02)
    return False


def _post(port: int, what: OutcomeReport) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request("POST", "/v1/channels/prod/outcomes", encode(what), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return json.loads(answer.read()).get("number") == what.number and answer.status == 200
    except (OSError, HTTPException, ValueError):
        return False
    finally:
        connection.close()


def _wait_for_the_end(row: Row, where: str, registry: Registry) -> None:
    """Wait until a server has aborted the canary: at its report, or within the minute if the server died then."""
    until = time.monotonic() + 2 * _PATIENCE
    while live(registry).canary is not None:
        if time.monotonic() > until:
            row.wrong(where, "the canary is worse and was not aborted")
            return
        time.sleep(0.05)


# --- what is there afterwards --------------------------------------------------------------------


def judge_end(row: Row, where: str, registry: Registry, begun: Deployment) -> None:
    """One abort, with one decision and one quarantine."""
    assert begun.canary is not None
    with registry.read() as reader:
        since = [each for each in reader.history("bot", "prod") if each.revision > begun.revision]
        decisions = reader.canary_decisions("bot", "prod", begun.canary.rollout)
        held = reader.quarantine("bot", "prod", begun.canary.release.digest)
    if [each.kind for each in since] != [Kind.ABORT]:
        row.wrong(where, f"one abort was to follow, and these did: {[each.kind.value for each in since]}")
    if [each.revision for each in decisions] != [each.revision for each in since]:
        row.wrong(where, f"the decisions are of {[each.revision for each in decisions]}")
    if held is None:
        row.wrong(where, "the release that was aborted is in no quarantine")


def judge_state(row: Row, where: str, found: Any, alone: Any) -> None:
    """The state that several servers left is that of one which took everything."""
    if found != alone:
        row.wrong(where, f"three servers left {found}, and one alone leaves {alone}"[:1_000])


def _state(registry: Registry, begun: Deployment) -> Any:
    """The counts of a canary, and as what each of its units was counted."""
    assert begun.canary is not None
    states = {row["rollout"]: row["state"] for row in stored(registry, "rollout_state")}
    units = [row for row in stored(registry, "rollout_unit") if row["rollout"] == begun.canary.rollout]
    counts = json.loads(str(states[begun.canary.rollout]) or "{}").get("counts")
    return counts, sorted((str(row["unit"]), str(row["counted"])) for row in units)


def _alone(registry: Registry, begun: Deployment, documents: Sequence[OutcomeReport]) -> Any:
    """The same after one process took all documents, from nothing, one after the other."""
    assert begun.canary is not None
    rollout = begun.canary.rollout

    def forget(writer: Any) -> None:
        writer.outcomes().lock()
        run = writer._connection.exec_driver_sql
        run(f"DELETE FROM rollout_unit WHERE rollout = '{rollout}'")
        run(f"DELETE FROM outcome_client WHERE client = '{documents[0].client}'")
        writer.outcomes().begin_rollout("bot", "prod", rollout, datetime.now(UTC))

    registry.write(forget)
    for each in documents:
        take(registry, [Document(report=each)], now=datetime.now(UTC))
    return _state(registry, begun)

"""How fast fifty processes follow a rollback, and an abort of a canary against that."""

from __future__ import annotations

import os
import statistics
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO

from promptops import store
from promptops.core.model import Deployment, Policy
from promptops.core.reference import Reference
from promptops.operations.canary import Step, StepRequest, step
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.quarantine import WithholdRequest, unquarantine
from promptops.operations.rollback import RollbackRequest, rollback
from tests.harness.bench.fill import ACTOR
from tests.harness.bench.follower import follow
from tests.harness.bench.measure import Line, compare
from tests.harness.bench.traffic import fill, line, served
from tests.support.forked import forking
from tests.support.postgresql import postgresql

_CLIENTS = 50
_ROLLBACKS = 40
_ABORTS = 15
_ROLLOUT = {
    "steps": [{"percent": 50, "bake": "4h"}],
    "wait": "12h",
    "guardrails": ["error", "refusal", "schema", "check", "unrecorded"],
}


def lines(folder: Path) -> Iterator[Line]:
    """Two on SQLite, and on PostgreSQL with two servers."""
    yield from _following("SQLite", f"sqlite:///{folder}/registry.db", servers=1)
    with postgresql(folder) as url:
        yield from _following("PostgreSQL and two servers", url, servers=2)


def _following(what: str, url: str, *, servers: int) -> Iterator[Line]:
    """Changes one after the other, each from its commit until the last client serves it."""
    fill(url)
    with ExitStack() as stack:
        addresses = [stack.enter_context(served(url))[1] for _ in range(servers)]
        clients = [stack.enter_context(_client(addresses[number % servers])) for number in range(_CLIENTS)]
        for client in clients:
            while line(client) != "connected\n":
                pass
        channel = _Channel(stack.enter_context(closing(store.Registry.open(url))), clients)
        yield _rollbacks(what, channel)
        channel.give_rollout()
        yield compare(
            f"an abort until the last of {_CLIENTS} clients serves stable to all keys, {what}",
            channel.abort,
            channel.roll_back,
            named="a rollback",
            bound=2.0,
            rounds=_ABORTS,
        )


def _rollbacks(what: str, channel: _Channel) -> Line:
    delays = sorted(channel.roll_back() for _ in range(_ROLLBACKS))
    slowest = delays[int(len(delays) * 0.99)]
    return Line(
        what=f"a rollback until the last of {_CLIENTS} clients serves it, {what}",
        measured=f"{slowest * 1000:.0f} ms (median {statistics.median(delays) * 1000:.0f})",
        baseline="100 ms, the slowest of 100",
        ratio=slowest / 0.1,
        bound=1.0,
    )


@contextmanager
def _client(address: str) -> Iterator[IO[str]]:
    """A process that follows, and what it says."""
    reading, writing = os.pipe()
    process = forking().Process(target=follow, args=(address, DupFd(writing)), daemon=True)
    process.start()
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as out:
        try:
            yield out
        finally:
            process.terminate()
            process.join()


class _Channel:
    """The channel that the clients follow, where the newest release is live between two changes that are timed."""

    def __init__(self, registry: store.Registry, clients: Sequence[IO[str]]) -> None:
        self.registry = registry
        self._clients = clients
        with registry.read() as reader:
            self._newest, *_ = reader.releases("bot")

    def give_rollout(self) -> None:
        """Let promotions begin with a canary at 50 % from now on."""
        policy = Policy(rollout=_ROLLOUT)
        self.registry.write(lambda writer: writer.set_policy("prod", policy, actor=ACTOR, at=_now()))

    def roll_back(self) -> float:
        """Seconds from the commit of a rollback until the last client serves it."""
        took = self._timed(self._rolled_back())
        self._go_on()
        return took

    def abort(self) -> float:
        """Seconds from the commit of an abort, as the policy does it, until the last client serves stable to all."""
        self._rolled_back()
        self._all_serve(self._promoted(), canary=True)
        took = self._timed(self._stepped(Step.ABORT, quarantine=True))
        self._go_on()
        return took

    def _timed(self, made: Deployment) -> float:
        committed = time.monotonic()  # the same clock in every process of the machine
        return self._all_serve(made, canary=False) - committed

    def _go_on(self) -> None:
        made = self._promoted()
        self._all_serve(self._stepped(Step.FINISH) if made.canary else made, canary=False)

    def _all_serve(self, made: Deployment, *, canary: bool) -> float:
        """When the last client served a revision first, by its own word; a canary to some of its keys or to none."""
        last = 0.0
        for client in self._clients:
            while True:
                revision, moment, on_canary = line(client).split()
                if int(revision) == made.revision:
                    break
            if (int(on_canary) > 0) != canary:
                raise RuntimeError(f"{on_canary} keys have the canary at the revision {revision}")
            last = max(last, float(moment))
        return last

    # --- changes ---

    def _rolled_back(self) -> Deployment:
        request = RollbackRequest(apps=("bot",), channel="prod", key=_key())
        [made] = rollback(self.registry, request, actor=ACTOR, now=_now()).deployments
        return made

    def _promoted(self) -> Deployment:
        """Lift the quarantine of the newest release, and promote it: a canary where the channel has a rollout."""
        reference = Reference(app="bot", version=self._newest.version)
        lifted = WithholdRequest(reference=reference, channel="prod", reason="bench", key=_key())
        unquarantine(self.registry, lifted, actor=ACTOR, now=_now())
        request = PromoteRequest(reference=reference, channel="prod", key=_key(), blind=True)
        [made] = promote(self.registry, request, actor=ACTOR, now=_now()).deployments
        return made

    def _stepped(self, what: Step, *, quarantine: bool = False) -> Deployment:
        request = StepRequest(app="bot", channel="prod", step=what, key=_key(), quarantine=quarantine)
        [made] = step(self.registry, request, actor=ACTOR, now=_now()).deployments
        return made


def _now() -> datetime:
    return datetime.now(UTC)  # the server looks at canaries, with its own clock


def _key() -> str:
    return uuid.uuid4().hex

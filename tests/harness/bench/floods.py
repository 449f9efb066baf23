"""What a flood of one token or address costs the rollback of another, beside what it costs a machine to be flooded."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

from promptops import store
from promptops.core.reference import Reference
from promptops.core.token import Scope
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.quarantine import WithholdRequest, unquarantine
from promptops.operations.tokens import TokenRequest, create_token
from tests.harness.bench.fill import ACTOR, NOW, deploy_all, fill_app
from tests.harness.bench.flooder import KINDS, flooding
from tests.harness.bench.measure import Line, seconds

_ROUNDS = 3
_ROLLBACKS = 5
_LONGEST = 120.0
_BOUND = 5.0


@dataclass(frozen=True, slots=True)
class Served:
    """A server, its registry, and its tokens: of who floods, and of who is on call."""

    port: int
    registry: store.Registry
    flooding: str
    on_call: str


def lines(folder: Path) -> Iterator[Line]:
    """A line for each kind of flood."""
    with ExitStack() as stack:
        flooded, idle = (stack.enter_context(_server(folder / name)) for name in ("flooded", "idle"))
        _roll_back(flooded)
        for kind in KINDS:
            alone, beside = [], []
            for _ in range(_ROUNDS):  # in turn, as a machine changes its speed
                with flooding(kind, idle.port, idle.flooding):
                    alone += [_roll_back(flooded) for _ in range(_ROLLBACKS)]
                with flooding(kind, flooded.port, flooded.flooding):
                    beside += [_roll_back(flooded) for _ in range(_ROLLBACKS)]
            took, base = statistics.median(beside), statistics.median(alone)
            yield Line(
                what=f"a rollback beside a flood of {kind}",
                measured=f"{seconds(took)} (slowest {seconds(max(beside))})",
                baseline=f"{seconds(base)} while it hits another server",
                ratio=took / base,
                bound=_BOUND,
            )


@contextmanager
def _server(folder: Path) -> Iterator[Served]:
    folder.mkdir()
    url = f"sqlite:///{folder}/registry.db"
    store.create(url, name="bench", now=NOW, actor=ACTOR)
    with closing(store.Registry.open(url)) as registry:
        for app in ("bot", "other"):
            deploy_all(registry, app, fill_app(registry, app, 2), ["prod"])
        flooding = _token(registry, "flooding", (Scope.RELEASE, Scope.PROMOTE), ("other",))
        on_call = _token(registry, "on-call", (Scope.ROLLBACK,), ("*",))
        command = [sys.executable, "-m", "promptops", "--json", "serve", "--port", "0"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PROMPTOPS_")}
        with (
            (folder / "log").open("w") as log,
            subprocess.Popen(
                command, env={**kept, "PROMPTOPS_REGISTRY": url}, stdout=subprocess.PIPE, stderr=log, text=True
            ) as process,
        ):
            try:
                assert process.stdout is not None
                yield Served(int(json.loads(process.stdout.readline())["port"]), registry, flooding, on_call)
            finally:
                process.terminate()


def _token(registry: store.Registry, name: str, scopes: Sequence[Scope], apps: tuple[str, ...]) -> str:
    request = TokenRequest(name=name, scopes=tuple(scopes), apps=apps)
    return create_token(registry, request, actor=ACTOR, now=datetime.now(UTC)).text


def _roll_back(served: Served) -> float:
    """Seconds of one rollback over a new connection; then, unmeasured, everything as it was."""
    body = json.dumps({"apps": ["bot"]}).encode()
    headers = {"Authorization": f"Bearer {served.on_call}", "Idempotency-Key": uuid.uuid4().hex}
    start = time.perf_counter()
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=_LONGEST)) as connection:
        connection.request("POST", "/v1/channels/prod/rollback", body, {**headers, "Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
    took = time.perf_counter() - start
    if answer.status != 200:
        raise RuntimeError(f"the rollback was answered with {answer.status}: {said[:300]!r}")
    with served.registry.read() as reader:
        newest, *_ = reader.releases("bot")
    reference = Reference(app="bot", version=newest.version)
    key = uuid.uuid4().hex
    lifted = WithholdRequest(reference=reference, channel="prod", reason="bench", key=f"{key}-u")
    unquarantine(served.registry, lifted, actor=ACTOR, now=NOW)
    promote(served.registry, PromoteRequest(reference=reference, channel="prod", key=key), actor=ACTOR, now=NOW)
    return took

"""What the processes of the contention test of canaries do at once: each step of one, and looks of the policy."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from promptops.core.errors import CanaryInProgress, NoCanary, NothingToRollBackTo, Quarantined, RegistryUnavailable
from promptops.core.model import Deployment, Policy
from promptops.core.reference import Reference
from promptops.operations.canary import Step, StepRequest, step
from promptops.operations.canary_look import LookRequest, look
from promptops.operations.deploy import Deployed
from promptops.operations.outcomes import Document, take
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.rollback import RollbackRequest, rollback
from promptops.store import Registry, Writer
from tests.operations.canaries import Crowd
from tests.operations.canary_model import STEPS, Asked, Told, What
from tests.store.facts import ACTOR, START, release

RELEASES: Final = 60
TURNS: Final = 40
ROLLOUT: dict[str, Any] = {
    "steps": [{"percent": weight // 100, "bake": "1m"} for weight in STEPS],
    "wait": "1m",
    "guardrails": ["error"],
    "on": {"no_data": "advance"},
}
_FASTER: Final = 240
"""How many times as fast as the machine's the clock of all processes is: a step lasts a quarter of a second."""
_WEIGHTS: dict[What, float] = {
    "promote": 10, "advance": 1, "pause": 0.5, "resume": 2, "abort": 0.5, "finish": 0.5, "rollback": 0.7, "report": 1,
    "look": 9, "read": 1,
}  # fmt: skip


def prepare(writer: Writer) -> None:
    """The releases, and a channel that takes them in steps."""
    writer.set_policy("prod", Policy(rollout=ROLLOUT), actor=ACTOR, at=START)
    writer.lock_app("bot")
    for number in range(1, RELEASES + 1):
        writer.record(release(number))


def acted(url: str, number: int, at: float) -> list[Asked]:
    """Promote, take steps, roll back, report and look, in any order."""
    from tests.store.contenders import _wait

    chance, history = random.Random(number), list[Asked]()
    with closing(Registry.open(url)) as registry:
        _wait(at)
        for turn in range(TURNS):
            asked, act = _next(registry, chance, number * TURNS + turn)
            called = time.monotonic_ns()
            told = _told(act, at)
            history.append(replace(asked, called=called, returned=time.monotonic_ns(), told=told))
    return history


def _next(registry: Registry, chance: random.Random, turn: int) -> tuple[Asked, Callable[[datetime], Told]]:
    [what] = chance.choices(list(_WEIGHTS), weights=list(_WEIGHTS.values()))
    asked = Asked(called=0, returned=0, what=what)
    seen = _live(registry)
    if what == "promote":
        # Any of them, and now and then what was there before and may be kept out.
        number = chance.randint(1, RELEASES if chance.random() < 0.8 else 4)
        asked = replace(asked, release=f"0.1.{number}")
        return asked, partial(_promote, registry, asked.release)
    if what == "report" and seen.canary is not None:
        asked = replace(asked, rollout=seen.canary.rollout)
        return asked, partial(_report, registry, seen, turn)
    if what in ("look", "rollback", "read", "report"):
        others = {"look": _look, "rollback": _rollback, "read": _read, "report": _read}
        return replace(asked, what="read" if what == "report" else what), partial(others[what], registry)
    return asked, partial(_step, registry, Step(what))


def _told(act: Callable[[datetime], Told], at: float) -> Told:
    """Do it; what was told of it.

    On a busy machine the lock may not come in time. Then nothing was begun, and it is asked for anew.
    """
    while True:
        now = datetime.fromtimestamp(at + _FASTER * (time.time() - at), UTC)
        try:
            return act(now)
        except (CanaryInProgress, NoCanary, NothingToRollBackTo, Quarantined) as error:
            return (type(error).__name__,)
        except RegistryUnavailable:
            continue


def _promote(registry: Registry, version: str, now: datetime) -> Told:
    reference = Reference(app="bot", version=version)
    request = PromoteRequest(reference=reference, channel="prod", key=uuid.uuid4().hex, blind=True)
    return _deployed(promote(registry, request, actor=ACTOR, now=now))


def _step(registry: Registry, what: Step, now: datetime) -> Told:
    request = StepRequest(app="bot", channel="prod", step=what, key=uuid.uuid4().hex)
    return _deployed(step(registry, request, actor=ACTOR, now=now))


def _rollback(registry: Registry, now: datetime) -> Told:
    request = RollbackRequest(apps=("bot",), channel="prod", key=uuid.uuid4().hex)
    return _deployed(rollback(registry, request, actor=ACTOR, now=now))


def _report(registry: Registry, at: Deployment, turn: int, now: datetime) -> Told:
    """40 keys fail for the first time, on the canary's side alone."""
    assert at.canary is not None
    crowd = Crowd(registry, at, client=turn + 1)
    keys = crowd.keys(40, at.canary.weight, canary=True, after=turn * 10_000)
    taken = take(registry, [Document(report=crowd.document(at, now, bad={"error": keys}))], now=now)
    return ("reached" if taken.reached else "counted",)


def _look(registry: Registry, now: datetime) -> Told:
    done = look(registry, LookRequest(channel="prod"), now=now)
    return (done[0].verb, done[0].revision, done[0].weight) if done else ("none",)


def _read(registry: Registry, now: datetime) -> Told:
    return ("read", *_seen(_live(registry)))


def _live(registry: Registry) -> Deployment:
    with registry.read() as reader:
        live = reader.live("bot", "prod")
    assert live is not None
    return live


def _deployed(done: Deployed) -> Told:
    [made] = done.deployments or done.unchanged
    return ("made" if done.deployments else "same", *_seen(made))


def _seen(live: Deployment) -> Told:
    canary = live.canary
    return live.revision, live.version, canary.release.version if canary else "", canary.weight if canary else 0

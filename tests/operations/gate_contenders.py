"""What the processes of the gate's contention test do at once, and the order that the audit log gives to it."""

from __future__ import annotations

import hashlib
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from promptops.core.errors import (
    NotApproved,
    NothingDeployed,
    NothingToRollBackTo,
    PolicyRefused,
    Quarantined,
    RegistryUnavailable,
)
from promptops.core.evidence.approval import Approval, standing
from promptops.core.evidence.case_table import Arm, RowOutcome
from promptops.core.evidence.evidence import Evidence
from promptops.core.evidence.release_suites import ReleaseSuites
from promptops.core.gate.given import gate_release
from promptops.core.model import Channel, Deployment, Kind, Policy
from promptops.core.reference import Reference
from promptops.core.release_bytes import content_from_bytes
from promptops.core.rollout import stable_since
from promptops.core.suite.suite import SuiteKind
from promptops.core.verdict import Outcome
from promptops.operations.approve import ApproveRequest, approve
from promptops.operations.channels import Terms, apply_channels
from promptops.operations.deploy import Deployed
from promptops.operations.evidence import AddRequest, add
from promptops.operations.gate import GateRequest, ask_gate
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.rollback import RollbackRequest, rollback
from promptops.operations.runs import CloseRequest, close
from promptops.store import Registry, Writer
from promptops.store.facts.record import Record
from tests.gate.world import cases, row, run, suite_of
from tests.operations.gate_model import Asked, What
from tests.store.facts import ACTOR, START, release

RELEASES = 60
GATES: Sequence[Mapping[str, Any] | None] = (
    None,
    {"approvals": {"count": 1, "proven": False}},
    {"approvals": {"count": 2, "proven": False}},
    {"approvals": {"count": 1, "proven": False}, "external": {"legal": {}}},
    {"approvals": {"count": 1, "proven": False}, "required": {"agree": "1 of 1"}},
)
TURNS = 30


def prepare(writer: Writer) -> None:
    """The releases, each with a required suite and a run of it that has reported every row and was not closed."""
    writer.set_policy("prod", Policy(), actor=ACTOR, at=START)
    writer.lock_app("bot")
    plan = cases("answer", "answer", 1)
    suite = suite_of(plan, kind=SuiteKind.REQUIRED)
    for number in range(1, RELEASES + 1):
        made = replace(release(number), created_by="Maker <maker@example.org>")
        writer.record(made)
        known = {"app": "bot", "digest": made.digest, "commit": "c" * 40, "actor": ACTOR, "at": START}
        writer.record(ReleaseSuites(number=number, suites=(suite,), **known))  # type: ignore[arg-type]
        given = gate_release(content_from_bytes(made.content), made.digest, version=made.version, suites=(suite,))
        opened = run(given, plan, {}, at=datetime.now(UTC), name=made.version, closed=False).run
        opened = replace(opened, token_name="")  # as the database itself opens it
        writer.record(opened)
        writer.add_rows(opened.id, [row(0, Arm.CANDIDATE, 1, RowOutcome.PASSED)])


def acted(url: str, number: int, at: float) -> list[Asked]:
    """Approve, take back, give a verdict, end a run, promote, roll back, change the policy and ask, in any order."""
    from tests.store.contenders import _wait

    chance, history = random.Random(number), list[Asked]()
    with closing(Registry.open(url)) as registry:
        _wait(at)
        for _ in range(TURNS):
            with registry.read() as reader:
                live = reader.live("bot", "prod")
                position = int(live.version.rpartition(".")[2]) if live else 0
            version = f"0.1.{min(RELEASES, position + chance.randint(1, 3))}"
            asked = _next(chance, number, version)
            called = time.monotonic_ns()
            at_, told = _act(registry, asked)
            returned = time.monotonic_ns()
            history.append(replace(asked, called=called, returned=returned, at=at_, told=told))
    return history


def _next(chance: random.Random, number: int, version: str) -> Asked:
    weights: dict[What, float] = {
        "approve": 8, "withdraw": 2, "promote": 8, "verdict": 3, "run": 3, "policy": 1, "rollback": 0.4, "ask": 2,
    }  # fmt: skip
    [what] = chance.choices(list(weights), weights=list(weights.values()))
    return Asked(
        called=0,
        returned=0,
        what=what,
        release=version,
        who=f"P{number} <p{number}@example.org>",
        passed=chance.random() < 0.7,
        gate=chance.randrange(len(GATES)),
    )


def _act(registry: Registry, asked: Asked) -> tuple[str, tuple[int | str | bool, ...]]:
    """Do it; the time that it was given as now, and what was told of it: nothing where it was refused.

    On a busy machine the lock may not come in time. Then nothing was begun, and it is asked for anew.
    """
    while True:
        now = datetime.now(UTC)
        try:
            told = _DO[asked.what](registry, asked, now)
        except (NotApproved, NothingDeployed, NothingToRollBackTo, PolicyRefused, Quarantined):
            told = ()
        except RegistryUnavailable:
            continue
        return now.isoformat(timespec="microseconds"), told


def _approve(registry: Registry, asked: Asked, now: datetime) -> tuple[int | str | bool, ...]:
    request = ApproveRequest(reference=_reference(asked), channel="prod", key=uuid.uuid4().hex)
    done = approve(registry, request, actor=asked.who, now=now)
    [given] = done.approvals
    return given.number, done.changed, given.policy_version, given.position


def _withdraw(registry: Registry, asked: Asked, now: datetime) -> tuple[int | str | bool, ...]:
    request = ApproveRequest(reference=_reference(asked), channel="prod", key=uuid.uuid4().hex, withdraw=True)
    return tuple(each.number for each in approve(registry, request, actor=asked.who, now=now).approvals)


def _verdict(registry: Registry, asked: Asked, now: datetime) -> tuple[int | str | bool, ...]:
    outcome = Outcome.PASS if asked.passed else Outcome.FAIL
    said = AddRequest(
        reference=_reference(asked), check="legal", verdict=outcome, note="looked at", key=uuid.uuid4().hex
    )
    add(registry, said, actor=asked.who, now=now)
    return ()


def _run(registry: Registry, asked: Asked, now: datetime) -> tuple[int | str | bool, ...]:
    close(registry, CloseRequest(run=run_of(asked.release), key=uuid.uuid4().hex), actor=asked.who, now=now)
    return ()


def _promote(registry: Registry, asked: Asked, now: datetime) -> tuple[int | str | bool, ...]:
    request = PromoteRequest(reference=_reference(asked), channel="prod", key=uuid.uuid4().hex)
    done = promote(registry, request, actor="Ops", now=now)
    if done.unchanged:
        return done.unchanged[0].revision, done.unchanged[0].version, done.unchanged[0].version
    return _deployed(done)


def _rollback(registry: Registry, asked: Asked, now: datetime) -> tuple[int | str | bool, ...]:
    request = RollbackRequest(apps=("bot",), channel="prod", key=uuid.uuid4().hex)
    return _deployed(rollback(registry, request, actor="Ops", now=now))


def _deployed(done: Deployed) -> tuple[int | str | bool, ...]:
    [made] = done.deployments
    return made.revision, made.before.version if made.before else "", made.version


def _policy(registry: Registry, asked: Asked, now: datetime) -> tuple[int | str | bool, ...]:
    declared = {"prod": Policy(gate=GATES[asked.gate])}
    [change] = apply_channels(registry, "test", declared, actor=ACTOR, now=now, terms=Terms(loosen=True))
    return (change.version,)


def _ask(registry: Registry, asked: Asked, now: datetime) -> tuple[int | str | bool, ...]:
    found = ask_gate(registry, GateRequest(reference=_reference(asked), channel="prod"), now=now)
    return found.opens, found.policy_version, found.position


def _reference(asked: Asked) -> Reference:
    return Reference(app="bot", version=asked.release)


def run_of(version: str) -> str:
    """The id of the run of a release."""
    return hashlib.md5(version.encode()).hexdigest()


_DO: dict[What, Callable[[Registry, Asked, datetime], tuple[int | str | bool, ...]]] = {
    "approve": _approve,
    "withdraw": _withdraw,
    "verdict": _verdict,
    "run": _run,
    "promote": _promote,
    "rollback": _rollback,
    "policy": _policy,
    "ask": _ask,
}


@dataclass
class Replay:
    """The facts in the order of the audit log, and what the policy demanded when each promotion was recorded."""

    log: list[Deployment] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    verdicts: dict[str, tuple[datetime, Outcome]] = field(default_factory=dict)
    measured: set[str] = field(default_factory=set)
    policy: Channel | None = None
    promotions: int = 0

    def wrong(self, records: Sequence[Record]) -> Iterator[str]:
        """Promotions that lacked what the policy demanded at that moment."""
        for record in records:
            fact = record.fact
            if isinstance(fact, Channel):
                self.policy = fact
            elif isinstance(fact, Approval):
                self.approvals.append(fact)
            elif isinstance(fact, Evidence) and fact.run:
                self.measured.add(fact.digest)
            elif isinstance(fact, Evidence):
                known = self.verdicts.get(fact.digest)
                if known is None or fact.at >= known[0]:
                    assert fact.verdict is not None
                    self.verdicts[fact.digest] = (fact.at, fact.verdict)
            elif isinstance(fact, Deployment):
                if fact.kind is Kind.PROMOTE and (lacks := self.lacks(fact)):
                    yield f"line {record.audit.seq}: {lacks}"
                self.promotions += fact.kind is Kind.PROMOTE
                self.log.insert(0, fact)

    def lacks(self, deployment: Deployment) -> str:
        assert self.policy is not None
        gate: Mapping[str, Any] = self.policy.policy.gate or {}
        position = stable_since(self.log)
        here = {"policy_version": self.policy.version, "position": position, "digest": deployment.digest}
        people = {each.person for each in standing(self.approvals) if each.holds(**here)}  # type: ignore[arg-type]
        if len(people) < gate.get("approvals", {"count": 0})["count"]:
            return f"{deployment.version} had the approvals of {sorted(people)}, and the policy asks for {gate}"
        verdict = self.verdicts.get(deployment.digest)
        if "external" in gate and (verdict is None or verdict[1] is not Outcome.PASS):
            return f"{deployment.version} had the verdict {verdict}"
        if "required" in gate and deployment.digest not in self.measured:
            return f"{deployment.version} had no run"
        return ""

"""What the processes of the gate's contention test do at once, and the order that the audit log gives to it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from promptops.core.errors import Conflict, NotFound, PolicyRefused, Quarantined
from promptops.core.evidence.approval import Approval, standing
from promptops.core.evidence.evidence import Evidence
from promptops.core.evidence.run import Source
from promptops.core.model import Channel, Deployment, Kind, Policy
from promptops.core.reference import Reference
from promptops.core.rollout import stable_since
from promptops.core.verdict import Outcome
from promptops.operations.approve import ApproveRequest, approve
from promptops.operations.channels import Terms, apply_channels
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.rollback import RollbackRequest, rollback
from promptops.store import Registry
from promptops.store.facts.record import Record
from tests.store.facts import ACTOR

RELEASES = 60
GATES: Sequence[Mapping[str, Any] | None] = (
    None,
    {"approvals": {"count": 1, "proven": False}},
    {"approvals": {"count": 2, "proven": False}},
    {"approvals": {"count": 1, "proven": False}, "external": {"legal": {}}},
)
TURNS = 30


def acted(url: str, number: int, at: float) -> int:
    """Approve, take back, give a verdict, promote, roll back and change the policy, in any order; how often it went."""
    from tests.store.contenders import _wait

    chance, done = random.Random(number), 0
    with closing(Registry.open(url)) as registry:
        _wait(at)
        for _ in range(TURNS):
            with registry.read() as reader:
                live = reader.live("bot", "prod")
                position = int(live.version.rpartition(".")[2]) if live else 0
                version = f"0.1.{min(RELEASES, position + chance.randint(1, 3))}"
                digest = reader.find_release("bot", version=version).digest
            try:
                _act(registry, chance, number, version, digest)
                done += 1
            except (Conflict, NotFound, PolicyRefused, Quarantined):
                pass
    return done


def _act(registry: Registry, chance: random.Random, number: int, version: str, digest: str) -> None:
    now, key, release = datetime.now(UTC), uuid.uuid4().hex, Reference(app="bot", version=version)
    who = f"P{number} <p{number}@example.org>"
    what = chance.choices(
        ("approve", "withdraw", "promote", "verdict", "policy", "rollback"), weights=(8, 1, 8, 3, 1, 0.4)
    )[0]
    if what in ("approve", "withdraw"):
        request = ApproveRequest(reference=release, channel="prod", key=key, withdraw=what == "withdraw")
        approve(registry, request, actor=who, now=now)
    elif what == "promote":
        promote(registry, PromoteRequest(reference=release, channel="prod", key=key), actor="Ops", now=now)
    elif what == "rollback":
        rollback(registry, RollbackRequest(apps=("bot",), channel="prod", key=key), actor="Ops", now=now)
    elif what == "policy":
        terms = Terms(loosen=True)
        declared = {"prod": Policy(gate=chance.choice(GATES))}
        apply_channels(registry, "test", declared, actor=ACTOR, now=now, terms=terms)
    else:
        outcome = chance.choice((Outcome.PASS, Outcome.PASS, Outcome.FAIL))
        given = {"source": Source.EXTERNAL, "check": "legal", "verdict": outcome, "actor": who, "at": now}
        verdict = Evidence(id=key, app="bot", digest=digest, **given)  # type: ignore[arg-type]
        registry.write(lambda writer: writer.record(verdict))


@dataclass
class Replay:
    """The facts in the order of the audit log, and what the policy demanded when each promotion was recorded."""

    log: list[Deployment] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    verdicts: dict[str, tuple[datetime, Outcome]] = field(default_factory=dict)
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
        return ""

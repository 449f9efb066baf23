"""Changes a channel: lock, decide, append, remember, read back.

A promotion and a rollback differ in their locks and in the rule that decides; the rest is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.callers import ContractChange
from promptops.core.canary.low_traffic import LowTraffic
from promptops.core.deployment_parts import Kind
from promptops.core.heartbeat import NotFollowing
from promptops.core.model import Deployment, Quarantine
from promptops.core.outcomes.measured_tokens import MeasuredTokens
from promptops.operations.idempotency import Once, Row

if TYPE_CHECKING:
    from promptops.core.evidence.approval import Waiver
    from promptops.store import Reader, Registry, Writer
    from promptops.store.facts.kind import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """The result of a change. ``served`` was read back after the commit and is what the channel serves now.

    ``not_following`` are live clients that keep the release before: they lack a feature that the promoted one needs.
    ``warned`` is what a gate that only warns said of it, check by check. ``measured`` are, of a dry run of a promotion,
    the tokens of calls of what is live and of what would be. ``low_traffic`` are canaries that start with too few keys.
    ``ending`` names the models of what is served that end soon, or have ended. ``contract`` is what changed for callers
    of what was live before, app by app. ``kept_out`` are the releases that a retirement put in quarantine.
    """

    deployments: tuple[Deployment, ...]
    unchanged: tuple[Deployment, ...] = ()
    served: tuple[Deployment, ...] = ()
    dry_run: bool = False
    replayed: bool = False
    key: str = ""
    not_following: tuple[NotFollowing, ...] = ()
    warned: tuple[str, ...] = ()
    measured: tuple[MeasuredTokens, ...] = ()
    low_traffic: tuple[LowTraffic, ...] = ()
    ending: tuple[str, ...] = ()
    contract: tuple[ContractChange, ...] = ()
    kept_out: tuple[Quarantine, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Deployments to append, those that need no change, and waivers to record first, still without a number.

    ``left`` are the quarantines of what the deployments leave, as far as it is not in quarantine yet. ``facts`` are
    about the deployments, and are recorded after them.
    """

    changed: list[Deployment] = field(default_factory=list)
    unchanged: list[Deployment] = field(default_factory=list)
    left: list[Quarantine] = field(default_factory=list)
    waivers: list[Waiver] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)


def carry_out(
    registry: Registry,
    once: Once,
    *,
    lock: Callable[[Writer], None],
    decide: Callable[[Reader], Decision],
    dry_run: bool,
    at: datetime,
) -> Deployed:
    """Lock, decide and append in one transaction, once; then read back what is served.

    A dry run decides on what it reads, and does nothing else.
    """
    if dry_run:
        with registry.read() as reader:
            decision = decide(reader)
        return Deployed(
            deployments=tuple(decision.changed),
            unchanged=tuple(decision.unchanged),
            dry_run=True,
            key=once.key,
            kept_out=tuple(left for left in decision.left if decision.changed[0].kind is Kind.OFF),
        )

    def work(writer: Writer) -> tuple[tuple[Row, ...], bool]:
        lock(writer)
        if (seen := once.answered(writer)) is not None:
            return seen, True
        decision = decide(writer)
        for waiver in decision.waivers:
            writer.lock_log()
            writer.record(replace(waiver, number=writer.next_number("waiver")), key=once.key)
        for deployment in decision.changed:
            writer.append(deployment, key=once.key)
            for left in decision.left:
                if (left.app, left.channel) == (deployment.app, deployment.channel):
                    keep_out(writer, left, once.key)
        for fact in decision.facts:
            _record(writer, fact, once.key, at)
        answer = (*_rows(decision.changed, changed=True), *_rows(decision.unchanged, changed=False))
        once.remember(writer, answer, at)
        return answer, False

    answer, replayed = registry.write(work)
    return _read_back(registry, answer, replayed=replayed, key=once.key)


def _record(writer: Writer, fact: Fact, key: str, at: datetime) -> None:
    from promptops.core.canary.rollout_fact import Rollout

    writer.record(fact, key=key)
    if isinstance(fact, Rollout):  # nothing is measured of its keys yet, which is not the same as what was lost
        writer.outcomes().begin_rollout(fact.app, fact.channel, fact.rollout, at)


def _rows(deployments: Iterable[Deployment], *, changed: bool) -> list[Row]:
    return [(d.app, d.channel, d.revision, changed) for d in deployments]


def _read_back(registry: Registry, answer: tuple[Row, ...], *, replayed: bool, key: str) -> Deployed:
    changed: list[Deployment] = []
    unchanged: list[Deployment] = []
    served: list[Deployment] = []
    with registry.read() as reader:
        for app, channel, revision, is_new in answer:
            live = reader.live(str(app), str(channel))
            assert live is not None  # this change deployed it, and a log never shrinks
            served.append(live)
            is_it = live.revision == revision
            deployment = live if is_it else reader.deployment(str(app), str(channel), int(revision))
            (changed if is_new else unchanged).append(deployment)
        held = [
            reader.quarantine(d.app, d.channel, d.before.digest) for d in changed if d.kind is Kind.OFF and d.before
        ]
    return Deployed(
        deployments=tuple(changed),
        unchanged=tuple(unchanged),
        served=tuple(served),
        replayed=replayed,
        key=key,
        kept_out=tuple(each for each in held if each is not None),
    )


def keep_out(writer: Writer, left: Quarantine, key: str = "") -> None:
    """Record a quarantine, unless the release is in one already."""
    if writer.quarantine(left.app, left.channel, left.release.digest) is None:
        from promptops.store.facts.quarantine import QuarantineEvent

        writer.record(QuarantineEvent(quarantine=left, lifted=False), key=key)

"""Shows a canary: both sides, the evidence of each coin against its limit, and what its next step still needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.canary.decision import CanaryDecision
from promptops.core.canary.explanation import LARGEST, distance, e_value
from promptops.core.canary.judge import Look
from promptops.core.canary.record import Ramp, is_paused
from promptops.core.canary.state import Coin
from promptops.core.deployment_parts import WHOLE
from promptops.core.errors import NoCanary
from promptops.core.model import Deployment
from promptops.core.names import AppName, ChannelName
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.series import Arm
from promptops.operations.canary_sight import Sight, calls_of, count_sample, revisions_of, sight_of
from promptops.operations.rollout_feed import Trial, Trials
from promptops.wire.documents import canaries as documents
from promptops.wire.documents.approvals import WaiverDocument

if TYPE_CHECKING:
    from promptops.store import Reader, Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStatusRequest:
    """The canary of an app on a channel."""

    app: AppName
    channel: ChannelName


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryFound:
    """A canary as it stands."""

    document: documents.CanaryStatusDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryGauge:
    """What a page of metrics shows of a canary: its weight, and by guardrail how far the evidence is, 1 aborts; no
    ``evidence`` where a person takes its steps.
    """

    app: str
    channel: str
    version: str
    weight: int
    evidence: Mapping[str, float]


def canary_status(registry: Registry, request: CanaryStatusRequest, *, now: datetime) -> CanaryFound:
    """Returns the canary of an app on a channel.

    Raises:
        ChannelNotFound, AppNotFound: listing those that exist. NoCanary: the app has none there.
    """
    with registry.read() as reader:
        reader.channel(request.channel)
        reader.require_app(request.app)
        live = reader.live(request.app, request.channel)
        if live is None or live.canary is None:
            raise NoCanary(
                f"{request.app} has no canary on {request.channel}",
                hint=Sentence(
                    "What became of the last one: ",
                    Advice(Action.HISTORY, app=request.app, channel=request.channel),
                ),
            )
        sight = sight_of(reader, Trials(), live, now)
        return CanaryFound(document=_by_hand(reader, live) if sight is None else _by_policy(reader, sight))


def canary_gauges(registry: Registry, trials: Trials, now: datetime) -> tuple[CanaryGauge, ...]:
    """Returns what a page of metrics shows of the canaries that run."""
    found = []
    with registry.read() as reader:
        for live in reader.canaries():
            if live.canary is not None:
                sight = sight_of(reader, trials, live, now)
                found.append(
                    CanaryGauge(
                        app=live.app,
                        channel=live.channel,
                        version=live.canary.release.version,
                        weight=live.canary.weight,
                        evidence=_shares(sight) if sight is not None else {},
                    )
                )
    return tuple(found)


def _shares(sight: Sight) -> dict[str, float]:
    state = sight.record.state
    evidence = state.evidence(sight.trial.policy.abort_ratio)
    return {name: max(0.0, *(evidence[coin.of(name)] for coin in Coin)) / state.limit for name in state.guardrails}


# --- one canary ------------------------------------------------------------------------------------


def _by_hand(reader: Reader, live: Deployment) -> documents.CanaryStatusDocument:
    """A canary whose steps a person takes."""
    assert live.canary is not None
    ramp = Ramp.of(reader.canary_log(live.app, live.channel, live.canary.rollout))
    return documents.CanaryStatusDocument(
        **_standing(live, ramp), by_policy=False, sides=_sides(reader, live, ramp, reader.epoch())
    )


def _by_policy(reader: Reader, sight: Sight) -> documents.CanaryStatusDocument:
    trial, policy = sight.trial, sight.trial.policy
    weight, ramp = trial.ramp.weights[-1], trial.ramp
    following = policy.after(weight)
    near = distance(policy, sight.record.state)
    bad_left = near.get("keys") if near.get("side") == "canary" else 0
    within = revisions_of(trial.live, ramp, trial.epoch, ramp.number)
    return documents.CanaryStatusDocument(
        **_standing(trial.live, ramp),
        by_policy=True,
        sides=_sides(reader, trial.live, ramp, trial.epoch),
        steps=tuple(
            documents.CanaryStepDocument(
                weight=step.weight, bake_seconds=_seconds(step.bake), begun=step.weight <= weight
            )
            for step in policy.steps
        ),
        coins=tuple(_coins(sight)),
        wait_seconds=_seconds(policy.wait),
        next_weight=following.weight if following else WHOLE,
        next_look_at=_next_look(sight),
        looked_at=sight.looked_at if sight.stored is not None else None,
        canary_keys=count_sample(reader, trial, within).canary,
        keys_needed=policy.canary_keys,
        nearest=str(near.get("coin", "")),
        bad_keys_left=bad_left if isinstance(bad_left, int) else None,
        verdicts_needed=sight.moment.refused,
        first_keys=trial.fact.keys_count,
        first_keys_bad=sight.calls[Arm.NAMED][Count.BAD],
        blind=trial.fact.blind,
        decisions=tuple(_decided(trial, each) for each in sight.decisions),
        waiver=WaiverDocument.of(sight.waiver) if sight.waiver is not None else None,
        would_abort=sight.held,
    )


def _standing(live: Deployment, ramp: Ramp) -> dict[str, Any]:
    assert live.canary is not None
    return {
        "app": live.app,
        "channel": live.channel,
        "revision": live.revision,
        "rollout": live.canary.rollout,
        "weight": live.canary.weight,
        "action": live.canary.action.value,
        "paused": is_paused(live),
        "began_at": ramp.began[0],
        "step_began_at": ramp.began[-1],
    }


def _sides(reader: Reader, live: Deployment, ramp: Ramp, epoch: int) -> tuple[documents.CanarySideDocument, ...]:
    within = revisions_of(live, ramp, epoch)
    calls, keys = calls_of(reader, within, ramp.began[0]), reader.keys_by_arm(within)
    releases = {Arm.CANARY: live.canary.release if live.canary else None, Arm.STABLE: live.stable}
    return tuple(
        documents.CanarySideDocument(
            arm=arm.value,
            version=release.version,
            digest=release.digest,
            keys=keys.get(arm, 0),
            calls=calls[arm][Count.CALLS],
            bad=calls[arm][Count.BAD],
            held=calls[arm][Count.HELD],
        )
        for arm, release in releases.items()
        if release is not None
    )


def _coins(sight: Sight) -> Iterator[documents.CanaryCoinDocument]:
    """Every coin of the rollout, and the guardrails that were off at its start."""
    state, off = sight.record.state, sight.moment.off
    evidence = state.evidence(sight.trial.policy.abort_ratio)
    limit = e_value(state.limit)
    for name in sight.trial.policy.guardrails:
        for kind in Coin if name in state.guardrails else (Coin.ONCE,):
            coin = kind.of(name)
            counts = state.coins[coin].counts if coin in state.coins else {}
            sides = [sides for (component, _), sides in counts.items() if component == 0]
            yield documents.CanaryCoinDocument(
                guardrail=name,
                coin=kind.value,
                canary=sum(side[0] for side in sides),
                stable=sum(side[1] for side in sides),
                evidence=min(e_value(evidence.get(coin, 0.0)), LARGEST),
                limit=limit,
                off=off.get(name, ""),
                action=str(sight.trial.policy.action(name)),
            )


def _next_look(sight: Sight) -> datetime | None:
    """When the canary may take its next step."""
    policy, looks = sight.trial.policy, sight.moment.looks
    weight, began = sight.trial.ramp.weights[-1], sight.trial.ramp.began[-1]
    if Look.WAIT in looks:
        return None
    if policy.after(weight) is None or Look.BAKE in looks:
        return began + policy.wait
    return began + policy.steps[policy.number_at(weight)].bake


def _decided(trial: Trial, decision: CanaryDecision) -> documents.CanaryDecidedDocument:
    reasons = {entry.revision: entry.reason for entry in trial.log}
    return documents.CanaryDecidedDocument(
        revision=decision.revision,
        verb=decision.verb,
        why=decision.why,
        reason=reasons.get(decision.revision, ""),
        at=decision.at,
    )


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())

"""Looks at canaries whose steps the policy takes, and does what follows: advance, pause, abort or finish.

Any number of processes may look. Each decides again in the transaction that carries it out, with reports and the head
of the app locked, so a step is taken once, and nothing that a person did meanwhile is undone. What a look finds is read
without any lock first: nearly always there is nothing to do.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from promptops.core import canary_steps as steps
from promptops.core import rollout
from promptops.core.canary.decision import CanaryDecision, Trouble, policy_actor
from promptops.core.canary.explanation import LARGEST, explain
from promptops.core.canary.judge import Verb
from promptops.core.canary.words import exposure_of, reason_of
from promptops.core.deployment_parts import WHOLE
from promptops.core.errors import Conflict, NotFound, PromptopsError, Refused, Unloadable
from promptops.core.model import Deployment, Json
from promptops.core.names import AppName, ChannelName
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.series import Arm
from promptops.core.rollout import Intent
from promptops.operations.admission import Admission, admit
from promptops.operations.canary import Step, StepRequest, on_trial
from promptops.operations.canary_sight import Sight, calls_of, revisions_of, sight_of
from promptops.operations.deploy import keep_out
from promptops.operations.idempotency import Once
from promptops.operations.rollout_feed import Place, Trials

if TYPE_CHECKING:
    from promptops.core.model import Policy
    from promptops.core.policy import Candidate
    from promptops.store import Reader, Registry, Writer
    from promptops.store.facts.kind import Fact

_SEEN_FOR: Final = timedelta(seconds=30)
"""How long a look stands before the next one that finds nothing is written down."""
FINISH: Final = "finish"
"""What a decision says of the step that gives the release to everyone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookRequest:
    """Look at the canaries of these apps on a channel; none named: of all apps."""

    channel: ChannelName
    apps: tuple[AppName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one look at a canary came to. ``verb`` is what was done, ``hold`` if nothing, with ``why`` and ``reason``.

    ``revision`` and ``weight`` are those that the app is at after it.
    """

    app: AppName
    channel: ChannelName
    rollout: str
    revision: int
    weight: int
    verb: str
    why: str = ""
    reason: str = ""


def look(registry: Registry, request: LookRequest, *, now: datetime) -> tuple[Looked, ...]:
    """Look once at the canaries of a channel.

    Raises:
        ChannelNotFound: listing the channels that exist. AppNotFound: an app was never released.
    """
    with registry.read() as reader:
        reader.channel(request.channel)
        for app in request.apps:
            reader.require_app(app)
    wanted = set(request.apps)
    return look_at(registry, Trials(), lambda app, at: at == request.channel and (not wanted or app in wanted), now=now)


def look_at(
    registry: Registry, trials: Trials, concerns: Callable[[str, str], bool], *, now: datetime
) -> tuple[Looked, ...]:
    """Look once at all canaries that are of concern, by app and channel.

    Raises:
        PromptopsError: of one that could not be looked at; all others were.
    """
    with registry.read() as reader:
        running = [live for live in reader.canaries() if concerns(live.app, live.channel)]
    found, failed = [], []
    for live in running:
        try:
            looked = _Look(registry, trials, (live.app, live.channel), now).take()
            found += [looked] if looked is not None else []
        except PromptopsError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return tuple(found)


class _Look:
    """One look at the canary of an app on a channel."""

    def __init__(self, registry: Registry, trials: Trials, place: Place, now: datetime) -> None:
        self._registry = registry
        self._trials = trials
        self._app, self._channel = place
        self._now = now

    def take(self) -> Looked | None:
        """Looks, and does what follows; None if there is no canary any more."""
        with self._registry.read() as reader:
            sight = self._sight(reader)
        if sight is None:
            return None
        if not self._changes(sight):
            return self._answer(sight, sight.live, "hold")
        if sight.verb is Verb.ADVANCE and sight.judgement.weight == WHOLE:
            return self._finish(sight)
        return self._registry.write(self._carry_out)

    def _sight(self, reader: Reader) -> Sight | None:
        live = reader.live(self._app, self._channel)
        if live is None or live.canary is None:
            return None
        return sight_of(reader, self._trials, live, self._now)

    def _changes(self, sight: Sight) -> bool:
        """Whether there is something to write down."""
        if sight.verb is not Verb.HOLD or sight.judgement.look is not None or sight.record.text() != sight.stored:
            return True
        return not timedelta() <= self._now - sight.looked_at < _SEEN_FOR

    def _carry_out(self, writer: Writer, refused: str = "") -> Looked | None:
        desk = writer.outcomes()
        desk.lock()
        writer.lock_heads([(self._app, self._channel)])
        sight = self._sight(writer)
        if sight is None:
            return None
        verb = Verb.PAUSE if refused else sight.verb
        record = sight.record.spent(sight.step, sight.judgement.look)
        if verb is Verb.PAUSE:
            record = replace(record, unsaid=None)
        place = (self._app, self._channel, sight.trial.fact.rollout)
        desk.keep_rollout_state(*place, record.text(), self._now)
        if verb is Verb.HOLD or (verb is Verb.ADVANCE and sight.judgement.weight == WHOLE):
            return self._answer(sight, sight.live, "hold")
        shown = reason = f"paused: it cannot be finished: {refused}" if refused else _reason(sight)
        if not refused and sight.judgement.guardrail and sight.why == sight.judgement.why:
            reason = f"{shown}; {exposure_of(_exposure(writer, sight))}"
        made = self._deployment(sight, verb, reason)
        writer.append(made)
        if verb is Verb.ABORT:
            why = shown.removeprefix("aborted: ")
            for left in rollout.abandoned(made, sight.live):
                keep_out(writer, replace(left, reason=f"aborted at revision {made.revision}: {why}"))
        cause = Trouble.REFUSED.value if refused else ""
        writer.record(_decision(writer, sight, made, verb.value, cause=cause))
        return self._answer(sight, made, verb.value, why=cause or sight.why, reason=reason)

    def _deployment(self, sight: Sight, verb: Verb, reason: str) -> Deployment:
        intent = self._intent(sight, reason)
        if verb is Verb.ADVANCE:
            return steps.advance(intent, sight.live, sight.judgement.weight)
        return steps.pause(intent, sight.live) if verb is Verb.PAUSE else steps.abort(intent, sight.live)

    def _intent(self, sight: Sight, reason: str) -> Intent:
        return Intent(
            app=self._app,
            channel=self._channel,
            actor=policy_actor(self._channel),
            reason=reason,
            now=self._now,
            expect_revision=sight.live.revision,
        )

    def _answer(self, sight: Sight, now: Deployment, verb: str, *, why: str = "", reason: str = "") -> Looked:
        weight = now.canary.weight if now.canary else WHOLE if verb == FINISH else 0
        return Looked(
            app=self._app,
            channel=self._channel,
            rollout=sight.trial.fact.rollout,
            revision=now.revision,
            weight=weight,
            verb=verb,
            why=why,
            reason=reason,
        )

    def _finish(self, sight: Sight) -> Looked | None:
        """Finishes the canary as a promotion, which the channel's policy and gate judge anew; they may refuse it."""
        reason = _reason(sight)
        request = StepRequest(
            app=self._app,
            channel=self._channel,
            step=Step.FINISH,
            key=uuid.uuid4().hex,
            reason=reason,
            expect_revision=sight.live.revision,
        )
        judged: list[Sight] = []

        def decide(
            reader: Reader, intent: Intent, candidate: Candidate, policy: Policy, current: Deployment | None
        ) -> Deployment:
            again = self._sight(reader)
            if again is None or again.verb is not Verb.ADVANCE or again.judgement.weight != WHOLE:
                raise _Overtaken
            judged.append(again)
            return steps.finish(intent, candidate, policy, current)

        def facts(reader: Reader, made: Deployment, policy: Policy) -> list[Fact]:
            return [_decision(reader, judged[-1], made, FINISH)]

        admission = Admission(app=self._app, named=lambda reader: on_trial(reader, request), decide=decide, facts=facts)
        once = Once(
            key=request.key,
            token="",
            operation="canary finish",
            arguments={"app": self._app, "channel": self._channel},
            words=reason,
        )
        actor = policy_actor(self._channel)
        try:
            done = admit(self._registry, request, admission, once, actor=actor, now=self._now, by=None)
        except (Refused, Unloadable) as error:
            return self._registry.write(partial(self._carry_out, refused=error.message))
        except (Conflict, NotFound, _Overtaken):  # something was done meanwhile: the next look sees it
            return None
        made = done.deployments[0]
        return self._answer(sight, made, FINISH, why=sight.why, reason=made.reason)


class _Overtaken(Exception):
    """What was to be finished is not any more."""


def _reason(sight: Sight) -> str:
    return reason_of(sight.trial.policy, sight.judgement, sight.record.state, sight.moment, sight.trouble)


def _decision(reader: Reader, sight: Sight, made: Deployment, verb: str, *, cause: str = "") -> CanaryDecision:
    """Why the policy took a step, with the numbers and the exposure of both sides since the start."""
    judgement, is_worse = sight.judgement, sight.judgement.verb is Verb.ABORT
    trouble = sight.trouble.value if sight.trouble is not None and not is_worse else ""
    numbers = explain(sight.trial.policy, sight.record.state, sight.moment, judgement)
    apart = cause or trouble  # what is no judgement of the canary
    return CanaryDecision(
        app=made.app,
        channel=made.channel,
        revision=made.revision,
        rollout=sight.trial.fact.rollout,
        verb=verb,
        cause=apart or str(judgement.cause or ""),
        guardrail="" if apart else judgement.guardrail,
        shown="" if apart else str(judgement.shown or ""),
        numbers={**cast("dict[str, Json]", _bounded(numbers)), "exposure": _exposure(reader, sight)},
        actor=made.actor,
        at=made.at,
    )


def _bounded(value: object) -> object:
    """Numbers as canonical JSON takes them: evidence that is beyond all doubt has no such number."""
    if isinstance(value, dict):
        return {name: _bounded(each) for name, each in value.items()}
    return min(value, LARGEST) if isinstance(value, float) else value


def _exposure(reader: Reader, sight: Sight) -> dict[str, dict[str, int]]:
    """The keys and calls of each side since the start, and how many calls had a hold."""
    within = revisions_of(sight.live, sight.trial.ramp, sight.trial.epoch)
    calls = calls_of(reader, within, sight.trial.ramp.began[0])
    keys = reader.keys_by_arm(within)
    return {
        arm.value: {
            "keys": keys.get(arm, 0),
            "calls": calls[arm][Count.CALLS],
            "bad": calls[arm][Count.BAD],
            "held": calls[arm][Count.HELD],
        }
        for arm in (Arm.STABLE, Arm.CANARY)
    }

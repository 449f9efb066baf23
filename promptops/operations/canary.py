"""Canaries: start one, take it further, hold it, end it. Each step is one deployment, once.

What decides is :mod:`promptops.core.canary_steps`; a start and a finish are judged as a promotion is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final

from promptops.core import canary_steps as steps
from promptops.core import rollout
from promptops.core.advice import Sentence, option
from promptops.core.canary.named_keys import require_keys
from promptops.core.digest import canonical, digest
from promptops.core.duration import duration_text
from promptops.core.errors import Invalid
from promptops.core.evidence.approval import NO_ABORT
from promptops.core.free_text import require_words
from promptops.core.model import Deployment, Json, Release
from promptops.core.names import AppName, ChannelName
from promptops.core.policy import Rollout
from promptops.core.rollout import Intent
from promptops.operations import rollouts
from promptops.operations.admission import Admission, admit
from promptops.operations.deploy import Decision, Deployed, carry_out
from promptops.operations.idempotency import Once
from promptops.operations.named_release import named_release
from promptops.operations.promote import PromoteRequest
from promptops.operations.waivers import abort_waiver, without_abort

if TYPE_CHECKING:
    from promptops.core.token import Token
    from promptops.store import Reader, Registry, Writer


class Step(StrEnum):
    """What can be done with a canary that there is."""

    ADVANCE = "advance"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    FINISH = "finish"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest(PromoteRequest):
    """Put a release beside the stable one of a channel, for a part of the keys: ``weight``, in basis points.

    Without, it is the first step of the channel's rollout. ``first_keys`` get it whatever their bucket is, and no
    guardrail counts them. They are kept as hashes with the canary's salt alone.
    """

    weight: int | None = None
    first_keys: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        PromoteRequest.__post_init__(self)  # slots make the class anew, which `super()` does not find
        if self.weight is not None:
            steps.require_part(self.weight)
        require_keys(self.first_keys)
        if Rollout.name in self.waive:
            raise Invalid("a canary is what a rollout asks for, so there is nothing to waive", hint="Leave it out.")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRequest:
    """Take a step of the canary of an app. ``weight`` is what it advances to, in basis points.

    Without, it advances to the next step of its rollout. With ``quarantine``, an abort keeps the release of the canary
    out of the channel from then on. With ``no_abort``, the policy does not abort it while the pause lasts, for a day at
    most: a waiver, which has a reason.
    """

    app: AppName
    channel: ChannelName
    step: Step
    key: str
    weight: int | None = None
    quarantine: bool = False
    no_abort: bool = False
    reason: str = ""
    expect_revision: int | None = None
    dry_run: bool = False
    token: str = ""

    waive_for = None
    callers_are_ready = False  # who started the canary was asked

    @property
    def waive(self) -> tuple[str, ...]:
        """The checks that a waiver of the caller is about."""
        return (NO_ABORT,) if self.no_abort else ()

    def __post_init__(self) -> None:
        require_words(self.reason)
        if self.weight is not None and self.step is not Step.ADVANCE:
            raise Invalid(
                Sentence(option("weight", "a part of the keys"), " is what a canary advances to"),
                hint="Say it where the canary advances, and nowhere else.",
            )
        if self.weight is not None:
            steps.require_part(self.weight)
        if self.quarantine and self.step is not Step.ABORT:
            raise Invalid("only an abort leaves a release, which then goes into quarantine", hint="Leave it out.")
        if self.no_abort and self.step is not Step.PAUSE:
            raise Invalid("only a pause keeps the policy from aborting a canary", hint="Leave it out.")
        if self.no_abort and not self.reason.strip():
            raise Invalid(
                "a pause in which nothing aborts the canary has a reason",
                hint=Sentence(option("reason", "Say why", value="TEXT"), "."),
            )


def start(registry: Registry, request: StartRequest, *, actor: str, now: datetime, by: Token | None = None) -> Deployed:
    """Start a canary: each key has one release, for all prompts of the app. The channel's policy and gate judge it.

    Where nothing is stable, the release becomes that; where it is stable already, nothing changes.

    Raises:
        Unloadable: no client could load it. Nothing was changed.
        NothingReported: nothing would be known of it. Nothing was changed.
        NotFound, Conflict, Refused: nothing was changed.
    """
    keys: dict[str, Json] = {"keys": digest(canonical(list(request.first_keys)))} if request.first_keys else {}
    arguments = {"reference": str(request.reference), "weight": request.weight, **request.said(), **keys}
    once = _once(request, "canary start", arguments)
    reference = request.reference
    admission = Admission(
        app=reference.app,
        named=lambda reader: named_release(reader, reference),
        serves={(reference.app, reference.channel)} if reference.channel else (),
        decide=partial(rollouts.start, weight=request.weight, blind=request.blind),
        facts=partial(rollouts.frozen, first_keys=request.first_keys),
    )
    return admit(registry, request, admission, once, actor=actor, now=now, by=by)


def step(registry: Registry, request: StepRequest, *, actor: str, now: datetime, by: Token | None = None) -> Deployed:
    """Take a step of a canary. A finish is a promotion, and the policy and the gate judge it anew.

    Raises:
        NoCanary: the app has no canary there. CanaryInProgress: it has as many keys already.
        Unloadable, NotFound, Conflict, Refused: nothing was changed.
    """
    arguments: dict[str, Json] = {"app": request.app, "weight": request.weight, "quarantine": request.quarantine}
    arguments |= {"no_abort": True} if request.no_abort else {}
    once = _once(request, f"canary {request.step.value}", arguments)
    if request.step is Step.FINISH:
        admission = Admission(
            app=request.app,
            named=lambda reader: on_trial(reader, request),
            decide=lambda reader, intent, candidate, policy, current: steps.finish(intent, candidate, policy, current),
        )
        return admit(registry, request, admission, once, actor=actor, now=now, by=by)

    def lock(writer: Writer) -> None:
        writer.channel(request.channel)
        writer.lock_heads([(request.app, request.channel)])

    def decide(reader: Reader) -> Decision:
        intent = Intent(
            app=request.app,
            channel=request.channel,
            actor=actor,
            reason=request.reason,
            now=now,
            expect_revision=request.expect_revision,
        )
        current = _live(reader, request)
        if request.no_abort:
            return _held(reader, intent, current, by)
        if request.step in (Step.ADVANCE, Step.RESUME):
            intent = _without_waiver(reader, intent, current)
        made = _STEPS[request.step](reader, intent, current, request)
        left = rollout.abandoned(made, current) if request.quarantine else ()
        return Decision(unchanged=[made]) if made is current else Decision(changed=[made], left=list(left))

    return carry_out(registry, once, lock=lock, decide=decide, dry_run=request.dry_run, at=now)


_STEPS: Final[dict[Step, Callable[[Reader, Intent, Deployment, StepRequest], Deployment]]] = {
    Step.ADVANCE: lambda reader, intent, current, request: rollouts.advance(reader, intent, current, request.weight),
    Step.PAUSE: lambda reader, intent, current, request: steps.pause(intent, current),
    Step.RESUME: lambda reader, intent, current, request: steps.resume(intent, current),
    Step.ABORT: lambda reader, intent, current, request: steps.abort(intent, current),
}


def _held(reader: Reader, intent: Intent, current: Deployment, by: Token | None) -> Decision:
    """A pause in which the policy does not abort the canary; one that is paused is paused anew."""
    made = steps.pause(intent, current, anew=True)
    waiver = without_abort(reader, current, reason=intent.reason, actor=intent.actor, by=by, now=intent.now)
    length = duration_text(waiver.expires_at - waiver.at)
    return Decision(changed=[replace(made, reason=f"no abort for {length}: {intent.reason}")], waivers=[waiver])


def _without_waiver(reader: Reader, intent: Intent, current: Deployment) -> Intent:
    """The intent of a step that ends a pause; if nothing aborted the canary in it, with what may happen now."""
    if abort_waiver(reader, current, intent.now) is None:
        return intent
    from promptops.operations.canary_sight import sight_of
    from promptops.operations.rollout_feed import Trials

    sight = sight_of(reader, Trials(), current, intent.now)
    words = f"the next look aborts it: {sight.held}" if sight and sight.held else "the policy may abort it again"
    return replace(intent, reason=f"{words}: {intent.reason}" if intent.reason else words)


def _once(request: StartRequest | StepRequest, operation: str, arguments: dict[str, Json]) -> Once:
    return Once(
        key=request.key,
        token=request.token,
        operation=operation,
        arguments={**arguments, "channel": request.channel, "expect": request.expect_revision},
        words=request.reason,
    )


def _live(reader: Reader, request: StepRequest) -> Deployment:
    reader.channel(request.channel)
    current = reader.live(request.app, request.channel)
    if current is None:
        raise steps.no_canary(request.app, request.channel)
    return current


def on_trial(reader: Reader, request: StepRequest) -> Release:
    """Returns the release of the canary that a step is of.

    Raises:
        NoCanary: the app has no canary there.
    """
    canary = _live(reader, request).canary
    if canary is None:
        raise steps.no_canary(request.app, request.channel)
    return reader.find_release(request.app, digest=canary.release.digest)

"""Lets a release into a channel: as the stable one, or as a canary beside it.

It is compiled and judged by the gate before any lock is taken, and under the locks it is only looked up what came of
that. Where something moved meanwhile, it is judged again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from promptops.core import rollout
from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.archival import require_unarchived
from promptops.core.canary.low_traffic import LowTraffic
from promptops.core.deployment_parts import Action as Step
from promptops.core.errors import Invalid, PromotionsRefused, PromptopsError, Unloadable
from promptops.core.features import requires_of
from promptops.core.heartbeat import NotFollowing
from promptops.core.model import Deployment, Policy, Release
from promptops.core.outcomes.measured_tokens import MeasuredTokens
from promptops.core.policy import Candidate, Rollout
from promptops.core.rights import Rights
from promptops.core.rollout import Intent
from promptops.operations.contract import Comparisons
from promptops.operations.deploy import Decision, Deployed, carry_out
from promptops.operations.gate_desk import Desk, Promotion
from promptops.operations.heartbeats import not_following
from promptops.operations.idempotency import Once
from promptops.operations.known_of_promotion import UNKNOWN, Known, Unjudged
from promptops.operations.model_ends import ending_of

if TYPE_CHECKING:
    from promptops.core.evidence.approval import Waiver
    from promptops.core.token import Token
    from promptops.store import Reader, Registry, Writer
    from promptops.store.facts.kind import Fact


class Admitted(Promotion, Protocol):
    """What of a request is needed to let a release into a channel."""

    @property
    def expect_revision(self) -> int | None: ...
    @property
    def callers_are_ready(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """How a release comes into a channel: which one is ``named``, and what becomes of it by ``decide``.

    ``serves`` are other heads, of an app on a channel, that decide which one is named. ``facts`` are recorded with what
    became of it. With ``by_canary``, nothing changes where a policy asks for a canary and the release is on trial.
    """

    app: str
    named: Callable[[Reader], Release]
    decide: Callable[[Reader, Intent, Candidate, Policy, Deployment | None], Deployment]
    serves: Collection[tuple[str, str]] = ()
    facts: Callable[[Reader, Deployment, Policy], Sequence[Fact]] = lambda reader, made, policy: ()
    by_canary: bool = False


def require_waiver(request: Promotion) -> None:
    """Checks that a waiver has a reason and an end.

    Raises:
        Invalid
    """
    if request.waive and (request.waive_for is None or not request.reason.strip()):
        raise Invalid(
            "a waiver has a reason and an end",
            hint=Sentence(
                option("reason", "Say why", value="TEXT"),
                ", ",
                option("expires", "and for how long", value="7d"),
                ".",
            ),
        )


def admit(
    registry: Registry,
    request: Admitted,
    admission: Admission,
    once: Once,
    *,
    actor: str,
    now: datetime,
    by: Token | None,
) -> Deployed:
    """Let a release into a channel, once, if the policy and its gate admit it.

    Raises:
        Unloadable: no client could load it. Nothing was changed.
        NotFound, Conflict, Refused: nothing was changed.
    """
    return admit_all(registry, request, lambda reader: (admission,), once, actor=actor, now=now, by=by)


def admit_all(
    registry: Registry,
    request: Admitted,
    admissions: Callable[[Reader], Sequence[Admission]],
    once: Once,
    *,
    actor: str,
    now: datetime,
    by: Token | None,
    again: Callable[[tuple[str, ...]], str] = lambda others: "",
) -> Deployed:
    """Let releases of several apps into a channel, once: all of them in one transaction, or none.

    ``admissions`` says which, by what it reads in the transaction. ``again`` words the hint how the others of some that
    are refused are let in.

    Raises:
        PromotionsRefused: some of several apps are not let in. Nothing was changed.
        Unloadable, NotFound, Conflict, Refused: of one app. Nothing was changed.
    """
    channel = request.channel

    def lock(writer: Writer) -> None:
        policy = writer.channel(channel).policy
        if policy.rollout is not None:
            writer.outcomes().lock()  # before all others, as those do that look at a canary
        places = (channel, *policy.promote_from)
        wanted = admissions(writer)
        of_apps = {(admission.app, place) for admission in wanted for place in places}
        writer.lock_heads(of_apps.union(*(admission.serves for admission in wanted)))
        # A new policy waits for the heads that it finds, and this one may be newer; evidence waits for none. With the
        # log locked, nothing is recorded between what the policy and its gate have seen and the promotion.
        writer.lock_log()

    known = Known(
        lambda: Desk(registry, request, actor=actor, now=now, by=by),
        lambda app: Comparisons(registry, app, channel, now),
    )

    def admitted(reader: Reader, admission: Admission) -> Decision:
        return _admission(reader, request, admission, known, actor, now)

    def decide(reader: Reader) -> Decision:
        wanted = admissions(reader)
        return admitted(reader, wanted[0]) if len(wanted) == 1 else _together(reader, wanted, admitted, again)

    _prepare(registry, once, admissions, admitted, known)
    while True:
        try:
            done = carry_out(registry, once, lock=lock, decide=decide, dry_run=request.dry_run, at=now)
            warned = known.warned() if done.deployments and not done.replayed else ()
            measured = _measured(registry, done, Rights(by), now) if request.dry_run else ()
            low = () if done.replayed else _low_traffic(registry, done, now)
            found = replace(done, not_following=_not_following(registry, done, now), low_traffic=low)
            found = replace(found, contract=() if done.replayed else known.contracts(done.deployments))
            return replace(found, warned=warned, measured=measured, ending=ending_of(registry, done.deployments, now))
        except UNKNOWN as unknown:  # something moved meanwhile
            known.learn(unknown)


def _prepare(
    registry: Registry,
    once: Once,
    admissions: Callable[[Reader], Sequence[Admission]],
    admitted: Callable[[Reader, Admission], Decision],
    known: Known,
) -> None:
    """Finds out what the decisions will need, app by app: under the locks, each missing piece would begin all anew."""
    try:
        with registry.read() as reader:
            wanted = admissions(reader) if once.answered(reader) is None else ()
            named = wanted[0].named(reader) if len(wanted) == 1 else None
    except PromptopsError:
        return  # the promotion itself raises this error
    if named is not None:
        known.judge(named)
        known.comparisons(wanted[0].app).prepare(named)
        return
    for admission in wanted:
        while True:
            try:
                with registry.read() as reader:
                    admitted(reader, admission)
            except UNKNOWN as unknown:
                known.learn(unknown)
                continue
            except PromptopsError:
                pass  # it is refused with the others, under the locks
            break


def _together(
    reader: Reader,
    wanted: Sequence[Admission],
    admitted: Callable[[Reader, Admission], Decision],
    again: Callable[[tuple[str, ...]], str],
) -> Decision:
    """Decides for several apps: all of them are let in, or the whole promotion is refused with every reason."""
    decision, refused = Decision(), {}
    for admission in wanted:
        try:
            one = admitted(reader, admission)
        except PromptopsError as error:
            refused[admission.app] = error
            continue
        decision.changed.extend(one.changed)
        decision.unchanged.extend(one.unchanged)
        decision.waivers.extend(one.waivers)
        decision.facts.extend(one.facts)
    if refused:
        others = tuple(made.app for made in decision.changed)
        raise PromotionsRefused(refused, others=others, hint=again(others) if others else "")
    return decision


def _not_following(registry: Registry, done: Deployed, now: datetime) -> tuple[NotFollowing, ...]:
    with registry.read() as reader:
        stored = reader.contents([made.digest for made in done.deployments])
        requires = {each.digest: requires_of(each.content) for each in stored}
    return not_following(registry, [(made, requires.get(made.digest, ())) for made in done.deployments], now=now)


def _low_traffic(registry: Registry, done: Deployed, now: datetime) -> tuple[LowTraffic, ...]:
    """The canaries that start here and whose first step has too few keys to see anything."""
    started = [made for made in done.deployments if made.canary and made.canary.action is Step.START]
    if not started:
        return ()
    from promptops.operations.canary_plan import low_traffic

    with registry.read() as reader:
        found = [low_traffic(reader, made, now) for made in started]
    return tuple(low for low in found if low is not None)


def _measured(registry: Registry, done: Deployed, rights: Rights, now: datetime) -> tuple[MeasuredTokens, ...]:
    """What was measured of what would be live, and of what is, on the channels that the caller sees."""
    from promptops.operations.measured_tokens import measured_tokens

    with registry.read() as reader:
        return tuple(
            measured
            for made in done.deployments
            for measured in measured_tokens(
                reader,
                made.app,
                [release.digest for release in (made.before, made.stable) if release is not None],
                sees=lambda channel: rights.sees(channel=channel),
                now=now,
            )
        )


def _admission(
    reader: Reader,
    request: Admitted,
    admission: Admission,
    known: Known,
    actor: str,
    now: datetime,
) -> Decision:
    desk = known.desk(admission.app)
    policy = reader.channel(request.channel).policy
    release = admission.named(reader)
    intent = Intent(
        app=release.app,
        channel=request.channel,
        actor=actor,
        reason=request.reason,
        now=now,
        expect_revision=request.expect_revision,
    )
    current = reader.live(release.app, request.channel)
    if current and current.digest == release.digest:
        rollout.expect(intent, current)
        return Decision(unchanged=[current])
    require_unarchived(reader.archival(release.app))
    trial = current.canary if current else None
    if admission.by_canary and policy.rollout is not None and trial and trial.release == release.ref:
        rollout.expect(intent, current)
        return Decision(unchanged=[current] if current else [])
    if release.digest not in known.flaws:
        raise Unjudged(release)
    if flaw := known.flaws[release.digest]:
        raise Unloadable(
            f"no client can load {release.app}@{release.version}: {flaw}; nothing was changed",
            hint=Sentence(
                "Mend it and release again: ",
                Advice(Action.CHECK),
                ", ",
                Advice(Action.RELEASE, words=f"release {release.app}", app=release.app),
            ),
        )
    contract = known.comparisons(admission.app).before(reader, current, release)
    on_trial = trial is not None and trial.release == release.ref  # asked when it started
    verdict, waivers = desk.verdict(reader, release, policy)
    candidate = Candidate(
        release=release,
        quarantine=reader.quarantine(release.app, request.channel, release.digest),
        passed=tuple(source for source in policy.promote_from if _passed(reader, release, source)),
        floating=_floating(release) if policy.protected else (),
        gate=verdict,
        gradual=policy.rollout is not None and _at_once(reader, release, intent, waivers),
        contract=None if on_trial else contract,
        callers_are_ready=request.callers_are_ready,
    )
    made = admission.decide(reader, intent, candidate, policy, current)
    if current is None or current.stable is None:  # beside nothing there is no canary, so that was not waived
        waivers = [waiver for waiver in waivers if waiver.check != Rollout.name]
    if policy.protected and candidate.contract and candidate.contract.is_awaited:
        waivers = [*waivers, desk.callers_are_ready(release)]
    return Decision(changed=[made], waivers=list(waivers), facts=list(admission.facts(reader, made, policy)))


def _at_once(reader: Reader, release: Release, intent: Intent, asked: Sequence[Waiver]) -> bool:
    """Whether a person let the release go live without a canary, and that has not ended."""
    recorded = reader.waivers(intent.now, release.app, intent.channel)
    return any(
        waiver.check == Rollout.name and waiver.holds(digest=release.digest, now=intent.now)
        for waiver in (*recorded, *asked)
    )


def _passed(reader: Reader, release: Release, channel: str) -> bool:
    was = reader.was_stable(release.app, channel, release.digest)
    return was is not None and reader.quarantine(release.app, channel, release.digest) is None


def _floating(release: Release) -> tuple[str, ...]:
    from promptops.core.floating_models import floating_models
    from promptops.core.release_bytes import content_from_bytes

    return floating_models(content_from_bytes(release.content))

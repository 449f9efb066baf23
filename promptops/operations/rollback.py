"""Roll back: put the last good release back, for some apps of a channel or for all of them, in one transaction.

It needs the registry alone: no workspace, no git, no network but the database's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from promptops.core import rollout
from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.archival import require_unarchived
from promptops.core.errors import Conflict, Invalid, NeverDeployed, NotFound, NothingDeployed, NothingToRollBackTo
from promptops.core.free_text import require_words
from promptops.core.model import Deployment, Past
from promptops.core.names import AppName, ChannelName
from promptops.core.reference import parse_reference
from promptops.core.rollout import Intent
from promptops.core.timestamp import timestamp
from promptops.operations.contract import contract_changes
from promptops.operations.deploy import Decision, Deployed, carry_out
from promptops.operations.idempotency import Once
from promptops.operations.model_ends import ending_of
from promptops.operations.named_release import live_deployment

if TYPE_CHECKING:
    from promptops.store import Reader, Registry, Writer

_SEE_STATUS: Final = Sentence("See: ", Advice(Action.STATUS))
_JUDGED = 2 << 20
"""Bytes of releases that a rollback compiles before it goes to them, which bounds the time that this takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRequest:
    """Put the last good release back, for some apps of a channel or, with ``every``, for all that are live on it.

    ``to`` names a version or digest that was live there before; ``to_revision`` a revision of the channel's log;
    ``at`` a moment to go back to; at most one of them. ``token`` is the id of the token that the key belongs to.
    """

    channel: ChannelName
    key: str
    apps: tuple[AppName, ...] = ()
    every: bool = False
    to: str = ""
    to_revision: int | None = None
    at: datetime | None = None
    reason: str = ""
    expect_revision: int | None = None
    dry_run: bool = False
    token: str = ""

    def __post_init__(self) -> None:
        require_words(self.reason)
        if bool(self.apps) == self.every:
            raise Invalid(
                "name the apps to roll back, or all of them, not both",
                hint=Sentence(
                    Advice(Action.ROLLBACK, words="Name an app", app="APP"), ", or ", option("all", "all of them")
                ),
            )
        targets = self._targets()
        if len(targets) > 1:
            raise Invalid(
                Sentence(targets[0], " and ", targets[1], " are two different targets"), hint="Give one of them."
            )
        about_one = bool(self.to) or self.to_revision is not None or self.expect_revision is not None
        if len(set(self.apps)) != 1 and about_one:
            version, revision = option("to", "a version to go back to"), option("to_revision", "a revision")
            expected = option("expect_revision", "an expected revision")
            raise Invalid(
                Sentence(version, ", ", revision, " and ", expected, " are about one app"), hint="Name that app."
            )

    def _targets(self) -> list[Advice]:
        """Returns what the request goes back to, as the parameters that were given."""
        given = {
            "to": bool(self.to) and "a version to go back to",
            "to_revision": self.to_revision is not None and "a revision to go back to",
            "at": self.at is not None and "a time",
        }
        return [option(name, words) for name, words in given.items() if words]


def rollback(
    registry: Registry,
    request: RollbackRequest,
    *,
    actor: str,
    now: datetime,
    permit: Callable[[str], None] | None = None,
) -> Deployed:
    """Put the last good release back and quarantine the release that is left: all apps in one transaction, or none.

    Of an app with a canary, the release that is left is the canary's, and the stable one stays.

    ``permit`` is called with each app, in the transaction and before the answer reveals anything about it; if it
    raises, nothing is changed.

    With ``every``, an app that is off stays off, unless ``at`` is a moment when it was not.

    A release that no client could load is skipped like one that is not good, unless the request names the target.
    Policies and gates are not checked. The lock decides a race with a promotion: a rollback that comes second sees, and
    leaves, the release that the promotion made live.

    Raises:
        NothingToRollBackTo, NothingDeployed, NeverDeployed, ConcurrentDeployment: nothing was changed.
        Quarantined, Yanked: the target that was named is not good.
    """

    def lock(writer: Writer) -> None:
        writer.channel(request.channel)
        if request.every:
            writer.lock_channel(request.channel)
        else:
            writer.lock_heads((app, request.channel) for app in request.apps)

    unloadable = _unloadable(registry, request, actor, now)

    def decide(reader: Reader) -> Decision:
        currents = _currents(reader, request)
        if permit is not None:
            for current in currents:
                permit(current.app)
        return _rollbacks(reader, request, currents, unloadable, actor, now)

    once = Once(
        key=request.key,
        token=request.token,
        operation="rollback",
        arguments={
            "apps": sorted(request.apps),
            "channel": request.channel,
            "to": request.to,
            "at": request.at.isoformat() if request.at else None,
            "expect": request.expect_revision,
            **({"to_revision": request.to_revision} if request.to_revision is not None else {}),
        },
        words=request.reason,
    )
    done = carry_out(registry, once, lock=lock, decide=decide, dry_run=request.dry_run, at=now)
    contract = () if done.replayed else contract_changes(registry, done.deployments, now=now)
    return replace(done, ending=ending_of(registry, done.deployments, now), contract=contract)


def _currents(reader: Reader, request: RollbackRequest) -> tuple[Deployment, ...]:
    """Returns the live deployments of the apps of the request."""
    reader.channel(request.channel)
    if not request.every:
        names = dict.fromkeys(request.apps)
        return tuple(live_deployment(reader, app, request.channel, to="roll back") for app in names)
    currents = reader.live_on(request.channel)
    if not currents:
        raise NothingDeployed(f"nothing was ever deployed on {request.channel}", hint=_SEE_STATUS)
    return currents


def _unloadable(registry: Registry, request: RollbackRequest, actor: str, now: datetime) -> Mapping[str, str]:
    """Candidate targets that no client could load, by digest with the reason; the rollback skips them.

    A target given by version or time is not judged: the caller decided. Runs before any lock is taken, and only up to
    a number of bytes: newer releases are judged when they are made, so only old ones matter.
    """
    from promptops.core.compiled import flaw_of

    flaws: dict[str, str] = {}
    judged: set[str] = set()
    left = _JUDGED
    while not request.to and request.to_revision is None and request.at is None:
        try:
            with registry.read() as reader:
                decision = _rollbacks(reader, request, _currents(reader, request), flaws, actor, now)
                wanted = {deployment.digest for deployment in decision.changed} - judged
                contents = {each.digest: each.content for each in reader.contents(sorted(wanted)) if each.intact}
        except (NotFound, Conflict):
            break  # the rollback itself raises this error
        judged |= wanted
        flawed = {}
        for digest, content in contents.items():
            left -= len(content)
            if left >= 0 and (flaw := flaw_of(content)):
                flawed[digest] = flaw
        if not flawed:
            break
        flaws |= flawed
    return flaws


def _rollbacks(
    reader: Reader,
    request: RollbackRequest,
    currents: Sequence[Deployment],
    unloadable: Mapping[str, str],
    actor: str,
    now: datetime,
) -> Decision:
    """Decides for all the apps: each of them has a target, or the whole rollback is refused."""
    decision, failures = Decision(), []
    for current in currents:
        intent = Intent(
            app=current.app,
            channel=request.channel,
            actor=actor,
            reason=request.reason,
            now=now,
            expect_revision=request.expect_revision,
        )
        try:
            deployment = _rollback_one(reader, request, intent, current, unloadable)
        except NothingToRollBackTo as failure:
            failures.append((current.app, failure))
            continue
        if deployment is current:
            decision.unchanged.append(current)
            continue
        decision.changed.append(deployment)
        decision.left.extend(rollout.abandoned(deployment, current))
    _require_targets(request, decision, failures)
    return decision


def _rollback_one(
    reader: Reader, request: RollbackRequest, intent: Intent, current: Deployment, unloadable: Mapping[str, str]
) -> Deployment:
    if request.at is not None:
        was = reader.live_at(intent.app, intent.channel, request.at)
        if was is None:
            raise NothingToRollBackTo(
                f"{intent.app} was not deployed on {intent.channel} yet at {request.at.isoformat()}; "
                "nothing was changed",
                hint=Sentence("What was live when: ", Advice(Action.HISTORY, app=intent.app, channel=intent.channel)),
            )
        if was.digest == current.digest and len(request.apps) != 1 and current.canary is None:
            return current
        return rollout.restore(intent, current, _judged(reader, was))
    if request.every and current.stable is None:
        return current  # it is off, so nothing it serves can be bad; naming the app brings it back
    if current.stable is None:
        require_unarchived(reader.archival(intent.app))
    if request.to:
        return rollout.restore(intent, current, _named_past(reader, request.to, intent))
    if request.to_revision is not None:
        return rollout.restore(intent, current, _past_at(reader, request.to_revision, intent))
    past = reader.past(intent.app, intent.channel, before=current.position)
    passed: dict[str, str] = {}
    try:
        return rollout.rollback(intent, current, (_passable(each, unloadable, passed) for each in past))
    except NothingToRollBackTo as error:
        if not passed:
            raise
        version, flaw = next(iter(passed.items()))
        raise NothingToRollBackTo(
            f"{error.message}: {version} was passed over, because no client could load it: {flaw}",
            hint=Sentence(
                "Go there all the same: ",
                Advice(
                    Action.ROLLBACK,
                    words=f"roll back {intent.app} on {intent.channel} to {version}",
                    app=intent.app,
                    channel=intent.channel,
                    version=version,
                ),
            ),
        ) from error


def _passable(past: Past, unloadable: Mapping[str, str], passed: dict[str, str]) -> Past:
    """Returns the entry, as not good if no client could load its release; notes the flaw by version."""
    flaw = unloadable.get(past.deployment.digest, "")
    if not flaw or past.flaw:
        return past
    passed[past.deployment.version] = flaw
    return replace(past, flaw=f"no client can load it: {flaw}")


def _require_targets(
    request: RollbackRequest, decision: Decision, failures: list[tuple[str, NothingToRollBackTo]]
) -> None:
    if not failures and decision.changed:
        return
    if not failures:
        raise NothingToRollBackTo(
            f"every app of {request.channel} already serves what was live then; nothing was changed"
            if request.at is not None
            else f"every app of {request.channel} is off; nothing was changed",
            hint=_SEE_STATUS,
        )
    if len(failures) == 1 and not decision.changed and not decision.unchanged:
        raise failures[0][1]
    others = tuple(deployment.app for deployment in decision.changed)
    then = {"at": timestamp(request.at)} if request.at is not None else {}
    raise NothingToRollBackTo(
        "no app was rolled back, since these have nothing to go back to: "
        + "; ".join(failure.message.removesuffix("; nothing was changed") for _, failure in failures),
        hint=Sentence(
            "The others, in one transaction: ", Advice(Action.ROLLBACK, app=others, channel=request.channel, **then)
        )
        if others
        else Sentence(
            "Promote a good release: ",
            Advice(Action.PROMOTE, release="APP@VERSION", channel=request.channel),
            "; or take an app off: ",
            rollout.retirement("APP", request.channel),
        ),
    )


def _named_past(reader: Reader, to: str, intent: Intent) -> Past:
    if to.isdecimal():
        advice = Advice(
            Action.ROLLBACK,
            words=f"roll back {intent.app} on {intent.channel} to revision {to}",
            app=intent.app,
            channel=intent.channel,
            revision=to,
        )
        raise Invalid(f"'{to[:20]}' is not a version", hint=Sentence("If it is a revision: ", advice))
    wanted = parse_reference(f"{intent.app}@{to.removeprefix(f'{intent.app}@')}")
    release = reader.find_release(intent.app, version=wanted.version, digest=wanted.digest)
    was = reader.was_stable(intent.app, intent.channel, release.digest)
    if was is None:
        raise NeverDeployed(
            f"{intent.app}@{release.version} was never live on {intent.channel}, so going there is a promotion",
            hint=Sentence(Advice(Action.PROMOTE, release=f"{intent.app}@{release.version}", channel=intent.channel)),
        )
    return _judged(reader, was)


def _past_at(reader: Reader, revision: int, intent: Intent) -> Past:
    """Returns the entry of the log with this revision.

    Raises:
        NeverDeployed: the log has no such revision.
    """
    past = next(reader.past(intent.app, intent.channel, before=revision + 1), None)
    if past is None or past.deployment.revision != revision:
        raise NeverDeployed(
            f"{intent.app} has no revision {revision} on {intent.channel}",
            hint=Sentence("What was live when: ", Advice(Action.HISTORY, app=intent.app, channel=intent.channel)),
        )
    return past


def _judged(reader: Reader, deployment: Deployment) -> Past:
    """Returns the entry of the log with the flaw of its release, if it has one."""
    return next(reader.past(deployment.app, deployment.channel, before=deployment.revision + 1))

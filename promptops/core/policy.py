"""Decides whether a channel's policy admits a release: every rule is a small check, and all of them have to pass.

A :class:`Policy` is what a channel declares and the registry stores: a setting for each check, by the check's name.
:func:`checks_of` makes the tuple of checks of it, :meth:`AllOf.verify` asks them, and :func:`admit` raises the refusal.
A new check is a class with a ``name`` and a ``verify``, and an entry in :data:`CHECKS`. The rules:

- every policy has the base checks, with their defaults where it does not set them;
- the worst verdict decides, and only ``PASS`` admits a release;
- it fails closed: no checks at all, a check that this version does not know, one that raises, and one that returns no
  verdict each refuse the release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, cast

from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.errors import Invalid, PolicyRefused
from promptops.core.model import Json, Policy, Quarantine, Release
from promptops.core.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from promptops.core.callers import ContractChange
    from promptops.core.rights import Rights

MAX_GATE: Final = 64 << 10
"""Bytes of a gate's settings: hundreds of apps with checks of their own."""
MAX_ROLLOUT: Final = 8 << 10
"""Bytes of the settings of a rollout, which has none by app."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A release to promote, with the facts that the checks of the channel's policy need.

    ``passed`` are the channels of ``promote_from`` where it was stable and is still good; ``floating`` are its floating
    models. ``gate`` is the verdict of the channel's gate; None while it was not asked. ``gradual`` says that a canary
    of it starts or ends, that nothing else is stable there, or that a person waived that. ``contract`` is what it
    changes for callers of what is live, unless a person said that ``callers_are_ready``.
    """

    release: Release
    quarantine: Quarantine | None
    passed: tuple[str, ...] = ()
    floating: tuple[str, ...] = ()
    gate: Verdict | None = None
    gradual: bool = False
    contract: ContractChange | None = None
    callers_are_ready: bool = False

    @property
    def name(self) -> str:
        return f"{self.release.app}@{self.release.version}"


class Check(Protocol):
    """One rule of a policy. ``name`` is its key in ``promptops.yml`` and in the stored policy."""

    @property
    def name(self) -> str: ...

    def verify(self, candidate: Candidate, channel: str) -> Verdict:
        """Returns what the check says of a candidate for a channel; it has no side effects."""


@dataclass(frozen=True, slots=True)
class PromoteFrom:
    """The release was live on one of these channels and is still good there. No channels: no such rule."""

    channels: tuple[str, ...] = ()
    name: ClassVar[str] = "promote_from"

    def verify(self, candidate: Candidate, channel: str) -> Verdict:
        if not self.channels or candidate.passed:
            return _passed(self)
        wanted = " or ".join(self.channels)
        return _failed(
            self,
            f"{channel} takes releases that were live on {wanted}, and {candidate.name} was not, or is no longer good "
            "there",
            hint=Sentence("First: ", Advice(Action.PROMOTE, release=candidate.name, channel=self.channels[0])),
        )


@dataclass(frozen=True, slots=True)
class AllowDirty:
    """The release was cut from a commit, unless the channel takes uncommitted files."""

    allowed: bool = False
    name: ClassVar[str] = "allow_dirty"

    def verify(self, candidate: Candidate, channel: str) -> Verdict:
        if self.allowed or not candidate.release.provenance.dirty:
            return _passed(self)
        return _failed(
            self,
            f"{candidate.name} was cut from uncommitted files, which {channel} does not take",
            hint=Sentence(
                "Commit the files and run ",
                Advice(Action.RELEASE, words="the release"),
                " again: the same content is then confirmed by a commit.",
            ),
        )


@dataclass(frozen=True, slots=True)
class Protected:
    """A protected channel takes exact model snapshots only, and asks for a word where callers have to change."""

    protected: bool = False
    name: ClassVar[str] = "protected"

    def verify(self, candidate: Candidate, channel: str) -> Verdict:
        if self.protected and candidate.floating:
            return _failed(
                self,
                f"{channel} is protected, and {candidate.name} uses floating models: {', '.join(candidate.floating)}",
                hint="Pin an exact snapshot (a model id with a date or version) and release again.",
            )
        contract = candidate.contract
        if self.protected and contract is not None and contract.is_awaited and not candidate.callers_are_ready:
            return _failed(
                self,
                f"{channel} is protected, and {candidate.name} changes what callers of {contract.old} rely on: "
                f"{contract.said}",
                hint=Sentence(
                    "Bring out the code that calls it first. If it is out: ",
                    option("callers_are_ready", "say that callers are ready"),
                    ", with ",
                    option("reason", "a reason", value="TEXT"),
                    ".",
                ),
            )
        return _passed(self)


@dataclass(frozen=True, slots=True)
class Gate:
    """The release's evidence, and the people who have to approve of it, satisfy the gate with these settings."""

    settings: Mapping[str, object]
    name: ClassVar[str] = "gate"

    def verify(self, candidate: Candidate, channel: str) -> Verdict:
        if candidate.gate is None:
            reason = f"the gate of {channel} was not asked about {candidate.name}, so it does not open"
            return Verdict(check=self.name, outcome=Outcome.ERROR, reason=reason)
        return candidate.gate


@dataclass(frozen=True, slots=True)
class Rollout:
    """The release stands beside the stable one as a canary before it takes its place."""

    settings: Mapping[str, object]
    name: ClassVar[str] = "rollout"

    def verify(self, candidate: Candidate, channel: str) -> Verdict:
        if candidate.gradual:
            return _passed(self)
        return _failed(
            self,
            f"{channel} gives a release to a part of the keys first, and {candidate.name} would go to all at once",
            hint=Sentence("Start a canary: ", Advice(Action.START_CANARY, release=candidate.name, channel=channel)),
        )


@dataclass(frozen=True, slots=True)
class Unknown:
    """A check that the stored policy names and this version does not have. It admits nothing."""

    name: str

    def verify(self, candidate: Candidate, channel: str) -> Verdict:
        return Verdict(
            check=self.name,
            outcome=Outcome.ERROR,
            reason=f"the policy of {channel} has the check '{self.name}', which this promptops does not know",
            hint="Upgrade promptops to the version that the policy was written with.",
        )


CHECKS: Final[Mapping[str, Callable[[Any], Check]]] = {
    check.name: check for check in (PromoteFrom, AllowDirty, Protected, Gate, Rollout)
}
"""The checks that this version knows, by name: each is made from the setting that the policy has for it.

Verdicts are listed in this order; of equally bad ones the first is reported.
"""

BASE: Final = {"promote_from": (), "allow_dirty": False, "protected": False}
"""The checks that every policy has, with the settings that count where the policy has none."""


@dataclass(frozen=True, slots=True)
class AllOf:
    """A policy's checks, all of which have to pass. The tuple of them is never empty for a policy of a channel."""

    checks: tuple[Check, ...]

    def verify(self, candidate: Candidate, channel: str) -> tuple[Verdict, ...]:
        """Returns the verdict of every check, in their order; at least one."""
        if not self.checks:
            nothing = f"the policy of {channel} has no checks, so nothing says what it admits"
            return (Verdict(check="", outcome=Outcome.ERROR, reason=nothing),)
        return tuple(_verdict(check, candidate, channel) for check in self.checks)


def checks_of(settings: Policy | Mapping[str, object], known: Mapping[str, Callable[[Any], Check]] = CHECKS) -> AllOf:
    """Returns the checks of a policy: the base checks, and every other one that it sets."""
    if isinstance(settings, Policy):
        every = {field.name: getattr(settings, field.name) for field in fields(settings)}
        settings = {name: value for name, value in every.items() if value is not None}
    wanted = {**BASE, **settings}
    ordered = [name for name in known if name in wanted] + [name for name in wanted if name not in known]
    return AllOf(tuple(known[name](wanted[name]) if name in known else Unknown(name) for name in ordered))


def loosened(before: Policy, after: Policy, rights: Rights | None = None) -> tuple[str, ...]:
    """Returns the settings by which ``after`` admits releases that ``before`` refuses; none if it is as strict.

    An app that ``rights`` do not show is not named; without, all are.
    """
    loose = {
        PromoteFrom.name: before.promote_from
        and (not after.promote_from or not {*after.promote_from} <= {*before.promote_from}),
        AllowDirty.name: after.allow_dirty and not before.allow_dirty,
        Protected.name: before.protected and not after.protected,
    }
    names = tuple(name for name, is_loose in loose.items() if is_loose)
    if before.gate is not None:
        from promptops.core.gate import changes

        names += changes.loosened(before.gate, after.gate, lambda app: rights is None or rights.sees(app=app))
    if before.rollout is not None:
        from promptops.core.canary import policy_changes

        names += policy_changes.loosened(before.rollout, after.rollout)
    return names


def differences(before: Policy, after: Policy, rights: Rights | None = None) -> str:
    """Returns in words what a new policy changes; channels and apps that ``rights`` do not show are not named."""

    def said(value: object) -> str:
        if isinstance(value, tuple):
            return (
                ", ".join(channel if rights is None or rights.sees(channel=channel) else "…" for channel in value)
                or "any channel"
            )
        return str(value).lower()

    pairs = {name: (getattr(before, name), getattr(after, name)) for name in BASE}
    changed = [f"{name}: {said(old)} → {said(new)}" for name, (old, new) in pairs.items() if old != new]
    if before.gate != after.gate:
        from promptops.core.gate import changes

        changed += changes.differences(before.gate, after.gate, lambda app: rights is None or rights.sees(app=app))
    if before.rollout != after.rollout:
        from promptops.core import setting_changes

        changed += setting_changes.differences(Rollout.name, before.rollout, after.rollout)
    return ", ".join(changed)


def gate_flaw(settings: Mapping[str, object]) -> Invalid | None:
    """Returns why these cannot be the settings of a gate; None if they can."""
    from promptops.core.digest import canonical
    from promptops.core.gate.reading import read_gate

    try:
        canonical(cast("Json", settings), limit=MAX_GATE)
        asks = read_gate(settings).asks
    except Invalid as error:
        return error
    return None if asks else Invalid("gate has no check, so nothing says what it opens to")


def rollout_flaw(settings: Mapping[str, object]) -> Invalid | None:
    """Returns why these cannot be the settings of a rollout; None if they can."""
    from promptops.core.canary.rollout_policy import read_rollout
    from promptops.core.digest import canonical

    try:
        canonical(cast("Json", settings), limit=MAX_ROLLOUT)
        read_rollout(settings)
    except Invalid as error:
        return error
    return None


def admit(candidate: Candidate, channel: str, checks: AllOf) -> None:
    """Checks whether a channel takes a release.

    Raises:
        PolicyRefused: not every check passed. Its message has the reason of each, the worst one first.
    """
    verdicts = checks.verify(candidate, channel)
    if any(verdict.outcome is not Outcome.PASS for verdict in verdicts):
        raise refusal(verdicts)


def refusal(verdicts: tuple[Verdict, ...]) -> PolicyRefused:
    """Returns the error for verdicts that do not all pass: the worst one's check and hint, and every reason."""
    bad = sorted(
        (verdict for verdict in verdicts if verdict.outcome is not Outcome.PASS),
        key=lambda verdict: verdict.outcome.rank,
        reverse=True,
    )
    reasons = "; ".join(verdict.reason or f"the check '{verdict.check}' did not pass" for verdict in bad)
    return PolicyRefused(reasons, rule=bad[0].check, verdicts=verdicts, hint=bad[0].hint)


def _verdict(check: Check, candidate: Candidate, channel: str) -> Verdict:
    """Returns the check's verdict, and an ERROR for a check that raises or returns none."""
    try:
        verdict: object = check.verify(candidate, channel)
    except Exception as error:  # noqa: BLE001 if a check breaks in any way, the release stays out
        return _unjudged(check, f"failed: {type(error).__name__}: {error}")
    if not isinstance(verdict, Verdict):
        return _unjudged(check, "gave no verdict")
    return verdict


def _unjudged(check: Check, what: str) -> Verdict:
    hint = "This is a bug of the check. Until it is corrected, the release is not admitted."
    return Verdict(check=check.name, outcome=Outcome.ERROR, reason=f"the check '{check.name}' {what}", hint=hint)


def _passed(check: Check) -> Verdict:
    return Verdict(check=check.name, outcome=Outcome.PASS)


def _failed(check: Check, reason: str, *, hint: str) -> Verdict:
    return Verdict(check=check.name, outcome=Outcome.FAIL, reason=reason, hint=hint)

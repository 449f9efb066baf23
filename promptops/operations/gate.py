"""Asks the gate of a channel about a release: collects what is known of it, and lets the rules of the gate judge.

A verdict follows from facts that are never changed, so it is computed before the transaction of a promotion and holds
there as long as no fact was added (:class:`~promptops.store.queries.gate.GateState`). A rollback is never asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.digest import digest as digest_of
from promptops.core.errors import Invalid
from promptops.core.evidence.approval import Waiver
from promptops.core.evidence.four_eyes import Counted, Discounted
from promptops.core.evidence.release_suites import ReleaseSuites, require_suites
from promptops.core.evidence.run import SuiteRef
from promptops.core.gate.anchor import choose_anchor
from promptops.core.gate.gate import judge
from promptops.core.gate.given import Approved, GateInput, GateRelease, Waived, gate_release
from promptops.core.gate.reading import read_gate
from promptops.core.gate.verdict import CheckVerdict, GateVerdict, worst
from promptops.core.json_size import require_few
from promptops.core.model import Bump, Deployment, Provenance, Release
from promptops.core.names import AppName, ChannelName
from promptops.core.reference import Reference
from promptops.core.release_bytes import MAX_ELEMENTS, content_from_bytes, encode
from promptops.core.verdict import Outcome, Verdict
from promptops.operations.frozen_sums import freeze, frozen, reads_measured
from promptops.operations.named_release import named_release
from promptops.operations.people import Here, approvals, bases_of, here

if TYPE_CHECKING:
    from promptops.store import Reader, Registry

_SHOWN = 5
"""Checks of a refusal that are named in words; more do not fit on a screen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRequest:
    """Which release, and for which channel."""

    reference: Reference
    channel: ChannelName

    def __post_init__(self) -> None:
        if not self.reference.fixed:
            raise Invalid(f"'{self.reference}' does not say which release", hint="Name one: APP@VERSION.")

    @property
    def release(self) -> str:
        """The version or the digest."""
        return self.reference.version or self.reference.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What the gate of a channel says of a release. Without a gate there is no ``verdict``, and the release may pass.

    ``live`` are the versions that it was compared with, ``counted`` and ``discounted`` the approvals that hold, and
    ``policy_version`` the version of the policy.
    """

    app: AppName
    channel: ChannelName
    version: str
    digest: str
    policy_version: int
    position: int
    verdict: GateVerdict | None
    live: tuple[str, ...] = ()
    counted: tuple[Counted, ...] = ()
    discounted: tuple[Discounted, ...] = ()

    @property
    def opens(self) -> bool:
        return self.verdict is None or self.verdict.opens


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRequest:
    """A content of an app with its suites, as a release of it would have them, and for which channel.

    ``content`` are its canonical bytes as text. Nothing of it is kept.
    """

    app: AppName
    channel: ChannelName
    content: str
    suites: tuple[SuiteRef, ...] = ()


def ask_gate_of_content(registry: Registry, request: ContentRequest, *, now: datetime) -> GateReport:
    """Returns what the gate of a channel would say of a content if it were released now with these suites.

    Evidence belongs to a digest, so what was earned before a release counts. Approvals name a release. The report on a
    content that is not released has no version.

    Raises:
        Invalid: it is no release of this app, or not in canonical form. NotFound: no such channel.
    """
    require_suites(request.suites)
    data = request.content.encode("utf-8", "replace")
    require_few(data, MAX_ELEMENTS)
    content = content_from_bytes(data)
    if content.app != request.app or encode(content).decode() != request.content:
        raise Invalid(f"the content is not that of a release of {request.app}", hint="RFC 8785, defaults left out.")
    digest = digest_of(data)
    with registry.read() as reader:
        release = reader.release_by_digest(request.app, digest) or _unreleased(request.app, digest, data, now)
        return report(reader, release, request.channel, now=now, promoter="", suites=request.suites)


def _unreleased(app: str, digest: str, data: bytes, now: datetime) -> Release:
    """Returns a content as a release without a version."""
    nowhere = Provenance(repository="", commit="", path="", author="", builder="")
    return Release(
        app=app, version="", digest=digest, created_at=now, created_by="", bump=Bump.NONE, changes=(), notes="",
        provenance=nowhere, content=data,
    )  # fmt: skip


def ask_gate(
    registry: Registry, request: GateRequest, *, now: datetime, actor: str = "", records: str = ""
) -> GateReport:
    """Returns what the gate of a channel says of a release; to an ``actor`` as the one who would promote it.

    What the gate reads of what was measured is first recorded as evidence, by ``records``. Without a name nothing is:
    the answer is the same, and cannot be made again later.

    Raises:
        NotFound: no such release or channel. RegistryDamaged: what is known of it cannot be read.
    """
    if records:
        with registry.read() as reader:
            digest = named_release(reader, request.reference).digest
        freeze(registry, request.reference.app, request.channel, digest, actor=records, now=now)
    with registry.read() as reader:
        release = named_release(reader, request.reference)
        return report(reader, release, request.channel, now=now, promoter=actor)


def report(
    reader: Reader,
    release: Release,
    channel: str,
    *,
    now: datetime,
    promoter: str,
    asked: tuple[Waiver, ...] = (),
    suites: tuple[SuiteRef, ...] | None = None,
) -> GateReport:
    """:func:`ask_gate` in a transaction; ``asked`` are waivers that come with a promotion.

    ``suites`` stand for those that were recorded with the release.
    """
    bases = tuple(bases_of(reader, release.app, channel))
    place = here(reader, release, channel, promoter=promoter)
    counted, discounted = approvals(reader, place)
    gate = place.channel.policy.gate
    verdict = None
    if gate is not None:
        given = _given(reader, place, bases, counted, asked, now)
        if suites is not None:
            given = replace(given, candidate=replace(given.candidate, suites=suites))
        verdict = _judged(reader, given, gate)
    return GateReport(
        app=release.app,
        channel=channel,
        version=release.version,
        digest=release.digest,
        policy_version=place.channel.version,
        position=place.position,
        verdict=verdict,
        live=tuple(base.version for base in bases),
        counted=counted,
        discounted=discounted,
    )


def _judged(reader: Reader, given: GateInput, gate: Mapping[str, object]) -> GateVerdict:
    """The verdict, with the anchor if the gate asks for one. An anchor that cannot be found is an error, never none."""
    try:
        settings = read_gate(gate, given.app)
        rule = settings.not_worse
        if rule is not None and rule.anchor is not None:
            past = _stable_since(reader, given.app, given.channel, given.now - rule.anchor)
            given = replace(given, anchor=choose_anchor(given, settings, past))
    except Invalid as error:
        reason = f"the anchor cannot be found: {error.message}"
        broken = CheckVerdict(name="not_worse", outcome=Outcome.ERROR, reason=reason, hint=error.hint)
        found = judge(given, gate)
        return replace(found, outcome=worst((found.outcome, Outcome.ERROR)), checks=(*found.checks, broken))
    return judge(given, gate)


def _stable_since(reader: Reader, app: str, channel: str, since: datetime) -> Iterator[GateRelease]:
    """Each release that was stable on the channel at some time since then and is still good, newest first."""
    current = reader.live(app, channel)
    seen = set()
    for past in reader.past(app, channel, before=current.revision + 1) if current else ():
        entry = past.deployment
        if past.good and entry.stable is not None and entry.digest not in seen:
            seen.add(entry.digest)
            yield release_of(reader, entry)
        if entry.at < since:
            return


def policy_verdict(found: GateReport) -> Verdict:
    """Returns the verdict of a gate as one check of the channel's policy."""
    assert found.verdict is not None
    if found.verdict.opens:
        return Verdict(check="gate", outcome=Outcome.PASS)
    bad = [check for check in found.verdict.checks if not check.passed]
    shown = "; ".join(f"{name_of(check)}: {check.reason or check.got}" for check in bad[:_SHOWN])
    more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    release = f"{found.app}@{found.version}"
    return Verdict(
        check="gate",
        outcome=found.verdict.outcome,
        reason=f"the gate of {found.channel} does not open for {release}: {shown}{more}",
        hint=Sentence(
            "What it asks and what it has got: ", Advice(Action.GATE, release=release, channel=found.channel)
        ),
    )


def name_of(check: CheckVerdict) -> str:
    """Returns a check with what it is about: ``not_worse of answer``."""
    about = check.prompt or check.suite
    return f"{check.name} of {about}" if about else check.name


def _given(
    reader: Reader,
    place: Here,
    bases: tuple[Deployment, ...],
    counted: tuple[Counted, ...],
    asked: tuple[Waiver, ...],
    now: datetime,
) -> GateInput:
    release, channel = place.release, place.channel.name
    evidence, plan = reader.evidence(app=release.app, tables=True), None
    if release.version and reads_measured(place.channel.policy, release.app):
        piece, there = frozen(reader, release.app, channel, release.digest, now)
        evidence = evidence if there else (*evidence, piece)
        declared = reader.declarations(release.app)
        plan = declared.declared.plan if declared is not None else None
    recorded = reader.waivers(now, release.app, channel)
    waived = [waiver for waiver in (*recorded, *asked) if waiver.holds(digest=release.digest, now=now)]
    return GateInput(
        app=release.app,
        channel=channel,
        candidate=_as_given(release, reader.suites(release.app, release.digest)),
        now=now,
        live=tuple(release_of(reader, base) for base in bases),
        runs=reader.runs(release.app),
        evidence=evidence,
        planned_calls=plan.calls_a_day if plan is not None else None,
        makers=place.makers.released | place.makers.wrote,
        approvals=tuple(
            Approved(subject=each.approval.subject, person=each.person, proven=each.proven) for each in counted
        ),
        waivers=tuple(
            Waived(
                check=each.check,
                person=each.person or each.actor,
                at=each.at,
                expires_at=each.expires_at,
                reason=each.reason,
            )
            for each in waived
        ),
    )


def release_of(reader: Reader, base: Deployment) -> GateRelease:
    """Returns the release of a deployment as the gate sees it, with the suites with which it went live."""
    release = reader.find_release(base.app, digest=base.digest)
    return _as_given(release, reader.suites_at(base.app, base.digest, base.at))


def _as_given(release: Release, known: ReleaseSuites | None) -> GateRelease:
    suites: tuple[SuiteRef, ...] = known.suites if known is not None else ()
    content: Any = content_from_bytes(release.content)
    return gate_release(content, release.digest, version=release.version, suites=suites, released=bool(release.version))

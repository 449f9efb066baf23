"""Why one call came out as it did: its release, who made that live, what it changed, how it does, what was kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from promptops.core.contract import compare
from promptops.core.declarations import NOTHING
from promptops.core.errors import CallNotFound, Invalid, NotFound
from promptops.core.model import Change, Content, Deployment, ReleaseRef
from promptops.core.outcomes.call_id import CallId, Standing, read_call_id
from promptops.core.outcomes.kept_call import Kept, KeptCall
from promptops.core.outcomes.measured import Measured, measure
from promptops.core.outcomes.report import Feedback
from promptops.core.outcomes.series import Arm
from promptops.core.release_bytes import content_from_bytes
from promptops.evals.price_list import PriceList
from promptops.operations.outcome_documents import group_document
from promptops.operations.outcome_report import releases_of
from promptops.operations.why_kept import badness_documents, kept_document
from promptops.wire.documents.releases import ChangeDocument, ReleaseNameDocument
from promptops.wire.documents.why import WhyDocument, WhyEvidenceDocument

if TYPE_CHECKING:
    from promptops.store import Reader, Registry

CALL_ID: Final = "pc1:"
"""How call ids begin. An id of a trace or an answer has no colon."""

Sees: TypeAlias = Callable[[str, str], bool]
"""Whether a caller may do something on a channel with an app."""

DAYS: Final = 30
"""Days of calls with which the release and the one before are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyRequest:
    """A call, by its id, or by the id of its trace or of the provider's answer."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyFound:
    """What is known of the call."""

    document: WhyDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    """The release that an arm served: since its first revision, until another one came."""

    release: ReleaseRef
    first: Deployment
    until: datetime | None
    before: ReleaseRef | None


def why(
    registry: Registry,
    request: WhyRequest,
    *,
    now: datetime,
    sees: Sees = lambda channel, app: True,
    reads_content: Sees = lambda channel, app: True,
) -> WhyFound:
    """Returns what is known of a call: by its id for ever, and with what was kept of it for 30 days.

    A trace and an answer of a provider lead to the calls that were kept of them, and ``sees`` says which of these a
    caller may know of. ``reads_content`` says of which it may read what was captured.

    Raises:
        Invalid: it is no call id, or no client of this registry made it. RegistryMismatch: it is of another registry.
        AppNotFound, ChannelNotFound: this registry has no such app or channel.
        CallNotFound: no call is kept of this trace or answer.
    """
    with registry.read() as reader:
        name, kept, others = _looked_up(reader, request.id, sees)
        call = read_call_id(name, lineage=registry.lineage)
        standing = _standing(reader, call, registry.lineage)
        place = call.assignment
        reader.require_app(place.app)
        reader.channel(place.channel)
        served = _served(reader, call)
        release = served.release if served else _chosen(reader, place.app, kept)
        content = _content(reader, place.app, release)
        before = _content(reader, place.app, served.before if served else None)
        prompt = next((each.name for each in (content.prompts if content else ()) if call.is_of(each.name)), None)
        changes = compare(before, content) if before is not None and content is not None else ()
        secret = bytes.fromhex(reader.report_secret(registry.lineage))
        measured = _measured(reader, call, served, now) if served else {}
        document = WhyDocument(
            call=call.text,
            sealed=standing is Standing.SEALED,
            app=place.app,
            channel=place.channel,
            prompt=prompt,
            epoch=place.epoch,
            revision=place.revision,
            arm=place.arm.value,
            release=ReleaseNameDocument.of(release),
            **_since(served),
            evidence=_evidence(reader, place.app, release),
            changes=tuple(ChangeDocument.of(change) for change in _of(changes, prompt)),
            days=DAYS,
            rates=tuple(
                group_document(place.channel, ref, found, calls_a_day=None, keys=None)
                for ref, found in measured.items()
            ),
            badness=badness_documents(kept, measured) if kept else (),
            led_to=_led_to(reader, call),
            kept=kept_document(kept, content, secret, reads=reads_content(place.channel, place.app)) if kept else None,
            others=others,
        )
    return WhyFound(document=document)


def _since(served: _Served | None) -> dict[str, Any]:
    """Since when and until when the release was served, who made it live, and the one before."""
    first = served.first if served else None
    return {
        "since": first.at if first else None,
        "until": served.until if served else None,
        "kind": first.kind.value if first else "",
        "actor": first.actor if first else "",
        "reason": first.reason if first else "",
        "before": ReleaseNameDocument.of(served.before if served else None),
    }


def _evidence(reader: Reader, app: str, release: ReleaseRef | None) -> tuple[WhyEvidenceDocument, ...]:
    return tuple(
        WhyEvidenceDocument(
            id=each.id,
            source=each.source.value,
            check=each.check,
            at=each.at,
            actor=each.actor,
            verdict=each.verdict.value if each.verdict else None,
        )
        for each in (reader.evidence(app=app, digest=release.digest) if release else ())
    )


def _looked_up(reader: Reader, name: str, sees: Sees) -> tuple[str, KeptCall | None, tuple[str, ...]]:
    """The call id of what is looked for, what was kept of the call, and the ids of others that it may mean.

    Of several calls of a trace the first bad one comes first.
    """
    found = [each.call for each in reader.kept_calls(name) if sees(each.assignment.channel, each.assignment.app)]
    calls = sorted(found, key=lambda call: call.at)
    if name.startswith(CALL_ID):
        return name, next((call for call in calls if call.call == name), None), ()
    if not calls:
        raise CallNotFound(
            f"no call of the trace or the answer '{name[:80]}' is kept",
            hint="Bad calls are kept for 30 days, and one in a hundred others. A call id, pc1:…, always leads on.",
        )
    first = next((call for call in calls if call.kept is Kept.BAD), calls[0])
    return first.call, first, tuple(call.call for call in calls if call is not first)


def _chosen(reader: Reader, app: str, kept: KeptCall | None) -> ReleaseRef | None:
    """The release that the application chose, as it reported with the call."""
    if kept is None or not kept.version:
        return None
    try:
        return reader.find_release(app, version=kept.version).ref
    except NotFound:
        return None


def _led_to(reader: Reader, call: CallId) -> tuple[str, ...]:
    """The declared outcomes and scores that were counted for a call. Of each only a mark is kept."""
    found = reader.declarations(call.assignment.app)
    declared = found.declared if found else NOTHING
    marks = {Feedback(call=call.text, name=name).once: name for name in declared.outcomes}
    marks |= {Feedback(call=call.text, name=score.name, score=1.0).once: score.name for score in declared.scores}
    return tuple(sorted(marks[mark] for mark in reader.counted_feedback(marks)))


def _standing(reader: Reader, call: CallId, lineage: str) -> Standing:
    secret = bytes.fromhex(reader.report_secret(lineage))
    standing = call.standing(secret) if secret else Standing.UNSEALED
    if standing is Standing.FORGED:
        raise Invalid(
            "no client of this registry made this call id: its seal is not right", hint="It is sensitive to case."
        )
    return standing


def _served(reader: Reader, call: CallId) -> _Served | None:
    """What the arm served then; None where the application chose the release, or the log does not say."""
    place = call.assignment
    release = releases_of(reader, place.app, {place}).get(place)
    if release is None:
        return None
    log = reader.history(place.app, place.channel)[::-1]
    at = next(index for index, each in enumerate(log) if each.revision == place.revision)
    first, last = at, at
    while first > 0 and _release(log[first - 1], place.arm) == release:
        first -= 1
    while last + 1 < len(log) and _release(log[last + 1], place.arm) == release:
        last += 1
    until = log[last + 1].at if last + 1 < len(log) else None
    before = log[first].stable if place.arm in (Arm.CANARY, Arm.NAMED) else log[first].before
    return _Served(release=release, first=log[first], until=until, before=before)


def _release(deployment: Deployment, arm: Arm) -> ReleaseRef | None:
    if arm is Arm.STABLE:
        return deployment.stable
    return deployment.canary.release if deployment.canary else None


def _content(reader: Reader, app: str, release: ReleaseRef | None) -> Content | None:
    found = reader.release_by_digest(app, release.digest) if release is not None else None
    return content_from_bytes(found.content) if found is not None else None


def _of(changes: Sequence[Change], prompt: str | None) -> Sequence[Change]:
    return [change for change in changes if change.prompt == prompt]


def _measured(reader: Reader, call: CallId, served: _Served, now: datetime) -> dict[ReleaseRef, Measured]:
    """How the prompt does on the release and on the one before, the newer first."""
    place = call.assignment
    since = now - timedelta(days=DAYS)
    rows = [
        row
        for row in reader.outcome_rows(place.app, since=since, channel=place.channel, now=now)
        if call.is_of(row.series.prompt)
    ]
    releases = releases_of(reader, place.app, {row.series.assignment for row in rows})
    prices = PriceList()
    found = measure(
        rows,
        lambda row: releases.get(row.series.assignment),
        lambda model, minute: prices.rates(model, datetime.fromtimestamp(minute * 60, UTC)) if model else None,
    )
    wanted = [release for release in (served.release, served.before) if release is not None]
    return {release: found[release] for release in wanted if release in found}

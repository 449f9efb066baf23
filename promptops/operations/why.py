"""Why one call came out as it did, from its id alone: the release, who made it live, what it changed, how it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from promptops.core.contract import compare
from promptops.core.errors import Invalid
from promptops.core.model import Change, Content, Deployment, ReleaseRef
from promptops.core.outcomes.call_id import CallId, Standing, read_call_id
from promptops.core.outcomes.measured import measure
from promptops.core.outcomes.series import Arm
from promptops.core.release_bytes import content_from_bytes
from promptops.evals.price_list import PriceList
from promptops.operations.outcome_documents import group_document
from promptops.operations.outcome_report import releases_of
from promptops.wire.documents.outcome_reports import CallGroupDocument
from promptops.wire.documents.releases import ChangeDocument, ReleaseNameDocument
from promptops.wire.documents.why import WhyDocument, WhyEvidenceDocument

if TYPE_CHECKING:
    from promptops.store import Reader, Registry

DAYS: Final = 30
"""Days of calls with which the release and the one before are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyRequest:
    """A call, by its id."""

    call: str


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


def why(registry: Registry, request: WhyRequest, *, now: datetime) -> WhyFound:
    """Returns what is known of a call by its id.

    Raises:
        Invalid: it is no call id, or no client of this registry made it. RegistryMismatch: it is of another registry.
        AppNotFound, ChannelNotFound: this registry has no such app or channel.
    """
    with registry.read() as reader:
        call = read_call_id(request.call, lineage=registry.lineage)
        standing = _standing(reader, call, registry.lineage)
        place = call.assignment
        reader.require_app(place.app)
        reader.channel(place.channel)
        served = _served(reader, call)
        content = _content(reader, place.app, served.release if served else None)
        before = _content(reader, place.app, served.before if served else None)
        prompt = next((each.name for each in (content.prompts if content else ()) if call.is_of(each.name)), None)
        evidence = reader.evidence(app=place.app, digest=served.release.digest) if served else ()
        rates = _rates(reader, call, served, now) if served else ()
    changes = compare(before, content) if before is not None and content is not None else ()
    document = WhyDocument(
        call=call.text,
        sealed=standing is Standing.SEALED,
        app=place.app,
        channel=place.channel,
        prompt=prompt,
        epoch=place.epoch,
        revision=place.revision,
        arm=place.arm.value,
        release=ReleaseNameDocument.of(served.release if served else None),
        since=served.first.at if served else None,
        until=served.until if served else None,
        kind=served.first.kind.value if served else "",
        actor=served.first.actor if served else "",
        reason=served.first.reason if served else "",
        evidence=tuple(
            WhyEvidenceDocument(
                id=each.id, source=each.source.value, check=each.check, at=each.at, actor=each.actor,
                verdict=each.verdict.value if each.verdict else None,
            )
            for each in evidence
        ),
        before=ReleaseNameDocument.of(served.before if served else None),
        changes=tuple(ChangeDocument.of(change) for change in _of(changes, prompt)),
        days=DAYS,
        rates=rates,
    )  # fmt: skip
    return WhyFound(document=document)


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
    before = log[first].stable if place.arm is Arm.CANARY else log[first].before
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


def _rates(reader: Reader, call: CallId, served: _Served, now: datetime) -> tuple[CallGroupDocument, ...]:
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
    wanted = [release for release in (served.release, served.before) if release is not None and release in found]
    return tuple(
        group_document(place.channel, release, found[release], calls_a_day=None, keys=None) for release in wanted
    )

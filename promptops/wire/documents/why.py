"""What is known of one call by its id alone: which release it was of, and how that one does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from promptops.core.names import AppName, ChannelName
from promptops.wire.documents.outcome_reports import CallGroupDocument
from promptops.wire.documents.releases import ChangeDocument, ReleaseNameDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyEvidenceDocument:
    """One piece of evidence of the release: where it is from, and what another system said."""

    id: str
    source: str
    check: str
    verdict: str | None
    at: datetime
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyDocument:
    """Which release a call was of, who made it live and with what evidence, what it changed, and how it does.

    ``sealed`` is false for an id of a process that did not know the registry's secret: then anyone may have made it.
    ``prompt`` is null where the release has no such prompt, ``release`` where the application chose it (arm ``fixed``)
    or the log does not say. ``since`` and ``until`` are when this arm served the release, ``actor`` made it live.
    ``changes`` are those of this prompt since the release ``before``. ``rates`` are of this prompt in the last
    ``days``, of the release and of the one before.
    """

    call: str
    sealed: bool
    app: AppName
    channel: ChannelName
    prompt: str | None
    epoch: int
    revision: int
    arm: str
    release: ReleaseNameDocument | None
    since: datetime | None
    until: datetime | None
    kind: str
    actor: str
    reason: str
    evidence: tuple[WhyEvidenceDocument, ...]
    before: ReleaseNameDocument | None
    changes: tuple[ChangeDocument, ...]
    days: int
    rates: tuple[CallGroupDocument, ...]

"""What is known of one call: which release it was of, how that one does, and what was kept of the call itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from promptops.core.names import AppName, ChannelName
from promptops.wire.documents.outcome_reports import CallGroupDocument, ShareDocument
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
class WhyToolDocument:
    """A tool that was used for the call, its time in milliseconds, and the class of its error."""

    name: str
    latency_ms: int | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhySentDocument:
    """The request, made again from the release and the captured variables.

    ``body`` is JSON as SDKs send it: the arguments of the ``api`` (``chat``, ``responses``, ``messages``), or the list
    of messages where ``api`` is empty. ``exact`` is true if its messages are those that the application rendered, byte
    for byte. Where the request cannot be made, ``body`` is empty, and ``problem`` says why.
    """

    api: str
    body: str
    exact: bool
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyKeptDocument:
    """What was kept of the call by itself. Times are milliseconds, ``at`` is when it began.

    ``kept`` is why: ``bad``, or ``sampled``. ``reason`` is why it got its release: ``stable``, ``split``, ``fixed``,
    ``override``, ``fallback``. ``asked`` is the pinned model, ``model`` the one that answered. ``flags`` are what it
    counts as, ``attempts`` the answers that it took. ``captured`` says that variables are there; ``variables`` and
    ``sent`` are null without them, and for callers without the scope ``content``.
    """

    at: datetime
    kept: str
    reason: str
    asked: str
    model: str
    flags: tuple[str, ...]
    error: str
    finish: str
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    latency_ms: int | None
    first_token_ms: int | None
    attempts: int
    tools: tuple[WhyToolDocument, ...]
    trace: str
    response: str
    captured: bool
    variables: Mapping[str, object] | None
    sent: WhySentDocument | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyBadnessDocument:
    """How often calls of this prompt end as this one did, on a release: ``refused``, or an error's class."""

    kind: str
    version: str
    share: ShareDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyDocument:
    """Which release a call was of, who made it live and with what evidence, what it changed, and how it does.

    ``sealed`` is false for an id of a process that did not know the registry's secret: then anyone may have made it.
    ``prompt`` is null where the release has no such prompt, ``release`` where the application chose it (arm ``fixed``)
    or the log does not say. ``since`` and ``until`` are when this arm served the release, ``actor`` made it live.
    ``changes`` are those of this prompt since the release ``before``. ``rates`` are of this prompt in the last
    ``days``, of the release and of the one before, and ``badness`` is how often the call's own kind is among them.
    ``led_to`` are the declared outcomes and scores that came for it in the last 60 days. ``kept`` is null where nothing
    was kept of the call by itself. ``others`` are more calls of the trace or the answer that was looked for.
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
    badness: tuple[WhyBadnessDocument, ...]
    led_to: tuple[str, ...]
    kept: WhyKeptDocument | None
    others: tuple[str, ...]

"""Promote: make a release the stable one of a channel, if the channel's policy admits it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from promptops.core.advice import Sentence, option
from promptops.core.errors import Invalid
from promptops.core.free_text import require_words
from promptops.core.model import Json
from promptops.core.names import ChannelName
from promptops.core.policy import Rollout
from promptops.core.reference import Reference
from promptops.operations import rollouts
from promptops.operations.admission import Admission, admit, require_waiver
from promptops.operations.deploy import Deployed
from promptops.operations.idempotency import Once
from promptops.operations.named_release import named_release

if TYPE_CHECKING:
    from promptops.core.token import Token
    from promptops.store import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for a promotion to a channel, of one app and of several.

    ``waive`` are checks of the gate that a release need not pass there for the time of ``waive_for``, and `rollout`,
    by which it needs no canary. With ``blind``, a canary starts though nothing is reported of the app. With
    ``callers_are_ready``, which has a reason, a protected channel takes a release that changes what callers rely on.
    ``token`` is the id of the token that the key belongs to.
    """

    channel: ChannelName
    key: str
    reason: str = ""
    dry_run: bool = False
    waive: tuple[str, ...] = ()
    waive_for: timedelta | None = None
    blind: bool = False
    callers_are_ready: bool = False
    token: str = ""

    def __post_init__(self) -> None:
        require_words(self.reason)
        require_waiver(self)
        if self.callers_are_ready and not self.reason.strip():
            raise Invalid(
                "that callers are ready has a reason",
                hint=Sentence(option("reason", "Say why", value="TEXT"), ": who changed them, and when."),
            )

    def said(self) -> dict[str, Json]:
        """Returns the waiver, and what was said of callers and reports, as arguments; nothing by default."""
        waived: dict[str, Json] = {"waive": list(self.waive), "for": str(self.waive_for)} if self.waive else {}
        given = {"blind": self.blind, "callers_are_ready": self.callers_are_ready}
        return waived | {name: True for name, is_said in given.items() if is_said}


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteRequest(Terms):
    """Make a release the stable one of a channel. The reference is fixed, or another channel of the app."""

    reference: Reference
    expect_revision: int | None = None


def promote(
    registry: Registry, request: PromoteRequest, *, actor: str, now: datetime, by: Token | None = None
) -> Deployed:
    """Make a release the stable one of a channel, if the channel's policy admits it.

    Where the policy has a rollout, it becomes the canary beside the stable one, unless a person waived that.
    A release that is stable there already, or on trial, stays so: no new revision. Live clients that lack a feature
    which the release needs are named; they do not stop it. ``by`` is the token with which it is promoted.

    Raises:
        Unloadable: no client could load it. Nothing was changed.
        NothingReported: it would be a canary of which nothing is known.
        NotFound, Conflict, Refused: nothing was changed.
    """
    once = Once(
        key=request.key,
        token=request.token,
        operation="promote",
        arguments={
            "reference": str(request.reference),
            "channel": request.channel,
            "expect": request.expect_revision,
            **request.said(),
        },
        words=request.reason,
    )
    admission = admission_of(request.reference, blind=request.blind, waive=request.waive)
    return admit(registry, request, admission, once, actor=actor, now=now, by=by)


def admission_of(reference: Reference, *, blind: bool, waive: Collection[str]) -> Admission:
    """Returns how the release that a reference names becomes the stable one of a channel, or its canary."""
    return Admission(
        app=reference.app,
        named=lambda reader: named_release(reader, reference),
        serves=_served_by(reference),
        decide=partial(rollouts.promote, blind=blind),
        facts=rollouts.frozen,
        by_canary=Rollout.name not in waive,
    )


def sources(registry: Registry, channel: str) -> tuple[str, ...]:
    """The channels that this one takes releases from.

    Raises:
        ChannelNotFound
    """
    with registry.read() as reader:
        return reader.channel(channel).policy.promote_from


def _served_by(reference: Reference) -> set[tuple[str, str]]:
    return {(reference.app, reference.channel)} if reference.channel else set()

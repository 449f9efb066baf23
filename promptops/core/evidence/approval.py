"""A person's word on a release for a channel: an approval, its withdrawal, and a waiver of one check of the gate.

Whose approval counts is decided by :mod:`promptops.core.evidence.four_eyes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.free_text import require_words
from promptops.core.names import AppName, ChannelName

RELEASE: Final = "release"
"""The release itself may go live on the channel."""
ANCHOR: Final = "anchor"
"""The release need not be compared with the anchor, whose model is gone."""
TRIES: Final = "tries"
"""One more content may be judged against what is live."""

WARNED: Final = "gate.warned"
"""In place of a check: a policy that only warns let a release through, and this is what its gate said."""
CALLERS: Final = "callers"
"""In place of a check: a person said that callers are ready for a release that changes what they rely on."""
NO_ABORT: Final = "canary-abort"
"""In place of a check: the policy does not abort a canary that a person paused, as long as that pause lasts."""

_SUITE, _RENAME = "suite:", "rename:"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_RENAMED = re.compile(r"[A-Za-z0-9._/-]{1,1000}>[A-Za-z0-9._/-]{0,1000}")
_CHECK = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def of_suite(digest: str) -> str:
    """Returns the subject: this suite may be judged with, though its cases are not those of live's suite."""
    return f"{_SUITE}{digest}"


def of_rename(old: str, new: str) -> str:
    """Returns the subject: the prompt ``new`` is not the prompt ``old`` under another name."""
    return f"{_RENAME}{old}>{new}"


def require_subject(subject: str) -> str:
    """Returns the subject of an approval.

    Raises:
        Invalid: it is something else.
    """
    kind, _, rest = subject.partition(":")
    known = subject in (RELEASE, ANCHOR, TRIES)
    known = known or (f"{kind}:" == _SUITE and _DIGEST.fullmatch(rest) is not None)
    if not known and not (f"{kind}:" == _RENAME and _RENAMED.fullmatch(rest)):
        raise Invalid(
            f"'{subject[:100]}' is nothing that can be approved",
            hint="A release, a suite by its whole digest (sha256: and 64 hex digits), a rename such as old>new, the "
            "missing anchor, or one more try.",
        )
    return subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person approved of a release for a channel, or took an approval back: ``withdraws`` is its number.

    It holds for the release's ``digest``, for this version of the channel's policy, and as long as the same release is
    stable there: ``position`` is the revision since which it is (:func:`promptops.core.rollout.stable_since`).
    ``subject`` is what was approved. ``person`` is an address; ``proven`` if the token of this id is bound to it, else
    only claimed.

    Raises:
        Invalid: there is no such subject, or the reason cannot be stored.
    """

    number: int
    app: AppName
    digest: str
    channel: ChannelName
    policy_version: int
    position: int
    subject: str
    person: str
    proven: bool
    actor: str
    at: datetime
    token: str = ""
    reason: str = ""
    version: str = ""
    withdraws: int | None = None

    def __post_init__(self) -> None:
        require_subject(self.subject)
        require_words(self.reason)

    def holds(self, *, digest: str, policy_version: int, position: int) -> bool:
        """Returns whether it is about this release, and nothing has changed since that voids it."""
        return (self.digest, self.policy_version, self.position) == (digest, policy_version, position)


def standing(approvals: Iterable[Approval]) -> Sequence[Approval]:
    """Returns the approvals that were not taken back."""
    every = tuple(approvals)
    gone = {approval.withdraws for approval in every}
    return tuple(each for each in every if each.withdraws is None and each.number not in gone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A person let one release go to a channel without one check of its gate, until a time. No other release has it.

    Raises:
        Invalid: it ends before it begins, names no check, or the reason is missing or cannot be stored.
    """

    number: int
    app: AppName
    digest: str
    channel: ChannelName
    check: str
    reason: str
    expires_at: datetime
    person: str
    actor: str
    at: datetime
    token: str = ""
    version: str = ""

    def __post_init__(self) -> None:
        require_words(self.reason)
        if not self.reason.strip():
            raise Invalid("a waiver needs a reason", hint="It is shown in the status until the waiver ends.")
        if not _CHECK.fullmatch(self.check):
            raise Invalid(f"'{self.check[:80]}' is not the name of a check", hint="latency, cost, freeze, …")
        if self.expires_at <= self.at:
            raise Invalid("a waiver that ends before it begins", hint="Give it a later time.")

    def holds(self, *, digest: str, now: datetime) -> bool:
        """Returns whether it is about this release and has not ended."""
        return self.digest == digest and now < self.expires_at

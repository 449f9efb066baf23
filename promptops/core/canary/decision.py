"""What the policy decided about a canary, and why. A fact, recorded with the deployment that it explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from promptops.core.errors import Invalid
from promptops.core.names import AppName, ChannelName


class Trouble(StrEnum):
    """What pauses a canary beside the causes of the policy: the registry cannot go on as if nothing had happened."""

    LOST = "measurements_lost"
    """What was counted of its keys is gone, as after a rebuild from git."""
    EPOCH = "epoch_raised"
    """The registry came back from a backup: it does not know what was reported since."""
    CLOCK = "clock"
    """The clock went back, or nothing looked at the canary for longer than its step bakes."""
    REFUSED = "refused"
    """The channel's policy or its gate did not let the release through at the finish."""
    FIRST_KEYS = "first_keys"
    """A call failed of a key that has the canary first, as ``--keys`` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryDecision:
    """Why the policy took a step of a canary: the one that made this ``revision``.

    ``verb`` is what it did: ``advance``, ``pause``, ``abort`` or ``finish``. ``guardrail`` is the one that showed the
    canary to be worse, ``cause`` what else made it, and ``shown`` why it advanced. ``numbers`` are the evidence of each
    coin, the keys and calls of both sides, and what would have changed the decision.

    Raises:
        Invalid: nothing was done.
    """

    app: AppName
    channel: ChannelName
    revision: int
    rollout: str
    verb: str
    actor: str
    at: datetime
    cause: str = ""
    guardrail: str = ""
    shown: str = ""
    numbers: Mapping[str, object] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.verb or self.revision < 1:
            raise Invalid("a decision about a canary says what was done, at a revision")

    @property
    def why(self) -> str:
        """What made it, as a word: ``worse:`` and the guardrail, a cause, or what was shown."""
        return f"worse:{self.guardrail}" if self.guardrail else self.cause or self.shown


def policy_actor(channel: str) -> str:
    """Returns the actor of what a channel's policy does by itself."""
    return f"policy of {channel}"

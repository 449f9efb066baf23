"""What holds for a canary from its start to its end. A fact, recorded with the deployment that starts it.

A canary on a channel without ``rollout:`` has none: a person takes all of its steps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final

from promptops.core.canary.named_keys import hashes_in
from promptops.core.canary.rollout_policy import RolloutPolicy, read_rollout
from promptops.core.digest import digest
from promptops.core.errors import Invalid
from promptops.core.names import AppName, ChannelName
from promptops.core.outcomes.units import Sample
from promptops.core.trial import MAX_KEYS, Limits, Trial

_LIMITS: Final = frozenset(field.name for field in fields(Limits))
_DIGITS: Final = 8
_KEYS: Final = re.compile(rf"(?:[0-9a-f]{{{_DIGITS}}})*")
_NAME: Final = re.compile(r"[1-9][0-9]{0,18}\.[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The canary that deployments name ``rollout``, by the epoch and the revision of its start: ``1.17``.

    ``settings`` are those of the channel's ``rollout:`` as they were then. ``limits`` has by prompt what is slow and
    dear, and ``off`` why a guardrail does not judge. ``keys`` are the keys that have the canary from its start on, as
    their ``bucket-v1`` hashes with its salt: 8 hex digits each, in order. About ``keys_a_day`` keys call on a day, 0
    where that is not known. A ``blind`` one was started though nothing was reported of the app.

    Raises:
        Invalid: no canary has such a name, or such keys.
    """

    app: AppName
    channel: ChannelName
    rollout: str
    settings: Mapping[str, object] = field(hash=False)
    actor: str
    at: datetime
    limits: Mapping[str, object] = field(default_factory=dict, hash=False)
    off: Mapping[str, str] = field(default_factory=dict, hash=False)
    keys: str = ""
    keys_a_day: int = 0
    blind: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.rollout):
            raise Invalid(f"'{self.rollout[:40]}' is not the name of a canary")
        hashes = [self.keys[place : place + _DIGITS] for place in range(0, len(self.keys), _DIGITS)]
        if not _KEYS.fullmatch(self.keys) or hashes != sorted(set(hashes)) or len(hashes) > MAX_KEYS:
            raise Invalid(f"a canary has at most {MAX_KEYS:,} keys from its start, as hashes, each once and in order")
        if self.keys_a_day < 0:
            raise Invalid("keys are counted from 0")

    @property
    def policy(self) -> RolloutPolicy:
        """What the settings ask.

        Raises:
            Invalid: a newer version of promptops wrote them, which knows more of them.
        """
        return read_rollout(self.settings)

    def sample_at(self, weight: int) -> Sample:
        """Returns the sample of both sides while the canary has this weight in basis points."""
        return Sample.giving(self.keys_a_day, weight=weight)

    def trial_at(self, weight: int) -> Trial:
        """Returns what clients have to know of it while it has this weight in basis points."""
        sample = self.sample_at(weight)
        return Trial(
            sample=(sample.canary, sample.stable),
            keys=hashes_in(self.keys),
            limits={prompt: _limits(found) for prompt, found in self.limits.items()},
        )

    @property
    def keys_count(self) -> int:
        return len(self.keys) // _DIGITS

    @property
    def keys_digest(self) -> str:
        """The digest of the hashes; empty without keys."""
        return digest(self.keys.encode()) if self.keys else ""


def _limits(found: object) -> Limits:
    """The limits of a prompt; those that only a newer version of promptops knows are left out."""
    said = found if isinstance(found, Mapping) else {}
    return Limits(**{name: limit for name, limit in said.items() if name in _LIMITS and type(limit) is int})

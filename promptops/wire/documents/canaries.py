"""Canaries: how one stands, and what a look at it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from promptops.core.names import AppName, ChannelName
from promptops.wire.documents.approvals import WaiverDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class CanarySideDocument:
    """One side of a canary since its start: ``arm`` is ``stable`` or ``canary``. ``keys`` are about so many, from the
    sample. ``held`` calls are those of conversations that keep to their release.
    """

    arm: str
    version: str
    digest: str
    keys: int
    calls: int
    bad: int
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryCoinDocument:
    """The evidence that the canary is worse at a guardrail, and what aborts it.

    ``coin`` says which keys count: those that were bad ``once``, ``again`` (in three different minutes) or ``often``
    (in ten). ``canary`` and ``stable`` are such keys since the start. ``evidence`` is an e-value: 1 shows nothing.
    ``off`` is why the guardrail does not judge, and empty if it does. ``action`` is what the policy does at the limit:
    ``abort`` or ``pause``.
    """

    guardrail: str
    coin: str
    canary: int
    stable: int
    evidence: float
    limit: float
    off: str
    action: str = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStepDocument:
    """A step of the policy: its weight in basis points, for how long it lasts at least, and whether it has begun."""

    weight: int
    bake_seconds: int
    begun: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryDecidedDocument:
    """A step that the policy took. ``why`` is its cause as a word, ``reason`` what the history says."""

    revision: int
    verb: str
    why: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStatusDocument:
    """A canary as it stands. ``weight`` is its part of the keys in basis points, ``action`` the newest step's.

    Where no policy takes its steps (``by_policy`` is false), there are no ``steps``, ``coins`` and ``decisions``.
    ``next_weight`` is that of the next step; 10,000 is the finish. The canary may take it at ``next_look_at``, if every
    guardrail shows it not to be worse; null where no look is left in this step. ``canary_keys`` of the sample had the
    canary in this step, and ``keys_needed`` have to. ``nearest`` is the coin that is closest to its limit, and
    ``bad_keys_left`` how many further bad keys of the canary take it there; null where that is far. ``verdicts_needed``
    are the checks from elsewhere that have let nothing through in this step.

    With a ``waiver`` nothing aborts it as long as its pause lasts, until ``expires_at`` at most. ``would_abort`` is why
    it would be aborted by now, and empty if it would not.
    """

    app: AppName
    channel: ChannelName
    revision: int
    rollout: str
    weight: int
    action: str
    paused: bool
    by_policy: bool
    began_at: datetime
    step_began_at: datetime
    sides: tuple[CanarySideDocument, ...]
    steps: tuple[CanaryStepDocument, ...] = ()
    coins: tuple[CanaryCoinDocument, ...] = ()
    wait_seconds: int | None = None
    next_weight: int | None = None
    next_look_at: datetime | None = None
    looked_at: datetime | None = None
    canary_keys: int = 0
    keys_needed: int = 0
    nearest: str = ""
    bad_keys_left: int | None = None
    verdicts_needed: tuple[str, ...] = ()
    first_keys: int = 0
    first_keys_bad: int = 0
    blind: bool = False
    decisions: tuple[CanaryDecidedDocument, ...] = ()
    waiver: WaiverDocument | None = None
    would_abort: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryLookDocument:
    """What one look at a canary came to. ``verb`` is what was done: ``advance``, ``pause``, ``abort``, ``finish``, or
    ``hold`` for nothing; ``why`` is its cause as a word, and ``reason`` what the history says.

    ``revision`` and ``weight`` are those that the app is at after it.
    """

    app: AppName
    channel: ChannelName
    rollout: str
    revision: int
    weight: int
    verb: str
    why: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPlanGuardrailDocument:
    """A guardrail of a planned canary.

    ``state`` is ``judges``, ``off`` (no canary has it now) or ``dropped`` (it would let no canary advance), and ``why``
    has the reason. ``bad`` is the share of a day's keys of the stable release that were bad at it, of those that could
    be; of ``slow`` and ``dear``, what their limits are made for.
    """

    guardrail: str
    state: str
    why: str
    bad: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CanarySightDocument:
    """What a guardrail sees in a step, null where that takes more than 90 days or never happens.

    ``worse_seconds`` is the time to the abort of a canary of which three times as many keys are bad, and
    ``not_worse_seconds`` that until an equal one is shown not to be worse.
    """

    guardrail: str
    worse_seconds: int | None
    not_worse_seconds: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPlanStepDocument:
    """A step of a planned canary: its weight in basis points, and what it sees if the canary begins with it.

    ``enough_keys_seconds`` is the time until it has the keys that the policy needs. ``sees_seconds`` is that to the
    abort of a canary of whose keys ``headline_share`` are bad in a day. Both are null for more than 90 days.
    """

    weight: int
    bake_seconds: int
    canary_keys_a_day: float
    enough_keys_seconds: int | None
    sees_seconds: int | None
    sights: tuple[CanarySightDocument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryInsideDocument:
    """A canary that `ratio` and `tolerance` call not worse, since only this share of its keys is bad at a guardrail,
    and that is aborted all the same from about so many keys of both sides on, in a step of this weight.
    """

    guardrail: str
    weight: int
    share: float
    keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPlanDocument:
    """What a canary beside the ``stable`` release would see. ``release`` is the one to try, if one was named.

    ``by_default`` says that the channel has no rollout. Where no call was ``reported`` in seven days, nothing is known
    of the keys. The numbers are of ``days`` whole days; 0 for the present day alone. Where the stable release had none
    of these yet (``of_stable`` is false), shares are those of the releases before. ``calls`` are those of the stable
    release, and ``calls_without_key`` are counted by no analysis. ``headline`` is the guardrail that ``sees_seconds``
    of steps is about: of a canary with this share of bad keys in a day, which is three times that of stable if
    ``headline_tripled``. The limits of slow and dear calls are ``slow_times`` and ``dear_times`` as high, since a run
    found the release slower or dearer. ``unseen_hours`` says which hours of a day no step may see, and ``proposed`` is
    a rollout for this traffic; null where there is too little of it.
    """

    app: AppName
    channel: ChannelName
    stable: str
    release: str
    by_default: bool
    reported: bool
    of_stable: bool
    days: int
    keys_a_day: int
    calls: int
    calls_without_key: int
    slow_times: float
    dear_times: float
    wait_seconds: int
    keys_needed: int
    headline: str
    headline_share: float
    headline_tripled: bool
    guardrails: tuple[CanaryPlanGuardrailDocument, ...]
    steps: tuple[CanaryPlanStepDocument, ...]
    inside: CanaryInsideDocument | None
    unseen_hours: str
    proposed: Mapping[str, object] | None

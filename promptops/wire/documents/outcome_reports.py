"""What calls of an app did and cost, as people and scripts read it. Amounts are US dollars, times milliseconds.

None stands for what is not known: a cost where the price of some tokens is not, a share of no calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from promptops.core.names import AppName, ChannelName


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareDocument:
    """``count`` of ``of`` answered calls, and the interval of the share (Wilson, 95 of 100)."""

    count: int
    of: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCostDocument:
    """How often calls led to something, and what one of it cost, with an interval (95 of 100)."""

    name: str
    count: int
    cost_usd: float | None
    low_usd: float | None
    high_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDocument:
    """The scores of one name: how many, their mean, and how many are below the declared ``passAt``."""

    name: str
    count: int
    mean: float
    below: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallGroupDocument:
    """What the calls of a release, a prompt, a model, a day or a tag's value did on a channel.

    ``key`` is which: a version, ``fixed`` for calls whose release was chosen by the application, a name, a day.
    ``calls`` ended, ``cancelled`` ones because the caller left; shares are of the others. ``cost_a_call_usd`` is of
    calls whose tokens are known, ``unpriced`` are tokens without a known price, by model. ``bad_a_day`` is how many
    calls a day would be bad, were all planned calls (else all measured ones) of this kind.
    """

    channel: ChannelName
    key: str
    digest: str | None
    opened: int
    calls: int
    cancelled: int
    keys: int | None
    bad: ShareDocument
    errors: ShareDocument
    refused: ShareDocument
    schema_failed: ShareDocument
    check_failed: ShareDocument
    truncated: ShareDocument
    unread: ShareDocument
    pin_mismatch: ShareDocument
    error_classes: Mapping[str, int]
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cached_share: float | None
    cost_usd: float | None
    cost_a_call_usd: float | None
    unpriced: Mapping[str, int]
    bad_a_day: float | None
    outcomes: tuple[OutcomeCostDocument, ...] = ()
    scores: tuple[ScoreDocument, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitDocument:
    """A limit of a provider, and the largest minute at the traffic that is asked about."""

    of: str
    calls_a_minute: int | None
    tokens_a_minute: int | None
    calls: float | None
    tokens: float | None
    holds: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastDocument:
    """What so many calls a day cost, and whether the plan holds. ``times`` is how many times today's they are."""

    calls_a_day: float
    times: float | None
    day_usd: float | None
    month_usd: float | None
    planned_calls_a_day: int | None
    planned_month_usd: float | None
    in_plan: bool | None
    in_budget: bool | None
    limits: tuple[LimitDocument, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LookDocument:
    """Something worth a look: ``over-budget``, ``dear-day``, ``pin-mismatch`` or ``unread``."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomesDocument:
    """What calls of an app did. ``calls_a_day`` is the mean of the whole days that were measured, at most seven."""

    app: AppName
    by: str
    since: datetime
    until: datetime
    prices: str
    calls_a_day: float | None
    groups: tuple[CallGroupDocument, ...]
    forecast: ForecastDocument | None
    looks: tuple[LookDocument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCostDocument:
    """What calls that a model answered cost."""

    model: str
    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: float | None
    cost_a_call_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostDocument:
    """What calls of an app cost: by model, each day, now, and at the traffic that is asked about (``at``)."""

    app: AppName
    since: datetime
    until: datetime
    prices: str
    calls: int
    calls_a_day: float | None
    cost_usd: float | None
    cost_a_call_usd: float | None
    unpriced: Mapping[str, int]
    models: tuple[ModelCostDocument, ...]
    days: Mapping[str, float | None]
    now: ForecastDocument | None
    at: ForecastDocument | None = None
    looks: tuple[LookDocument, ...] = field(default=())

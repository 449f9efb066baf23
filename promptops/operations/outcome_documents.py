"""What was measured of calls, as documents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from promptops.core.declarations import Plan
from promptops.core.model import ReleaseRef
from promptops.core.outcomes import forecast as forecasts
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.measured import Measured, OutcomeCost, Share
from promptops.core.timestamp import DAY
from promptops.wire.documents import outcome_reports as documents

UNKNOWN: Final = "unknown"
_SHARES: Final = (0.5, 0.95, 0.99)


def group_document(
    channel: str, key: ReleaseRef | str, measured: Measured, *, calls_a_day: float | None, keys: int | None
) -> documents.CallGroupDocument:
    """Returns what the calls of one kind did on a channel, of which about so many ``keys`` made one."""
    sums, shares = measured.sums, {count: share_document(measured.share(count)) for count in _SHOWN}
    quantiles = measured.quantiles(_SHARES)
    bad = measured.share(Count.BAD).share
    return documents.CallGroupDocument(
        channel=channel,
        key=key if isinstance(key, str) else key.version,
        digest=None if isinstance(key, str) else key.digest,
        opened=sums[Count.OPENED],
        calls=sums[Count.CALLS],
        cancelled=sums[Count.CANCELLED],
        keys=keys,
        errors=share_document(measured.errors),
        **{count.value: share for count, share in shares.items()},
        error_classes=dict(sums.errors),
        p50_ms=quantiles[0],
        p95_ms=quantiles[1],
        p99_ms=quantiles[2],
        input_tokens=sums[Count.INPUT_TOKENS],
        cached_tokens=sums[Count.CACHED_TOKENS],
        output_tokens=sums[Count.OUTPUT_TOKENS],
        reasoning_tokens=sums[Count.REASONING_TOKENS],
        cached_share=measured.cached,
        cost_usd=usd(measured.spend.total),
        cost_a_call_usd=usd(measured.cost_a_call),
        unpriced=dict(measured.spend.unpriced),
        bad_a_day=None if bad is None or calls_a_day is None else bad * calls_a_day,
        outcomes=tuple(map(_outcome, measured.outcome_costs())),
        scores=tuple(
            documents.ScoreDocument(name=name, count=score.count, mean=score.mean, below=score.below)
            for name, score in sorted(sums.scores.items())
        ),
    )


_SHOWN: Final = (
    Count.BAD,
    Count.REFUSED,
    Count.SCHEMA_FAILED,
    Count.CHECK_FAILED,
    Count.TRUNCATED,
    Count.UNREAD,
    Count.PIN_MISMATCH,
)


def share_document(share: Share) -> documents.ShareDocument:
    low, high = (share.interval.low, share.interval.high) if share.interval else (None, None)
    return documents.ShareDocument(count=share.count, of=share.of, share=share.share, low=low, high=high)


def _outcome(found: OutcomeCost) -> documents.OutcomeCostDocument:
    low, high = (found.interval.low, found.interval.high) if found.interval else (None, None)
    return documents.OutcomeCostDocument(
        name=found.name, count=found.count, cost_usd=usd(found.cost), low_usd=low, high_usd=high
    )


def model_document(model: str, measured: Measured) -> documents.ModelCostDocument:
    """Returns what the calls that a model answered cost."""
    sums = measured.sums
    return documents.ModelCostDocument(
        model=model or UNKNOWN,
        calls=measured.answered,
        input_tokens=sums[Count.INPUT_TOKENS],
        cached_tokens=sums[Count.CACHED_TOKENS],
        output_tokens=sums[Count.OUTPUT_TOKENS],
        cost_usd=usd(measured.spend.total),
        cost_a_call_usd=usd(measured.cost_a_call),
    )


def forecast_document(
    whole: Measured,
    traffic: forecasts.Traffic,
    peaks: Mapping[str, forecasts.Peak],
    plan: Plan | None,
    calls_a_day: float | None,
) -> documents.ForecastDocument | None:
    """Returns what so many calls a day cost; None where that is not asked, or not known."""
    if calls_a_day is None:
        return None
    found = forecasts.forecast(whole.cost_a_call, traffic, peaks, plan, calls_a_day=calls_a_day)
    cents = found.plan.monthly_cents
    return documents.ForecastDocument(
        calls_a_day=found.calls_a_day,
        times=found.times,
        day_usd=usd(found.day),
        month_usd=usd(found.month),
        planned_calls_a_day=found.plan.calls_a_day,
        planned_month_usd=None if cents is None else cents / 100,
        in_plan=found.in_plan,
        in_budget=found.in_budget,
        limits=tuple(
            documents.LimitDocument(
                of=each.limit.of, calls_a_minute=each.limit.calls_a_minute,
                tokens_a_minute=each.limit.tokens_a_minute, calls=each.calls, tokens=each.tokens, holds=each.holds,
            )
            for each in found.limits
        ),
    )  # fmt: skip


def look_documents(
    whole: Measured, traffic: forecasts.Traffic, plan: Plan | None
) -> tuple[documents.LookDocument, ...]:
    """Returns what of the calls is worth a look."""
    found = forecasts.looks(whole, traffic, plan)
    return tuple(documents.LookDocument(code=each.code, text=each.text) for each in found)


def usd(amount: Decimal | None) -> float | None:
    """Returns an amount as JSON has it."""
    return None if amount is None else float(amount)


def day_of(minute: int) -> str:
    """Returns the day of a minute, in UTC."""
    return datetime.fromtimestamp(minute // DAY * DAY * 60, UTC).date().isoformat()

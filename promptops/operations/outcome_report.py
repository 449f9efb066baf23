"""What calls of an app did and cost: sums of the registry, with prices, as documents. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from promptops.core.declarations import Declarations
from promptops.core.errors import Invalid
from promptops.core.model import Deployment, ReleaseRef
from promptops.core.names import AppName, ChannelName
from promptops.core.outcomes import forecast as forecasts
from promptops.core.outcomes.measured import Measured, by_day, measure, together
from promptops.core.outcomes.outcome_row import OutcomeRow
from promptops.core.outcomes.rates import ModelRates
from promptops.core.outcomes.series import Arm, Assignment
from promptops.core.timestamp import DAY, HOUR, midnight, minute_of
from promptops.evals.price_list import PriceList
from promptops.operations.outcome_documents import (
    UNKNOWN,
    day_of,
    forecast_document,
    group_document,
    look_documents,
    model_document,
    usd,
)
from promptops.wire.documents import outcome_reports as documents

if TYPE_CHECKING:
    from promptops.store import Reader, Registry

LONGEST: Final = timedelta(days=400)
_FEW: Final = timedelta(days=6)
"""A shorter time is read by hours: its days are too few for an interval."""
_WEEK: Final = timedelta(days=8)
"""The seven days that say what is usual, and the one that may be dearer."""
_MINUTES: Final = timedelta(days=2)
"""For so long rows of minutes are kept, by which limits of providers are judged."""
FIXED: Final = "fixed"


class By(StrEnum):
    """What calls are grouped by."""

    RELEASE = "release"
    PROMPT = "prompt"
    MODEL = "model"
    DAY = "day"
    TAG = "tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomesRequest:
    """Calls of an app since a moment (None: seven days), on one channel or all, and what they are grouped by.

    ``tag`` is which one, for ``by`` a tag. ``prices`` are the workspace's own, as text (:func:`read_prices`).
    """

    app: AppName
    by: By = By.RELEASE
    tag: str = ""
    channel: ChannelName = ""
    since: datetime | None = None
    prices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRequest:
    """What calls of an app cost, and what they would at so many calls a day, or so many times as many as now."""

    app: AppName
    channel: ChannelName = ""
    since: datetime | None = None
    calls_a_day: int | None = None
    times: float | None = None
    prices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomesFound:
    """What calls did."""

    document: documents.OutcomesDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class CostFound:
    """What calls cost."""

    document: documents.CostDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What is known of an app's calls since a moment."""

    rows: list[OutcomeRow]
    since: datetime
    declared: Declarations
    releases: Mapping[Assignment, ReleaseRef]
    prices: PriceList
    week: list[OutcomeRow]
    peaks: Mapping[str, forecasts.Peak]
    keys: Mapping[Assignment, int]

    def rates(self, model: str, minute: int) -> ModelRates | None:
        return self.prices.rates(model, datetime.fromtimestamp(minute * 60, UTC)) if model else None

    def traffic(self, now: datetime) -> forecasts.Traffic:
        """The last whole days, whatever the time that is asked about."""
        week = measure(self.week, lambda row: None, self.rates).get(None, Measured())
        return forecasts.traffic(week, minute_of(now))


def outcomes(
    registry: Registry, request: OutcomesRequest, *, sees: Callable[[str], bool], now: datetime
) -> OutcomesFound:
    """Returns what calls did, on the channels that the caller may see.

    Raises:
        AppNotFound, ChannelNotFound: listing those that exist. Invalid: of what is asked.
    """
    if (request.by is By.TAG) != bool(request.tag):
        raise Invalid("calls are grouped by a tag with its name, and by nothing else with one")
    read = _read(registry, request, request.prices, sees=sees, now=now)
    groups = measure(read.rows, lambda row: (row.series.assignment.channel, _key(read, row, request)), read.rates)
    whole = together(groups.values())
    traffic = read.traffic(now)
    plan = read.declared.plan
    calls_a_day = plan.calls_a_day if plan is not None and plan.calls_a_day else traffic.calls_a_day
    found = [
        group_document(channel, key, measured, calls_a_day=calls_a_day, keys=_keys(read, channel, key))
        for (channel, key), measured in groups.items()
    ]
    document = documents.OutcomesDocument(
        app=request.app,
        by=f"tag:{request.tag}" if request.tag else request.by.value,
        since=read.since,
        until=now,
        prices=read.prices.version,
        calls_a_day=traffic.calls_a_day,
        groups=tuple(sorted(found, key=_order(request.by, read))),
        forecast=forecast_document(whole, traffic, read.peaks, plan, calls_a_day),
        looks=look_documents(whole, traffic, plan),
    )
    return OutcomesFound(document=document)


def cost(registry: Registry, request: CostRequest, *, sees: Callable[[str], bool], now: datetime) -> CostFound:
    """Returns what calls cost and would cost, on the channels that the caller may see.

    Raises:
        AppNotFound, ChannelNotFound: listing those that exist. Invalid: of what is asked.
    """
    if request.calls_a_day is not None and request.times is not None:
        raise Invalid("so many calls a day, or so many times as many: one of them")
    read = _read(registry, request, request.prices, sees=sees, now=now)
    models = measure(read.rows, lambda row: row.series.model, read.rates)
    whole = together(models.values())
    traffic = read.traffic(now)
    asked: float | None = request.calls_a_day
    if request.times is not None:
        if traffic.calls_a_day is None:
            raise Invalid(
                "there is no whole day of calls yet, so nothing to multiply", hint="Name the calls a day instead."
            )
        asked = traffic.calls_a_day * request.times
    plan = read.declared.plan
    document = documents.CostDocument(
        app=request.app,
        since=read.since,
        until=now,
        prices=read.prices.version,
        calls=whole.answered,
        calls_a_day=traffic.calls_a_day,
        cost_usd=usd(whole.spend.total),
        cost_a_call_usd=usd(whole.cost_a_call),
        unpriced=dict(whole.spend.unpriced),
        models=tuple(
            model_document(model, measured) for model, measured in sorted(models.items()) if measured.answered
        ),
        days={day_of(start): usd(block.spend.total) for start, block in by_day(whole).items()},
        now=forecast_document(whole, traffic, read.peaks, plan, traffic.calls_a_day),
        at=forecast_document(whole, traffic, read.peaks, plan, asked),
        looks=look_documents(whole, traffic, plan),
    )
    return CostFound(document=document)


def read_prices(texts: Iterable[str]) -> Mapping[str, ModelRates]:
    """Reads the prices that a workspace sent: ``provider/model=RATES``, as :meth:`ModelRates.to_text` writes them.

    Raises:
        Invalid: a text is no price.
    """
    pairs = (text.partition("=") for text in texts)
    return {model: ModelRates.from_text(rates) for model, _, rates in pairs}


def _read(
    registry: Registry,
    request: OutcomesRequest | CostRequest,
    prices: Iterable[str],
    *,
    sees: Callable[[str], bool],
    now: datetime,
) -> _Read:
    since = request.since or now - timedelta(days=7)
    if not now - LONGEST <= since <= now:
        raise Invalid(f"calls are kept for {LONGEST.days} days, so ask since a moment of these")
    rates = PriceList(read_prices(prices))
    with registry.read() as reader:
        reader.require_app(request.app)
        channels = [reader.channel(request.channel)] if request.channel else reader.channels()
        seen = [channel.name for channel in channels if sees(channel.name)]

        def rows(since: datetime, widest: int) -> list[OutcomeRow]:
            found = reader.outcome_rows(request.app, since=since, channel=request.channel, now=now, widest=widest)
            return [row for row in found if sees(row.series.assignment.channel)]

        version = reader.declarations(request.app)
        asked = rows(since, HOUR if now - since < _FEW else DAY)
        return _Read(
            rows=asked,
            since=since,
            declared=version.declared if version else Declarations(),
            releases=releases_of(reader, request.app, {row.series.assignment for row in asked}),
            prices=rates,
            week=list(reader.outcome_days([request.app], seen, since=midnight(now) - _WEEK)),
            peaks=forecasts.peaks(rows(now - _MINUTES, 1)) if version and version.declared.plan else {},
            keys=reader.outcome_keys(request.app, since=since, channel=request.channel) if asked else {},
        )


def releases_of(reader: Reader, app: str, assignments: Iterable[Assignment]) -> Mapping[Assignment, ReleaseRef]:
    """Which release each assignment was, by the log.

    A registry that came back from a copy counts on from there, so a revision of an earlier epoch is the one in the log
    if it was made before that epoch ended.
    """
    found: dict[Assignment, ReleaseRef] = {}
    served = [each for each in assignments if each.arm is not Arm.FIXED]
    ends = {epoch: reader.epoch_ended(epoch) for epoch in {each.epoch for each in served}}
    logs: dict[str, Mapping[int, Deployment]] = {}
    for channel in {each.channel for each in served}:
        first = min(each.revision for each in served if each.channel == channel)
        logs[channel] = {one.revision: one for one in reader.history(app, channel, first=first)}
    for each in served:
        log = logs[each.channel]
        deployment, end = log.get(each.revision), ends[each.epoch]
        if deployment is None or (end is not None and deployment.at >= end):
            continue
        canary = deployment.canary.release if deployment.canary else None
        release = deployment.stable if each.arm is Arm.STABLE else canary
        if release is not None:
            found[each] = release
    return found


def _key(read: _Read, row: OutcomeRow, request: OutcomesRequest) -> ReleaseRef | str:
    series = row.series
    match request.by:
        case By.RELEASE:
            fixed = FIXED if series.assignment.arm is Arm.FIXED else UNKNOWN
            return read.releases.get(series.assignment, fixed)
        case By.PROMPT:
            return series.prompt
        case By.MODEL:
            return series.model or UNKNOWN
        case By.DAY:
            return day_of(row.minute)
        case By.TAG:
            return dict(series.tags).get(request.tag, "")


def _order(by: By, read: _Read) -> Callable[[documents.CallGroupDocument], tuple[object, ...]]:
    """The newest release and day first; else the most calls first."""
    newest: dict[str, int] = {}
    for assignment, release in read.releases.items():
        newest[release.digest] = max(newest.get(release.digest, 0), assignment.revision)
    if by is By.RELEASE:
        return lambda group: (group.channel, -newest.get(group.digest or "", 0), group.key)
    if by is By.DAY:
        return lambda group: (group.channel, tuple(-ord(digit) for digit in group.key))
    return lambda group: (group.channel, -group.calls, group.key)


def _keys(read: _Read, channel: str, key: ReleaseRef | str) -> int | None:
    """About how many keys were served the release, None for other kinds of calls; a key that two revisions of it served
    counts twice.
    """
    found = [
        count
        for assignment, count in read.keys.items()
        if assignment.channel == channel and read.releases.get(assignment) == key
    ]
    return sum(found) if found else None

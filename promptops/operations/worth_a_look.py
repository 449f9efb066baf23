"""What of the calls of many apps is worth a look, read fast: from the rows of days alone, and from their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from promptops.core.outcomes.app_look import AppLook
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.forecast import looks, traffic
from promptops.core.outcomes.measured import Measured, measure
from promptops.core.outcomes.outcome_row import OutcomeRow
from promptops.core.outcomes.sums import Sums
from promptops.core.timestamp import midnight, minute_of
from promptops.evals.price_list import PriceList
from promptops.operations.model_ends import looks_at_ends

if TYPE_CHECKING:
    from promptops.core.declarations import Plan
    from promptops.core.outcomes.rates import ModelRates
    from promptops.store import Reader, Registry

_DAYS = 8
"""The seven days that say what is usual, and the one that may be dearer; today beside them."""


def worth_a_look(
    reader: Reader, apps: Collection[str], channels: Collection[str], *, now: datetime
) -> tuple[AppLook, ...]:
    """Returns what of the calls of these apps on these channels is worth a look, by app.

    By the same rules as ``promptops outcomes``, of the last seven days. Prices are those of the public list: a
    workspace's own are not known here, and what a model without a price costs is not known.
    """
    rows = reader.outcome_days(apps, channels, since=midnight(now) - timedelta(days=_DAYS))
    return tuple(
        look
        for app, own in groupby(rows, key=lambda row: row.series.assignment.app)
        for look in _of_app(app, _put_together(own), reader, now)
    )


def all_worth_a_look(registry: Registry, now: datetime) -> tuple[AppLook, ...]:
    """Returns what of all apps is worth a look: of their calls, and models of what is live that end."""
    with registry.read() as reader:
        channels = [channel.name for channel in reader.channels()]
        live = [deployment for channel in channels for deployment in reader.live_on(channel)]
        return (*worth_a_look(reader, reader.apps(), channels, now=now), *looks_at_ends(reader, live, now))


def _put_together(rows: Iterable[OutcomeRow]) -> list[OutcomeRow]:
    """The rows of a day and a price as one, whatever their prompt and release: adding numbers costs little beside all
    that is done with a row.
    """
    first: dict[tuple[int, str, int | None], OutcomeRow] = {}
    counts: dict[tuple[int, str, int | None], Counter[Count]] = {}
    for row in rows:
        place = row.minute, row.series.model, row.series.tier
        first.setdefault(place, row)
        counts.setdefault(place, Counter()).update(row.sums.counts)
    return [replace(row, sums=Sums(counts=counts[place])) for place, row in first.items()]


def _of_app(app: str, rows: list[OutcomeRow], reader: Reader, now: datetime) -> Iterator[AppLook]:
    minute, version = minute_of(now), reader.declarations(app)
    plan: Plan | None = version.declared.plan if version else None
    prices = PriceList()

    def rates(model: str, minute: int) -> ModelRates | None:
        return prices.rates(model, datetime.fromtimestamp(minute * 60, UTC)) if model else None

    def measured(rows: list[OutcomeRow]) -> Measured:
        return measure(rows, lambda row: None, rates).get(None, Measured())

    last = measured([row for row in rows if row.minute > minute - 7 * row.width])
    for look in looks(last, traffic(measured(rows), minute), plan):
        yield AppLook(app=app, code=look.code, text=look.text)

"""What models cost at this hour, for the answers to reports: looked up in a thread and then remembered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Final

from anyio import CapacityLimiter, to_thread

from promptops import clock
from promptops.core.model import Json
from promptops.evals.price_list import MOST, PriceList

_KEPT: Final = 1_000
_THREADS: Final = CapacityLimiter(1)


class KnownRates:
    """Rates by model. Used on the event loop."""

    def __init__(self) -> None:
        self._prices = PriceList()
        self._hour = datetime.min.replace(tzinfo=UTC)
        self._known: dict[str, Json] = {}

    async def of(self, models: Collection[str]) -> Mapping[str, object]:
        """Returns the rates of models, without those that are not known, as clients read them."""
        hour = clock.now().replace(minute=0, second=0, microsecond=0)
        if hour != self._hour or len(self._known) > _KEPT:
            self._hour, self._known = hour, {}
        wanted = sorted(models)[:MOST]
        if unknown := [model for model in wanted if model and model not in self._known]:
            self._known |= await to_thread.run_sync(self._look_up, unknown, hour, limiter=_THREADS)
        return {model: known for model in wanted if (known := self._known.get(model)) is not None}

    def _look_up(self, models: Collection[str], at: datetime) -> dict[str, Json]:
        found = {model: self._prices.rates(model, at) for model in models}
        return {model: None if rates is None else rates.to_json() for model, rates in found.items()}

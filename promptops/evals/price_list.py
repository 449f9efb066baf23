"""Prices of models: the data of the package `genai-prices`, without a network, and a workspace's own before them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from promptops.core.outcomes.rates import ModelRates, Rates
from promptops.core.parameters import provider_of

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

_PACKAGE: Final = "genai-prices"
_NAMES: Final = {"gemini": "google", "vertex": "google", "bedrock": "aws", "azure-openai": "azure"}
"""Providers that the package calls otherwise."""
_KINDS: Final = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "requests_kcount")


MOST: Final = 20
"""Models of one report whose rates are looked up: its sender chose the names, and each costs a millisecond once."""


class PriceList:
    """Rates by model and time. ``own`` are those of the workspace, by ``provider/model``; they win."""

    def __init__(self, own: Mapping[str, ModelRates] | None = None) -> None:
        self._own = own or {}

    @property
    def version(self) -> str:
        """Which prices these are, as evidence names them; empty where there are none."""
        return " + ".join(filter(None, (package_version(), "promptops.yml" if self._own else "")))

    def rates(self, model: str, at: datetime | None = None) -> ModelRates | None:
        """Returns the rates of ``provider/model`` at the beginning of an hour, or now; None for an unknown model.

        By the hour, so that sums of minutes cost the same once they are sums of hours.
        """
        if model in self._own:
            return self._own[model]
        return _known(model, at and at.replace(minute=0, second=0, microsecond=0))

    def of(self, models: Collection[str], at: datetime) -> dict[str, ModelRates]:
        """Returns the rates of models that a sender named: of the first :data:`MOST`, those that are known."""
        wanted = sorted(model for model in models if model)[:MOST]
        return {model: rates for model in wanted if (rates := self.rates(model, at)) is not None}


@lru_cache(maxsize=1)
def package_version() -> str:
    """Returns which version of the package is installed; empty without it."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{_PACKAGE} {version(_PACKAGE)}"
    except PackageNotFoundError:
        return ""


@lru_cache(maxsize=4096)
def _known(model: str, at: datetime | None) -> ModelRates | None:
    listed = _listed(model)
    return None if listed is None else _rates(listed.get_prices(at or datetime.now(UTC)))


@lru_cache(maxsize=1024)
def _listed(model: str) -> ModelInfo | None:
    """The package's entry of a model: to find it takes longer than to read its prices of an hour."""
    try:
        from genai_prices.data_snapshot import get_snapshot
    except ImportError:
        return None
    provider, name = provider_of(model)
    try:
        return get_snapshot().find_provider_model(name, None, _NAMES.get(provider, provider or "openai"), None)[1]
    except LookupError:
        return None


def _rates(prices: ModelPrice) -> ModelRates | None:
    """Returns the rates by tier; None where neither inputs nor outputs have a price for each token."""
    kinds = [getattr(prices, kind) for kind in _KINDS]
    if kinds[0] is None and kinds[1] is None:
        return None
    starts = sorted({0, *(tier.start for kind in kinds for tier in getattr(kind, "tiers", ()))})
    return ModelRates(tiers=tuple((start, _tier([_at(kind, start) for kind in kinds])) for start in starts))


def _tier(rates: list[Decimal | None]) -> Rates:
    inputs, outputs, cached, written, thousand = rates
    return Rates(
        input=inputs or Decimal(0),
        output=outputs or Decimal(0),
        cached=cached,
        cache_written=written,
        call=(thousand or Decimal(0)) / 1000,
    )


def _at(price: object, start: int) -> Decimal | None:
    """Returns the price of calls of the tier that begins there."""
    tiers = [tier for tier in getattr(price, "tiers", ()) if tier.start <= start]
    if tiers:
        found: Decimal = tiers[-1].price
        return found
    base = getattr(price, "base", price)
    return base if isinstance(base, Decimal) else None

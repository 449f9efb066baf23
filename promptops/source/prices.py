"""Reads ``prices`` of ``promptops.yml``: of models that no public list of prices has, or that cost you less."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.outcomes.rates import MAX_PRICES, ModelRates, Rates
from promptops.source.app_file import PINNED_MODEL
from promptops.source.text.fields import Fields, shown

_KINDS: Final = ("input", "output", "cached", "cache_written")
_EXAMPLE: Final = "{input: 0.20, output: 0.80}: US dollars a million tokens."


def read_prices(fields: Fields) -> Mapping[str, ModelRates]:
    """Returns the rates by ``provider/model``: one mapping of rates, or a list of them where long inputs cost others.

    What is wrong becomes a finding and is left out.
    """
    prices = fields.fields("prices")
    found: dict[str, ModelRates] = {}
    for model in prices.value if prices else ():
        assert prices is not None
        if not PINNED_MODEL.fullmatch(model):
            prices.add_at_key("name-invalid", model, f"'{model[:80]}' is not provider/model")
        elif (rates := _model(prices, model)) is not None:
            found[model] = rates
    if len(found) > MAX_PRICES:
        fields.add("wrong-value", "prices", f"there are {len(found)} prices, and at most {MAX_PRICES} fit")
    return dict(list(found.items())[:MAX_PRICES])


def _model(prices: Fields, model: str) -> ModelRates | None:
    if isinstance(prices.value[model], list):
        tiers = [(_over(tier), _rates(tier)) for tier in prices.each(model)]
    else:
        tier = prices.fields(model)
        if tier is None and prices.value[model] is None:
            prices.add("missing-key", model, f"'{model}' has no rates", _EXAMPLE)
        tiers = [] if tier is None else [(0, _rates(tier, first=True))]
    known = [(start, rates) for start, rates in tiers if rates is not None]
    if not known or len(known) < len(tiers):
        return None
    try:
        return ModelRates(tiers=tuple(known))
    except Invalid:
        hint = "The first has no `over`, and each of the others the number of input tokens that it begins above."
        prices.add("wrong-value", model, f"the rates of '{model}' are not in order", hint)
        return None


def _over(tier: Fields) -> int:
    value = tier.value.get("over")
    if value is None:
        return 0
    if type(value) is not int or value < 1:
        tier.add("wrong-value", "over", f"'over' must be a whole number of tokens from 1, got {shown(value)}")
        return -1
    return value


def _rates(tier: Fields, *, first: bool = False) -> Rates | None:
    tier.refuse_unknown(_KINDS if first else ("over", *_KINDS))
    rates = [_rate(tier, kind) for kind in _KINDS]
    for kind in _KINDS[:2]:
        if tier.value.get(kind) is None:
            tier.add("missing-key", None, f"the price has no `{kind}`", _EXAMPLE)
    if rates[0] is None or rates[1] is None:
        return None
    return Rates(input=rates[0], output=rates[1], cached=rates[2], cache_written=rates[3])


def _rate(tier: Fields, kind: str) -> Decimal | None:
    value = tier.value.get(kind)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1_000_000:
        return Decimal(str(value))
    tier.add("wrong-value", kind, f"'{kind}' must be US dollars a million tokens, from 0, got {shown(value)}")
    return None

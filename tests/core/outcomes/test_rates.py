"""What tokens cost: exactly as the provider's price list says, by tier, and unknown where that is not known."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.errors import Invalid
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.rates import ModelRates, Rates, Spend, spend_of
from promptops.core.outcomes.sums import Sums
from promptops.evals.price_list import PriceList
from promptops.evals.pricing import price

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
D = Decimal


def counts(calls: int, inputs: int, outputs: int, cached: int = 0, written: int = 0) -> dict[Count, int]:
    found = {
        Count.CALLS: calls,
        Count.INPUT_TOKENS: inputs,
        Count.OUTPUT_TOKENS: outputs,
        Count.CACHED_TOKENS: cached,
        Count.CACHE_WRITTEN_TOKENS: written,
    }
    return {name: count for name, count in found.items() if count}


@pytest.mark.parametrize(
    ("model", "tier", "counted", "by_hand"),
    [
        # inputs, cached and written, outputs: each times its US dollars a million, from the providers' pages
        ("openai/gpt-4o-2024-08-06", 0, counts(1, 2000, 300), D("2000") * D("2.5") / 10**6 + D("300") * 10 / 10**6),
        ("openai/gpt-4o-2024-08-06", 0, counts(1, 2000, 300, 1024), D("0.00672")),
        ("openai/gpt-4o-mini-2024-07-18", 0, counts(1, 2000, 300), D("0.00048")),
        ("openai/gpt-4o-mini-2024-07-18", 0, counts(1, 2000, 300, 1024), D("0.0004032")),
        ("anthropic/claude-sonnet-4-5", 0, counts(1, 5000, 200), D("0.018")),
        ("anthropic/claude-sonnet-4-5", 0, counts(1, 5000, 200, 800, 4000), D("0.01884")),
        ("google/gemini-2.5-pro", 0, counts(3, 300_000, 1000), D("0.385")),
        ("google/gemini-2.5-pro", 0, counts(3, 300_000, 1000, 100_000), D("0.2725")),
        ("google/gemini-2.5-pro", 200_000, counts(1, 300_000, 100), D("0.7515")),
        ("anthropic/claude-3-5-haiku-20241022", 0, counts(2, 10_000, 1000), D("0.012")),
        ("anthropic/claude-3-5-haiku-20241022", 0, counts(2, 10_000, 1000, 4000, 1000), D("0.00932")),
    ],
)
def test_a_cost_is_what_a_person_works_out(model: str, tier: int, counted: dict[Count, int], by_hand: Decimal) -> None:
    rates = PriceList().rates(model, AT)
    assert rates is not None
    assert spend_of(model, tier, Sums(counts=counted), rates) == Spend(usd=by_hand)


def test_a_model_that_is_not_known_costs_an_unknown_amount_and_its_tokens_are_listed() -> None:
    assert PriceList().rates("openai/no-such-model", AT) is None
    unknown = spend_of("openai/no-such-model", 0, Sums(counts=counts(2, 100, 20)), None)
    assert unknown == Spend(unpriced={"openai/no-such-model": 120})
    both = unknown.merged(Spend(usd=D(1)))
    assert (both.usd, both.total, both.merged(unknown).unpriced) == (D(1), None, {"openai/no-such-model": 240})


def test_calls_without_tokens_cost_nothing_whatever_the_model() -> None:
    assert spend_of("openai/no-such-model", 0, Sums(counts={Count.CALLS: 3}), None) == Spend()


TIERED = ModelRates(tiers=((0, Rates(input=D(1), output=D(2))), (1000, Rates(input=D(10), output=D(20)))))


def test_a_sum_whose_tier_is_not_known_has_a_price_only_where_no_call_can_be_over_the_boundary() -> None:
    few, many = Sums(counts=counts(3, 1000, 0)), Sums(counts=counts(3, 1001, 0))
    assert spend_of("m", None, few, TIERED).total == D(1000) / 10**6
    assert spend_of("m", None, many, TIERED).total is None
    assert spend_of("m", 1000, many, TIERED).total == D(10010) / 10**6
    one = ModelRates(tiers=TIERED.tiers[:1])
    assert spend_of("m", None, many, one).total == D(1001) / 10**6


@pytest.mark.parametrize(("tokens", "tier"), [(0, 0), (999, 0), (1000, 0), (1001, 1000), (10**6, 1000)])
def test_a_tier_begins_above_its_boundary(tokens: int, tier: int) -> None:
    assert TIERED.tier_of(tokens) == tier


def test_an_own_price_wins_and_is_named() -> None:
    mine = PriceList({"openai/gpt-4o-2024-08-06": TIERED, "acme/llama": TIERED})
    assert mine.rates("acme/llama", AT) is mine.rates("openai/gpt-4o-2024-08-06", AT) is TIERED
    assert mine.version == f"{PriceList().version} + promptops.yml"


def test_a_price_is_that_of_the_time() -> None:
    """A sum of a minute costs the same once it is a sum of its hour."""
    early, late = (PriceList().rates("openai/gpt-4o", AT.replace(minute=minute)) for minute in (0, 59))
    assert early is late


def test_a_run_pays_a_long_context_only_for_long_inputs() -> None:
    """A price of a million tokens is that of the dearest tier, which short calls never pay."""
    assert price("google", "gemini-2.5-pro", (100_000, 0)) == pytest.approx(0.125)
    assert price("google", "gemini-2.5-pro", (300_000, 0)) == pytest.approx(0.75)


RATES = st.decimals(min_value=0, max_value=1000, places=4)


@given(st.lists(st.tuples(RATES, RATES, RATES, RATES), min_size=1, max_size=4))
def test_rates_come_back_from_their_text(tiers: list[tuple[Decimal, Decimal, Decimal, Decimal]]) -> None:
    made = ModelRates(
        tiers=tuple(
            (1000 * place, Rates(input=i, cached=c, cache_written=w, output=o))
            for place, (i, c, w, o) in enumerate(tiers)
        )
    )
    assert ModelRates.from_text(made.to_text()) == made


@pytest.mark.parametrize(
    "text", ["", "x", "0,1,2,3", "0,1,2,3,x", "0,1,2,3,-1", "5,1,2,3,4", "0,1,2,3,NaN", "0,1,2,3,4;"]
)
def test_what_are_no_rates_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        ModelRates.from_text(text)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 10**6), st.integers(0, 10**4)), max_size=6))
def test_what_calls_cost_adds_up_in_any_order(rows: list[tuple[int, int, int]]) -> None:
    parts = [spend_of("m", 0, Sums(counts=counts(*row)), TIERED) for row in rows]
    forth, back = Spend(), Spend()
    for part in parts:
        forth = forth.merged(part)
    for part in reversed(parts):
        back = part.merged(back)
    assert forth == back

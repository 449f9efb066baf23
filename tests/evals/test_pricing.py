"""Prices come from data without a network; what is not known is unknown, and a run never costs more than it may."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.evals.pricing import Meter, estimate, price, snapshot
from tests.evals.running import planned, prompt, ran, side, suite, workers
from tests.support.model_server import model_server, said

PRICED = "openai/gpt-4o-2024-08-06"


def test_a_known_model_has_the_price_of_its_tokens() -> None:
    whole = price("openai", "gpt-4o-2024-08-06", (1_000_000, 0))
    assert whole and whole > 0
    assert price("openai", "gpt-4o-2024-08-06", (500_000, 0)) == pytest.approx(whole / 2)
    assert snapshot().startswith("genai-prices ")


@pytest.mark.parametrize(
    ("provider", "model", "tokens"),
    [
        ("openai", "no-such-model", (1, 1)),
        ("nobody", "gpt-4o", (1, 1)),
        ("openai", "gpt-4o-2024-08-06", (None, 1)),
        ("openai", "gpt-4o-2024-08-06", (1, None)),
    ],
)
def test_what_is_not_known_is_never_0(provider: str, model: str, tokens: tuple[int | None, int | None]) -> None:
    assert price(provider, model, tokens) is None


def test_a_meter_keeps_what_is_not_known_apart() -> None:
    meter = Meter()
    for costs in (0.5, None, 0.25):
        meter.add(costs)
    assert (meter.spent, meter.unknown) == (0.75, 1)


def test_an_estimate_grows_with_repeats_and_names_models_without_a_price() -> None:
    once = estimate(planned(side(prompt(model=PRICED)), suites=[suite("cat")]))
    twice = estimate(planned(side(prompt(model=PRICED)), suites=[suite("cat", repeats=2)]))
    assert once.cost_usd > 0 and twice.cost_usd == pytest.approx(2 * once.cost_usd)
    assert estimate(planned(side(prompt()), suites=[suite("cat")])).unpriced == ("local/echo-2026-01-01",)


def test_a_run_stops_when_it_has_cost_as_much_as_it_may(tmp_path: Path) -> None:
    plan = planned(side(prompt(model=PRICED)), suites=[suite(*map(str, range(50)))])
    one = price("openai", "gpt-4o-2024-08-06", (12, 3))
    assert one
    with model_server(lambda body, times: said("cat", model="gpt-4o-2024-08-06")) as server:
        settings = workers(server, concurrency=1)
        settings = type(settings)(
            endpoints={"openai": settings.endpoints["local"]},
            pace=type(settings.pace)(
                limiters={"openai": settings.pace.limiters["local"]}, attempt=5, call=5, until=settings.pace.until
            ),
            trust=settings.trust,
            concurrency=1,
        )
        finished = ran(plan, tmp_path, server, max_cost=4.5 * one, with_workers=settings)
    assert (finished.ended, len(server.asked)) == ("cost", 5)

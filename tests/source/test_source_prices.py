"""Prices of a workspace: read as written, to the last digit, and each mistake found where it stands."""

from __future__ import annotations

from decimal import Decimal

import pytest

from promptops.core.outcomes.rates import ModelRates, Rates
from promptops.source.load import load
from tests.source.memory import workspace

PROMPT = "model: openai/gpt-4o-2024-08-06\nmessages: [{role: user, content: '{{x}}'}]\n"
D = Decimal


def test_a_price_is_exact_and_may_depend_on_the_size_of_a_call() -> None:
    text = """\
registry: team
apps: [bot]
prices:
  acme/llama-3-70b: {input: 0.1, output: 0.7, cached: 0.003}
  acme/large:
    - {input: 1, output: 4}
    - {over: 128000, input: 2, output: 8, cache_written: 2.5}
"""
    loaded = load(workspace({"/promptops.yml": text, "a.prompt.yml": PROMPT}))
    assert loaded.workspace is not None
    assert loaded.workspace.prices == {
        "acme/llama-3-70b": ModelRates(tiers=((0, Rates(input=D("0.1"), output=D("0.7"), cached=D("0.003"))),)),
        "acme/large": ModelRates(
            tiers=(
                (0, Rates(input=D(1), output=D(4))),
                (128_000, Rates(input=D(2), output=D(8), cache_written=D("2.5"))),
            )
        ),
    }


@pytest.mark.parametrize(
    ("prices", "code", "column"),
    [
        ("{llama: {input: 1, output: 1}}", "name-invalid", 10),
        ("{a/b: }", "missing-key", 15),
        ("{a/b: {input: 1}}", "missing-key", 15),
        ("{a/b: {input: 1, output: x}}", "wrong-value", 34),
        ("{a/b: {input: -1, output: 1}}", "wrong-value", 23),
        ("{a/b: {input: true, output: 1}}", "wrong-value", 23),
        ("{a/b: {input: 1, output: 1, over: 5}}", "unknown-setting", 37),
        ("{a/b: {input: 1, ouput: 1}}", "unknown-setting", 26),
        ("{a/b: [{over: 5, input: 1, output: 1}]}", "wrong-value", 15),
        ("{a/b: [{input: 1, output: 1}, {input: 1, output: 1}]}", "wrong-value", 15),
        ("{a/b: [{input: 1, output: 1}, {over: x, input: 1, output: 1}]}", "wrong-value", 46),
        ("{a/b: 5}", "wrong-type", 15),
        ("[a/b]", "wrong-type", 9),
    ],
)
def test_a_mistake_is_found_where_it_stands(prices: str, code: str, column: int) -> None:
    text = f"registry: team\napps: [bot]\nprices: {prices}\n"
    loaded = load(workspace({"/promptops.yml": text, "a.prompt.yml": PROMPT}))
    assert (code, 3, column) in [(each.code, each.line, each.column) for each in loaded.findings]

"""The table of models knows what its two files say, and nothing of what they do not."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

from promptops.core.models import table
from promptops.core.models.table import NOTHING, facts_of

FOLDER = Path(table.__file__).parent


@pytest.mark.parametrize(
    ("model", "ends"),
    [
        ("openai/gpt-4o-2024-08-06", date(2027, 1, 14)),
        ("openai/ft:gpt-4o-2024-08-06:acme::abc123", date(2027, 1, 14)),
        ("OpenAI/GPT-4o-2024-08-06", date(2027, 1, 14)),
        ("anthropic/claude-sonnet-4-5-20250929", date(2026, 11, 30)),
        ("anthropic/claude-opus-4-5-20251101", date(2027, 1, 22)),
        ("gemini/gemini-2.5-flash", date(2026, 12, 1)),
        ("google/gemini-2.5-flash", date(2026, 12, 1)),
        ("openai/gpt-5.2-2025-12-11", None),
        ("anthropic/claude-opus-5", None),
        ("azure/gpt-4o-2024-08-06", None),  # a customer's name: Azure has ends of its own
        ("local/llama", None),
    ],
)
def test_the_end_of_a_model_is_the_one_that_its_provider_announced(model: str, ends: date | None) -> None:
    assert facts_of(model).ends == ends


def test_a_fact_has_the_address_that_it_is_from() -> None:
    facts = facts_of("openai/gpt-4o-2024-08-06")
    assert facts.source("ends") == "https://developers.openai.com/api/docs/deprecations"
    assert (facts.successor, facts.context, facts.output) == ("gpt-6-luna", 128_000, 16_384)


@pytest.mark.parametrize("model", ["gpt-4o-2024-08-06", "nobody/knows", "openai/" + "x" * 300, ""])
def test_what_is_not_in_the_table_is_not_guessed(model: str) -> None:
    assert facts_of(model) == NOTHING


@pytest.mark.parametrize(
    "model", ["bedrock/anthropic.claude-opus-4-5-20251101-v1:0", "amazon/us.anthropic.claude-opus-4-5-20251101-v1:0"]
)
def test_a_model_of_a_region_is_the_model(model: str) -> None:
    assert facts_of(model).output == 64_000


def test_a_family_says_what_no_package_does() -> None:
    facts = facts_of("azure/o3-mini-2025-01-31")
    assert {"temperature", "stop", "verbosity"} <= facts.refuses
    assert facts.source("refuses.temperature").startswith("https://")


def test_every_row_has_an_address_and_a_date() -> None:
    listed = json.loads((FOLDER / "listed.json").read_text())
    assert all(re.match("https?://", address) and date.fromisoformat(day) for address, _, day in listed["sources"])
    assert {row["source"] for row in listed["models"].values()} == set(range(len(listed["sources"])))
    families = json.loads((FOLDER / "families.json").read_text())["families"]
    assert all(family["source"].startswith("https://") and date.fromisoformat(family["date"]) for family in families)


def test_every_family_has_a_model() -> None:
    models = [
        *json.loads((FOLDER / "listed.json").read_text())["models"],
        "anthropic/claude-opus-4-1-20250805",
    ]
    for family in table._families():
        names = [model.partition("/")[2] for model in models if model.partition("/")[0] in family["providers"]]
        assert any(family["pattern"].fullmatch(name) for name in names), family["family"]

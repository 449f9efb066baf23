"""Spans that other programs send: their tier, the model that their release pins, and the unit of their call."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.units import Unit
from promptops.core.spans.batch import Batch
from promptops.core.spans.span import facts_of
from promptops.operations.outcomes import report_key
from promptops.operations.spans import new_batch, report_spans
from promptops.store import Registry
from tests.operations.counting import counted, fill, rows, stored
from tests.support.factory import START
from tests.support.reports import assignment, call_id

CHAT: dict[str, Any] = {
    "promptops.app": "bot",
    "promptops.channel": "prod",
    "promptops.revision": "1.2",
    "promptops.variant": "stable",
    "gen_ai.prompt.name": "bot/answer",
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
}
UNIT = Unit(id="9f86d081884c7d65", bucket=4711)


@pytest.fixture
def told(registry: Registry) -> Registry:
    fill(registry)
    return registry


def add(into: Batch, number: int, attributes: dict[str, Any]) -> None:
    end = int(START.timestamp()) * 10**9 + number
    facts = facts_of(CHAT | attributes)
    id = number.to_bytes(8, "big")
    into.add(facts, trace=b"t" * 16, id=id, parent=b"", start=end - 10**9, end=end, failed=False)


def send(registry: Registry, *spans: dict[str, Any]) -> None:
    """Report these spans, each of a call of its own."""
    batch = new_batch(registry)
    for number, attributes in enumerate(spans, 1):
        add(batch, number, attributes)
    report_spans(registry, batch, now=START)
    assert batch.rejected == 0, batch.why


def test_a_request_is_of_the_tier_of_its_size_where_the_price_list_has_the_model(told: Registry) -> None:
    gemini = {"gen_ai.provider.name": "gcp.gemini", "gen_ai.response.model": "gemini-2.5-pro"}
    send(
        told,
        gemini | {"gen_ai.usage.input_tokens": 200_000},
        gemini | {"gen_ai.usage.input_tokens": 200_001},
        {"gen_ai.response.model": "home-made-7b"},
        {},
    )
    assert {(row.series.model, row.series.tier, row.sums[Count.CALLS]) for row in rows(told)} == {
        ("google/gemini-2.5-pro", 0, 1),
        ("google/gemini-2.5-pro", 200_000, 1),
        ("openai/home-made-7b", None, 1),
        ("openai/gpt-4o-2024-08-06", 0, 1),
    }


@pytest.mark.parametrize(
    ("attributes", "mismatches"),
    [
        ({}, 0),
        ({"gen_ai.response.model": "gpt-4o"}, 0),  # the alias of the pinned model
        ({"gen_ai.response.model": "gpt-4o-mini-2024-07-18"}, 1),
        ({"gen_ai.response.model": "gpt-4o-mini", "promptops.variant": "fixed"}, 0),  # which release is not known
        ({"gen_ai.response.model": "gpt-4o-mini", "promptops.variant": "canary"}, 0),  # there was no canary
        ({"gen_ai.response.model": "gpt-4o-mini", "gen_ai.prompt.name": "bot/other"}, 0),  # no prompt of the release
    ],
)
def test_another_model_than_the_pinned_one_is_counted(
    told: Registry, attributes: dict[str, Any], mismatches: int
) -> None:
    send(told, attributes, attributes)
    assert counted(told)[Count.PIN_MISMATCH] == 2 * mismatches


def test_a_call_id_that_a_client_made_has_the_unit_of_its_call(told: Registry) -> None:
    secret = report_key(told).secret
    place = assignment(revision=2)
    sealed = [call_id(told.lineage, secret, place=place, unit=UNIT, random=number) for number in (1, 2)]
    send(
        told,
        {"promptops.call_id": sealed[0]},
        {"promptops.call_id": sealed[1], "error.type": "TimeoutError"},
        {"gen_ai.response.finish_reasons": ["content_filter"]},
    )
    sums = counted(told)
    assert (sums[Count.CALLS], sums[Count.BAD], sums[Count.NO_UNIT]) == (3, 2, 1)
    [row] = stored(told, "bad_unit")
    assert (row["unit"], row["bucket"], row["guardrail"]) == (UNIT.id, UNIT.bucket, "error")


@pytest.mark.parametrize("which", ["unsealed", "forged", "of another revision", "of another prompt"])
def test_a_call_id_that_proves_nothing_of_the_span_has_no_unit(told: Registry, which: str) -> None:
    secret, place = report_key(told).secret, assignment(revision=2)
    call = {
        "unsealed": lambda: call_id(told.lineage, place=place),
        "forged": lambda: call_id(told.lineage, bytes(32), place=place, unit=UNIT),
        "of another revision": lambda: call_id(told.lineage, secret, place=assignment(revision=1), unit=UNIT),
        "of another prompt": lambda: call_id(told.lineage, secret, place=place, unit=UNIT, prompt="title"),
    }[which]()
    send(told, {"promptops.call_id": call, "error.type": "TimeoutError"})
    sums = counted(told)
    assert (sums[Count.CALLS], sums[Count.BAD], sums[Count.NO_UNIT]) == (1, 1, 1)
    assert stored(told, "bad_unit") == []

"""A promotion, a rollback and `status` name the models that end soon, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from promptops.operations import queries
from promptops.operations.model_ends import ending_of
from promptops.operations.worth_a_look import all_worth_a_look
from promptops.store import Registry
from tests.store.vandal import vandalise
from tests.support.factory import content, go_back, go_live, make_channels, make_release

GPT = "openai/gpt-4o-2024-08-06"  # ends on 2027-01-14
END = datetime(2027, 1, 14, 12, tzinfo=UTC)
LATER = "openai/gpt-5.2-2025-12-11"  # has no end


@pytest.fixture
def two(registry: Registry) -> Registry:
    """0.1.0 uses a model that ends; 0.2.0 uses one that does not."""
    make_channels(registry)
    make_release(registry, content(model=GPT))
    make_release(registry, content(model=LATER), version="0.2.0")
    return registry


def test_a_promotion_warns_from_sixty_days_before_the_end(two: Registry) -> None:
    assert go_live(two, "bot@0.1.0", now=END - timedelta(days=61)).ending == ()
    assert go_live(two, "bot@0.2.0", now=END - timedelta(days=50)).ending == ()
    [said] = go_live(two, "bot@0.1.0", now=END - timedelta(days=45)).ending
    assert said == f"{GPT} ends on 2027-01-14, in 45 days; its provider proposes gpt-6-luna"


def test_a_dry_run_warns_too(two: Registry) -> None:
    assert len(go_live(two, "bot@0.1.0", now=END, dry_run=True).ending) == 1


def test_a_rollback_to_a_model_that_is_gone_warns_and_is_done(two: Registry) -> None:
    go_live(two, "bot@0.1.0", now=END - timedelta(days=90))
    go_live(two, "bot@0.2.0", now=END - timedelta(days=80))
    done = go_back(two, "bot", now=END + timedelta(days=3))
    assert [each.version for each in done.served] == ["0.1.0"]
    assert done.ending == (f"{GPT} ended on 2027-01-14; its provider proposes gpt-6-luna",)


def test_status_names_what_is_live_and_ends_within_thirty_days(two: Registry) -> None:
    go_live(two, "bot@0.1.0", now=END - timedelta(days=90))
    assert queries.status(two, now=END - timedelta(days=31)).looks == ()
    [look] = queries.status(two, now=END - timedelta(days=30)).looks
    assert (look.app, look.code) == ("bot", "model-ends")
    assert look.text == f"{GPT} ends on 2027-01-14, in 30 days; its provider proposes gpt-6-luna (live on prod)"
    assert all_worth_a_look(two, END - timedelta(days=30)) == (look,)
    go_live(two, "bot@0.2.0", now=END - timedelta(days=20))
    assert queries.status(two, now=END).looks == all_worth_a_look(two, END) == ()


def test_status_says_nothing_of_a_channel_that_the_caller_does_not_see(two: Registry) -> None:
    go_live(two, "bot@0.1.0", now=END - timedelta(days=90))
    assert queries.status(two, now=END, sees=lambda channel: channel != "prod").looks == ()


def test_a_damaged_release_stops_neither_the_status_of_others_nor_what_is_done_with_them(
    two: Registry, database: str, registry_url: str
) -> None:
    other = make_release(two, content("shop", model=GPT))
    digest = go_live(two, "bot@0.2.0", now=END - timedelta(days=90)).served[0].digest
    go_live(two, f"shop@{other.version}", now=END - timedelta(days=90))
    broken = "x'78'" if database == "sqlite" else "'x'"
    vandalise(registry_url, f"UPDATE release SET content = {broken} WHERE digest = '{digest}'")
    assert [look.app for look in queries.status(two, now=END).looks] == ["shop"]
    assert [look.app for look in all_worth_a_look(two, END)] == ["shop"]
    assert ending_of(two, queries.history(two, "bot", "prod").deployments, END) == ()

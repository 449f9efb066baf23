"""The models of all that is live, by when they end, on both databases and by what the caller sees."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from promptops.core.errors import AppNotFound, ChannelNotFound
from promptops.core.model import Content, OwnFacts, Policy
from promptops.operations.model_outlook import Outlook, OutlookRequest, model_outlook
from promptops.store import Registry
from promptops.use_cases.models import MODEL_OUTLOOK
from promptops.use_cases.use_case import Caller
from tests.store.vandal import vandalise
from tests.support.factory import content, go_live, make_channels, make_release, rights

GPT = "openai/gpt-4o-2024-08-06"  # ends on 2027-01-14
LATER = "openai/gpt-5.2-2025-12-11"  # has no end
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def said(what: Content, **facts: Any) -> Content:
    """The content, with what its workspace says of its model."""
    [prompt] = what.prompts
    own = OwnFacts(model=prompt.model or "", reason="as our contract has it", facts=facts)
    return replace(what, prompts=(replace(prompt, own_facts=own),), models=(own,), requires=("models",))


@pytest.fixture
def live(registry: Registry) -> Registry:
    """`bot` on prod with a model that ends and on dev with one that does not; `faq` on prod, whose end is its own."""
    make_channels(registry, dev=Policy(), prod=Policy())
    make_release(registry, content(model=GPT))
    make_release(registry, content(model=LATER), version="0.2.0")
    make_release(registry, said(content("faq", model="azure/prod"), ends="2026-12-24", successor="prod-2"))
    go_live(registry, "bot@0.1.0", now=NOW)
    go_live(registry, "bot@0.2.0", channel="dev", now=NOW)
    go_live(registry, "faq@0.1.0", now=NOW)
    return registry


def shown(outlook: Outlook) -> list[tuple[str, str, str, date | None]]:
    return [(each.app, each.channel, each.model, each.ends) for each in outlook.models]


def test_the_first_end_is_the_first_and_no_end_the_last(live: Registry) -> None:
    outlook = model_outlook(live, OutlookRequest(), now=NOW)
    assert outlook.today == date(2026, 12, 1)
    assert shown(outlook) == [
        ("faq", "prod", "azure/prod", date(2026, 12, 24)),
        ("bot", "prod", GPT, date(2027, 1, 14)),
        ("bot", "dev", LATER, None),
    ]
    first, second, _ = outlook.models
    assert (first.successor, first.source) == ("prod-2", "`models` of promptops.yml: as our contract has it")
    assert (second.successor, second.version, second.canary) == ("gpt-6-luna", "0.1.0", False)


def test_apps_and_a_channel_narrow_it(live: Registry) -> None:
    assert len(model_outlook(live, OutlookRequest(apps=("bot",)), now=NOW).models) == 2
    assert len(model_outlook(live, OutlookRequest(channel="dev"), now=NOW).models) == 1
    with pytest.raises(AppNotFound):
        model_outlook(live, OutlookRequest(apps=("bto",)), now=NOW)
    with pytest.raises(ChannelNotFound):
        model_outlook(live, OutlookRequest(channel="pord"), now=NOW)


def test_what_a_caller_does_not_see_is_left_out(live: Registry) -> None:
    for seen, count in ((rights(apps=("faq",)), 1), (rights(channels=("dev",)), 1), (rights(), 3)):
        answer = MODEL_OUTLOOK.answer_to(live, OutlookRequest(), Caller(now=NOW, rights=seen))
        assert len(answer.models) == count


def test_a_damaged_release_has_no_models(live: Registry, database: str, registry_url: str) -> None:
    broken = "x'78'" if database == "sqlite" else "'x'"
    vandalise(registry_url, f"UPDATE release SET content = {broken} WHERE app = 'faq'")
    assert [each.app for each in model_outlook(live, OutlookRequest(), now=NOW).models] == ["bot", "bot"]

"""What of the calls of many apps is worth a look: the rules of `outcomes`, from rows of days, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from promptops.core.declarations import Declarations, DeclarationsVersion, Plan
from promptops.core.model import Policy
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.series import Series
from promptops.core.outcomes.sums import Sums
from promptops.operations.outcome_report import OutcomesRequest, outcomes
from promptops.operations.outcomes import Document, take
from promptops.operations.queries import status
from promptops.operations.worth_a_look import all_worth_a_look
from promptops.store import Registry
from tests.support.factory import ACTOR, go_live, make_channels, make_releases, minutes
from tests.support.reports import MINUTE, assignment, report, series

NOW = minutes(60)
MODEL = "openai/gpt-4o-2024-08-06"


@pytest.fixture
def live(registry: Registry) -> Registry:
    """Two apps that are live on two channels and have not reported."""
    make_channels(registry, dev=Policy(), prod=Policy())
    for app in ("bot", "shop"):
        for release in make_releases(registry, app, count=1):
            for channel in ("dev", "prod"):
                go_live(registry, f"{app}@{release.version}", channel=channel, now=minutes(-20_000))
    return registry


def send(registry: Registry, number: int, rows: dict[tuple[Series, int], Sums], channel: str = "prod") -> None:
    """Reports these rows, each as many days ago."""
    sums = {(series, MINUTE - days * 1440): found for (series, days), found in rows.items()}
    take(registry, [Document(report=report(registry.lineage, number, sums, channel=channel))], now=NOW)


def counts(calls: int, tokens: int = 0, **more: int) -> Sums:
    """The sums of so many calls of a million ``tokens`` together."""
    counted = {"calls": calls, "input_tokens": tokens * 1_000_000, **more}
    return Sums(counts={Count(name): count for name, count in counted.items() if count})


def found(registry: Registry) -> list[tuple[str, str]]:
    looks = status(registry, now=NOW).looks
    assert looks == all_worth_a_look(registry, NOW)
    return [(look.app, look.code) for look in looks]


def test_an_app_without_calls_has_nothing_to_look_at(live: Registry) -> None:
    assert found(live) == []


def test_the_rules_are_those_of_outcomes(live: Registry) -> None:
    """A month of seven million tokens a day costs $525, and yesterday cost twice as much and more."""
    plan = Declarations(plan=Plan(monthly_cents=40_000))
    version = DeclarationsVersion(app="bot", number=1, declared=plan, actor=ACTOR, at=NOW)
    live.write(lambda writer: writer.record(version))
    call = series(assignment(), model=MODEL, prompt="greet")
    days = {(call, day): counts(100, 7 if day > 1 else 20) for day in range(12)}
    send(live, 1, days | {(call, 2): counts(100, 7, unread=20)})
    shop = series(assignment("shop"), model="acme/llama", prompt="greet")
    send(live, 2, {(shop, day): counts(10, 1, pin_mismatch=1) for day in range(12)})
    assert found(live) == [
        ("bot", "over-budget"), ("bot", "dear-day"), ("bot", "unread"), ("shop", "pin-mismatch")
    ]  # fmt: skip
    for app in ("bot", "shop"):
        document = outcomes(live, OutcomesRequest(app=app), sees=lambda channel: True, now=NOW).document
        assert [look.code for look in document.looks] == [code for each, code in found(live) if each == app]


def test_what_is_more_than_a_week_ago_is_over(live: Registry) -> None:
    call = series(assignment(), prompt="greet")
    send(live, 1, {(call, 7): counts(10, pin_mismatch=10), (call, 0): counts(10)})
    assert found(live) == []
    send(live, 2, {(call, 6): counts(10, pin_mismatch=10)})
    assert found(live) == [("bot", "pin-mismatch")]


def test_what_happens_on_a_channel_is_seen_by_those_who_see_the_channel(live: Registry) -> None:
    send(live, 1, {(series(assignment(channel="dev"), prompt="greet"), 0): counts(10, pin_mismatch=10)}, "dev")
    assert found(live) == [("bot", "pin-mismatch")]
    assert status(live, now=NOW, sees=lambda channel: channel == "prod").looks == ()
    assert status(live, now=NOW, channel="prod").looks == ()
    assert status(live, now=NOW, apps=["shop"]).looks == ()
    assert status(live).looks == ()


def test_days_are_read_since_one_began_and_by_app(live: Registry) -> None:
    call, shop = series(assignment(), prompt="greet"), series(assignment("shop"), prompt="greet")
    send(live, 1, {(each, day): counts(1 + day) for each in (call, shop) for day in (0, 1, 2)})
    with live.read() as reader:
        midnight = NOW.replace(hour=0, minute=0)
        rows = list(reader.outcome_days(["shop", "bot"], ["prod", "dev"], since=midnight - timedelta(days=1)))
        assert list(reader.outcome_days(["bot"], [], since=midnight)) == []
    assert [(row.series.assignment.app, row.sums[Count.CALLS], row.width) for row in rows] == [
        ("bot", 2, 1440), ("bot", 1, 1440), ("shop", 2, 1440), ("shop", 1, 1440)
    ]  # fmt: skip

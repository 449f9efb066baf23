"""The tokens of calls by prompt and release, on both databases, and what a narrow token sees of them."""

from __future__ import annotations

import pytest

from promptops.core.model import Policy
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.series import Arm
from promptops.core.outcomes.sums import Sums
from promptops.core.reference import parse_reference
from promptops.operations.outcomes import Document, take
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.queries import named
from promptops.store import Registry
from tests.support.factory import ACTOR, go_live, key, make_channels, make_releases, minutes
from tests.support.reports import MINUTE, assignment, report, series

NOW = minutes(60)


@pytest.fixture
def called(registry: Registry) -> Registry:
    """Release 0.1.0 was live on both channels and answered calls, also with two models; 0.1.1 followed on `dev`."""
    make_channels(registry, dev=Policy(), prod=Policy())
    first, second = make_releases(registry, count=2)
    for channel in ("dev", "prod"):
        go_live(registry, f"bot@{first.version}", channel, now=minutes(-9000))
    go_live(registry, f"bot@{second.version}", "dev", now=minutes(-8000))
    slow = counts(12, 500, output_tokens=20, unread=1, cancelled=1)
    for number, channel in enumerate(("dev", "prod"), start=1):
        place, fixed = assignment(channel=channel), assignment(channel=channel, arm=Arm.FIXED)
        sums = {
            (series(place, model="acme/a"), MINUTE): counts(10, 1000, cached_tokens=100),
            (series(place, model="acme/b"), MINUTE - 6 * 1440): slow,
            (series(place, model="acme/a"), MINUTE - 7 * 1440): counts(1, 77_777),
            (series(fixed, model="acme/a"), MINUTE): counts(5, 500),
            (series(place, prompt="idle"), MINUTE): Sums(outcomes={"resolved": 3}),
        }
        take(registry, [Document(report=report(registry.lineage, number, sums, channel=channel))], now=NOW)
    return registry


def counts(calls: int, tokens: int, **more: int) -> Sums:
    counted = {"calls": calls, "input_tokens": tokens, **more}
    return Sums(counts={Count(name): count for name, count in counted.items()})


def test_tokens_are_of_the_release_that_was_assigned_in_seven_days(called: Registry) -> None:
    [found] = named(called, parse_reference("bot:prod"), now=NOW).measured
    assert (found.version, found.prompt, found.calls) == ("0.1.0", "answer", 40)
    assert (found.input_tokens, found.cached_tokens, found.output_tokens) == (3000, 200, 40)
    assert named(called, parse_reference("bot:dev"), now=NOW).measured == ()
    assert named(called, parse_reference("bot:prod")).measured == ()


def test_a_caller_sees_what_was_measured_on_its_channels(called: Registry) -> None:
    [found] = named(called, parse_reference("bot:prod"), now=NOW, sees=lambda name: name == "prod").measured
    assert (found.calls, found.input_tokens) == (20, 1500)


def test_only_a_dry_run_looks(called: Registry) -> None:
    def measured(dry_run: bool) -> list[tuple[str, int]]:
        request = PromoteRequest(reference=parse_reference("bot@0.1.1"), channel="prod", key=key(), dry_run=dry_run)
        return [(each.version, each.calls) for each in promote(called, request, actor=ACTOR, now=NOW).measured]

    assert measured(True) == [("0.1.0", 40)]
    assert measured(False) == []

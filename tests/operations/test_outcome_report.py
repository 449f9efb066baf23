"""What calls did, by the release that their revision was, on both databases; and what a narrow token sees of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from promptops.core.errors import AppNotFound, ChannelNotFound, Invalid
from promptops.core.outcomes.series import Arm, Assignment
from promptops.operations.outcome_report import By, CostRequest, OutcomesRequest, cost, outcomes, releases_of
from promptops.operations.outcomes import Document, take
from promptops.store import Registry
from promptops.wire.documents.outcome_reports import OutcomesDocument
from tests.support.factory import ACTOR, go_live, make_channels, make_releases, minutes
from tests.support.reports import MINUTE, assignment, calls, report, series

NOW = minutes(60)


@pytest.fixture
def told(registry: Registry) -> Registry:
    """Two releases of `bot` on prod, of which the second is live, with calls of both, a day ago and now."""
    make_channels(registry)
    for place, release in enumerate(make_releases(registry, count=2)):
        go_live(registry, f"bot@{release.version}", now=minutes(place - 4000))
    sums = {
        (series(assignment(revision=revision)), MINUTE - back): calls(revision * 10)
        for revision in (1, 2)
        for back in (0, 1440)
    }
    take(registry, [Document(report=report(registry.lineage, sums=sums))], now=NOW)
    return registry


def found(registry: Registry, *, sees: bool = True, by: By = By.RELEASE) -> OutcomesDocument:
    request = OutcomesRequest(app="bot", by=by, since=NOW - timedelta(days=3))
    return outcomes(registry, request, sees=lambda channel: sees, now=NOW).document


def counted(registry: Registry) -> dict[str, int]:
    return {group.key: group.calls for group in found(registry).groups}


def test_calls_are_of_the_release_that_their_revision_was(told: Registry) -> None:
    assert counted(told) == {"0.1.1": 40, "0.1.0": 20}
    assert {group.key: group.calls for group in found(told, by=By.DAY).groups} == {"2026-03-01": 30, "2026-02-28": 30}


def test_a_registry_that_came_back_from_a_copy_knows_what_was_live_before(told: Registry) -> None:
    """The revision that was made after the restore is another one than that of the same number before it."""
    told.write(lambda writer: writer.raise_epoch(at=minutes(10), actor=ACTOR, action="restore", reason="a drill"))
    go_live(told, "bot@0.1.0", now=minutes(20))
    assert counted(told) == {"0.1.1": 40, "0.1.0": 20}
    before, after = (Assignment(app="bot", channel="prod", epoch=epoch, revision=3, arm=Arm.STABLE) for epoch in (1, 2))
    with told.read() as reader:
        assert [each.epoch for each in releases_of(reader, "bot", {before, after})] == [2]


def test_what_a_token_does_not_see_is_counted_nowhere(told: Registry) -> None:
    hidden = found(told, sees=False)
    assert (hidden.groups, hidden.calls_a_day, hidden.looks) == ((), None, ())
    request = CostRequest(app="bot", since=NOW - timedelta(days=3))
    assert cost(told, request, sees=lambda channel: False, now=NOW).document.calls == 0


def test_what_is_not_there_is_not_found_and_a_wrong_question_is_refused(told: Registry) -> None:
    def ask(**more: object) -> None:
        outcomes(told, OutcomesRequest(**{"app": "bot", **more}), sees=lambda channel: True, now=NOW)  # type: ignore[arg-type]

    with pytest.raises(AppNotFound):
        ask(app="nothing")
    with pytest.raises(ChannelNotFound):
        ask(channel="nothing")
    for wrong in ({"by": By.TAG}, {"tag": "language"}, {"since": NOW - timedelta(days=401)}, {"prices": ("a/b=x",)}):
        with pytest.raises(Invalid):
            ask(**wrong)

"""What `promptops promote` says of live clients that would keep the release before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from promptops.operations.heartbeats import record_beats
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.operations.test_not_following import beat, needing
from tests.support.factory import make_release


@pytest.fixture
def fleet(told: Registry) -> Registry:
    """Two live clients of `bot` on prod; one lacks what 0.2.0 needs."""
    record_beats(told, [beat("web-1:4711"), beat("worker", "budget")], datetime.now(UTC))
    make_release(told, needing("budget"), version="0.2.0")
    return told


def test_a_promotion_names_who_keeps_the_release_before(fleet: Registry, promptops: Promptops) -> None:
    shown = promptops("promote", "bot@0.2.0", "--channel", "prod", "--dry-run").out
    assert "Not followed by all: 1 live client without budget would keep the release before: web-1:4711." in shown
    done = promptops("promote", "bot@0.2.0", "--channel", "prod", "--json").json
    assert done["not_following"] == [{"client": "web-1:4711", "lacks": ["budget"]}]


def test_nothing_is_said_where_all_follow(fleet: Registry, promptops: Promptops) -> None:
    record_beats(fleet, [replace(beat("web-1:4711"), leaving=True)], datetime.now(UTC))
    assert "Not followed" not in promptops("promote", "bot@0.2.0", "--channel", "prod").out

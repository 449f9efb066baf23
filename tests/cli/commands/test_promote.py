"""What `promptops promote` says of live clients that would keep the release before, and of what changes for callers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from promptops.core.model import Policy
from promptops.operations.heartbeats import record_beats
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.operations.test_contract import asking
from tests.operations.test_not_following import beat, needing
from tests.support.factory import LASTING, content, go_live, make_channels, make_release


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


@pytest.fixture
def breaking(told: Registry) -> Registry:
    """`desk` 0.2.0 needs one more variable than 0.1.0, which is live on dev and on the protected prod."""
    make_channels(told, dev=Policy(), prod=Policy(protected=True))
    make_release(told, content("desk"))
    make_release(told, asking("customer_name", app="desk"))
    for channel in ("dev", "prod"):
        go_live(told, "desk@0.1.0", channel)
    return told


def test_a_promotion_shows_what_changes_for_callers(breaking: Registry, promptops: Promptops) -> None:
    shown = promptops("promote", "desk@0.2.0", "--channel", "dev", "--dry-run").out
    assert "What would change for callers of 0.1.0: 2 changes, major, so callers have to change" in shown
    assert "  answer: required input 'customer_name' added\n  answer: wording of the user message\n" in shown
    done: Any = promptops("promote", "desk@0.2.0", "--channel", "dev", "--json").json
    [contract] = done["contract"]
    assert {name: contract[name] for name in ("app", "channel", "old", "new", "bump")} == {
        "app": "desk", "channel": "dev", "old": "0.1.0", "new": "0.2.0", "bump": "major",
    }  # fmt: skip
    assert contract["changes"][0] == {
        "bump": "major",
        "prompt": "answer",
        "field": "inputs.customer_name",
        "summary": "required input 'customer_name' added",
    }


def test_a_refusal_says_how_callers_are_said_to_be_ready(breaking: Registry, promptops: Promptops) -> None:
    refused = promptops("promote", "desk@0.2.0", "--channel", "prod", exits=5)
    assert "prod is protected, and desk@0.2.0 changes what callers of 0.1.0 rely on" in refused.err
    assert "--callers-are-ready, with --reason TEXT" in refused.err
    promptops("promote", "desk@0.2.0", "--channel", "prod", "--callers-are-ready", exits=2)
    ready = ("--callers-are-ready", "--reason", "checkout 4.2 is out")
    shown = promptops("promote", "desk@0.2.0", "--channel", "prod", "--dry-run", *ready).out
    assert "--callers-are-ready --reason 'checkout 4.2 is out' --expect-revision 1" in shown
    assert "✓ Promoted" in promptops("promote", "desk@0.2.0", "--channel", "prod", *ready).out
    back = promptops("rollback", "desk", "--channel", "prod").out
    assert "What changed for callers of 0.2.0: 2 changes, major, so callers have to change" in back


def test_a_rollback_of_several_apps_has_a_line_for_each_that_changes(breaking: Registry, promptops: Promptops) -> None:
    make_release(breaking, content("faq"))
    make_release(breaking, content("faq", "Hi {{name}}"))
    for reference in ("faq@0.1.0", "faq@0.1.1", "desk@0.2.0"):
        go_live(breaking, reference, "dev")
    shown = promptops("rollback", "--all", "--channel", "dev", "--dry-run").out
    lines = shown.partition("What would change for callers:\n")[2].splitlines()[:2]
    assert lines == ["  desk: 2 changes, major, so callers have to change", "  faq: 1 change, patch"]


def test_what_a_channel_serves_is_promoted_with_one_command(told: Registry, promptops: Promptops) -> None:
    make_channels(told, dev=Policy(), prod=Policy(promote_from=("dev",)))
    for app in ("faq", "triage"):
        make_release(told, content(app))
        go_live(told, f"{app}@0.1.0", "dev")
    go_live(told, "bot@0.1.0", "dev")
    refused = promptops("promote", "faq", "triage", "--channel", "prod", exits=2)
    assert "hint: Add --from NAME." in refused.err
    shown = promptops("promote", "--all", "--from", "dev", "--channel", "prod", "-n", "-m", "Tuesday").out
    assert "Dry run. Would promote 3 apps on prod. Nothing was changed." in shown
    assert "promptops promote --all --from dev --channel prod --reason Tuesday\n" in shown
    assert (
        "✓ Promoted 2 apps on prod, in one transaction"
        in promptops("promote", "faq", "triage", "--from", "dev", "--channel", "prod").out
    )
    again = promptops("promote", "faq", "triage", "--from", "dev", "--channel", "prod").out
    assert again.count("serves 0.1.0 already") == 2


def test_of_several_apps_the_others_can_be_promoted_with_the_command_of_the_hint(
    told: Registry, promptops: Promptops
) -> None:
    make_channels(told, dev=Policy(), prod=Policy(protected=True))
    for release in ("faq", "triage"):
        made = make_release(told, content(release, model="openai/gpt-4o" if release == "faq" else LASTING))
        go_live(told, f"{release}@{made.version}", "dev")
    refused = promptops("promote", "--all", "--from", "dev", "--channel", "prod", exits=5)
    assert "error: no app was promoted. faq: " in refused.err
    assert "promptops promote triage --from dev --channel prod" in refused.err
    promptops("promote", "triage", "--from", "dev", "--channel", "prod")

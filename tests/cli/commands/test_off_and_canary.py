"""What commands show of an app that is off, of a canary, and of words that a newer version wrote."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from promptops.core.deployment_parts import Action, Kind
from promptops.core.model import Release
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support.factory import by_hand, canary_of, make_release, minutes

LATER = minutes(60 * 24 * 365)


@pytest.fixture
def trial(told: Registry) -> Release:
    return make_release(told, version="0.2.0")


def off(registry: Registry) -> None:
    by_hand(registry, kind=Kind.OFF, now=LATER, reason="it lies")


def test_an_app_that_is_off(told: Registry, promptops: Promptops) -> None:
    off(told)
    shown = promptops("status").out
    assert "prod  off  taken off from 0.1.2 by Ada Lovelace" in shown
    assert "rollback would go to 0.1.2" in shown
    found: Any = promptops("status", "--json").json["apps"]
    live = found[0]["channels"]["prod"]
    assert (live["kind"], live["stable"], live["canary"], live["from"]["version"]) == ("off", None, None, "0.1.2")
    assert live["rollback_to"]["version"] == "0.1.2"
    shown = promptops("history", "bot", "--channel", "prod").out
    assert "bot on prod is off (revision 4)" in shown
    assert "off from 0.1.2" in shown
    past: Any = promptops("history", "bot", "--channel", "prod", "--json").json["deployments"]
    assert [made["stable"] and made["stable"]["version"] for made in past] == [None, "0.1.2", "0.1.1", "0.1.0"]
    assert "off 0.1.2 → off" in promptops("audit", "--limit", "1").out
    assert "bot is off on prod" in promptops("show", "bot:prod", exits=4).err


def test_a_rollback_from_off(told: Registry, promptops: Promptops) -> None:
    off(told)
    shown = promptops("rollback", "bot", "--channel", "prod").out
    assert "Rolled back bot on prod: off → 0.1.2\n" in shown
    assert "quarantined" not in shown
    assert "rolled back from off by Ada Lovelace" in promptops("status").out


def test_a_canary(told: Registry, trial: Release, promptops: Promptops) -> None:
    by_hand(told, kind=Kind.CANARY, canary=canary_of(trial, weight=250), now=LATER)
    shown = promptops("status").out
    assert "prod  0.1.2  canary started beside 0.1.2 by Ada Lovelace" in shown
    assert "canary 0.2.0 at 2.5 %, step 1" in shown
    found: Any = promptops("status", "--json").json["apps"]
    assert found[0]["channels"]["prod"]["canary"] == {
        "version": "0.2.0",
        "digest": trial.digest,
        "weight": 250,
        "rollout": "r1",
        "salt": "bot#prod#1",
        "step": 1,
        "action": "start",
    }
    history = promptops("history", "bot").out
    assert "bot on prod serves 0.1.2 beside the canary 0.2.0 at 2.5 %, step 1 (revision 4)" in history
    assert "canary start: 0.2.0 at 2.5 %, step 1" in history
    assert "0.1.2; canary 0.2.0 at 2.5 % (start, step 1 of r1)" in promptops("audit", "--limit", "1").out
    again = promptops("canary", "resume", "bot", "--channel", "prod").out
    assert "bot on prod serves 0.1.2 already, beside the canary 0.2.0 at 2.5 %, step 1: canary started" in again


def test_words_that_a_newer_version_wrote(told: Registry, trial: Release, promptops: Promptops) -> None:
    by_hand(told, kind=Kind.CANARY, canary=replace(canary_of(trial), action=Action("hold")), now=LATER)
    assert "canary hold beside 0.1.2" in promptops("status").out
    by_hand(told, kind=Kind("shadow"), now=LATER)
    assert "deployed (shadow) from 0.1.2" in promptops("status").out
    assert "shadow from 0.1.2" in promptops("history", "bot").out
    found: Any = promptops("history", "bot", "--json").json["deployments"]
    assert [made["kind"] for made in found[:2]] == ["shadow", "canary"]


def test_a_canary_from_its_start_to_its_end(told: Registry, trial: Release, promptops: Promptops) -> None:
    on = ("--channel", "prod")
    dry = promptops("canary", "start", "bot@0.2.0", *on, "--percent", "2.5%", "--dry-run").out
    assert "promptops canary start bot@0.2.0 --channel prod --percent 2.5 --expect-revision 3" in dry
    started = promptops("canary", "start", "bot@0.2.0", *on, "--percent", "2.5").out
    assert "Started a canary of bot on prod: 0.2.0 for 2.5 % of the keys, 0.1.2 for the others\n" in started
    assert "  canary   0.2.0 at 2.5 %, step 1  sha256:" in started
    assert "how it stands        promptops canary status bot --channel prod" in started
    assert "rollback would end the canary: 0.1.2 for everyone" in promptops("status").out
    assert "served 0.1.2 beside the canary 0.2.0 at 2.5 %, step 1 (rev" in promptops("history", "--at", "now").out
    refused = promptops("promote", "bot@0.1.0", *on, exits=4).err
    assert "promptops canary finish bot --channel prod" in refused and "canary abort" in refused
    for wrong in ("0", "100", "-1", "5.123", "five", "1e1"):
        assert promptops("canary", "advance", "bot", *on, "--percent", wrong, exits=2).err
    advanced: Any = promptops("canary", "advance", "bot", *on, "--percent", "25", "--json").json
    assert (advanced["kind"], advanced["canary"]["weight"], advanced["canary"]["step"]) == ("canary", 2_500, 2)
    assert "Promoted bot on prod: 0.1.2 → 0.2.0" in promptops("canary", "finish", "bot", *on).out
    assert "promptops status bot" in promptops("canary", "abort", "bot", *on, exits=4).err
    assert "promptops history bot --channel prod" in promptops("canary", "status", "bot", *on, exits=4).err


def test_what_history_says_of_a_canary_that_was_aborted(told: Registry, trial: Release, promptops: Promptops) -> None:
    on = ("--channel", "prod")
    promptops("canary", "start", f"bot@{trial.version}", *on, "--percent", "5")
    promptops("canary", "abort", "bot", *on)
    assert "0.1.2  abort of the canary " in promptops("history", "bot", *on).out

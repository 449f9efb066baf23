"""`promptops retire`: what it says it did, and that its hints can be pasted."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support import factory


@pytest.fixture
def first(registry: Registry) -> Registry:
    """`bot` with a first release that is live on prod."""
    factory.make_releases(registry, count=1, model=factory.LASTING)
    factory.go_live(registry, "bot@0.1.0", reason="the first")
    return registry


def pasted(text: str, verb: str) -> list[str]:
    """The command of a hint, with a reason in the place of the ellipsis."""
    found = re.search(rf"promptops ({verb} [^;`\n]*)", text)
    assert found, text
    return ["it lies" if word == "…" else word for word in shlex.split(found[1])]


def test_the_three_refusals_of_a_first_release_end_at_retire(first: Registry, promptops: Promptops) -> None:
    for command in (
        ("rollback", "bot", "--channel", "prod"),
        ("quarantine", "bot@0.1.0", "--channel", "prod", "--reason", "it lies"),
        ("yank", "bot@0.1.0", "--reason", "it lies"),
    ):
        refused = promptops(*command, exits=4).err
        assert "promptops retire bot --channel prod --reason" in refused
        assert "promptops rollback" not in refused
    assert "Retired bot on prod" in promptops(*pasted(refused, "retire")).out


def test_it_says_what_it_read_back_and_what_comes_next(first: Registry, promptops: Promptops) -> None:
    said = promptops("retire", "bot", "--reason", "it lies").out
    assert "✓ Retired bot on prod: 0.1.0 → off\n" in said
    assert "serving      off  (read back from the registry: revision 2)" in said
    assert "quarantined  0.1.0: it cannot be promoted to prod again until it is let back in" in said
    assert "promptops clients --channel prod" in said
    assert "promptops rollback" not in said, "there is nothing to go back to"
    promptops(*pasted(said, "unquarantine"))
    assert "off → 0.1.0" in promptops("rollback", "bot").out


def test_a_good_release_is_put_back_by_the_command_that_it_names(told: Registry, promptops: Promptops) -> None:
    said = promptops("retire", "bot:prod", "--reason", "closed for the holidays").out
    assert "quarantined" not in said
    promptops(*pasted(said, "rollback"))
    assert factory.live_version(told) == "0.1.2"


def test_a_dry_run_hands_over_the_command(first: Registry, promptops: Promptops) -> None:
    said = promptops("retire", "bot", "--keep", "--reason", "it lies", "--dry-run").out
    assert "Dry run. Would retire bot on prod: 0.1.0 → off. Nothing was changed." in said
    assert "to quarantine" not in said
    assert "to quarantine  0.1.0" in promptops("retire", "bot", "--reason", "it lies", "--dry-run").out
    assert factory.live_version(first) == "0.1.0"
    promptops(*pasted(said, "retire"))
    assert factory.live_version(first) == ""


def test_its_json(first: Registry, promptops: Promptops) -> None:
    found: Any = promptops("retire", "bot", "--reason", "it lies", "--json").json
    assert (found["kind"], found["stable"], found["canary"], found["revision"]) == ("off", None, None, 2)
    assert (found["from"]["version"], found["reason"], found["kept_out"][0]["version"]) == (
        "0.1.0",
        "it lies",
        "0.1.0",
    )
    again: Any = promptops("retire", "bot", "--reason", "it lies", "--json").json
    assert (again["deployments"][0]["changed"], again["kept_out"]) == (False, [])
    assert "bot on prod is off already" in promptops("retire", "bot", "--reason", "it lies").out


def test_what_is_missing_is_named(first: Registry, promptops: Promptops) -> None:
    assert "--reason" in promptops("retire", "bot", exits=2).err
    assert "bot" in promptops("retire", "gone", "--reason", "it lies", exits=3).err
    assert "an app is needed here" in promptops("retire", "bot@0.1.0", "--reason", "it lies", exits=2).err

"""`promote` and `canary` on a channel that takes releases in steps, as a person types them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptops.core.model import Policy, Release
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support.factory import content, go_live, make_channels, make_release

STEPS: dict[str, Any] = {"steps": [{"percent": 5, "bake": "4h"}, {"percent": 25, "bake": "4h"}]}
PLACE = ("--channel", "prod")


@pytest.fixture
def next_release(told: Registry) -> Release:
    make_channels(told, prod=Policy(rollout=STEPS))
    return make_release(told, version="0.2.0")


def deployed(promptops: Promptops, *words: str) -> Any:
    """The deployment that a command answers."""
    answer: Any = promptops(*words, "--json").json
    return answer["deployments"][0]


def test_a_promotion_begins_a_canary_and_advance_takes_the_next_step(
    told: Registry, next_release: Release, promptops: Promptops
) -> None:
    promote = ("promote", "bot@0.2.0", *PLACE)
    refused = promptops(*promote, exits=4).err
    assert "no client reported in 7 days what calls of bot on prod did" in refused
    assert "--blind" in refused

    planned = promptops(*promote, "--blind", "--dry-run").out
    assert "0.2.0" in planned and "at 5 %" in planned
    assert "promptops promote bot@0.2.0 --channel prod --blind --expect-revision 3" in planned

    begun = deployed(promptops, *promote, "--blind")
    assert (begun["kind"], begun["canary"]["version"], begun["canary"]["weight"]) == ("canary", "0.2.0", 500)
    assert "already, beside the canary 0.2.0 at 5 %, step 1: canary started" in promptops(*promote, "--blind").out
    assert deployed(promptops, "canary", "advance", "bot", *PLACE)["canary"]["weight"] == 2_500
    refused = promptops("canary", "advance", "bot", *PLACE, exits=4).err
    assert "at 25 %, the last step of its rollout" in refused
    assert "promptops canary finish bot --channel prod" in refused
    assert "canary 1.4, blind" in promptops("audit", "--json").out


def test_a_waiver_takes_it_to_all_keys_at_once(told: Registry, next_release: Release, promptops: Promptops) -> None:
    promote = ("promote", "bot@0.2.0", *PLACE, "--at-once")
    assert "a waiver has a reason and an end" in promptops(*promote, exits=2).err
    made = deployed(promptops, *promote, "--expires", "1h", "--reason", "it leaks")
    assert (made["kind"], made["stable"]["version"], made["canary"]) == ("promote", "0.2.0", None)
    assert "rollout" in promptops("status").out


def test_where_no_rollout_says_it_the_part_of_the_keys_is_asked(
    told: Registry, next_release: Release, promptops: Promptops
) -> None:
    make_channels(told, prod=Policy())
    refused = promptops("canary", "start", "bot@0.2.0", *PLACE, exits=2).err
    assert "prod has no rollout that says by how many keys a canary begins" in refused
    assert "hint: --percent N." in refused


def test_keys_of_colleagues_come_first(
    told: Registry, next_release: Release, promptops: Promptops, tmp_path: Path
) -> None:
    staff = tmp_path / "staff.txt"
    staff.write_text("ada@example.org\nben@example.org\n", encoding="utf-8")
    start = ("canary", "start", "bot@0.2.0", *PLACE, "--blind", "--keys", str(staff))
    dry = promptops(*start, "--dry-run").out
    assert f"--keys {staff}" in dry
    assert "ben@example.org" not in dry
    assert deployed(promptops, *start)["canary"]["weight"] == 500
    with told.read() as reader:
        held = reader.rollout("bot", "prod", "1.4")
    assert held is not None
    assert held.keys_count == 2
    assert "ben@example.org" not in promptops("audit").out


def test_a_file_of_keys_that_is_none_is_refused(
    told: Registry, next_release: Release, promptops: Promptops, tmp_path: Path
) -> None:
    many = tmp_path / "many.txt"
    many.write_text("\n".join(f"user-{number}" for number in range(1_001)), encoding="utf-8")
    start = ("canary", "start", "bot@0.2.0", *PLACE, "--blind", "--keys")
    assert "1,001 keys, and at most 1,000 get a canary first" in promptops(*start, str(many), exits=2).err
    assert "No such file" in promptops(*start, str(tmp_path / "nowhere"), exits=2).err


def test_what_ends_a_canary_says_what_is_in_quarantine(
    told: Registry, next_release: Release, promptops: Promptops
) -> None:
    kept_out = "quarantined  the release of the canary: it cannot be promoted to prod again until it is let back in"
    start = ("canary", "start", "bot@0.2.0", *PLACE, "--blind")
    promptops(*start)
    assert "quarantined" not in promptops("canary", "abort", "bot", *PLACE).out
    promptops(*start)
    dry = promptops("canary", "abort", "bot", *PLACE, "--quarantine", "--dry-run").out
    assert "to quarantine  the release of the canary" in dry
    assert "promptops canary abort bot --quarantine --channel prod --expect-revision 6" in dry
    assert kept_out in promptops("canary", "abort", "bot", *PLACE, "--quarantine").out
    promptops("unquarantine", "bot@0.2.0", *PLACE, "--reason", "fixed")
    promptops(*start)
    assert kept_out in promptops("rollback", "bot", *PLACE).out


def test_a_rollback_of_all_ends_the_canary_of_each(told: Registry, next_release: Release, promptops: Promptops) -> None:
    for release in (make_release(told, content("tool")), make_release(told, content("tool", "Hi {{name}}"))):
        go_live(told, f"tool@{release.version}", blind=True)
    promptops("canary", "start", "bot@0.2.0", *PLACE, "--blind")
    shown = promptops("rollback", "--all", *PLACE).out
    assert shown.startswith("✓ Ended the canary of 2 apps on prod, in one transaction")
    assert [line.split()[:3] for line in shown.splitlines() if "its canary" in line] == [
        ["bot", "its", "canary"],
        ["tool", "its", "canary"],
    ]
    assert "quarantined  each release of FROM" in shown
    assert "is in quarantine" in promptops("canary", "start", "bot@0.2.0", *PLACE, exits=5).err


def test_the_command_that_does_what_a_dry_run_showed_waives_the_same(
    told: Registry, next_release: Release, promptops: Promptops
) -> None:
    waiver = ("--at-once", "--expires", "1h", "--reason", "it leaks")
    dry = promptops("promote", "bot@0.2.0", *PLACE, *waiver, "--dry-run").out
    command = (
        "promptops promote bot@0.2.0 --channel prod --at-once --expires 1h --reason 'it leaks' --expect-revision 3"
    )
    assert command in dry


def test_a_release_on_trial_says_where(told: Registry, next_release: Release, promptops: Promptops) -> None:
    promptops("canary", "start", "bot@0.2.0", *PLACE, "--blind")
    assert "live on   prod (canary, 5 %)" in promptops("show", "bot@0.2.0").out
    assert "prod (canary, 5 %)" in promptops("releases", "bot").out
    answer: Any = promptops("releases", "bot", "--json").json
    newest = answer["releases"][0]
    assert (newest["version"], newest["on_trial"]) == ("0.2.0", {"prod": 500})
    shown: Any = promptops("show", "bot@0.2.0", "--json").json
    assert (shown["channels"], shown["on_trial"]) == ([], {"prod": 500})

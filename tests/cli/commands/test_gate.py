"""`promptops approve`, `gate` and `promote --waive` as somebody types them."""

from __future__ import annotations

import pytest

from promptops.core.model import Policy
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.gateway.serving import rows
from tests.support import factory

APPROVALS = {"approvals": {"count": 1, "proven": False}, "waivers": {"may": ["approvals", "latency"], "at_most": "3d"}}
BOB = ("--actor", "Bob <bob@example.org>")


@pytest.fixture
def gated(told: Registry) -> Registry:
    """`bot` with 0.1.2 live on prod, 0.1.3 released, and a gate there that asks for one approval."""
    factory.make_release(told, factory.content("bot", "Hello {{name}}, again", model=factory.LASTING))
    factory.make_channels(told, prod=Policy(gate=APPROVALS))
    return told


def test_a_release_needs_another_person(gated: Registry, promptops: Promptops) -> None:
    refused = promptops("promote", "bot@0.1.3", "--channel", "prod", exits=5).err
    assert refused == (
        "error: the gate of prod does not open for bot@0.1.3: approvals: 0 of 1 people approved\n"
        "hint: What it asks and what it has got: promptops gate bot@0.1.3 --channel prod\n"
    )
    shut = promptops("gate", "bot@0.1.3", "--channel", "prod", exits=5).out
    assert "The gate of prod does not open for bot@0.1.3" in shut and "Compared with 0.1.2." in shut
    assert "inconclusive" in shut and "0 of 1 people approved" in shut
    assert "promptops approve bot@0.1.3 --channel prod" in shut

    own = promptops("approve", "bot@0.1.3", "--channel", "prod", exits=5).err
    assert "would not count: ada@example.org released it; nothing was recorded" in own
    given = promptops(*BOB, "approve", "bot@0.1.3", "--channel", "prod", "-m", "read it").out
    assert "Approved: bot@0.1.3 for prod" in given and "bob@example.org (claimed)" in given and "read it" in given
    assert "Approved before: bot@0.1.3" in promptops(*BOB, "approve", "bot@0.1.3", "--channel", "prod").out

    opens = promptops("gate", "bot@0.1.3", "--channel", "prod").out
    assert "The gate of prod opens for bot@0.1.3" in opens and "release by bob@example.org (claimed)" in opens
    back = promptops(*BOB, "approve", "bot@0.1.3", "--channel", "prod", "--withdraw").out
    assert "Taken back: bot@0.1.3" in back
    promptops("promote", "bot@0.1.3", "--channel", "prod", exits=5)
    none = promptops(*BOB, "approve", "bot@0.1.3", "--channel", "prod", "--withdraw", exits=4).err
    assert "there is no approval of yours" in none
    promptops(*BOB, "approve", "bot@0.1.3", "--channel", "prod")
    promptops("promote", "bot@0.1.3", "--channel", "prod")
    lines = rows(promptops("audit", "--limit", "4", "--json"), "entries")
    assert [line["action"] for line in lines] == ["promote", "approve", "withdraw-approval", "approve"]


def test_scripts_get_every_check(gated: Registry, promptops: Promptops) -> None:
    promptops(*BOB, "approve", "bot@0.1.3", "--channel", "prod", "--json")
    found = promptops("gate", "bot@0.1.3", "--channel", "prod", "--json").json
    assert (found["opens"], found["outcome"], found["live"]) == (True, "pass", ["0.1.2"])
    assert [
        check["name"] for check in rows(promptops("gate", "bot@0.1.3", "--channel", "prod", "--json"), "checks")
    ] == ["approvals"]
    assert found["approvals"][0]["counts"] and not found["approvals"][0]["proven"]  # type: ignore[index,call-overload]
    open_channel = promptops("gate", "bot@0.1.3", "--channel", "dev", "--json").json
    assert (open_channel["opens"], open_channel["outcome"], open_channel["checks"]) == (True, None, [])
    assert "dev has no gate" in promptops("gate", "bot@0.1.3", "--channel", "dev").out


def test_suites_and_renames_are_approved_by_name(gated: Registry, promptops: Promptops) -> None:
    digest = "sha256:" + "a" * 64
    words = ("approve", "bot@0.1.3", "--channel", "prod", "--suite", digest, "--rename", "old>new", "--tries")
    approved = rows(promptops(*BOB, *words, "--json"), "approvals")
    assert [each["subject"] for each in approved] == [f"suite:{digest}", "rename:old>new", "tries"]
    wrong = promptops(*BOB, "approve", "bot@0.1.3", "--channel", "prod", "--suite", "sha256:aa", exits=2).err
    assert "nothing that can be approved" in wrong


def test_a_waiver_is_recorded_shown_and_of_one_release(gated: Registry, promptops: Promptops) -> None:
    waive = ("promote", "bot@0.1.3", "--channel", "prod", "--waive", "approvals")
    assert "a waiver has a reason and an end" in promptops(*waive, exits=2).err
    long = promptops(*waive, "--expires", "4d", "-m", "now", exits=5).err
    assert "for so long" in long and "At most 3d." in long
    may = promptops(
        "promote", "bot@0.1.3", "--channel", "prod", "--waive", "cost", "--expires", "1d", "-m", "x", exits=5
    )
    assert "does not let 'cost' be waived" in may.err and "approvals, latency" in may.err
    assert (
        "dev has no gate"
        in promptops(
            "promote", "bot@0.1.3", "--channel", "dev", "--waive", "cost", "--expires", "1d", "-m", "x", exits=2
        ).err
    )

    promptops(*waive, "--expires", "2d", "-m", "an outage tonight")
    shown = promptops("status").out
    assert "! bot@0.1.3 is on prod without the check approvals until 20" in shown and "an outage tonight" in shown
    [waiver] = rows(promptops("status", "--json"), "waivers")
    assert (waiver["check"], waiver["version"], waiver["person"]) == ("approvals", "0.1.3", "ada@example.org")
    [line] = [each for each in rows(promptops("audit", "--json"), "entries") if each["action"] == "waive"]
    assert " without approvals until " in line["after"]

    factory.make_release(gated, factory.content("bot", "Hello {{name}}, once more", model=factory.LASTING))
    promptops("promote", "bot@0.1.4", "--channel", "prod", exits=5)  # the next release does not have it
    promptops(*BOB, "approve", "bot@0.1.4", "--channel", "prod")
    promptops("promote", "bot@0.1.4", "--channel", "prod")
    assert "without the check" not in promptops("status").out


def test_a_gate_that_only_warns_lets_through_and_says_what_it_would_say(gated: Registry, promptops: Promptops) -> None:
    factory.make_channels(gated, prod=Policy(gate={**APPROVALS, "mode": "warn"}))
    assert (
        "would not open for bot@0.1.3; its policy only warns" in promptops("gate", "bot@0.1.3", "--channel", "prod").out
    )
    done = promptops("promote", "bot@0.1.3", "--channel", "prod")
    assert "the gate would not have opened; its policy only warns:" in done.out
    assert "approvals: inconclusive: 0 of 1 people approved" in done.out
    entries = rows(promptops("audit", "--limit", "2", "--json"), "entries")
    assert [entry["action"] for entry in entries] == ["promote", "gate-warned"]
    assert entries[1]["reason"] == "approvals: inconclusive: 0 of 1 people approved"
    assert rows(promptops("status", "--json"), "waivers") == []


def test_the_policy_is_explained_in_sentences(gated: Registry, promptops: Promptops) -> None:
    said = promptops("gate", "--explain-policy", "--channel", "prod").out
    assert "1 person who had no part in the release approve of it, proven or claimed." in said
    assert "A person may waive approvals and latency, for 3 days at most." in said
    factory.make_channels(
        gated,
        prod=Policy(
            gate={
                "mode": "warn",
                "required": {"agree": "2 of 3", "regressions": 0},
                "not_worse": {"margin": "5%", "anchor": "best of 180d"},
                "bar": {"suite": "answer", "at_least": "90%"},
                "latency": {"p95_ms": 1200},
                "cost": {"per_call_usd": 0.002, "monthly_usd": 4000, "calls_a_day": 10_000, "growth": 10},
                "judges": {},
                "external": {"red-team": {"by": ["red-team"], "max_age": "30d"}},
                "freeze": {"from": "2026-12-23", "to": "2027-01-02"},
                "waivers": {"may": []},
                "hosts": ["api.openai.com"],
                "days": 2,
                "tries_level": "shared",
                "renames": {"ask": "answer"},
            }
        ),
    )
    said = promptops("gate", "--explain-policy", "--channel", "prod").out
    for part in ("only warns", "2 of 3 repeats", "worse than live by 5.0%", "last 180 days", "suite answer", "1200 ms",
                 "0.002 US dollars", "10,000 calls a day", "10 times", "labelled", "red-team gave", "2026-12-23",
                 "No check can be waived", "api.openai.com only", "no case that passes on live fails",
                 "asked on 2 days, a part of them on each, and together that is one look",
                 "share the level", "answer is ask under another name"):  # fmt: skip
        assert part in said, part
    assert len(promptops("gate", "--explain-policy", "--channel", "prod", "--json").json["sentences"]) > 10  # type: ignore[arg-type]
    assert "dev has no gate" in promptops("gate", "--explain-policy", "--channel", "dev").out

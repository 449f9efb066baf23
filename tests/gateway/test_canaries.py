"""`promptops canary status` and `tick`, with a database and with a server: the same answer, and the same step taken."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from promptops.core.token import Scope
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.gateway.serving import Serve, mint, rows, work_with
from tests.operations.canaries import Crowd, begin, live

ON = ("--channel", "prod")


@pytest.fixture
def crowd(registry: Registry) -> Crowd:
    return Crowd(registry, begin(registry, now=datetime.now(UTC)))


@pytest.fixture(params=["database", "server"])
def typed(
    request: pytest.FixtureRequest,
    crowd: Crowd,
    registry: Registry,
    registry_url: str,
    serve: Serve,
    promptops: Promptops,
    monkeypatch: pytest.MonkeyPatch,
) -> Promptops:
    """The command line, on the database or through a server."""
    token = mint(registry, "ops", Scope.ADMIN, person="ada@example.org")
    work_with(request.param, registry_url, token.secret, serve, monkeypatch)
    return promptops


def test_status_shows_both_sides_the_evidence_and_what_is_needed(typed: Promptops, crowd: Crowd) -> None:
    begun, now = live(crowd.registry), datetime.now(UTC)
    crowd.report(begun, now, bad={"error": crowd.keys(3, 2_000, canary=True)}, seen=range(100))
    out = typed("canary", "status", "bot", *ON).out
    assert "bot on prod: canary 0.1.1 beside 0.1.0, 20 % of the keys" in out
    assert "the policy of prod takes its steps" in out
    assert "Evidence that the canary is worse; 120 aborts it" in out
    assert "canary 3, stable 0 keys" in out
    assert "keys of the canary in this step, of 200 needed" in out
    assert "further bad keys of the canary at error" in out
    assert [line for line in out.splitlines() if len(line) > 80] == []
    shown = typed("canary", "status", "bot", *ON, "--json").json
    assert (shown["weight"], shown["next_weight"], shown["paused"], shown["by_policy"]) == (2_000, 5_000, False, True)
    sides = {side["arm"]: side for side in rows(typed("canary", "status", "bot", *ON, "--json"), "sides")}
    assert sides["canary"]["version"] == "0.1.1"
    assert sides["canary"]["calls"] + sides["stable"]["calls"] >= 100
    listed = {each["version"]: each["on_trial"] for each in rows(typed("releases", "bot", "--json"), "releases")}
    assert listed == {"0.1.1": {"prod": 2_000}, "0.1.0": {}}


def test_status_names_the_verdicts_from_elsewhere_that_a_step_needs(typed: Promptops, registry: Registry) -> None:
    begin(registry, now=datetime.now(UTC), app="tool", ask=["red-team", "legal"])
    here = ("canary", "status", "tool", *ON)
    assert "none that passes in this step of red-team, legal" in typed(*here).out
    verdict = ("--verdict", "pass", "--for", "tool@0.1.1", "--expires", "1d")
    typed("evidence", "add", "--check", "red-team", *verdict)
    assert typed(*here, "--json").json["verdicts_needed"] == ["legal"]
    typed("evidence", "add", "--check", "legal", *verdict)
    assert "none that passes" not in typed(*here).out


def test_a_tick_does_what_the_policy_says_and_history_has_its_words(typed: Promptops, crowd: Crowd) -> None:
    assert "bot on prod at 20 %: nothing to do" in typed("canary", "tick", *ON).out
    begun, now = live(crowd.registry), datetime.now(UTC)
    crowd.report(begun, now, bad={"error": crowd.keys(30, 2_000, canary=True)})
    [look] = rows(typed("canary", "tick", "bot", *ON, "--json"), "looks")
    # A server that saw the report may have been faster.
    reason = live(crowd.registry).reason
    assert look["verb"] == "abort"
    assert reason.startswith("aborted: the canary is worse at error: 30 keys of the canary and 0 of stable were bad")
    assert reason[:60] in " ".join(typed("history", "bot", *ON).out.split())
    assert rows(typed("canary", "tick", *ON, "--json"), "looks") == []
    assert typed("canary", "status", "bot", *ON, "--json", exits=4).error["code"] == "no-canary"


def test_a_pause_in_which_nothing_aborts_it_is_shown_with_what_would(typed: Promptops, crowd: Crowd) -> None:
    pause, begun, why = ("canary", "pause", "bot", *ON), live(crowd.registry), "their outage, not ours"
    refused = typed(*pause, "--no-abort", exits=2).err
    assert "a pause in which nothing aborts the canary has a reason" in refused
    assert "hint: --reason TEXT." in refused
    assert live(crowd.registry) == begun, "nothing was done"
    assert f"no abort for 1d: {why}" in typed(*pause, "--no-abort", "--reason", why).out

    crowd.report(begun, datetime.now(UTC), bad={"error": crowd.keys(30, 2_000, canary=True)})
    assert "bot on prod at 20 %: nothing to do" in typed("canary", "tick", "bot", *ON).out
    out = " ".join(typed("canary", "status", "bot", *ON).out.split())
    assert "would abort the canary is worse at error: 30 keys of the canary and 0 of stable were bad" in out
    assert "the limit is reached at error" in out
    assert f"or the end of the pause, by Ada Lovelace: {why}" in out.replace(" via token ops", "")
    shown = typed("canary", "status", "bot", *ON, "--json").json
    waiver = shown["waiver"]
    assert isinstance(waiver, dict)
    assert (waiver["check"], waiver["reason"], waiver["version"]) == ("canary-abort", why, "0.1.1")
    assert "is the canary on prod and is paused, and nothing aborts it until" in typed("status").out
    assert [each["check"] for each in rows(typed("status", "--json"), "waivers")] == ["canary-abort"]
    assert f"no abort for 1d: {why}" in typed("history", "bot", *ON).out
    assert "without canary-abort until" in typed("audit", "--json").out

    assert "the next look aborts it: the canary is worse at error" in typed("canary", "resume", "bot", *ON).out
    assert rows(typed("status", "--json"), "waivers") == []
    assert rows(typed("canary", "tick", "bot", *ON, "--json"), "looks")[0]["verb"] == "abort"


def test_a_canary_by_hand_is_shown_without_evidence(
    registry: Registry, registry_url: str, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptops.core.model import Policy
    from tests.support import factory

    monkeypatch.setenv("PROMPTOPS_REGISTRY", registry_url)
    factory.make_channels(registry, prod=Policy())
    factory.make_releases(registry, count=2)
    factory.go_live(registry, "bot@0.1.0")
    promptops("canary", "start", "bot@0.1.1", *ON, "--percent", "5")
    out = promptops("canary", "status", "bot", *ON).out
    assert "a person takes its steps" in out
    assert "Evidence" not in out
    assert promptops("canary", "status", "bot", *ON, "--json").json["coins"] == []

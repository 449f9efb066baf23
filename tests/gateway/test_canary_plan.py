"""`promptops canary plan`, with a database and with a server: what a canary would see, before it starts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from promptops.core.canary.rollout_policy import read_rollout
from promptops.core.model import Policy
from promptops.core.token import Scope
from promptops.source.text.strict_yaml import parse
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.gateway.serving import Serve, mint, work_with
from tests.operations.week import report_week
from tests.support import factory

PLAN = ("canary", "plan", "bot", "--channel", "prod")
STEPS: dict[str, Any] = {
    "steps": [{"percent": 1, "bake": "4h"}, {"percent": 25, "bake": "4h"}],
    "guardrails": ["error", "refusal"],
}


@pytest.fixture
def filled(registry: Registry) -> Registry:
    """`bot` at 0.1.2, revision 3 of prod, and 0.1.3 beside it."""
    factory.make_channels(registry, prod=Policy())
    *live, _ = factory.make_releases(registry, "bot", 4)
    for release in live:
        factory.go_live(registry, f"bot@{release.version}")
    factory.make_channels(registry, prod=Policy(rollout=STEPS))
    return registry


@pytest.fixture(params=["database", "server"])
def typed(
    request: pytest.FixtureRequest,
    filled: Registry,
    registry_url: str,
    serve: Serve,
    promptops: Promptops,
    monkeypatch: pytest.MonkeyPatch,
) -> Promptops:
    """The command line, on the database or through a server."""
    work_with(request.param, registry_url, mint(filled, "ops", Scope.ADMIN).secret, serve, monkeypatch)
    return promptops


def shown(typed: Promptops, *words: str) -> Any:
    return typed(*(words or PLAN), "--json").json


def text(typed: Promptops, *words: str) -> str:
    """What is printed, without its line breaks."""
    return " ".join(typed(*(words or PLAN)).out.split())


def test_low_traffic_is_said_by_step_with_a_rollout_to_paste(typed: Promptops, filled: Registry) -> None:
    report_week(filled, datetime.now(UTC), keys=1_240, bad=0.02)
    out = typed(*PLAN).out
    assert "bot on prod: what a canary beside 0.1.2 would see" in out
    assert "a day, by 7 whole days" in out
    said = text(typed)
    assert "keys a day: a tripled error rate after 2" in said  # 20 to 29 days
    assert "; start at 25 %: 3" in said  # 30 to 39 hours
    assert "`ratio` and `tolerance`, and is aborted from about" in said
    assert [line for line in out.splitlines() if len(line) > 100] == []
    block = out[out.index("  channels:") : out.index("Next:")]
    pasted: Any = parse(block).value
    found = shown(typed)
    assert found["by_default"] is False
    assert pasted["channels"]["prod"]["rollout"] == found["proposed"]
    assert read_rollout(found["proposed"]).steps[0].weight > 100
    assert 1_100 < found["keys_a_day"] < 1_400
    [low, high] = found["steps"]
    assert low["sees_seconds"] > found["wait_seconds"] > high["sees_seconds"]
    assert 0.018 < found["guardrails"][0]["bad"] < 0.022


def test_without_a_rollout_the_plan_is_of_the_steps_in_the_docs_and_says_so(typed: Promptops, filled: Registry) -> None:
    factory.make_channels(filled, prod=Policy(), plain=Policy())
    report_week(filled, datetime.now(UTC), keys=300, bad=0.01)
    assert "prod has no rollout" in text(typed)
    found = shown(typed)
    assert found["by_default"] is True
    assert [step["weight"] for step in found["steps"]] == [500, 2_500, 5_000]
    states = {each["guardrail"]: each for each in found["guardrails"]}
    assert states["slow"]["state"] == "judges"  # 2,100 keys have 4,200 calls, and 1,000 are needed
    assert states["dear"]["state"] == "off"
    assert "whose cost is known" in states["dear"]["why"]
    assert "dear is off" in text(typed)


def test_where_no_client_reported_it_says_so_and_what_to_do(typed: Promptops) -> None:
    said = text(typed)
    assert "No client reported in 7 days what calls of bot on prod did" in said
    assert "client.call(…, key=…)" in said
    assert "promptops eval bot@VERSION --cases calls:prod" in said
    assert "STEP" not in said
    found = shown(typed)
    assert (found["reported"], found["keys_a_day"], found["proposed"]) == (False, 0, None)


def test_where_no_call_named_a_key_it_says_so(typed: Promptops, filled: Registry) -> None:
    report_week(filled, datetime.now(UTC), keys=0, no_key=100)
    assert "none of their keys" in text(typed)
    assert "client.get_prompt(…, key=user_id)" in text(typed)


def test_a_guardrail_that_would_saturate_is_dropped(typed: Promptops, filled: Registry) -> None:
    report_week(filled, datetime.now(UTC), keys=3_000, bad=0.3)
    found = shown(typed)
    states = {each["guardrail"]: each["state"] for each in found["guardrails"]}
    assert states == {"error": "dropped", "refusal": "judges"}
    assert found["proposed"]["guardrails"] == ["refusal"]
    assert "error lets no canary advance: 30% of keys go bad within 72h, so it saturates" in text(typed)


def test_where_no_step_sees_anything_it_points_to_captured_calls(typed: Promptops, filled: Registry) -> None:
    report_week(filled, datetime.now(UTC), keys=20)
    assert shown(typed)["proposed"] is None
    assert "Too little traffic for a canary" in text(typed)
    assert "promptops eval bot@VERSION --cases calls:prod" in text(typed)


def test_with_a_release_it_says_how_much_higher_the_limits_are(typed: Promptops, filled: Registry) -> None:
    report_week(filled, datetime.now(UTC), keys=300)
    plan = ("canary", "plan", "bot@0.1.3", "--channel", "prod")
    assert "no run found 0.1.3 slower or dearer" in text(typed, *plan)
    found = shown(typed, *plan)
    assert (found["release"], found["slow_times"], found["dear_times"]) == ("0.1.3", 1.0, 1.0)


def test_calls_without_a_key_that_would_pause_it_are_said(typed: Promptops, filled: Registry) -> None:
    report_week(filled, datetime.now(UTC), keys=300, no_key=200)
    assert "of calls have no key: above 5 % a canary pauses (no_unit)" in text(typed)


@pytest.mark.parametrize(
    ("words", "exits", "code"),
    [
        (("canary", "plan", "bot@9.9.9", "--channel", "prod"), 3, "release-not-found"),
        (("canary", "plan", "nothing", "--channel", "prod"), 3, "app-not-found"),
        (("canary", "plan", "bot", "--channel", "nowhere"), 3, "channel-not-found"),
        (("canary", "plan", "bot@x.y", "--channel", "prod"), 2, "reference-invalid"),
    ],
)
def test_what_is_wrong_is_named(typed: Promptops, words: tuple[str, ...], exits: int, code: str) -> None:
    assert typed(*words, "--json", exits=exits).error["code"] == code


# --- at the start ----------------------------------------------------------------------------------

PROMOTE = ("promote", "bot@0.1.3", "--channel", "prod")


def test_a_promotion_says_that_its_first_step_sees_too_little(typed: Promptops, filled: Registry) -> None:
    report_week(filled, datetime.now(UTC), keys=1_240, bad=0.02)
    for words in (("--dry-run",), ()):
        said = text(typed, *PROMOTE, *words)
        assert "Low traffic: 1 % of about 1," in said
        assert "keys a day: a tripled error rate shows after 2" in said  # 20 to 29 days
        assert "and the step lasts 3 days at most" in said
        assert "promptops canary plan bot@0.1.3 --channel prod" in said
        assert "promptops eval bot@0.1.3 --cases calls:prod" in said


def test_a_canary_that_begins_with_enough_keys_says_nothing(typed: Promptops, filled: Registry) -> None:
    report_week(filled, datetime.now(UTC), keys=1_240, bad=0.02)
    start = ("canary", "start", "bot@0.1.3", "--channel", "prod", "--percent", "25", "--json")
    assert typed(*start).json["low_traffic"] == []


def test_where_stable_never_fails_it_is_about_a_share_at_the_tolerance(typed: Promptops, filled: Registry) -> None:
    report_week(filled, datetime.now(UTC), keys=300)
    [low] = shown(typed, *PROMOTE)["low_traffic"]
    assert (low["share"], low["tripled"], low["weight"], low["wait_seconds"]) == (0.01, False, 100, 259_200)
    assert low["sees_seconds"] is None  # more than 90 days


def test_what_was_started_blind_or_without_a_policy_is_not_about_traffic(typed: Promptops, filled: Registry) -> None:
    assert shown(typed, *PROMOTE, "--blind", "--dry-run")["low_traffic"] == []
    factory.make_channels(filled, prod=Policy())
    report_week(filled, datetime.now(UTC), keys=20)
    start = ("canary", "start", "bot@0.1.3", "--channel", "prod", "--percent", "5")
    assert shown(typed, *start)["low_traffic"] == []

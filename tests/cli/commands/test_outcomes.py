"""What people read of an app's calls: by release, what an outcome costs, and what more traffic would."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from promptops.core.declarations import Declarations, DeclarationsVersion, Limit, Plan, Tag
from promptops.core.model import Policy
from promptops.core.outcomes.call_outcome import Count, Measure
from promptops.core.outcomes.histogram import Histogram
from promptops.core.outcomes.report import OutcomeReport
from promptops.core.outcomes.series import Arm, Assignment, Series
from promptops.core.outcomes.sums import Score, Sums
from promptops.operations.outcomes import report as take
from promptops.store import Registry
from promptops.wire.outcomes import encode
from tests.cli.conftest import Promptops
from tests.support import factory
from tests.support.factory import ACTOR

MODEL = "openai/gpt-4o-2024-08-06"
PLAN = Plan(calls_a_day=2000, monthly_cents=10_000, limits=(Limit(of="openai", calls_a_minute=300),))
DECLARED = Declarations(outcomes=("resolved",), tags=(Tag(name="language", values=("de", "en")),), plan=PLAN)


def series(revision: int, model: str = MODEL, *, arm: Arm = Arm.STABLE, **tags: str) -> Series:
    place = Assignment(app="bot", channel="prod", epoch=1, revision=revision, arm=arm)
    return Series(assignment=place, prompt="greet", model=model, tier=0, tags=tuple(sorted(tags.items())))


def sums(calls: int, tokens: int, **more: Any) -> Sums:
    counts = {Count.OPENED: calls, Count.CALLS: calls, Count.INPUT_TOKENS: tokens * calls, **more.pop("counts", {})}
    latency = Histogram.of([800.0] * (calls - 1) + [3000.0])
    return Sums(counts=counts, histograms={Measure.LATENCY: latency}, **more)


def send(registry: Registry, now: datetime, *rows: tuple[int, Series, Sums]) -> None:
    """Reports these rows, each as many minutes ago."""
    minute = int(now.timestamp()) // 60
    document = OutcomeReport(
        client="a" * 32, number=send.__dict__.setdefault("number", 0) + 1, channel="prod", lineage=registry.lineage,
        sums={(series, minute - ago): done for ago, series, done in rows},
    )  # fmt: skip
    send.__dict__["number"] += 1
    assert take(registry, "prod", encode(document), now=now).counted


@pytest.fixture
def now() -> datetime:
    from promptops.clock import now

    return now()


@pytest.fixture
def called(told: Registry, now: datetime) -> Registry:
    """Eight days of calls: revision 2 is dearer a call than revision 3 and cheaper for a resolved ticket."""
    version = DeclarationsVersion(app="bot", number=1, declared=DECLARED, actor=ACTOR, at=now)
    told.write(lambda writer: writer.record(version))
    rows = []
    for day in range(9):
        for revision, tokens, resolved in ((2, 4000, 50), (3, 2000, 20)):
            bad = {Count.REFUSED: 5, Count.BAD: 5}
            ago = day * 1440 + 1
            language = "de" if revision == 2 else "en"
            rows.append((ago, series(revision, language=language), sums(100, tokens, counts=bad)))
            score = {"helpful": Score(count=4, millionths=3_000_000, below=1)}
            feedback = replace(series(revision, ""), tier=None)
            rows.append((ago, feedback, Sums(outcomes={"resolved": resolved + (day % 3 - 1)}, scores=score)))
    send(told, now, *rows)
    return told


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def table(out: str) -> dict[str, list[str]]:
    return {found[0]: found[1:] for line in out.splitlines() if (found := cells(line))}


def test_the_release_that_is_dearer_a_call_is_cheaper_for_a_resolved_ticket(
    called: Registry, promptops: Promptops
) -> None:
    shown = table(promptops("outcomes", "bot").out)
    assert shown["prod"] == ["0.1.2", "0.1.1"]
    assert shown["calls"] == ["700", "700"]
    assert shown["a call"] == ["$0.005", "$0.01"]
    assert shown["one of it"][0].startswith("$0.02518 (") and shown["one of it"][1].startswith("$0.02006 (")
    assert shown["bad"] == ["5.0% (3.6% to 6.9%)"] * 2
    assert shown["bad a day"] == ["100", "100"], "of the 2,000 that are planned"
    assert shown["score helpful"] == ["0.75 of 28, 7 below"] * 2


def test_the_same_as_json_and_as_csv(called: Registry, promptops: Promptops) -> None:
    found: Any = promptops("outcomes", "bot", "--json").json
    newest, before = found["groups"]
    assert (found["by"], newest["key"], before["key"]) == ("release", "0.1.2", "0.1.1")
    assert newest["cost_usd"] == pytest.approx(3.5) and newest["unpriced"] == {}
    (resolved,) = newest["outcomes"]
    assert resolved["low_usd"] < resolved["cost_usd"] < resolved["high_usd"]
    assert newest["p50_ms"] == pytest.approx(800, rel=0.01) and newest["p99_ms"] == pytest.approx(800, rel=0.01)
    assert found["prices"].startswith("genai-prices ")
    first, second = csv.DictReader(io.StringIO(promptops("outcomes", "bot", "--csv").out))
    assert (first["key"], second["key"]) == ("0.1.2", "0.1.1")
    assert float(first["resolved_cost_usd"]) == resolved["cost_usd"]
    assert (first["bad"], float(first["bad_low"])) == ("35", newest["bad"]["low"])


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("prompt", ["greet"]),
        ("model", [MODEL, "unknown"]),
        ("tag:language", ["", "de", "en"]),
    ],
)
def test_calls_are_told_apart_by_other_things_too(
    called: Registry, promptops: Promptops, by: str, keys: list[str]
) -> None:
    found: Any = promptops("outcomes", "bot", "--by", by, "--json").json
    assert sorted(group["key"] for group in found["groups"]) == sorted(keys)


def test_days_come_newest_first_and_as_many_as_are_asked_for(called: Registry, promptops: Promptops) -> None:
    days: Any = promptops("outcomes", "bot", "--by", "day", "--since", "2d", "--json").json["groups"]
    assert [day["key"] for day in days] == sorted((day["key"] for day in days), reverse=True)
    assert sum(day["calls"] for day in days) == 400


def test_ten_times_the_traffic_and_whether_the_plan_holds(called: Registry, promptops: Promptops) -> None:
    found: Any = promptops("cost", "bot", "--at", "10x", "--json").json
    assert found["calls_a_day"] == pytest.approx(200)
    assert found["cost_a_call_usd"] == pytest.approx(0.0075)
    now, at = found["now"], found["at"]
    assert (now["month_usd"], now["in_budget"], now["in_plan"]) == (pytest.approx(45), True, True)
    assert (at["calls_a_day"], at["month_usd"]) == (pytest.approx(2000), pytest.approx(450))
    assert (at["in_budget"], at["in_plan"], at["limits"][0]["holds"]) == (False, True, False)
    assert at["limits"][0]["calls"] == pytest.approx(2000)
    out = promptops("cost", "bot", "--calls-per-day", "2000").out
    assert "✗ of $100.00 planned" in out and "✓ 2,000 planned" in out and "✗ of 300" in out


def test_a_model_without_a_price_costs_an_unknown_amount_until_the_workspace_has_one(
    called: Registry, promptops: Promptops, now: datetime, tmp_path: Path
) -> None:
    send(called, now, (2, series(3, "acme/llama"), sums(10, 1000)))
    shown = promptops("outcomes", "bot").out
    assert "unknown: 1 model without a price" in shown
    assert table(shown)["no price of acme/llama"] == ["10,000 tokens"]
    (tmp_path / "promptops.yml").write_text(
        "registry: test\napps: [bot]\nprices: {acme/llama: {input: 100, output: 0}}\n", encoding="utf-8"
    )
    found: Any = promptops("cost", "bot", "--json").json
    assert found["unpriced"] == {} and found["cost_usd"] == pytest.approx(10.5 + 1)
    assert found["prices"].endswith(" + promptops.yml")


def test_what_is_worth_a_look(called: Registry, promptops: Promptops, now: datetime) -> None:
    assert "Worth a look" not in promptops("outcomes", "bot").out
    assert promptops("status", "--json").json["looks"] == []
    send(called, now, (2, series(3), sums(10, 1000, counts={Count.PIN_MISMATCH: 3})))
    assert "another model than the pinned one answered 3 of 1,410 calls" in promptops("outcomes", "bot").out
    assert "another model" in promptops("cost", "bot").out
    assert "bot: another model than the pinned one answered 3 of" in promptops("status").out
    looked: Any = promptops("status", "--json").json
    assert [look["code"] for look in looked["looks"]] == ["pin-mismatch"]


def test_diff_shows_the_measured_tokens_of_a_call_of_prompts_that_differ(
    called: Registry, promptops: Promptops, now: datetime
) -> None:
    answer = [(1, replace(series(revision), prompt="answer"), sums(10, 100 * revision)) for revision in (2, 3)]
    send(called, now, *answer)
    found: Any = promptops("diff", "bot@0.1.1", "bot:prod", "--json").json
    [answered, old], [_, new] = found["old"]["measured"], found["new"]["measured"]
    assert (answered["prompt"], answered["input_tokens"]) == ("answer", 2000)
    assert old == {
        "version": "0.1.1", "prompt": "greet", "calls": 700, "input_tokens": 2_800_000, "cached_tokens": 0,
        "output_tokens": 0,
    }  # fmt: skip
    assert (new["version"], new["calls"], new["input_tokens"]) == ("0.1.2", 700, 1_400_000)
    out = promptops("diff", "bot@0.1.1", "bot:prod").out
    assert "Tokens of a call, as measured in 7 days" in out
    rows = [cells(line) for line in out.splitlines()]
    assert ["answer", "0.1.1", "200", "0", "10"] in rows and ["answer", "0.1.2", "300", "0", "10"] in rows
    assert not any(row[:1] == ["greet"] for row in rows)
    assert promptops("diff", "bot@0.1.0", "bot@0.1.1", "--json").json["old"]["measured"] == []  # type: ignore[index, call-overload]


def test_a_dry_run_of_a_promotion_shows_what_is_live_beside_what_would_be(
    called: Registry, promptops: Promptops
) -> None:
    promotion = ("promote", "bot@0.1.1", "--channel", "prod")
    rows = [cells(line) for line in promptops(*promotion, "--dry-run").out.splitlines()]
    assert ["greet", "0.1.1", "4,000", "0", "700"] in rows and ["greet", "0.1.2", "2,000", "0", "700"] in rows
    assert len(promptops(*promotion, "--dry-run", "--json").json["measured"]) == 2  # type: ignore[arg-type]
    assert promptops(*promotion, "--json").json["measured"] == []


def test_where_nothing_was_measured_no_tokens_are_shown(told: Registry, promptops: Promptops, now: datetime) -> None:
    send(told, now, (1, series(3), sums(10, 0, counts={Count.UNREAD: 10, Count.INPUT_TOKENS: 1})))
    assert "Tokens of a call" not in promptops("diff", "bot@0.1.1", "bot:prod").out
    assert "Tokens of a call" not in promptops("promote", "bot@0.1.1", "--channel", "prod", "--dry-run").out


def test_a_gate_reads_what_was_measured_and_keeps_it_as_evidence(
    told: Registry, promptops: Promptops, now: datetime
) -> None:
    """0.1.1 costs a cent a call and 0.1.2, which is live, half of it."""
    for revision, tokens in ((2, 4000), (3, 2000)):
        answers = replace(series(revision), prompt="answer")
        send(told, now, *((day * 1440 + 120, answers, sums(100, tokens)) for day in range(9)))
    gate = {"cost": {"source": "measured", "per_call_usd": 0.02, "growth": 1.9, "monthly_usd": 70}}
    factory.make_channels(told, dev=Policy(), prod=Policy(gate=gate))
    explained = promptops("gate", "--explain-policy", "--channel", "prod").out
    assert "A month of the traffic, planned or measured, costs at most 70 US dollars." in explained
    assert "What calls cost is measured" in explained
    found: Any = promptops("gate", "bot@0.1.1", "--channel", "prod", "--json", exits=5).json
    said = {check["got"]: check["outcome"] for check in found["checks"]}
    assert said == {
        "a measured call costs $0.01": "pass",
        "a month of 200 calls a day costs $60": "pass",
        "a call costs $0.01, on live $0.005": "fail",
    }
    [id] = {piece for check in found["checks"] for piece in check["evidence"]}
    assert "calls of 7 days until" in promptops("evidence", "list", "bot").out
    shown = promptops("evidence", "show", id).out
    assert re.search(r"prod +sha256:\S+ +answer +700 +\$7\b", shown) and "genai-prices" not in shown
    assert "is what was recorded" in promptops("evidence", "verify", id).out
    assert "it costs more" in promptops("promote", "bot@0.1.1", "--channel", "prod", exits=5).err


def test_an_app_without_calls_says_how_they_are_reported(told: Registry, promptops: Promptops) -> None:
    assert "No call was reported." in promptops("outcomes", "bot").out
    assert "No call was reported." in promptops("cost", "bot").out
    assert promptops("cost", "bot", "--calls-per-day", "5", "--json").json["at"] is not None


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("outcomes", "nothing"), 3, "there is no app 'nothing'"),
        (("outcomes", "bot", "--channel", "nothing"), 3, "there is no channel 'nothing'"),
        (("outcomes", "bot", "--by", "week"), 2, "'week' is nothing that calls are grouped by"),
        (("outcomes", "bot", "--by", "tag"), 2, "'tag' is nothing that calls are grouped by"),
        (("outcomes", "bot", "--since", "5 bananas"), 2, "5 bananas"),
        (("outcomes", "bot", "--since", "900d"), 2, "calls are kept for 400 days"),
        (("cost", "bot", "--at", "x"), 2, "is not a number"),
        (("cost", "bot", "--at", "10x"), 2, "there is no whole day of calls yet"),
        (("cost", "bot", "--at", "2", "--calls-per-day", "5"), 2, "one of them"),
        (("cost", "bot", "--csv", "--json"), 2, "two answers"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(
    told: Registry, promptops: Promptops, words: tuple[str, ...], code: int, says: str
) -> None:
    assert says in promptops(*words, exits=code).err


def test_calls_of_a_fixed_version_belong_to_no_release(told: Registry, promptops: Promptops, now: datetime) -> None:
    send(told, now, (1, series(3, arm=Arm.FIXED), sums(10, 1000)), (1, series(3), sums(5, 1000)))
    found: Any = promptops("outcomes", "bot", "--json").json
    assert {group["key"]: group["calls"] for group in found["groups"]} == {"0.1.2": 5, "fixed": 10}
    assert json.dumps(found)

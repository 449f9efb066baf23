"""The check `cost` of what was measured: how prompts are weighed, what is not known, and what does not open a gate."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from promptops.core.digest import digest
from promptops.core.errors import Invalid
from promptops.core.evidence.evidence import Evidence, measured_of, table_of
from promptops.core.evidence.measured_sums import MeasuredSum, MeasuredSums, decode_measured, encode_measured
from promptops.core.evidence.run import Source
from promptops.core.gate.changes import loosened
from promptops.core.gate.gate import judge
from promptops.core.gate.given import GateInput, GateRelease
from promptops.core.gate.reading import read_gate
from promptops.core.gate.verdict import CheckVerdict
from promptops.core.verdict import Outcome
from tests.gate.world import NOW, named, prompt, release

LIVE = release("1.0.0", prompt("answer", "old"), prompt("title", "same"))
NEW = release("1.1.0", prompt("answer", "new"), prompt("title", "same"))
PASS, FAIL, INCONCLUSIVE, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.ERROR


def called(of: GateRelease, prompt: str, calls: int, usd: str, channel: str = "staging", **more: Any) -> MeasuredSum:
    return MeasuredSum(channel=channel, release=of.digest, prompt=prompt, calls=calls, usd=usd, **more)


# Live: 900 titles and 100 answers, a tenth of a cent and a cent each. New answers cost two cents.
SUMS = (
    called(LIVE, "answer", 100, "1", "prod"),
    called(LIVE, "title", 900, "0.9", "prod"),
    called(NEW, "answer", 200, "4"),
    called(NEW, "title", 1, "0.001"),
)


def frozen(*sums: MeasuredSum, calls_a_day: int | None = 1000, channel: str = "prod", **more: Any) -> Evidence:
    until = NOW.replace(minute=0)
    table = encode_measured(
        MeasuredSums(channel=channel, since=until - timedelta(days=7), until=until, calls_a_day=calls_a_day, sums=sums)
    )
    given: dict[str, Any] = {"id": named(str(len(table)))[7:39], "digest": NEW.digest, "at": NOW}
    return Evidence(
        **{**given, **more}, app="bot", source=Source.MEASURED, actor="a", table=table, table_digest=digest(table)
    )


def said(rule: dict[str, Any], *evidence: Evidence, **more: Any) -> list[CheckVerdict]:
    given: dict[str, Any] = {"candidate": NEW, "live": (LIVE,)}
    asked = GateInput(app="bot", channel="prod", now=NOW, evidence=evidence, **{**given, **more})
    more_keys = more.pop("gate", {})
    return list(judge(asked, {"cost": {"source": "measured", **rule}, **more_keys}).checks)


def only(rule: dict[str, Any], *evidence: Evidence, **more: Any) -> CheckVerdict:
    [found] = said(rule, *evidence, **more)
    return found


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        # 100 answers for 2 cents and 900 titles for a tenth: 0.29 cents a call, live 0.19
        ({"per_call_usd": 0.0029001}, PASS),
        ({"per_call_usd": 0.0028999}, FAIL),
        ({"monthly_usd": 87.001, "calls_a_day": 1000}, PASS),
        ({"monthly_usd": 86.999, "calls_a_day": 1000}, FAIL),
        ({"growth": 1.53}, PASS),
        ({"growth": 1.52}, FAIL),
    ],
)
def test_prompts_are_weighed_as_they_are_called_live(rule: dict[str, Any], outcome: Outcome) -> None:
    piece = frozen(*SUMS)
    verdict = only(rule, piece)
    assert (verdict.outcome, verdict.evidence) == (outcome, (piece.id,))


def test_a_channel_where_the_dear_prompt_is_rarely_called_makes_nothing_cheaper() -> None:
    many = (*SUMS, called(NEW, "title", 1_000_000, "1000"))
    assert only({"per_call_usd": 0.0029001}, frozen(*many)).got == only({"per_call_usd": 1}, frozen(*SUMS)).got


@pytest.mark.parametrize(
    ("calls_a_day", "planned", "outcome", "calls"),
    [(1000, None, FAIL, "1,000"), (500, 1, PASS, "500"), (500, 1000, FAIL, "1,000"), (1000, 1, FAIL, "1,000")],
)
def test_a_month_is_of_the_planned_traffic_and_never_of_less_than_is_measured(
    calls_a_day: int, planned: int | None, outcome: Outcome, calls: str
) -> None:
    """An app that plans few calls in its own files does not open its gate."""
    verdict = only({"monthly_usd": 80}, frozen(*SUMS, calls_a_day=calls_a_day), planned_calls=planned)
    assert verdict.outcome is outcome and f"a month of {calls} calls a day" in verdict.got


def test_a_plan_alone_is_not_enough_for_a_month() -> None:
    verdict = only({"monthly_usd": 80}, frozen(*SUMS, calls_a_day=None), planned_calls=1)
    assert verdict.outcome is INCONCLUSIVE and "no whole day of calls on prod" in verdict.reason


def test_a_first_release_is_weighed_by_its_own_calls() -> None:
    own = frozen(called(NEW, "answer", 200, "4"), called(NEW, "title", 200, "0.2"))
    assert only({"per_call_usd": 0.0105}, own, live=()).outcome is PASS
    assert only({"per_call_usd": 0.0104}, own, live=()).outcome is FAIL
    assert only({"growth": 2}, own, live=()).outcome is PASS


def test_a_new_prompt_is_weighed_too_and_needs_calls() -> None:
    added = replace(NEW, prompts=(*NEW.prompts, prompt("extra", "dear")))
    lacks = only({"per_call_usd": 1}, frozen(*SUMS), candidate=added)
    assert (lacks.outcome, lacks.prompt) == (INCONCLUSIVE, "extra")
    dear = frozen(*SUMS, called(NEW, "extra", 100, "100"))
    assert only({"per_call_usd": 0.1}, dear, candidate=added).outcome is FAIL


def test_a_prompt_may_be_the_same_under_another_name() -> None:
    renamed = replace(LIVE, prompts=(prompt("reply", "old"), prompt("title", "same")))
    sums = (called(LIVE, "reply", 100, "1", "prod"), *SUMS[1:])
    assert "may be the same under another name" in only({"growth": 2}, frozen(*sums), live=(renamed,)).reason
    given = GateInput(app="bot", channel="prod", now=NOW, candidate=NEW, live=(renamed,), evidence=(frozen(*sums),))
    gate = {"cost": {"source": "measured", "growth": 1.53}, "renames": {"reply": "answer"}}
    assert judge(given, gate).outcome is PASS


# --- what never opens a gate --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sums", "reason"),
    [
        (SUMS[:2], "0 calls of answer as it is now were measured in seven days: it takes 100"),
        ((*SUMS[:2], called(NEW, "answer", 99, "0")), "99 calls of answer"),
        (
            (*SUMS[:2], called(NEW, "answer", 200, "0", unpriced={"acme/llama": 7})),
            "the price of acme/llama is not known",
        ),
        ((), "0 calls of answer"),
    ],
)
def test_what_is_not_known_is_not_zero(sums: tuple[MeasuredSum, ...], reason: str) -> None:
    verdict = only({"per_call_usd": 1000}, frozen(*sums))
    assert verdict.outcome is INCONCLUSIVE and reason in verdict.reason and verdict.hint


def test_growth_needs_calls_and_prices_of_live_too() -> None:
    few = frozen(called(LIVE, "answer", 99, "1", "prod"), *SUMS[1:])
    assert "99 calls of answer on live" in only({"growth": 9}, few).reason
    unpriced = frozen(called(LIVE, "answer", 100, "0", "prod", unpriced={"acme/llama": 1}), *SUMS[1:])
    assert only({"growth": 9}, unpriced).reason == "the price of acme/llama is not known"


def test_sums_of_others_do_not_count() -> None:
    """Of another channel, another release, or older than the policy takes."""
    rule = {"per_call_usd": 1000}
    assert only(rule).outcome is INCONCLUSIVE
    assert only(rule, frozen(*SUMS, channel="dev")).outcome is INCONCLUSIVE
    assert only(rule, frozen(*SUMS, digest=LIVE.digest)).outcome is INCONCLUSIVE
    assert only(rule, frozen(*SUMS, at=NOW - timedelta(days=15))).outcome is INCONCLUSIVE


def test_the_newest_sums_count() -> None:
    dear = frozen(*SUMS[:2], called(NEW, "answer", 200, "4000"), at=NOW, id="f" * 32)
    before = frozen(*SUMS, at=NOW - timedelta(hours=1), id="0" * 32)
    for order in ((dear, before), (before, dear)):
        assert only({"per_call_usd": 1}, *order).outcome is FAIL


def test_a_damaged_table_is_an_error() -> None:
    piece = frozen(*SUMS)
    assert only({"per_call_usd": 1000}, replace(piece, table=piece.table + b"x")).outcome is ERROR
    junk = b"junk"
    assert only({"per_call_usd": 1000}, replace(piece, table=junk, table_digest=digest(junk))).outcome is ERROR


@pytest.mark.parametrize("usd", ["NaN", "Infinity", "-1", "", "x"])
def test_a_cost_that_is_no_number_is_refused(usd: str) -> None:
    with pytest.raises(Invalid):
        called(NEW, "answer", 1, usd)


def test_a_table_comes_back_and_has_no_cases() -> None:
    piece = frozen(*SUMS, called(NEW, "x", 5, "0", unpriced={"": 3}))
    assert measured_of(piece).sums[-1].unpriced == {"": 3}
    assert table_of(piece).cases == ()
    with pytest.raises(Invalid):
        decode_measured(encode_measured(measured_of(piece))[:-1])
    with pytest.raises(Invalid):
        measured_of(replace(piece, source=Source.IMPORT))


# --- the policy ----------------------------------------------------------------------------------------


def test_only_measured_traffic_stands_for_calls_that_a_policy_does_not_name() -> None:
    read_gate({"cost": {"source": "measured", "monthly_usd": 5}})
    for rule in ({"monthly_usd": 5}, {"monthly_usd": 5, "source": "run"}):
        with pytest.raises(Invalid, match="lacks calls_a_day"):
            read_gate({"cost": rule})
    with pytest.raises(Invalid, match=r"gate\.cost\.source"):
        read_gate({"cost": {"source": "import", "growth": 2}})


@pytest.mark.parametrize(
    ("before", "after", "looser"),
    [
        ({"monthly_usd": 5, "source": "measured"}, {"monthly_usd": 5, "calls_a_day": 1}, ["source", "calls_a_day"]),
        (
            {"monthly_usd": 5, "source": "measured"},
            {"monthly_usd": 5, "calls_a_day": 9, "source": "measured"},
            ["calls_a_day"],
        ),
        ({"growth": 2, "source": "measured"}, {"growth": 2, "monthly_usd": 5, "source": "measured"}, []),
        ({"growth": 2}, {"growth": 2, "source": "measured"}, ["source"]),
    ],
)
def test_what_loosens_a_cost_that_is_measured(before: dict[str, Any], after: dict[str, Any], looser: list[str]) -> None:
    found = loosened({"cost": before}, {"cost": after})
    assert sorted(found) == sorted(f"gate.cost.{name}" for name in looser)

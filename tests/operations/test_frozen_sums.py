"""What was measured is frozen as evidence when a gate reads it, on both databases: once, and before the promotion."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from promptops.core.declarations import Declarations, DeclarationsVersion, Plan
from promptops.core.errors import PolicyRefused
from promptops.core.evidence.evidence import Evidence, measured_of
from promptops.core.evidence.run import Source
from promptops.core.gate.verdict import CheckVerdict
from promptops.core.model import Policy
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.series import Series
from promptops.core.outcomes.sums import Sums
from promptops.core.reference import parse_reference
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.core.verdict import Outcome
from promptops.operations.evidence import flaws, shown
from promptops.operations.gate import GateRequest, ask_gate
from promptops.operations.outcomes import Document, take
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.tokens import TokenRequest, create_token
from promptops.store import Registry
from promptops.use_cases.gate import GATE
from promptops.use_cases.use_case import Caller
from tests.support.factory import ACTOR, go_live, key, make_channels, make_releases, minutes
from tests.support.reports import MINUTE, assignment, report, series

NOW = minutes(60)
MODEL = "openai/gpt-4o-2024-08-06"  # a million input tokens cost $2.50
GATE_OF_PROD: Mapping[str, object] = {"cost": {"source": "measured", "per_call_usd": 0.006, "monthly_usd": 30}}


@pytest.fixture
def called(registry: Registry) -> Registry:
    """0.1.0 is live on prod and was called on nine days; 0.1.1 on dev, where it was called three hours ago."""
    make_channels(registry, dev=Policy(), prod=Policy(gate=GATE_OF_PROD))
    first, second = make_releases(registry, count=2)
    make_channels(registry, dev=Policy(), prod=Policy())
    go_live(registry, f"bot@{first.version}", now=minutes(-20_000))
    make_channels(registry, dev=Policy(), prod=Policy(gate=GATE_OF_PROD))
    go_live(registry, f"bot@{second.version}", "dev", now=minutes(-10_000))
    send(registry, 1, {(call("prod"), MINUTE - day * 1440): counts(100, 1000) for day in range(10)})
    send(registry, 2, {(call("dev"), MINUTE - 180): counts(150, 2000)}, "dev")
    return registry


def call(channel: str, model: str = MODEL) -> Series:
    return series(assignment(channel=channel), model=model)


def counts(calls: int, tokens: int) -> Sums:
    return Sums(counts={Count.CALLS: calls, Count.INPUT_TOKENS: tokens * calls})


def send(registry: Registry, number: int, sums: dict[tuple[Series, int], Sums], channel: str = "prod") -> None:
    take(registry, [Document(report=report(registry.lineage, number, sums, channel=channel))], now=NOW)


def pieces(registry: Registry) -> list[Evidence]:
    with registry.read() as reader:
        return [each for each in reader.evidence(app="bot", tables=True) if each.source is Source.MEASURED]


def asked(registry: Registry, records: str = "ada", minute: int = 60) -> list[CheckVerdict]:
    request = GateRequest(reference=parse_reference("bot@0.1.1"), channel="prod")
    found = ask_gate(registry, request, now=minutes(minute), records=records)
    assert found.verdict is not None
    return list(found.verdict.checks)


def test_a_gate_freezes_what_it_reads_once_an_hour(called: Registry) -> None:
    per_call, month = asked(called)
    [piece] = pieces(called)
    assert per_call.evidence == month.evidence == (piece.id,)
    assert (per_call.outcome, per_call.got) == (Outcome.PASS, "a measured call costs $0.005")
    assert (month.outcome, month.got) == (Outcome.PASS, "a month of 100 calls a day costs $15")
    assert (piece.actor, piece.prices[:13], piece.at) == ("ada", "genai-prices ", NOW)
    measured = measured_of(piece)
    assert measured.until == NOW.replace(minute=0) and measured.since == measured.until - timedelta(days=7)
    assert {(each.channel, each.calls) for each in measured.sums} == {("dev", 150), ("prod", 700)}
    assert flaws(shown(called, piece.id)) == ()
    send(called, 3, {(call("dev"), MINUTE - 120): counts(1000, 9000)}, "dev")
    assert asked(called, minute=61) == [per_call, month], "what is frozen stands"
    assert len(pieces(called)) == 1
    assert asked(called, minute=121)[0].outcome is Outcome.FAIL, "an hour later it is frozen anew"
    assert len(pieces(called)) == 2


def test_a_caller_without_a_name_gets_the_same_answer_and_records_nothing(called: Registry) -> None:
    unrecorded = asked(called, records="")
    assert pieces(called) == []
    assert asked(called) == unrecorded and len(pieces(called)) == 1


@pytest.mark.parametrize(("scope", "recorded"), [(Scope.EVIDENCE, 1), (Scope.REPORT, 0)])
def test_a_token_that_may_only_read_records_nothing(called: Registry, scope: Scope, recorded: int) -> None:
    made = create_token(called, TokenRequest(name="ci", scopes=(Scope.READ, scope)), actor=ACTOR, now=NOW)
    caller = Caller(now=NOW, rights=Rights(made.token))
    found = GATE.answer_to(called, GateRequest(reference=parse_reference("bot@0.1.1"), channel="prod"), caller)
    assert found.opens
    assert [each.actor for each in pieces(called)] == ["ci"] * recorded


def promotion(registry: Registry, *, dry_run: bool = False) -> None:
    request = PromoteRequest(reference=parse_reference("bot@0.1.1"), channel="prod", key=key(), dry_run=dry_run)
    promote(registry, request, actor=ACTOR, now=NOW)


def test_a_promotion_freezes_first_and_a_dry_run_does_not(called: Registry) -> None:
    promotion(called, dry_run=True)
    assert pieces(called) == []
    promotion(called)
    assert [each.actor for each in pieces(called)] == [ACTOR]


def test_a_promotion_that_is_refused_leaves_the_evidence_of_why(called: Registry) -> None:
    """Its plan is far more than what is measured, which counts as well."""
    plan = Declarations(plan=Plan(calls_a_day=10_000))
    version = DeclarationsVersion(app="bot", number=1, declared=plan, actor=ACTOR, at=NOW)
    called.write(lambda writer: writer.record(version))
    with pytest.raises(PolicyRefused, match="it costs more"):
        promotion(called)
    assert len(pieces(called)) == 1


def test_a_model_without_a_price_makes_the_cost_unknown(called: Registry) -> None:
    send(called, 3, {(call("dev", "acme/llama"), MINUTE - 60): counts(5, 5)}, "dev")
    assert [check.reason for check in asked(called, minute=121)] == ["the price of acme/llama is not known"]


def test_too_few_calls_are_named(called: Registry) -> None:
    request = GateRequest(reference=parse_reference("bot@0.1.1"), channel="prod")
    early = ask_gate(called, request, now=minutes(-300))
    assert early.verdict is not None
    [check] = early.verdict.checks
    assert check.outcome is Outcome.INCONCLUSIVE
    assert check.reason.startswith("0 calls of answer as it is now were measured in seven days")


def test_a_gate_that_reads_runs_freezes_nothing(called: Registry) -> None:
    make_channels(called, dev=Policy(), prod=Policy(gate={"cost": {"growth": 2}}))
    asked(called)
    assert pieces(called) == []

"""A server takes the steps of canaries by itself, shows them, and counts what it did in its metrics."""

from __future__ import annotations

import re
import signal
from datetime import UTC, datetime

import pytest

from promptops.core.deployment_parts import Kind
from promptops.core.model import Json, Policy
from promptops.core.token import Scope
from promptops.store import Registry
from promptops.wire.outcomes import report_to_json
from tests.operations.canaries import Crowd, begin, live, start_by_hand
from tests.server.conftest import Serve, mint
from tests.server.running import Running, until
from tests.support import factory

OUTCOMES = "/v1/channels/prod/outcomes"
CANARY = "/v1/channels/prod/apps/bot/canary"


@pytest.fixture
def crowd(registry: Registry) -> Crowd:
    """The users of an app with a canary that began a moment ago."""
    return Crowd(registry, begin(registry, now=datetime.now(UTC)))


@pytest.fixture
def server(crowd: Crowd, registry: Registry, serve: Serve) -> Running:
    mint(registry, "first", Scope.READ)
    return serve()


def test_a_report_with_which_a_limit_is_reached_ends_the_canary(
    server: Running, crowd: Crowd, registry: Registry
) -> None:
    begun, now = live(registry), datetime.now(UTC)
    reader, reporter = (mint(registry, scope.value, scope) for scope in (Scope.READ, Scope.REPORT))
    assert metric(server, reader, "promptops_canary_weight") == {"0.1.1": 0.2}
    some = crowd.document(begun, now, bad={"error": crowd.keys(3, 2_000, canary=True)})
    assert server.ask("POST", OUTCOMES, token=reporter, body=report_to_json(some)).status == 200
    shown = server.get(CANARY, reader).json
    assert (shown["by_policy"], shown["weight"], shown["keys_needed"]) == (True, 2_000, 200)
    assert live(registry) == begun, "nothing is shown yet"

    many = crowd.document(begun, now, bad={"error": crowd.keys(40, 2_000, canary=True)})
    assert server.ask("POST", OUTCOMES, token=reporter, body=report_to_json(many)).status == 200
    until(lambda: live(registry).canary is None, "the canary was not aborted")
    ended = live(registry)
    assert (ended.kind, ended.actor) == (Kind.ABORT, "policy of prod")
    until(lambda: metric(server, reader, "promptops_canary_aborts_total", "channel") == {"prod": 1.0})
    assert server.get(CANARY, reader).code == "no-canary"
    assert "canary of bot on prod: aborted: the canary is worse at error" in server.said()


def metric(server: Running, reader: str, name: str, label: str = "release") -> dict[str, float]:
    """The values of a metric by one of its labels."""
    page = server.get("/metrics", reader).body.decode()
    lines = [line for line in page.splitlines() if line.startswith(f"{name}{{")]
    found = {re.search(rf'{label}="([^"]*)"', line): float(line.rpartition(" ")[2]) for line in lines}
    return {match[1]: value for match, value in found.items() if match is not None}


def test_metrics_have_the_evidence_by_guardrail(server: Running, crowd: Crowd, registry: Registry) -> None:
    reader, reporter = (mint(registry, scope.value, scope) for scope in (Scope.READ, Scope.REPORT))
    some = crowd.document(live(registry), datetime.now(UTC), bad={"error": crowd.keys(5, 2_000, canary=True)})
    assert server.ask("POST", OUTCOMES, token=reporter, body=report_to_json(some)).status == 200
    evidence = metric(server, reader, "promptops_canary_evidence", "guardrail")
    assert evidence["refusal"] == 0.0
    assert 0.0 < evidence["error"] < 1.0


def test_metrics_have_the_weight_of_a_canary_whose_steps_a_person_takes(registry: Registry, serve: Serve) -> None:
    factory.make_channels(registry, prod=Policy())
    factory.make_releases(registry, count=2)
    factory.go_live(registry, "bot@0.1.0")
    start_by_hand(registry)
    reader = mint(registry, "reader", Scope.READ)
    server = serve()
    assert metric(server, reader, "promptops_canary_weight") == {"0.1.1": 0.2}
    assert metric(server, reader, "promptops_canary_evidence", "guardrail") == {}


@pytest.mark.parametrize(
    ("scopes", "person", "wrong"),
    [
        ((Scope.ROLLBACK,), "ada@example.org", "lacks the scope 'waive'"),
        ((Scope.PROMOTE,), "ada@example.org", "lacks the scope 'waive'"),
        ((Scope.WAIVE,), "ada@example.org", "lacks the scope 'promote'"),
        ((Scope.ROLLBACK, Scope.WAIVE), "", "this token is of no person"),
        ((Scope.ROLLBACK, Scope.WAIVE), "ada@example.org", ""),
    ],
)
def test_only_a_person_with_the_scope_keeps_the_policy_from_aborting(
    server: Running, registry: Registry, scopes: tuple[Scope, ...], person: str, wrong: str
) -> None:
    begun, token = live(registry), mint(registry, "one", *scopes, person=person)
    body: Json = {"step": "pause", "no_abort": True, "reason": "their outage, not ours"}
    answer = server.ask("POST", CANARY, token=token, body=body, headers={"Idempotency-Key": "one"})
    assert answer.status == (403 if wrong else 200), answer.body
    if wrong:
        assert wrong in answer.body.decode()
        assert live(registry) == begun
    else:
        shown = server.get(CANARY, mint(registry, "two", Scope.READ)).json
        waiver = shown["waiver"]
        assert isinstance(waiver, dict)
        assert (shown["paused"], waiver["person"]) == (True, "ada@example.org")


def test_a_server_that_is_killed_and_starts_anew_goes_on_with_what_was_counted(
    crowd: Crowd, registry: Registry, serve: Serve
) -> None:
    """Half of the keys that abort a canary are reported to each of two servers, and neither half would."""
    begun, now = live(registry), datetime.now(UTC)
    reporter = mint(registry, "app", Scope.REPORT)
    keys = crowd.keys(8, 2_000, canary=True)
    first = serve()
    half = crowd.document(begun, now, bad={"error": keys[:4]})
    assert first.ask("POST", OUTCOMES, token=reporter, body=report_to_json(half)).status == 200
    first.end(signal.SIGKILL)
    assert live(registry) == begun
    second = serve()
    rest = crowd.document(begun, now, bad={"error": keys[4:]})
    assert second.ask("POST", OUTCOMES, token=reporter, body=report_to_json(rest)).status == 200
    until(lambda: live(registry).canary is None, "the canary was not aborted")
    assert live(registry).reason.startswith("aborted: the canary is worse at error: 8 keys of the canary")

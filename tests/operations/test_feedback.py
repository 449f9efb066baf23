"""What calls led to: counted once, for the release of the call, and only where a client of the registry made its id."""

from __future__ import annotations

import pytest

from promptops.core.declarations import Declarations, DeclarationsVersion, DeclaredScore
from promptops.core.errors import Invalid, PromptopsError, RegistryMismatch
from promptops.core.outcomes.admission import LeftOut
from promptops.core.outcomes.report import Feedback
from promptops.core.outcomes.sums import Sums
from promptops.core.outcomes.units import Unit
from promptops.operations.outcomes import Fed, Line, Reported, report_key, take
from promptops.store import Registry
from tests.operations.counting import counted, fill, rows, send, stored
from tests.support import factory
from tests.support.factory import START
from tests.support.reports import assignment, call_id, report, series


@pytest.fixture
def told(registry: Registry) -> Registry:
    fill(registry)
    return registry


def feed(registry: Registry, call: str, name: str = "resolved", score: float | None = None) -> Fed | PromptopsError:
    [answer] = take(registry, [Line(feedback=Feedback(call=call, name=name, score=score))], now=START).answers
    assert not isinstance(answer, Reported)
    return answer


def test_feedback_counts_once_for_the_release_of_its_call(told: Registry) -> None:
    secret = report_key(told).secret
    call = call_id(told.lineage, secret, place=assignment(revision=2))
    assert feed(told, call) == Fed(counted=True, reason="undeclared")
    assert feed(told, call) == Fed(counted=False, reason="again")
    assert feed(told, call, "helpful", 0.5) == Fed(counted=True, reason="undeclared")
    [row] = rows(told)
    assert row.series == series(assignment(revision=2))
    assert row.sums.outcomes == {"undeclared": 1}
    assert row.sums.scores["undeclared"].mean == 0.5


@pytest.fixture
def declaring(told: Registry) -> Registry:
    """`bot` declares an outcome, and a score that passes from 0.5 on."""
    declared = Declarations(
        outcomes=("resolved",), scores=(DeclaredScore(name="helpful", passes_from=5_000), DeclaredScore(name="length"))
    )
    version = DeclarationsVersion(app="bot", number=1, declared=declared, actor=factory.ACTOR, at=START)
    told.write(lambda writer: writer.record(version))
    return told


def test_what_an_app_declares_counts_under_its_name(declaring: Registry) -> None:
    call = call_id(declaring.lineage, report_key(declaring).secret)
    assert feed(declaring, call, "resolved") == Fed(counted=True)
    assert feed(declaring, call, "resolved", 1.0) == Fed(counted=True, reason="undeclared")  # as a score it is not
    assert feed(declaring, call, "helpful", 0.25) == Fed(counted=True)
    assert feed(declaring, call, "length", 0.0) == Fed(counted=True)
    sums = counted(declaring)
    assert sums.outcomes == {"resolved": 1}
    assert {name: (score.mean, score.below) for name, score in sums.scores.items()} == {
        "helpful": (0.25, 1),
        "length": (0.0, 0),
        "undeclared": (1.0, 0),
    }


def test_a_score_that_does_not_pass_makes_the_unit_of_its_call_bad(declaring: Registry) -> None:
    secret, unit = report_key(declaring).secret, Unit(id="9f86d081884c7d65", bucket=4711)
    for random_number, score in enumerate((0.49, 0.5)):
        sealed = call_id(declaring.lineage, secret, unit=unit, random=random_number)
        assert feed(declaring, sealed, "helpful", score) == Fed(counted=True)
    feed(declaring, call_id(declaring.lineage, random=7), "helpful", 0.0)
    feed(declaring, call_id(declaring.lineage, secret, random=8), "helpful", 0.0)
    [row] = stored(declaring, "bad_unit")
    assert (row["unit"], row["bucket"], row["guardrail"]) == (unit.id, 4711, "score:helpful")


def test_feedback_in_a_document_is_the_same_feedback(told: Registry) -> None:
    call = call_id(told.lineage, report_key(told).secret)
    lines = (Feedback(call=call, name="resolved"), Feedback(call=call, name="resolved"), Feedback(call="x", name="a"))
    [answer] = send(told, report(told.lineage, 1, {}, feedback=lines))
    assert answer.left_out == {LeftOut.AGAIN: 1, LeftOut.MALFORMED: 1}
    assert feed(told, call) == Fed(counted=False, reason="again")
    assert counted(told).outcomes == {"undeclared": 1}


def test_a_call_that_was_invented_does_not_count(told: Registry) -> None:
    real = call_id(told.lineage, report_key(told).secret)
    assert feed(told, call_id(told.lineage, bytes(32))) == Fed(counted=False, reason="forged")
    assert feed(told, real[:-1] + ("A" if real[-1] != "A" else "B")) == Fed(counted=False, reason="forged")
    assert feed(told, real.replace(":1.1s:", ":1.3s:")) == Fed(counted=False, reason="forged")
    assert counted(told) == Sums()


def test_before_there_is_a_secret_no_seal_is_believed_and_ids_without_one_count(told: Registry) -> None:
    assert feed(told, call_id(told.lineage, bytes(32))) == Fed(counted=False, reason="forged")
    assert feed(told, call_id(told.lineage)) == Fed(counted=True, reason="undeclared")
    assert stored(told, "bad_unit") == []


def test_a_call_of_another_registry_and_what_is_no_call_are_refused_by_name(told: Registry) -> None:
    foreign = feed(told, call_id("00000000", bytes(32)))
    assert isinstance(foreign, RegistryMismatch)
    assert "00000000" in foreign.message
    assert isinstance(feed(told, "pc1:nothing"), Invalid)


def test_a_call_of_an_app_or_a_prompt_that_is_not_known_does_not_count(told: Registry) -> None:
    secret = report_key(told).secret
    assert feed(told, call_id(told.lineage, secret, place=assignment("nobody"))) == Fed(counted=False, reason="unknown")
    line = Line(
        feedback=Feedback(call=call_id(told.lineage, secret), name="resolved"),
        allows=lambda channel, app: app == "other",
    )
    assert take(told, [line], now=START).answers == (Fed(counted=False, reason="unknown"),)
    assert feed(told, call_id(told.lineage, secret, random=1)).counted  # type: ignore[union-attr]

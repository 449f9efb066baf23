"""Orders about evidence and about people's word: runs, verdicts and results from elsewhere, approvals, waivers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from promptops.core.errors import NotFound
from promptops.core.evidence.case_table import Arm, CaseTable, Row, RowOutcome
from promptops.core.evidence.evidence import Evidence, table_of
from promptops.core.evidence.release_suites import ReleaseSuites
from promptops.core.evidence.run import Run, expected
from promptops.core.evidence.table_bytes import encode_table
from promptops.core.gate.given import gate_release
from promptops.core.model import Json, Policy
from promptops.core.release_bytes import content_from_bytes
from promptops.core.verdict import Outcome
from promptops.operations.approve import ApproveRequest, approve
from promptops.operations.channels import Terms, apply_channels
from promptops.operations.evidence import AddRequest, ImportRequest, add, import_table
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.runs import CloseRequest, OpenRequest, ReportRequest, close, open_run, report
from promptops.store import Reader, Registry, Writer
from tests.gate import world as gates
from tests.support.evidence import arm, case, row, run
from tests.support.factory import ACTOR, NAME, START, minutes

if TYPE_CHECKING:
    from tests.harness.faults.orders import Fact, Order

APPROVER = "Bob <bob@example.org>"
GATE: Mapping[str, Json] = {
    "approvals": {"count": 1, "proven": False},
    "freeze": [{"from": "2026-03-01", "to": "2026-03-02"}],
    "waivers": {"may": ["freeze"]},
}
"""One approval, in a freeze that began before the harness did: what goes live is approved and has a waiver."""

KINDS = frozenset({"run", "row", "evidence", "approval", "withdrawal", "waiver"})
_CASES = 3


def holds(reader: Reader, fact: Fact) -> bool:
    """True where the registry says what was acknowledged of these kinds. Of a row: before or after its run's end."""
    kind, name, *more = fact[0], str(fact[1]), *map(str, fact[2:])
    try:
        if kind == "run":
            return bool(reader.run(name).cases)
        if kind == "row":
            return int(more[0]) in {*map(_number, reader.run_rows(name)), *_closed(reader, name)}
        if kind == "evidence":
            return reader.one_evidence(name).table_digest == more[0]
        if kind == "waiver":
            known = reader.waivers(minutes(0), name, more[0])
            return any((each.digest, each.check) == (more[1], more[2]) for each in known)
        word = [each for each in reader.approvals(name, more[0], more[1]) if each.number == int(more[2])]
        return [each.withdraws is not None for each in word] == [kind == "withdrawal"]
    except NotFound:
        return False


def _closed(reader: Reader, name: str) -> list[int]:
    every = reader.evidence(run=name, tables=True)
    return [_number(each) for each in table_of(every[-1], reader.run(name)).rows] if every else []


def _number(of: Row) -> int:
    """The number of a row in the plan of its run: a case has one of each arm."""
    return 2 * of.case + (of.arm is Arm.LIVE)


# --- runs ----------------------------------------------------------------------------------------


def open_(registry: Registry, order: Order) -> list[Fact]:
    """A run of the release against itself, under the order's text or key."""
    planned = _planned(registry, order)
    request = OpenRequest.of(planned, key=order.key)
    return [("run", open_run(registry, request, actor=ACTOR, now=order.now).run)]


def rows(registry: Registry, order: Order) -> list[Fact]:
    """All rows of the run."""
    return _report(registry, order, 0, 2 * _CASES)


def close_(registry: Registry, order: Order) -> list[Fact]:
    """The end of the run, with all of its rows or without some."""
    request = CloseRequest(run=_id(order), key=order.key, note="the machine was needed")
    return _evidence(close(registry, request, actor=ACTOR, now=order.now))


def whole_run(registry: Registry, order: Order) -> list[Fact]:
    """A run that is opened, is closed after half of its rows, goes on, and comes to its end."""
    run_ = order.text or order.key
    facts = open_(registry, replace(order, key=f"{order.key} open", text=run_))
    facts += _report(registry, order, 0, _CASES)
    facts += close_(registry, replace(order, key=f"{order.key} half", text=run_))
    facts += _report(registry, order, _CASES, 2 * _CASES)
    return facts + close_(registry, replace(order, text=run_))


def _id(order: Order) -> str:
    return hashlib.sha256((order.text or order.key).encode()).hexdigest()[:32]


def _planned(registry: Registry, order: Order) -> Run:
    with registry.read() as reader:
        digest = reader.find_release(order.app, version=order.version).digest
    arms = tuple(replace(arm(which, "same"), digest=digest) for which in (Arm.CANDIDATE, Arm.LIVE))
    return run(0, _CASES, id=_id(order), app=order.app, arms=arms)


def _report(registry: Registry, order: Order, first: int, last: int) -> list[Fact]:
    places = list(expected(_planned(registry, order)))[first:last]
    some = tuple(row(*place, passed=place[0] != 1) for place in places)
    report(registry, ReportRequest(run=_id(order), rows=some, key=order.key), now=order.now)
    return [("row", _id(order), _number(each)) for each in some]


# --- from elsewhere ------------------------------------------------------------------------------


def add_verdict(registry: Registry, order: Order) -> list[Fact]:
    request = AddRequest(
        reference=order.reference, check="red-team", verdict=Outcome.PASS, note="looked at", key=order.key
    )
    return _evidence(add(registry, request, actor=ACTOR, now=order.now))


def import_results(registry: Registry, order: Order) -> list[Fact]:
    table = CaseTable(cases=tuple(map(case, range(_CASES))), rows=tuple(map(row, range(_CASES))))
    request = ImportRequest(reference=order.reference, table=encode_table(table), tools=("other 1",), key=order.key)
    return _evidence(import_table(registry, request, actor=ACTOR, now=order.now))


def _evidence(made: Evidence) -> list[Fact]:
    return [("evidence", made.id, made.table_digest)]


# --- people --------------------------------------------------------------------------------------


def approve_(registry: Registry, order: Order, *, back: bool = False) -> list[Fact]:
    request = ApproveRequest(reference=order.reference, channel=order.channel, key=order.key, withdraw=back)
    done = approve(registry, request, actor=APPROVER, now=order.now).approvals
    kind = "withdrawal" if back else "approval"
    return [(kind, each.app, each.channel, each.digest, each.number) for each in done]


def withdraw(registry: Registry, order: Order) -> list[Fact]:
    return approve_(registry, order, back=True)


def waive(registry: Registry, order: Order) -> list[Fact]:
    """A promotion in a freeze, which is waived."""
    request = PromoteRequest(
        reference=order.reference,
        channel=order.channel,
        key=order.key,
        reason="it cannot wait",
        waive=("freeze",),
        waive_for=timedelta(days=7),
    )
    done = promote(registry, request, actor=ACTOR, now=order.now).deployments
    facts: list[Fact] = [("deployment", each.app, each.channel, each.revision, each.version) for each in done]
    return facts + [("waiver", each.app, each.channel, each.digest, "freeze") for each in done]


# --- a gate that reads a run ---------------------------------------------------------------------


def measure(registry: Registry) -> None:
    """A gate on prod that asks for a run, a verdict and an approval; and a run in which bot@0.1.3 is like live."""
    with registry.read() as reader:
        new, live = (reader.find_release("bot", version=version) for version in ("0.1.3", "0.1.2"))
    plan = gates.cases("answer", "answer", 60)
    suite = gates.suite_of(plan)
    candidate, other = (
        gate_release(content_from_bytes(each.content), each.digest, version=each.version, suites=(suite,))
        for each in (new, live)
    )
    outcomes = {each: [[RowOutcome.PASSED]] * len(plan) for each in (Arm.CANDIDATE, Arm.LIVE)}
    done = gates.run(candidate, plan, outcomes, others={Arm.LIVE: other}, at=minutes(-60))
    evidence = done.evidence
    assert evidence is not None
    about: dict[str, Any] = {"app": "bot", "suites": (suite,), "commit": "c" * 40, "actor": ACTOR, "at": minutes(-90)}

    def work(writer: Writer) -> None:
        for number, each in enumerate((live, new), 1):
            writer.record(ReleaseSuites(number=number, digest=each.digest, **about))
        writer.record(done.run)
        writer.record(evidence)

    registry.write(work)
    asked: Mapping[str, Json] = {
        "not_worse": {"margin": "10%"},
        "external": {"red-team": {}},
        "approvals": {"count": 1, "proven": False},
    }
    apply_channels(registry, NAME, {"prod": Policy(gate=asked)}, actor=ACTOR, now=START, terms=Terms(loosen=True))

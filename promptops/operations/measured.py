"""What a run that is about to start may leave out, because an earlier run asked the same and has the answers.

The gate decides by the same rule which answers stand (:mod:`promptops.core.gate.reuse`), so a run that goes by this
answer is complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.evidence.case_table import Arm, RowOutcome
from promptops.core.evidence.run import SuiteRef
from promptops.core.evidence.table_bytes import decode_table
from promptops.core.gate.given import GateInput, GatePrompt
from promptops.core.gate.pools import Part, Universe, parts_of
from promptops.core.gate.reading import read_gate
from promptops.core.gate.records import Record, records_of
from promptops.core.gate.reuse import reusable
from promptops.core.gate.settings import EvidenceRule
from promptops.core.names import AppName, ChannelName
from promptops.operations.gate import release_of
from promptops.operations.people import bases_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from promptops.core.evidence.case_table import Case
    from promptops.store import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRequest:
    """A run as it is planned for a channel: its suites with their repeats, and its cases as a table without rows."""

    app: AppName
    channel: ChannelName
    suites: tuple[SuiteRef, ...]
    plan: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCase:
    """A case that may be left out: its place in the plan, the run that asked it, the time of its opening, and how many
    of the answers passed.
    """

    case: int
    run: str
    at: datetime
    passed: int
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The cases of a plan that may be left out, if they are the same in the release with this digest, which is live.

    Without a gate, or with nothing live, ``digest`` is empty and there are no cases.
    """

    app: AppName
    channel: ChannelName
    digest: str = ""
    cases: tuple[MeasuredCase, ...] = ()


def measured(registry: Registry, request: MeasuredRequest, *, now: datetime) -> Measured:
    """Returns which unchanged cases of a plan have answers that a run for this channel may lean on.

    Raises:
        ChannelNotFound: there is no such channel. Invalid: the plan is no case table, or the gate cannot be read.
    """
    cases = decode_table(request.plan).cases
    repeats = {suite.name: suite.repeats for suite in request.suites}
    with registry.read() as reader:
        gate = reader.channel(request.channel).policy.gate
        bases = tuple(bases_of(reader, request.app, request.channel))
        if gate is None or not bases:
            return Measured(app=request.app, channel=request.channel)
        live = release_of(reader, bases[0])
        runs, evidence = reader.runs(request.app), reader.evidence(app=request.app, tables=True)
    rule = read_gate(gate, request.app).evidence
    given = GateInput(
        app=request.app, channel=request.channel, candidate=live, now=now, runs=runs, evidence=evidence
    )  # fmt: skip
    records = records_of(given, rule).counted
    found: list[MeasuredCase] = []
    for (suite, name), places in _pairs(cases).items():
        prompt = live.prompt(name)
        if prompt is not None and suite in repeats:
            chosen = {place: cases[place] for place in places}
            found += _of_pair(records, suite, prompt, chosen, repeats[suite], rule, now)
    found.sort(key=lambda one: one.case)
    return Measured(app=request.app, channel=request.channel, digest=live.digest, cases=tuple(found))


def _pairs(cases: Iterable[Case]) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = {}
    for place, case in enumerate(cases):
        found.setdefault((case.suite, case.prompt), []).append(place)
    return found


def _of_pair(
    records: tuple[Record, ...],
    suite: str,
    prompt: GatePrompt,
    cases: Mapping[int, Case],
    repeats: int,
    rule: EvidenceRule,
    now: datetime,
) -> Iterator[MeasuredCase]:
    places, universe = tuple(cases), Universe(cases.values())
    parts = parts_of(records, universe, suite, prompt)
    found = reusable(records, parts, universe, prompt, rule, now, repeats)
    for number, part in found.items():
        if universe.cases[number].unchanged:
            yield _measured(places[number], number, part)


def _measured(case: int, place: int, part: Part) -> MeasuredCase:
    rows = [row for row in part.answers(Arm.CANDIDATE)[place] if row is not None]
    passed = sum(row.outcome is RowOutcome.PASSED for row in rows)
    return MeasuredCase(case=case, run=part.record.id, at=part.record.at, passed=passed, answers=len(rows))

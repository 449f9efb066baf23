"""What a run that is about to start may leave out: an earlier run has the answers, or another day is due for it.

The gate decides by the same rules which answers stand (:mod:`promptops.core.gate.reuse`) and which cases make a look
(:mod:`promptops.core.gate.looks`), so a run that goes by this answer is complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from promptops.core.evidence.case_table import Arm, RowOutcome
from promptops.core.evidence.run import ArmRelease, SuiteRef
from promptops.core.evidence.table_bytes import decode_table
from promptops.core.gate.given import GateInput, GatePrompt, GateRelease
from promptops.core.gate.looks import looks_of
from promptops.core.gate.pools import Part, Universe, parts_of
from promptops.core.gate.reading import read_gate
from promptops.core.gate.records import Record, records_of
from promptops.core.gate.required import asks_of
from promptops.core.gate.reuse import reusable
from promptops.core.gate.settings import EvidenceRule, GateSettings
from promptops.core.gate.subject import suites_of
from promptops.core.names import AppName, ChannelName
from promptops.operations.gate import release_of
from promptops.operations.people import bases_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from promptops.core.evidence.case_table import Case
    from promptops.store import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRequest:
    """A run as it is planned for a channel: its arms, its suites with their repeats, and its cases as a table without
    rows.
    """

    app: AppName
    channel: ChannelName
    suites: tuple[SuiteRef, ...]
    plan: bytes
    arms: tuple[ArmRelease, ...] = ()


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
class SpreadCases:
    """The cases of a suite and a prompt that the gate wants on several days.

    A run of today asks those of one ``share``, counted from 0 (:func:`promptops.core.evidence.content.share_of`). If it
    is None, today's were asked, and the others are due from ``due`` on.
    """

    suite: str
    prompt: str
    days: int
    share: int | None
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The cases of a plan that may be left out, if they are the same in the release with this digest, which is live;
    and those of which another day is due.

    Without a gate, or with nothing live, ``digest`` is empty and there are no cases.
    """

    app: AppName
    channel: ChannelName
    digest: str = ""
    cases: tuple[MeasuredCase, ...] = ()
    spread: tuple[SpreadCases, ...] = ()


def measured(registry: Registry, request: MeasuredRequest, *, now: datetime) -> Measured:
    """Returns which unchanged cases of a plan have answers that a run for this channel may lean on, and which of those
    that are compared are for another day.

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
    settings = read_gate(gate, request.app)
    rule = settings.evidence
    given = GateInput(
        app=request.app, channel=request.channel, candidate=live, now=now, runs=runs, evidence=evidence
    )  # fmt: skip
    records = records_of(given, rule).counted
    old_names = {new: old for old, new in settings.renames.items()}
    found: list[MeasuredCase] = []
    spread: list[SpreadCases] = []
    for (suite, name), places in _pairs(cases).items():
        chosen = {place: cases[place] for place in places}
        prompt = live.prompt(name) or live.prompt(old_names.get(name, ""))
        if prompt is not None and suite in repeats:
            found += _of_pair(records, suite, prompt, chosen, repeats[suite], rule, now)
        if settings.days > 1:
            spread += _spread(records, settings, request, suite, name, Universe(chosen.values()), now)
    found.sort(key=lambda one: one.case)
    return Measured(
        app=request.app, channel=request.channel, digest=live.digest, cases=tuple(found), spread=tuple(spread)
    )


def _spread(
    records: tuple[Record, ...], settings: GateSettings, request: MeasuredRequest, suite: str, name: str,
    universe: Universe, now: datetime,
) -> Iterator[SpreadCases]:  # fmt: skip
    """Yields what is due of a suite and a prompt, if a gate compares them with another release of the run.

    A suite that is required is asked whole, so each run of it is a look.
    """
    contents = {each.arm: one.digest for each in request.arms for one in each.prompts if one.prompt == name}
    content = contents.pop(Arm.CANDIDATE, "")
    others = [other for other in contents.values() if other != content]
    named = settings.not_worse.suites if settings.not_worse else ()
    compared = suites_of(name, GateRelease(digest="", suites=request.suites), named) if settings.not_worse else []
    ref = next((one for one in compared if one.name == suite), None)
    if not others or ref is None or (settings.required and asks_of(ref, settings.required)):
        return
    prompt = GatePrompt(name=name, content=content, exact="")
    parts = parts_of(records, universe, suite, prompt, others[0])
    looks = looks_of(parts, universe, content, settings.days, settings.evidence.max_age)
    share = looks.due(now.date())
    day = now.date() + timedelta(days=1) if share is None else now.date()
    due = datetime.combine(day, time(), UTC)
    yield SpreadCases(suite=suite, prompt=name, days=settings.days, share=share, due=due)


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

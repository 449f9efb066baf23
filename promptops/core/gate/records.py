"""Which runs a gate reads: those that the policy counts, each with every row that was reported, and none chosen.

A run counts from its opening on. What was not reported is *missing*: a gate takes it for the worst.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import Arm, Case
from promptops.core.evidence.evidence import Evidence, answers_of, newest_of_each_run
from promptops.core.evidence.run import (
    CALLS,
    OPEN_FOR,
    ArmRelease,
    PromptContent,
    Purpose,
    Run,
    Source,
    SuiteRef,
    expected,
)
from promptops.core.evidence.table_columns import Answer, AnswerTable, ByCase, Call, Part
from promptops.core.gate.given import GateInput
from promptops.core.gate.settings import EvidenceRule


@dataclass(frozen=True, kw_only=True)  # no slots: rows are read once
class Record:
    """A run, or a result file that was imported, with what was reported of it.

    ``under_way``: rows may still come. ``evidence`` is None for a run that was never closed.
    """

    id: str
    at: datetime
    arms: tuple[ArmRelease, ...]
    suites: Mapping[str, SuiteRef]
    evidence: Evidence | None
    run: Run | None
    under_way: bool = False

    @property
    def candidate(self) -> ArmRelease:
        return next(each for each in self.arms if each.arm is Arm.CANDIDATE)

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """The cases that were planned, or those of a result file.

        Raises:
            Invalid: the plan is damaged.
        """
        if self.run is None:
            return self.table.cases
        if self.run.flaw:
            raise Invalid(f"the run {self.id}: {self.run.flaw}")
        return self.run.cases

    @cached_property
    def table(self) -> AnswerTable:
        """The answers, as far as they were reported.

        Raises:
            Invalid: the table is damaged.
        """
        if self.evidence is None:
            return AnswerTable(cases=self.cases)
        return answers_of(self.evidence, self.run)

    def answers(self, at: Mapping[int, int], arm: Arm) -> ByCase[Answer]:
        """Returns the answer of each planned repeat of some cases, by the names that ``at`` gives to their places.

        None stands for an answer that is missing.
        """
        return self._planned(self.table.answers[arm], at)

    def calls(self, at: Mapping[int, int], arm: Arm) -> ByCase[Call]:
        """Returns what each planned repeat of some cases took and cost, as :meth:`answers` does."""
        return self._planned(self.table.calls[arm], at)

    def _planned(self, reported: ByCase[Part], at: Mapping[int, int]) -> ByCase[Part]:
        planned = {name: suite.repeats for name, suite in self.suites.items()}
        cases = self.cases
        found: dict[int, Sequence[Part | None]] = {}
        for name, place in at.items():
            there = reported.get(place, ())
            lacking = planned[cases[place].suite] - len(there)
            found[name] = (*there, *(None,) * lacking) if lacking > 0 else there
        return found

    def reported(self, arm: Arm, place: int) -> list[Call]:
        """Returns what each answer to a case that was reported took and cost."""
        return [call for call in self.table.calls[arm].get(place, ()) if call is not None]

    @property
    def lacks(self) -> bool:
        """Whether an answer that the run planned was not reported."""
        if self.run is None:
            return False
        answers = self.table.answers
        for place, arm, repeat in expected(self.run):
            there = answers[arm].get(place, ())
            if len(there) < repeat or there[repeat - 1] is None:
                return True
        return False

    def content(self, arm: Arm, prompt: str) -> str:
        """Returns the digest of what an arm sends for a prompt; empty if it does not take part."""
        release = next((each for each in self.arms if each.arm is arm), None)
        contents = release.prompts if release is not None else ()
        return next((content.digest for content in contents if content.prompt == prompt), "")

    def arm_with(self, prompt: str, content: str) -> Arm | None:
        """Returns which arm the candidate is compared with where a prompt has this content in one, by whatever name."""
        return next((arm for arm in (Arm.LIVE, Arm.ANCHOR) if self.content(arm, prompt) == content), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The runs that count, oldest first, and why others of the same release do not."""

    counted: tuple[Record, ...]
    refused: tuple[str, ...]

    def own(self, release: str) -> tuple[Record, ...]:
        """Returns the runs of a release itself, oldest first."""
        return tuple(record for record in self.counted if record.candidate.digest == release)


def records_of(given: GateInput, rule: EvidenceRule) -> Records:
    """Returns the runs of an app that count by a rule.

    Raises:
        Invalid: what was imported, or an empty run, is damaged.
    """
    closed = {piece.run: piece for piece in newest_of_each_run(_mine(given)) if piece.run}
    counted, refused = [], []
    for run in {run.id: run for run in given.runs if run.app == given.app}.values():
        evidence = closed.get(run.id)
        by = run.token_name, run.person
        why = why_not(rule, run.source, run.hosts, by, calls=not rule.hosts or _calls(run)) or _unread(run, evidence)
        if not why:
            counted.append(_record(run, evidence, given.now))
        elif run.candidate.digest == given.candidate.digest:
            refused.append(why)
    for piece in _mine(given):
        if piece.source is Source.IMPORT and piece.digest == given.candidate.digest:
            why = why_not(rule, piece.source, piece.hosts, (piece.token_name, piece.person))
            if why:
                refused.append(why)
            else:
                counted.append(_imported(piece, given))
    counted.sort(key=lambda record: (record.at, record.id))
    return Records(counted=tuple(counted), refused=tuple(sorted(set(refused))))


def _mine(given: GateInput) -> Iterable[Evidence]:
    return [piece for piece in given.evidence if piece.app == given.app]


def _calls(run: Run) -> bool:
    """Returns whether a run asks anything itself, and does not leave all of its cases to earlier ones."""
    return bool(run.hosts or run.flaw) or not all(case.reused for case in run.cases)


def why_not(
    rule: EvidenceRule, source: Source, hosts: tuple[str, ...], by: tuple[str, str], *, calls: bool = True
) -> str:
    """Returns why a run does not count; empty if it does."""
    if source not in rule.sources:
        return f"the policy does not count {source.value}"
    if rule.by and not {name.casefold() for name in rule.by} & {name.casefold() for name in by if name}:
        return f"it was made by {by[0] or by[1] or 'the database itself'}, and the policy counts {', '.join(rule.by)}"
    if rule.hosts and calls and not (hosts and set(hosts) <= set(rule.hosts)):
        called = ", ".join(sorted(hosts)) or "an endpoint that it does not name"
        return f"it called {called}, and the policy counts {', '.join(rule.hosts)}"
    return ""


def _unread(run: Run, evidence: Evidence | None) -> str:
    """Returns why a run that the policy would count says nothing of a release; its look comes back."""
    if run.purpose is not Purpose.GATE:
        return "it was a run for drift"
    if any(suite.name.startswith(CALLS) for suite in run.suites):
        return "it asked captured calls, which the runner chose"
    if evidence is None or evidence.complete or any(one.passed + one.failed + one.errors for one in evidence.counts):
        return ""
    return "" if answers_of(evidence, run).rows.length else "it was closed without a row"


def _record(run: Run, evidence: Evidence | None, now: datetime) -> Record:
    complete = evidence is not None and evidence.complete
    return Record(
        id=run.id,
        at=run.at,
        arms=run.arms,
        suites={suite.name: suite for suite in run.suites},
        evidence=evidence,
        run=run,
        under_way=not complete and now < run.at + OPEN_FOR,
    )


def _imported(piece: Evidence, given: GateInput) -> Record:
    """A result file: of the candidate alone, whose contents are those of its digest."""
    table = answers_of(piece)
    names = {case.prompt for case in table.cases}
    contents = [PromptContent(prompt=one.name, digest=one.content) for one in given.candidate.prompts]
    arm = ArmRelease(
        arm=Arm.CANDIDATE, digest=piece.digest, prompts=tuple(one for one in contents if one.prompt in names)
    )
    return Record(
        id=piece.id,
        at=piece.at,
        arms=(arm,),
        suites={suite.name: suite for suite in piece.suites},
        evidence=piece,
        run=None,
    )

"""The runs of a release itself, without which nothing is judged: of this digest, this suite, and all of its cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from promptops.core.evidence.case_table import Arm, Case
from promptops.core.evidence.run import SuiteRef
from promptops.core.gate.given import GateInput, GatePrompt
from promptops.core.gate.records import Record, Records
from promptops.core.gate.settings import GateSettings
from promptops.core.suite.suite import held_digest


def own_runs(
    given: GateInput,
    settings: GateSettings,
    records: Records,
    suite: SuiteRef,
    prompt: GatePrompt,
    *,
    other: str | None = None,
    what: str = "live",
) -> list[Record] | str:
    """Returns runs of the release with all cases of a suite, or why there are none.

    It is the newest one; where the cases are spread over days, all that together have them. ``other`` is the content
    to which the run has to put the cases as well.
    """
    own = [record for record in records.own(given.candidate.digest) if suite.name in record.suites]
    same = [record for record in own if record.suites[suite.name].digest == suite.digest]
    both = [record for record in same if _puts(record, prompt, other)]
    chosen = _whole(both, suite, prompt.name, together=settings.days > 1)
    if chosen and given.now - chosen[-1].at > settings.evidence.max_age:
        return f"the newest run is of {chosen[-1].at:%Y-%m-%d}, older than the policy takes"
    if chosen:
        return chosen
    if both:
        return f"its run had other cases than the suite {suite.name} has"
    if same:
        return f"its runs did not put {prompt.name} to {what}"
    if own:
        return f"its runs were made with another suite {suite.name}"
    if records.refused:
        return f"its runs do not count: {'; '.join(records.refused)}"
    return f"no run of {given.name} has the suite {suite.name}"


def planned(records: Iterable[Record], suite: str, prompt: str, *, other: str | None = None) -> list[Case]:
    """Returns the cases of a suite and a prompt in some runs, each once, as its newest run has it.

    With ``other``, only those of which the request is not the same in the arm that has this content of the prompt.
    """
    found: dict[str, Case] = {}
    for record in reversed(list(records)):
        arm = None if other is None else record.arm_with(prompt, other)
        for case in record.cases:
            if (case.suite, case.prompt) == (suite, prompt) and not case.is_same_in(arm):
                found.setdefault(case.digest, case)
    return list(found.values())


def newest_of_each(records: Sequence[Record], days: int = 1) -> dict[tuple[str, str], list[Record]]:
    """Returns the newest run of each suite and prompt, of runs that are given oldest first.

    Where cases are spread over days, with the runs before it that have the other ones, oldest first.
    """
    if days == 1:
        return {(case.suite, case.prompt): [record] for record in records for case in record.cases}
    found: dict[tuple[str, str], list[Record]] = {}
    seen: dict[tuple[str, str], set[str]] = {}
    for record in reversed(records):
        here: dict[tuple[str, str], set[str]] = {}
        for case in record.cases:
            here.setdefault((case.suite, case.prompt), set()).add(case.digest)
        for pair, cases in here.items():
            before = seen.setdefault(pair, set())
            if len(found.get(pair, ())) < days and not before & cases:
                found.setdefault(pair, []).insert(0, record)
            before |= cases
    return found


def _puts(record: Record, prompt: GatePrompt, other: str | None) -> bool:
    if record.content(Arm.CANDIDATE, prompt.name) != prompt.content:
        return False
    return other is None or record.arm_with(prompt.name, other) is not None


def case_digests_of(suite: SuiteRef | None, records: Iterable[Record]) -> frozenset[str]:
    """Returns the digests of a suite's cases. Those of held cases are in the plans of its runs, and nowhere else."""
    if suite is None or not suite.held:
        return frozenset(suite.cases if suite is not None else ())
    runs = [record for record in records if suite.name in record.suites]
    same = [record for record in runs if record.suites[suite.name].digest == suite.digest]
    return frozenset(case.digest for record in same for case in record.cases if case.suite == suite.name)


def _whole(records: Sequence[Record], suite: SuiteRef, prompt: str, *, together: bool) -> list[Record]:
    """Returns the newest run that has all cases, or all runs that have them together; none else."""
    singly = [[record] for record in reversed(records)]
    groups = [*singly[:1], list(records)] if together else singly
    for group in groups:
        if _are_all(suite, {case.digest for case in planned(group, suite.name, prompt)}):
            return group
    return []


def _are_all(suite: SuiteRef, cases: set[str]) -> bool:
    if suite.held:
        return held_digest(cases) == suite.held
    return bool(cases) and cases == set(suite.cases)

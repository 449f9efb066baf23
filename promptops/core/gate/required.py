"""The check ``required``: every case of these suites passes, in so many of so many repeats. It says no more than that.

Repeats are fixed beforehand, for every case. A case also has to pass in that share of all answers that were ever given
with the same content, so that no run of several is the lucky one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from promptops.core.evidence.case_table import Arm, Case, RowOutcome
from promptops.core.evidence.run import SuiteRef
from promptops.core.evidence.table_columns import Answer
from promptops.core.gate.given import GateInput, GatePrompt
from promptops.core.gate.own_runs import own_runs, planned
from promptops.core.gate.pools import Part, Universe, ids_of, parts_of
from promptops.core.gate.records import Records
from promptops.core.gate.reuse import Standing, standing
from promptops.core.gate.settings import GateSettings, Required
from promptops.core.gate.subject import unapproved_move
from promptops.core.gate.verdict import CheckVerdict, approve, evaluate
from promptops.core.suite.suite import SuiteKind
from promptops.core.verdict import Outcome

NAME = "required"
_SHOWN = 5
"""Cases that a reason names."""


def check(given: GateInput, settings: GateSettings, records: Records) -> list[CheckVerdict]:
    """Returns a verdict for each required suite and each of its prompts."""
    rule = settings.required
    assert rule is not None
    suites = [suite for suite in given.candidate.suites if asks_of(suite, rule)]
    lacking = sorted(set(rule.suites) - {suite.name for suite in suites})
    found = [_none(f"the app has no suite {name}", name) for name in lacking]
    for suite in sorted(suites, key=lambda one: one.name):
        for prompt in given.candidate.prompts:
            found += [_of_prompt(given, settings, records, suite, prompt)] if prompt.name in suite.prompts else []
    return found or [_none("the app has no suite of the kind required", "")]


def asks_of(suite: SuiteRef, rule: Required) -> bool:
    """Returns whether every case of a suite has to pass."""
    return suite.name in rule.suites if rule.suites else suite.kind is SuiteKind.REQUIRED


def _none(reason: str, suite: str) -> CheckVerdict:
    hint = "Add one in evals/ and release again, or take the check off for this app in the policy."
    return CheckVerdict(name=NAME, outcome=Outcome.INCONCLUSIVE, suite=suite, reason=reason, hint=hint)


def _of_prompt(
    given: GateInput, settings: GateSettings, records: Records, suite: SuiteRef, prompt: GatePrompt
) -> CheckVerdict:
    rule = settings.required
    assert rule is not None
    verdict = CheckVerdict(
        name=NAME,
        outcome=Outcome.INCONCLUSIVE,
        prompt=prompt.name,
        suite=suite.name,
        suite_digest=suite.digest,
        asked=f"every case passes in {rule.agree} of {rule.of} repeats",
        hint=evaluate(given),
    )
    if move := unapproved_move(given, settings, suite, given.live, gone_only=True):
        reason = f"the suite is not the one that live was judged with: {move}"
        return replace(verdict, reason=reason, hint=approve(given, "the suite", suite=suite.digest))
    own = own_runs(given, replace(settings, days=1), records, suite, prompt)
    if isinstance(own, str):
        return replace(verdict, reason=own, lacks_run=True)
    universe = Universe(planned(own, suite.name, prompt.name))
    parts = parts_of(records.counted, universe, suite.name, prompt)
    newest = standing(records.counted, parts, universe, prompt, own, settings.evidence, given.now)
    if isinstance(newest, str):
        return replace(verdict, reason=newest, lacks_run=True)
    if newest.repeats < rule.of:
        reason = f"its cases were asked {newest.repeats} times, not {rule.of}"
        return replace(verdict, reason=reason, lacks_run=True)
    verdict = replace(verdict, evidence=ids_of(parts, own[-1]))
    return _judged(settings, rule, verdict, universe, parts, newest)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What a case got. ``broken``: it fails whatever the errors would have been; ``unsure``: errors decide."""

    case: Case
    broken: bool
    unsure: bool
    regressed: bool


def _judged(
    settings: GateSettings,
    rule: Required,
    verdict: CheckVerdict,
    universe: Universe,
    parts: list[Part],
    newest: Standing,
) -> CheckVerdict:
    cases = [_of_case(rule, parts, newest, place, case) for place, case in enumerate(universe.cases)]
    broken, unsure = [one for one in cases if one.broken], [one for one in cases if one.unsure]
    errors = newest.errors
    passed = len(cases) - len(broken) - len(unsure)
    verdict = replace(verdict, got=f"{passed} of {len(cases)} cases pass")
    if not cases:
        return replace(verdict, reason="the suite has no case")
    if newest.under_way and errors.missing:
        hint = "Wait until it is closed, or let its runner go on."
        return replace(verdict, reason=f"a run is under way since {newest.under_way.at:%Y-%m-%d %H:%M}", hint=hint)
    if broken:
        regressed = [one for one in broken if one.regressed]
        reason = f"{_named(broken)} fail" + (f"; {_named(regressed)} pass on live" if regressed else "")
        return replace(verdict, outcome=Outcome.FAIL, reason=reason, hint="Change the prompt.")
    if unsure:
        over = errors.share > settings.evidence.max_errors
        reason = f"errors and missing answers decide over {_named(unsure)}"
        return replace(verdict, outcome=Outcome.ERROR if over else Outcome.INCONCLUSIVE, reason=reason)
    return replace(
        verdict, outcome=Outcome.PASS, reason=f"these {len(cases)} cases pass, which says nothing of others", hint=""
    )


def _of_case(rule: Required, parts: list[Part], newest: Standing, place: int, case: Case) -> _Case:
    newly = newest.answers(place)
    good, unknown = _good(newly), sum(one is None or one.outcome is RowOutcome.ERROR for one in newly)
    ever = [one for part in parts for one in part.answers(Arm.CANDIDATE).get(place, ())]
    answered = [one for one in ever if one is None or one.outcome is not RowOutcome.ERROR]
    of_all = _enough(_good(answered), len(answered), rule)
    errors = sum(one is not None and one.outcome is RowOutcome.ERROR for one in newly)
    hoped = _good(answered) + sum(one is None for one in answered) + errors
    at_best = _enough(hoped, len(answered) + errors, rule)
    broken = not _enough(good + unknown, len(newly), rule) or not at_best
    enough = _enough(good, len(newly), rule) and of_all
    run = newest.parts[place]
    live = () if case.reused else run.record.answers({place: run.at[place]}, Arm.LIVE)[place]
    there = any(one is not None for one in live)
    return _Case(
        case=case,
        broken=broken,
        unsure=not broken and not enough,
        regressed=broken and there and _enough(_good(live), len(live), rule),
    )


def _good(answers: Sequence[Answer | None]) -> int:
    return sum(answer is not None and answer.outcome is RowOutcome.PASSED for answer in answers)


def _enough(good: int, count: int, rule: Required) -> bool:
    return count > 0 and good * rule.of >= rule.agree * count


def _named(cases: list[_Case]) -> str:
    named = ", ".join(one.case.id[:40] for one in cases[:_SHOWN])
    return f"{named} and {len(cases) - _SHOWN} more" if len(cases) > _SHOWN else named

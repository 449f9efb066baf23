"""The check ``not_worse``: no changed prompt is worse by the margin than what is live, nor than the anchor."""

from __future__ import annotations

from dataclasses import replace

from promptops.core.advice import Sentence, option
from promptops.core.evidence.case_table import Arm
from promptops.core.gate.comparison import Compared, Difference, compare
from promptops.core.gate.given import GateInput
from promptops.core.gate.judges import margin_factor
from promptops.core.gate.looks import Looks, begun, looks_of, tries, waiting
from promptops.core.gate.own_runs import own_runs, planned
from promptops.core.gate.pair import NAME, Pair, others, pairs_of
from promptops.core.gate.pools import Errors, Mean, Part, Universe, errors_of, means_of, parts_of
from promptops.core.gate.records import Records
from promptops.core.gate.settings import GateSettings, Measure, NotWorse
from promptops.core.gate.subject import (
    Changed,
    changed_prompts,
    independent,
    rename_doubts,
    unapproved_move,
    unbelieved,
)
from promptops.core.gate.verdict import CheckVerdict, approve, evaluate
from promptops.core.verdict import Outcome


def check(given: GateInput, settings: GateSettings, records: Records) -> list[CheckVerdict]:
    """Returns a verdict for each changed prompt, each of its suites and each release it is compared with."""
    rule = settings.not_worse
    assert rule is not None
    doubts = rename_doubts(given, settings)
    found = [
        CheckVerdict(name=NAME, outcome=Outcome.INCONCLUSIVE, prompt=new, reason=reason, hint=hint)
        for new, reason, hint in doubts
    ]
    for release, what in others(given, rule):
        for changed in changed_prompts(given, release, settings):
            found += _of_prompt(given, settings, records, rule, changed, what)
    if found:
        return found
    if not given.live:
        return [CheckVerdict(name=NAME, outcome=Outcome.PASS, got="nothing to compare with: a first release")]
    return [CheckVerdict(name=NAME, outcome=Outcome.PASS, got="no prompt changed")]


def _of_prompt(
    given: GateInput, settings: GateSettings, records: Records, rule: NotWorse, changed: Changed, what: str
) -> list[CheckVerdict]:
    if changed.other is None:
        return []  # `gate.py` asks that another check covers a prompt that is new
    pairs = pairs_of(given, records, rule, changed, what)
    if pairs:
        return [verdict for pair in pairs for verdict in _of_pair(given, settings, records, rule, pair)]
    name = changed.prompt.name
    reason = f"no suite has cases for the changed prompt {name}"
    hint = "Give it test data and evaluators, or a file in evals/, and release again."
    return [CheckVerdict(name=NAME, outcome=Outcome.INCONCLUSIVE, prompt=name, reason=reason, hint=hint)]


def _of_pair(
    given: GateInput, settings: GateSettings, records: Records, rule: NotWorse, pair: Pair
) -> list[CheckVerdict]:
    changed = pair.changed
    assert changed.other is not None
    if pair.is_anchor and given.approvers("anchor", settings):
        return [pair.verdict(Outcome.PASS, "a person approved of leaving the anchor out")]
    other = changed.other.content
    own = own_runs(given, settings, records, pair.suite, changed.prompt, other=other, what=pair.what)
    if isinstance(own, str):
        rest = begun(given, settings, records, pair.suite.name, changed.prompt, other)
        lacking = pair.verdict(Outcome.INCONCLUSIVE, *(rest or (own, evaluate(given, pair.against))))
        return [replace(lacking, lacks_run=True)]
    cases = planned(own, pair.suite.name, changed.prompt.name, other=other)
    universe = Universe(independent(given, settings, pair.suite, cases))
    if not universe.cases:
        reason = f"no case of {pair.suite.name} sends another request than {pair.what} does, so none shows the change"
        return [pair.verdict(Outcome.INCONCLUSIVE, reason, "Add cases that reach what has changed.")]
    parts = parts_of(records.counted, universe, pair.suite.name, changed.prompt, other)
    ranked = (1, 1)
    if not pair.is_anchor:
        ranked = tries(records.counted, universe, pair.suite.name, parts, other, given.now)
    looks = looks_of(parts, universe, changed.prompt.content, settings.days, settings.evidence.max_age)
    wrong = _unusable(given, settings, pair, looks, parts, ranked[0])
    if wrong is not None:
        return [wrong]
    return _compared(given, settings, rule, pair, universe, looks, parts, ranked)


def _unusable(
    given: GateInput, settings: GateSettings, pair: Pair, looks: Looks, parts: list[Part], rank: int
) -> CheckVerdict | None:
    """Returns a verdict that needs no statistics: errors, spent looks and tries, moved suites, a single day."""
    going = next((part for part in looks.runs if part.record.under_way and _errors(part).missing), None)
    if going is not None:
        reason = f"a run is under way since {going.record.at:%Y-%m-%d %H:%M}"
        return pair.verdict(Outcome.INCONCLUSIVE, reason, "Wait until it is closed, or let its runner go on.")
    errors = max((_errors(part) for part in looks.runs), key=lambda one: one.share)
    if errors.share > settings.evidence.max_errors:
        reason = (
            f"{errors.errors + errors.missing} of {errors.planned} answers are errors or missing, more than "
            f"{settings.evidence.max_errors:.1%}"
        )
        return pair.verdict(Outcome.ERROR, reason, evaluate(given))
    if looks.count > settings.looks:
        times = f"{looks.count} runs" if settings.days == 1 else f"runs of {looks.count} looks"
        reason = f"{times} looked at this content, and the policy has {settings.looks} looks"
        return pair.verdict(Outcome.INCONCLUSIVE, reason, "Change the prompt, or let a person decide by a waiver.")
    if rest := waiting(given, settings, looks):
        return replace(pair.verdict(Outcome.INCONCLUSIVE, *rest), lacks_run=True)
    days = {part.record.at.date() for part in parts}
    if len(days) < settings.days:
        reason = f"it was measured on {len(days)} days, and the policy asks for {settings.days}"
        return replace(pair.verdict(Outcome.INCONCLUSIVE, reason, evaluate(given)), lacks_run=True)
    before = () if pair.is_anchor else (pair.changed.release,)
    if move := unapproved_move(given, settings, pair.suite, before):
        reason = f"the suite is not the one that {pair.what} was judged with: {move}"
        return pair.verdict(Outcome.INCONCLUSIVE, reason, approve(given, "the suite", suite=pair.suite.digest))
    if rank > settings.tries and not given.approvers("tries", settings):
        reason = f"it is content {rank} against {pair.what} within 30 days, and the policy has {settings.tries} tries"
        tries_option = option("tries", "that it is about one more try")
        hint = Sentence(
            approve(given, "one more try"), ", with ", tries_option, "; or add cases that no other has seen."
        )
        return pair.verdict(Outcome.INCONCLUSIVE, reason, hint)
    return None


def _errors(part: Part) -> Errors:
    """What is wrong in both arms of a run together; an arm alone counts where it is the worse."""
    return max((errors_of([part], Arm.CANDIDATE), errors_of([part], None)), key=lambda one: one.share)


def _compared(
    given: GateInput,
    settings: GateSettings,
    rule: NotWorse,
    pair: Pair,
    universe: Universe,
    looks: Looks,
    parts: list[Part],
    ranked: tuple[int, int],
) -> list[CheckVerdict]:
    rank, count = ranked
    spent = looks.count
    level = settings.levels[spent - 1] * (2.0**-rank if settings.tries_shared else 1.0)
    factor, unsure = margin_factor(given, settings, pair.suite, pair.changed.prompt, universe.cases)
    if factor is None:
        return [pair.verdict(Outcome.INCONCLUSIVE, unsure, "See the check judges.")]
    margin = rule.margin * factor
    candidate, other = errors_of(parts, Arm.CANDIDATE), errors_of(parts, None)
    late = candidate.late_more_than(other, settings.evidence.max_errors)
    single = spent == 1 and candidate.planned == other.planned == len(universe.cases)
    verdicts = []
    differences = _differences(parts, universe, rule.measure)
    for places, which in _case_sets(pair, universe):
        some = [differences[place] for place in places]
        compared = compare(some, margin, level, single=single and rule.measure is Measure.PASS, late=late)
        verdict = _worded(pair, compared, margin, level, which)
        notes = [unsure] if unsure else []
        notes += [f"{count} contents were judged against {pair.what} in 30 days"] if count > 1 else []
        if late:
            notes.append("its first attempts time out more often, and count as failures")
        if pair.has_other_model and settings.days == 1:
            notes.append("the arms have different models, and were measured on one day")
        for note in notes:
            verdict = verdict.because(note)
        needs = spent + 1, settings.levels[min(spent, settings.looks - 1)]
        verdict = replace(_next(given, verdict, len(places), margin, needs, settings), evidence=_ids(parts))
        verdicts.append(unbelieved(given, pair.suite, universe.cases, verdict))
    return verdicts


def _case_sets(pair: Pair, universe: Universe) -> list[tuple[list[int], str]]:
    """Returns the places of all cases, and of those that the other release was judged with if these are fewer."""
    every = list(range(len(universe.cases)))
    old = [place for place in every if not pair.is_anchor and universe.cases[place].digest in pair.known]
    return [(every, "")] if not old or len(old) == len(every) else [(every, ""), (old, " that it was judged with")]


def _differences(parts: list[Part], universe: Universe, measure: Measure) -> list[Difference]:
    count = len(universe.cases)
    candidate, other = (means_of(parts, count, arm, measure) for arm in (Arm.CANDIDATE, None))
    known: dict[tuple[Mean, Mean, str], Difference] = {}  # most cases differ alike
    for pair in (every := list(zip(candidate, other, (case.cluster for case in universe.cases), strict=True))):
        if pair not in known:
            own, its, cluster = pair
            known[pair] = Difference(own.low - its.high, own.high - its.low, own.late - its.high, cluster)
    return list(map(known.__getitem__, every))


def _worded(pair: Pair, compared: Compared, margin: float, level: float, which: str) -> CheckVerdict:
    said = {
        Outcome.PASS: f"not worse than {pair.what} by {margin:.1%}",
        Outcome.FAIL: f"worse than {pair.what} by more than {margin:.1%}",
        Outcome.INCONCLUSIVE: f"not shown to be within {margin:.1%} of {pair.what}",
    }
    verdict = pair.verdict(compared.outcome, said[compared.outcome] + (f" on the cases{which}" if which else ""))
    return replace(
        verdict,
        got=compared.got,
        asked=f"not worse than {pair.what} by {margin:.1%}, with a false pass in {level:.1%} at most",
        smallest_seen=compared.smallest,
        cases_missing=compared.missing,
        cases_least=compared.least,
    )


def _next(
    given: GateInput,
    verdict: CheckVerdict,
    cases: int,
    margin: float,
    needs: tuple[int, float],
    settings: GateSettings,
) -> CheckVerdict:
    """Returns the verdict with what to do about it."""
    if verdict.outcome is Outcome.PASS:
        return replace(verdict, cases_missing=None, cases_least=None)
    if verdict.outcome is Outcome.FAIL:
        return replace(verdict, cases_missing=None, cases_least=None, hint="Change the prompt.")
    from promptops.core.statistics.power import fewest_bets

    look, level = needs
    hint = f"Add {verdict.cases_missing} cases to the suite" if verdict.cases_missing else evaluate(given)
    if look > settings.looks:
        hint += " The looks are spent: then a person decides."
    elif cases < fewest_bets(margin, level):
        hint += f". Another run of the same {cases} cases cannot pass: it would need {fewest_bets(margin, level)}."
    return replace(verdict, hint=hint if hint.endswith(".") else f"{hint}.")


def _ids(parts: list[Part]) -> tuple[str, ...]:
    return tuple(part.record.id for part in parts)

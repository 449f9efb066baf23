"""The check ``bar``: a suite's answers pass at least so often, whatever is live."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from promptops.core.evidence.case_table import Arm
from promptops.core.evidence.run import SuiteRef
from promptops.core.gate.given import GateInput, GatePrompt
from promptops.core.gate.looks import begun, looks_of, waiting
from promptops.core.gate.own_runs import own_runs, planned
from promptops.core.gate.pools import Mean, Universe, ids_of, means_of, parts_of
from promptops.core.gate.records import Records
from promptops.core.gate.reuse import standing
from promptops.core.gate.settings import FAIL_LEVEL, Bar, GateSettings, Measure
from promptops.core.gate.subject import independent, unapproved_move, unbelieved
from promptops.core.gate.verdict import CheckVerdict, approve, evaluate
from promptops.core.statistics import bets
from promptops.core.statistics.bounds import fewest_for_bar, lower_bound, upper_bound
from promptops.core.statistics.power import MOST, cases_for_bar
from promptops.core.verdict import Outcome

NAME = "bar"


def check(given: GateInput, settings: GateSettings, records: Records) -> list[CheckVerdict]:
    """Returns a verdict for each bar and each prompt of its suite, so that no prompt hides behind another."""
    found = []
    for bar in settings.bar:
        suite = given.candidate.suite(bar.suite)
        prompts = [one for one in given.candidate.prompts if suite is not None and one.name in suite.prompts]
        if suite is None or not prompts:
            reason = f"the release has no suite {bar.suite} for one of its prompts"
            found.append(CheckVerdict(name=NAME, outcome=Outcome.INCONCLUSIVE, suite=bar.suite, reason=reason))
            continue
        found += [_of_prompt(given, settings, records, bar, suite, prompt) for prompt in prompts]
    return found


def _of_prompt(
    given: GateInput, settings: GateSettings, records: Records, bar: Bar, suite: SuiteRef, prompt: GatePrompt
) -> CheckVerdict:
    verdict = CheckVerdict(
        name=NAME,
        outcome=Outcome.INCONCLUSIVE,
        prompt=prompt.name,
        suite=suite.name,
        suite_digest=suite.digest,
        asked=f"at least {bar.at_least:.1%}",
        hint=evaluate(given),
    )
    if move := unapproved_move(given, settings, suite, given.live):
        reason = f"the suite is not the one that live was judged with: {move}"
        return replace(verdict, reason=reason, hint=approve(given, "the suite", suite=suite.digest))
    own = own_runs(given, settings, records, suite, prompt)
    if isinstance(own, str):
        reason, hint = begun(given, settings, records, suite.name, prompt) or (own, verdict.hint)
        return replace(verdict, reason=reason, hint=hint, lacks_run=True)
    universe = Universe(independent(given, settings, suite, planned(own, suite.name, prompt.name)))
    parts = parts_of(records.counted, universe, suite.name, prompt)
    verdict = replace(verdict, evidence=ids_of(parts, own[-1]))
    newest = standing(records.counted, parts, universe, prompt, own, settings.evidence, given.now)
    if isinstance(newest, str):
        return replace(verdict, reason=newest, lacks_run=True)
    errors = newest.errors
    if newest.under_way and errors.missing:
        return replace(verdict, reason="a run is under way", hint="Wait until it is closed.")
    if errors.share > settings.evidence.max_errors:
        reason = f"{errors.errors + errors.missing} of {errors.planned} answers are errors or missing"
        return replace(verdict, outcome=Outcome.ERROR, reason=reason)
    looks = looks_of(parts, universe, prompt.content, settings.days, settings.evidence.max_age)
    spent = looks.count
    if spent > settings.looks:
        reason = f"{spent} runs looked at this content, and the policy has {settings.looks} looks"
        return replace(verdict, reason=reason, hint="Change the prompt, or let a person decide by a waiver.")
    if rest := waiting(given, settings, looks):
        return replace(verdict, reason=rest[0], hint=rest[1], lacks_run=True)
    means = means_of(parts, len(universe.cases), Arm.CANDIDATE, bar.measure)
    clusters = [case.cluster for case in universe.cases]
    single = spent == 1 and errors.planned == len(means) and bar.measure is Measure.PASS
    shown = _shown(verdict, bar, means, clusters, settings.levels[spent - 1], single=single)
    return unbelieved(given, suite, universe.cases, shown)


def _shown(
    verdict: CheckVerdict, bar: Bar, means: Sequence[Mean], clusters: Sequence[str], level: float, *, single: bool
) -> CheckVerdict:
    named = [cluster for cluster in clusters if cluster]
    if single and len(set(named)) == len(named):
        outcome, bound = _exact(bar, means, level)
    else:
        outcome, bound = _bets(bar, means, clusters, level), None
    mean = math.fsum(one.low for one in means) / len(means)
    got = f"{mean:.1%} of {len(means)} cases" + ("" if bound is None else f", at least {bound:.1%} is shown")
    least = fewest_for_bar(bar.at_least, level)
    needed = cases_for_bar(mean, bar.at_least, level)
    short = max(least, 0 if needed == MOST else needed) - len(means)  # more cases do not show what is below the bar
    said = {
        Outcome.PASS: ("", ""),
        Outcome.FAIL: ("it is below the bar", "Change the prompt."),
        Outcome.INCONCLUSIVE: ("it is not shown to reach the bar", verdict.hint),
    }
    reason, hint = said[outcome]
    if len(means) < least:
        hint = f"Add {least - len(means)} cases: with fewer, even answers without a failure do not show it."
    elif outcome is Outcome.INCONCLUSIVE:
        hint = f"Add {short} cases to the suite, or change the prompt." if short > 0 else "Change the prompt."
    return replace(
        verdict,
        outcome=outcome,
        got=got,
        asked=f"at least {bar.at_least:.1%}, with a false pass in {level:.1%} at most",
        reason=reason,
        hint=hint if outcome is not Outcome.PASS else "",
        smallest_seen=lower_bound(len(means), len(means), level),
        cases_missing=max(0, short) if outcome is Outcome.INCONCLUSIVE else None,
        cases_least=least if outcome is Outcome.INCONCLUSIVE else None,
    )


def _exact(bar: Bar, means: Sequence[Mean], level: float) -> tuple[Outcome, float]:
    """Single passes and failures: the bound of Clopper and Pearson."""
    count = len(means)
    bound = lower_bound(sum(one.low >= 1 for one in means), count, level)
    if bound >= bar.at_least:
        return Outcome.PASS, bound
    below = upper_bound(sum(one.high >= 1 for one in means), count, FAIL_LEVEL) < bar.at_least
    return (Outcome.FAIL if below else Outcome.INCONCLUSIVE), bound


def _bets(bar: Bar, means: Sequence[Mean], clusters: Sequence[str], level: float) -> Outcome:
    """Repeats of a case are not independent of each other: the bets take its mean."""
    grouped: dict[str, list[Mean]] = {}
    for place, (mean, cluster) in enumerate(zip(means, clusters, strict=True)):
        grouped.setdefault(cluster or f"\0{place}", []).append(mean)
    above = bets.cluster_steps([[one.low - bar.at_least for one in group] for group in grouped.values()])
    if bets.shows(above, bar.at_least, level):
        return Outcome.PASS
    below = bets.cluster_steps([[bar.at_least - one.high for one in group] for group in grouped.values()])
    return Outcome.FAIL if bets.shows(below, 1 - bar.at_least, FAIL_LEVEL) else Outcome.INCONCLUSIVE

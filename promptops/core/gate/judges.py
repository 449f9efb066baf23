"""The check ``judges``, and what a judge that errs takes off a margin.

A judge with sensitivity s and specificity t sees a loss of x points as x·(s + t − 1). So margins of judged cases shrink
by the lower bound of that sum. A judge may err in another way on the new answers, so labels of them are bounded alone
as well, and the lower bound counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from promptops.core.evidence.case_table import Case
from promptops.core.evidence.run import SuiteRef
from promptops.core.gate.given import GateInput, Labelled
from promptops.core.gate.settings import GateSettings, Judges
from promptops.core.gate.verdict import CheckVerdict
from promptops.core.statistics.bounds import lower_bound, upper_bound
from promptops.core.verdict import Outcome

NAME = "judges"
LEVEL = 0.1
"""At which sensitivity and specificity are bounded: with it, false passes stay at their level (``make calibrate``)."""
OWN = 3
"""One in so many labels has to be of an answer of the release that is judged."""


def check(given: GateInput, settings: GateSettings) -> list[CheckVerdict]:
    """Returns a verdict for each judge of the candidate's suites."""
    assert settings.judges is not None
    judged = {suite.judge_digest: suite for suite in given.candidate.suites if suite.judge_digest}
    found = [_of_suite(given, settings.judges, suite) for _, suite in sorted(judged.items())]
    return found or [CheckVerdict(name=NAME, outcome=Outcome.PASS, got="no suite has a judge")]


def margin_factor(
    given: GateInput, settings: GateSettings, suite: SuiteRef, cases: Iterable[Case]
) -> tuple[float | None, str]:
    """Returns by what a margin is multiplied, and what to say about it; None if no judge of the suite counts."""
    if not any(case.judged for case in cases):
        return 1.0, ""
    if settings.judges is None:
        return 1.0, "judge not measured"
    lower = _youden(given, settings.judges, suite)
    if isinstance(lower, str):
        return None, lower
    return lower, f"its judge takes the margin times {lower:.2f}"


def _of_suite(given: GateInput, rule: Judges, suite: SuiteRef) -> CheckVerdict:
    lower = _youden(given, rule, suite)
    measured = given.judges.get(suite.judge_digest)
    asked = f"{rule.labels} labels, sensitivity + specificity − 1 of at least {rule.youden:.2f}"
    own = f"{_shares(measured.every)}; of its own answers {_shares(measured.own)}" if measured is not None else ""
    outcome = Outcome.PASS
    if isinstance(lower, str):
        at_best = min(map(_best, (measured.every, measured.own))) if measured is not None else 1.0
        outcome = Outcome.FAIL if at_best < rule.youden else Outcome.INCONCLUSIVE
    return CheckVerdict(
        name=NAME,
        outcome=outcome,
        suite=suite.name,
        got=own,
        asked=asked,
        evidence=(measured.evidence,) if measured is not None and measured.evidence else (),
        reason=lower if isinstance(lower, str) else "",
        hint="Let people label answers of this release, and calibrate the judge." if isinstance(lower, str) else "",
    )


def _youden(given: GateInput, rule: Judges, suite: SuiteRef) -> float | str:
    """Returns the lower bound of sensitivity + specificity − 1, or why the judge does not count."""
    measured = given.judges.get(suite.judge_digest)
    if measured is None:
        return f"the judge of {suite.name} was never measured"
    if measured.every.count < rule.labels:
        return f"the judge of {suite.name} has {measured.every.count} labels of {rule.labels}"
    least = math.ceil(rule.labels / OWN)
    if measured.own.count < least:
        return f"the judge of {suite.name} has {measured.own.count} labels of {least} for answers of this release"
    lower = min(_lower(measured.every), _lower(measured.own))
    if lower < rule.youden:
        return f"the judge of {suite.name} agrees with people too rarely: at least {max(lower, 0):.2f} is shown"
    return lower


def _lower(labelled: Labelled) -> float:
    sensitivity = lower_bound(labelled.good_passed, labelled.good, LEVEL)
    return sensitivity + lower_bound(labelled.bad_failed, labelled.bad, LEVEL) - 1


def _best(labelled: Labelled) -> float:
    sensitivity = upper_bound(labelled.good_passed, labelled.good, LEVEL)
    return sensitivity + upper_bound(labelled.bad_failed, labelled.bad, LEVEL) - 1


def _shares(labelled: Labelled) -> str:
    return f"{labelled.good_passed} of {labelled.good} good and {labelled.bad_failed} of {labelled.bad} bad ones seen"

"""The check ``judges``, and what a judge that errs takes off a margin.

A judge with sensitivity s and specificity t sees a loss of x points as x·(s + t − 1). So margins of judged cases shrink
by a lower bound of that sum. A judge may err in another way on the new answers, so labels of the answers of this very
content are bounded alone as well, and the lower bound counts. One that is shown to favour them does not count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.evidence.case_table import Case
from promptops.core.evidence.evidence import Evidence, labels_of
from promptops.core.evidence.labels import Label, merged, tally
from promptops.core.evidence.run import Run, Source, SuiteRef
from promptops.core.gate.given import GateInput, GatePrompt
from promptops.core.gate.records import why_not
from promptops.core.gate.settings import GateSettings, Judges
from promptops.core.gate.subject import changed_prompts
from promptops.core.gate.verdict import CheckVerdict, evaluate
from promptops.core.person import folded, marks_of
from promptops.core.statistics.judges import Labelled, errs_differently, youden_bounds
from promptops.core.suite.suite import SuiteKind
from promptops.core.verdict import Outcome

NAME = "judges"
OWN = 3
"""One in so many labels has to be of an answer of the content that is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the labels that count say of a suite's judges: all, those of one prompt's answers alone, and all others.

    ``refused`` says why other labels of these judges do not count.
    """

    every: Labelled
    own: Labelled
    rest: Labelled
    evidence: tuple[str, ...]
    refused: tuple[str, ...]

    @property
    def bounds(self) -> tuple[float, float]:
        """The lower and the upper bound of sensitivity + specificity − 1; the lower ones of both sets of labels."""
        every, own = youden_bounds(self.every), youden_bounds(self.own)
        return min(every[0], own[0]), min(every[1], own[1])


def check(given: GateInput, settings: GateSettings) -> list[CheckVerdict]:
    """Returns a verdict for each prompt that a judge of the candidate's suites decides about, and each such judge."""
    assert settings.judges is not None
    asked: dict[tuple[str, str], tuple[SuiteRef, GatePrompt]] = {}
    for suite in sorted(given.candidate.suites, key=lambda one: one.name):
        if suite.judge_digest:
            for prompt in _decided(given, settings, suite):
                asked.setdefault((suite.judge_digest, prompt.name), (suite, prompt))
    found = [_verdict(given, settings, suite, prompt) for _, (suite, prompt) in sorted(asked.items())]
    return found or [CheckVerdict(name=NAME, outcome=Outcome.PASS, got="no judge decides about what has changed")]


def margin_factor(
    given: GateInput, settings: GateSettings, suite: SuiteRef, prompt: GatePrompt, cases: Iterable[Case]
) -> tuple[float | None, str]:
    """Returns by what a margin is multiplied, and what to say about it; None if no judge of the suite counts.

    Raises:
        Invalid: a table of labels is damaged.
    """
    if not any(case.judged for case in cases):
        return 1.0, ""
    if settings.judges is None:
        return 1.0, "judge not measured"
    measured = _measured(given, settings, suite, prompt)
    if why := _uncounted(measured, settings.judges, suite, prompt):
        return None, why
    return measured.bounds[0], f"its judge takes the margin times {measured.bounds[0]:.2f}"


def _decided(given: GateInput, settings: GateSettings, suite: SuiteRef) -> Iterator[GatePrompt]:
    """Yields the suite's prompts that its judge decides about: changed ones, and all where a suite is judged whole."""
    whole = not given.live or suite.kind is SuiteKind.REQUIRED or suite.name in {bar.suite for bar in settings.bar}
    others = (*given.live, *([given.anchor] if given.anchor is not None else []))
    changed = {one.prompt.name for release in others for one in changed_prompts(given, release, settings)}
    for prompt in given.candidate.prompts:
        if prompt.name in suite.prompts and (whole or prompt.name in changed):
            yield prompt


def _verdict(given: GateInput, settings: GateSettings, suite: SuiteRef, prompt: GatePrompt) -> CheckVerdict:
    rule = settings.judges
    assert rule is not None
    measured = _measured(given, settings, suite, prompt)
    passed = CheckVerdict(
        name=NAME,
        outcome=Outcome.PASS,
        prompt=prompt.name,
        suite=suite.name,
        got=f"{_shares(measured.every)}; of its own answers {_shares(measured.own)}" if measured.every.count else "",
        asked=f"{rule.labels} labels, sensitivity + specificity − 1 of at least {rule.youden:.2f}",
        evidence=measured.evidence,
    )
    why = _uncounted(measured, rule, suite, prompt)
    if not why:
        return passed
    failed = measured.every.count and measured.own.count and measured.bounds[1] < rule.youden
    refused = f"; others do not count: {'; '.join(measured.refused)}" if measured.refused else ""
    return replace(
        passed,
        outcome=Outcome.FAIL if failed else Outcome.INCONCLUSIVE,
        reason=why + refused,
        hint=_hint(given, settings, suite, prompt, measured),
    )


def _uncounted(measured: Measured, rule: Judges, suite: SuiteRef, prompt: GatePrompt) -> str:
    """Returns why the judges do not count; empty if they do."""
    whose = f"the judge of {suite.name}"
    if not measured.every.count:
        return f"{whose} was never measured"
    if measured.every.count < rule.labels:
        return f"{whose} has {measured.every.count} labels of {rule.labels}"
    if measured.own.count < _least_own(rule):
        return f"{whose} has {measured.own.count} labels of {_least_own(rule)} for answers of {_now(prompt)}"
    lower = measured.bounds[0]
    if lower < rule.youden:
        return f"{whose} agrees with people too rarely: at least {max(lower, 0):.2f} is shown"
    if errs_differently(measured.own, measured.rest):
        shares = f"{_shares(measured.own)}, and elsewhere {_shares(measured.rest)}"
        return f"{whose} errs in another way on answers of {_now(prompt)}: {shares}"
    return ""


def _now(prompt: GatePrompt) -> str:
    return f"{prompt.name} as it is now"


def _least_own(rule: Judges) -> int:
    return math.ceil(rule.labels / OWN)


def _hint(
    given: GateInput, settings: GateSettings, suite: SuiteRef, prompt: GatePrompt, measured: Measured
) -> Sentence | str:
    """Returns how many labels are missing, and how they are given."""
    rule = settings.judges
    assert rule is not None
    missing = max(rule.labels - measured.every.count, _least_own(rule) - measured.own.count)
    own = max(0, _least_own(rule) - measured.own.count)
    words = "Correct the judge, or label more answers: "
    if missing > 0:
        of_it = f", {own} of them of answers of {_now(prompt)}" if own else ""
        words = f"{missing} {'label is' if missing == 1 else 'labels are'} missing{of_it}: "
    runs = [run for run in _runs(given, settings).values() if _answers(run, prompt) and _asks(run, suite)]
    newest = max(runs, key=lambda run: (run.at, run.id), default=None)
    if newest is None:
        return Sentence(words, evaluate(given), " Then label its answers.")
    label = Advice(Action.LABEL, run=newest.id[:8])
    return Sentence(words, label, "; then ", Advice(Action.CALIBRATE, app=given.app))


def _measured(given: GateInput, settings: GateSettings, suite: SuiteRef, prompt: GatePrompt) -> Measured:
    assert settings.judges is not None
    runs, refused, used = _runs(given, settings), set(), []
    labels: list[Label] = []
    for piece in _pieces(given, suite):
        why = _not_recorded_by(settings, piece)
        if why:
            refused.add(why)
            continue
        used.append(piece.id)
        for label in labels_of(piece).labels:
            if why := _why_not_counted(given, settings.judges, label, runs):
                refused.add(why)
            else:
                labels.append(label)
    every = merged(labels)
    is_own = [label.prompt == prompt.name and _answers(runs.get(label.run), prompt) for label in every]
    return Measured(
        every=tally(every),
        own=tally(label for label, own in zip(every, is_own, strict=True) if own),
        rest=tally(label for label, own in zip(every, is_own, strict=True) if not own),
        evidence=tuple(used),
        refused=tuple(sorted(refused)),
    )


def _pieces(given: GateInput, suite: SuiteRef) -> list[Evidence]:
    """Returns the evidence about just these judges, oldest first."""
    mine = [one for one in given.evidence if one.app == given.app and one.source is Source.LABELS]
    return sorted((one for one in mine if one.digest == suite.judge_digest), key=lambda one: (one.at, one.id))


def _runs(given: GateInput, settings: GateSettings) -> Mapping[str, Run]:
    """Returns the runs whose answers count by the policy, by their ids."""
    rule = settings.evidence
    return {
        run.id: run
        for run in given.runs
        if run.app == given.app and not why_not(rule, run.source, run.hosts, (run.token_name, run.person))
    }


def _not_recorded_by(settings: GateSettings, piece: Evidence) -> str:
    assert settings.judges is not None
    rule = replace(settings.evidence, by=settings.judges.by or settings.evidence.by)
    source = Source.REPLAY if labels_of(piece).replayed else Source.RUN
    return why_not(rule, source, piece.hosts, (piece.token_name, piece.person))


def _why_not_counted(given: GateInput, rule: Judges, label: Label, runs: Mapping[str, Run]) -> str:
    """Returns why a label does not count: by whom it is, or of which answer."""
    if label.run and label.run not in runs:
        return f"the policy does not count the run {label.run[:8]}"
    made = marks_of(label.by) & given.makers
    if made and not made & {folded(name) for name in rule.by}:
        return f"{' and '.join(sorted(made))} had a part in the release"
    return ""


def _answers(run: Run | None, prompt: GatePrompt) -> bool:
    """Returns whether a run's candidate answered with just what this prompt sends."""
    contents = run.candidate.prompts if run is not None else ()
    return any(one.prompt == prompt.name and one.digest == prompt.content for one in contents)


def _asks(run: Run, suite: SuiteRef) -> bool:
    return any(one.name == suite.name for one in run.suites)


def _shares(labelled: Labelled) -> str:
    skipped = f", {labelled.skipped} skipped" if labelled.skipped else ""
    seen = f"{labelled.good_passed} of {labelled.good} good and {labelled.bad_failed} of {labelled.bad} bad ones seen"
    return seen + skipped

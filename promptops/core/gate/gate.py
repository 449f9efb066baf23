"""Judges a release for a channel by the channel's gate: asks each check, applies waivers, and takes the worst verdict.

It fails closed: settings that cannot be read, a check that is not known, damaged evidence, a check that raises and a
gate without a check are each an ERROR. The same evidence in any order gives the same verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import Invalid
from promptops.core.evidence.run import Source
from promptops.core.gate import bar, calls, judges, measured_cost, not_worse, pair, people, required
from promptops.core.gate.given import GateInput
from promptops.core.gate.reading import SUITES, read_gate
from promptops.core.gate.records import Records, records_of
from promptops.core.gate.settings import GateSettings
from promptops.core.gate.subject import changed_prompts, weakened_suites
from promptops.core.gate.verdict import CheckVerdict, GateVerdict, approve, worst
from promptops.core.verdict import Outcome

T = TypeVar("T")

_WITH_RUNS: Final[Mapping[str, Callable[[GateInput, GateSettings, Records], list[CheckVerdict]]]] = {
    "required": required.check,
    pair.NAME: not_worse.check,
    "bar": bar.check,
    "latency": calls.latency,
    "cost": lambda given, settings, records: (
        measured_cost.cost(given, settings)
        if settings.cost is not None and settings.cost.source is Source.MEASURED
        else calls.cost(given, settings, records)
    ),
}
"""The checks that read runs, by their key in the policy."""

_WITHOUT: Final[Mapping[str, Callable[[GateInput, GateSettings], list[CheckVerdict]]]] = {
    "judges": judges.check,
    "external": people.external,
    "freeze": people.freeze,
    "model_ends": people.model_ends,
    "approvals": people.approvals,
}
"""The checks that read no runs."""


def judge(given: GateInput, gate: Mapping[str, object]) -> GateVerdict:
    """Returns what a gate with these settings says of a release. It never raises."""
    try:
        settings = read_gate(gate, given.app)
    except Invalid as error:
        hint = error.hint or "Upgrade promptops to the version that the policy was written with."
        unread = CheckVerdict(name="gate", outcome=Outcome.ERROR, reason=error.message, hint=hint)
        return GateVerdict(outcome=Outcome.ERROR, checks=(unread,))
    if not settings.asks:
        reason = f"the gate of {given.channel} asks nothing of {given.app}, so nothing says what it opens to"
        empty = CheckVerdict(name="gate", outcome=Outcome.ERROR, reason=reason, hint="Give it a check, or no gate.")
        return GateVerdict(outcome=Outcome.ERROR, checks=(empty,))
    checks = tuple(_waived(given, settings, verdict) for verdict in _all(given, settings))
    return GateVerdict(outcome=worst(one.outcome for one in checks), checks=checks, warns=settings.warns)


def _all(given: GateInput, settings: GateSettings) -> list[CheckVerdict]:
    asked = [name for name in _WITH_RUNS if getattr(settings, name)]
    found: list[CheckVerdict] = []
    if asked:
        records = _asked("evidence", lambda: records_of(given, settings.evidence))
        if isinstance(records, CheckVerdict):
            found.append(records)
        else:
            for name in asked:
                found += _verdicts(name, partial(_WITH_RUNS[name], given, settings, records))
            found = _uncovered(given, settings, found)
            found += _weakened(given, settings)
    for name, check in _WITHOUT.items():
        if getattr(settings, name):
            found += _verdicts(name, partial(check, given, settings))
    return found


def _verdicts(name: str, ask: Callable[[], list[CheckVerdict]]) -> list[CheckVerdict]:
    """Returns the verdicts of a check, and an ERROR for one that raises or says nothing."""
    answer = _asked(name, ask)
    if isinstance(answer, CheckVerdict):
        return [answer]
    silent = CheckVerdict(name=name, outcome=Outcome.ERROR, reason=f"the check '{name}' gave no verdict")
    return answer or [silent]


def _asked(name: str, ask: Callable[[], T]) -> T | CheckVerdict:
    try:
        return ask()
    except Invalid as error:
        reason = f"the evidence cannot be read: {error.message}"
        hint = error.hint or Sentence("See what else is damaged: ", Advice(Action.FSCK))
        return CheckVerdict(name=name, outcome=Outcome.ERROR, reason=reason, hint=hint)
    except Exception as error:  # noqa: BLE001 if a check breaks in any way, the release stays out
        reason = f"the check '{name}' failed: {type(error).__name__}: {error}"
        hint = "This is a bug of the check. Until it is corrected, the release is not admitted."
        return CheckVerdict(name=name, outcome=Outcome.ERROR, reason=reason, hint=hint)


def _uncovered(given: GateInput, settings: GateSettings, found: list[CheckVerdict]) -> list[CheckVerdict]:
    """Returns the verdicts, with one more for each prompt that is not compared and that no other check covers."""
    if settings.not_worse is None:
        return found
    covered = {one.prompt for one in found if one.name in ("required", "bar") and one.passed}
    if not given.live:
        new = [] if covered else [""]
    else:
        changed = changed_prompts(given, given.live[0], settings)
        new = sorted({one.prompt.name for one in changed if one.other is None} - covered)
    return found + [
        CheckVerdict(
            name=pair.NAME,
            outcome=Outcome.INCONCLUSIVE,
            prompt=prompt,
            reason=f"{prompt or 'a first release'} is compared with nothing, and no other check covers it",
            hint="A suite of the kind required, or a bar, has to pass for what is new.",
        )
        for prompt in new
    ]


def _weakened(given: GateInput, settings: GateSettings) -> list[CheckVerdict]:
    return [
        CheckVerdict(
            name=SUITES,
            outcome=Outcome.INCONCLUSIVE,
            suite=suite.name,
            reason=f"{what}, which live was judged with",
            hint=approve(given, "that", suite=suite.digest),
        )
        for suite, what in weakened_suites(given, settings)
    ]


def _waived(given: GateInput, settings: GateSettings, verdict: CheckVerdict) -> CheckVerdict:
    """Returns a verdict that a person waived as passed, where the policy lets this check be waived."""
    if verdict.passed or verdict.name not in settings.waivers.may:
        return verdict
    for waiver in sorted(given.waivers, key=lambda one: one.expires_at, reverse=True):
        holds = waiver.check == verdict.name and waiver.at <= given.now < waiver.expires_at
        if holds and waiver.expires_at - waiver.at <= settings.waivers.at_most:
            reason = f"waived by {waiver.person}: {verdict.outcome.value}: {verdict.reason}"
            return replace(verdict, outcome=Outcome.PASS, reason=reason, waived_until=waiver.expires_at)
    return verdict

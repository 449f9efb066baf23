"""The checks ``latency`` and ``cost``: what the calls of the release's runs took, of its changed prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from promptops.core.evidence.case_table import Arm, RowOutcome
from promptops.core.evidence.run import Source
from promptops.core.evidence.table_columns import Call
from promptops.core.gate.given import GateInput, GatePrompt
from promptops.core.gate.looks import looks_of, waiting
from promptops.core.gate.own_runs import newest_of_each
from promptops.core.gate.pools import Part, Universe, parts_of
from promptops.core.gate.records import Record, Records
from promptops.core.gate.reuse import standing
from promptops.core.gate.settings import FAIL_LEVEL, GateSettings
from promptops.core.gate.subject import changed_prompts, rename_doubts
from promptops.core.gate.verdict import CheckVerdict, evaluate
from promptops.core.statistics.bounds import (
    fewest_for_quantile,
    lower_bound,
    quantile_upper_bound,
)
from promptops.core.verdict import Outcome

QUANTILE = 0.95
MONTH = 30
"""Days of which a month's cost is taken."""


def latency(given: GateInput, settings: GateSettings, records: Records) -> list[CheckVerdict]:
    """Returns a verdict for each changed prompt: the bound of the time that 95 of 100 calls take at most."""
    prompts = _changed(given, settings)
    found = [_latency(given, settings, records, prompt) for prompt in prompts]
    return found or [CheckVerdict(name="latency", outcome=Outcome.PASS, got="no prompt changed")]


def cost(given: GateInput, settings: GateSettings, records: Records) -> list[CheckVerdict]:
    """Returns one verdict for each limit of the cost, by the newest run of the release."""
    rule = settings.cost
    assert rule is not None
    base = CheckVerdict(name="cost", outcome=Outcome.INCONCLUSIVE, hint=evaluate(given))
    measured = _of_release(given, settings, records)
    if isinstance(measured, str):
        return [replace(base, reason=measured, lacks_run=not _fresh(given, settings, records))]
    base = replace(base, evidence=tuple(dict.fromkeys(one.record.id for one in measured)))
    call = _cost_of([call for one in measured for call in one.calls])
    if call is None:
        return [replace(base, reason="the price of an answer of its newest run is not known")]
    found = []
    if rule.per_call_usd is not None:
        found.append(within(base, call, rule.per_call_usd, "a call"))
    if rule.monthly_usd is not None and rule.calls_a_day is not None:
        month = call * rule.calls_a_day * MONTH
        found.append(within(base, month, rule.monthly_usd, f"a month of {rule.calls_a_day:,} calls a day"))
    if rule.growth is not None and given.live:
        found.append(_growth(given, settings, base, measured, rule.growth))
    return found or [replace(base, outcome=Outcome.PASS, got="nothing to compare with: a first release", hint="")]


def _changed(given: GateInput, settings: GateSettings) -> Sequence[GatePrompt]:
    if not given.live:
        return given.candidate.prompts
    return [changed.prompt for changed in changed_prompts(given, given.live[0], settings)]


def _latency(given: GateInput, settings: GateSettings, records: Records, prompt: GatePrompt) -> CheckVerdict:
    rule = settings.latency
    assert rule is not None
    base = CheckVerdict(
        name="latency",
        outcome=Outcome.INCONCLUSIVE,
        prompt=prompt.name,
        asked=f"95 of 100 calls take at most {rule.p95_ms:g} ms",
        hint=evaluate(given),
    )
    record = _newest(given, settings, records, prompt.name)
    if isinstance(record, str):
        there = any(case.prompt == prompt.name for one in _fresh(given, settings, records) for case in one.cases)
        return replace(base, reason=record, lacks_run=not there)
    newest = newest_of_each(_fresh(given, settings, records), settings.days)
    pairs = [(pair, one) for pair, runs in newest.items() for one in runs if pair[1] == prompt.name]
    universe = Universe(case for pair, one in pairs for case in one.cases if (case.suite, case.prompt) == pair)
    called = [one for one in records.counted if one.run is not None and one.run.source is Source.RUN]
    parts = parts_of(called, universe, "", prompt)
    if not parts:
        reason = "none of its runs called a model: a recorded answer brings no new latency"
        return replace(base, reason=reason, lacks_run=True)
    looks = looks_of(parts, universe, prompt.content, settings.days, settings.evidence.max_age)
    if rest := waiting(given, settings, looks):
        return replace(base, reason=rest[0], hint=rest[1], lacks_run=True)
    level = settings.levels[min(looks.count, settings.looks) - 1]
    times = [_first(parts, place) for place in range(len(universe.cases))]
    timed = [time for time in times if time is not None]
    bound = quantile_upper_bound(timed, QUANTILE, level)
    over = sum(time > rule.p95_ms for time in timed)
    least = fewest_for_quantile(QUANTILE, level)
    verdict = replace(
        base,
        evidence=tuple(part.record.id for part in parts),
        got=f"{over} of {len(timed)} cases took longer",
        cases_least=least,
        cases_missing=max(0, least - len(timed)),
    )
    if bound is not None and bound <= rule.p95_ms:
        return replace(verdict, outcome=Outcome.PASS, cases_least=None, cases_missing=None, hint="")
    slow = sum(time > rule.p95_ms for time in timed if time < math.inf)
    if lower_bound(slow, len(timed), FAIL_LEVEL) > 1 - QUANTILE:
        return replace(verdict, outcome=Outcome.FAIL, reason="it is slower", hint="Change the prompt or its model.")
    if bound is None:
        return replace(
            verdict,
            reason=f"{len(timed)} cases bound nothing: it takes {least}",
            hint=f"Add {least - len(timed)} cases.",
        )
    return replace(verdict, reason=f"not shown: at most {bound:g} ms is")


def _first(parts: Sequence[Part], place: int) -> float | None:
    """Returns what the first call of a case took; infinitely long if it was not answered, None if all were reused.

    A later repeat does not take its place, else an error would help.
    """
    calls = [call for part in parts for call in part.calls.get(place, ())]
    called = [call for call in calls if call is None or not call.reused]
    if not called:
        return None
    first = called[0]
    if first is None or not _answered(first) or first.latency_ms is None:
        return math.inf
    return first.latency_ms


def _answered(call: Call) -> bool:
    return call.outcome is not RowOutcome.ERROR


def _fresh(given: GateInput, settings: GateSettings, records: Records) -> list[Record]:
    """Returns the runs of the release that are not too old, oldest first."""
    own = records.own(given.candidate.digest)
    return [record for record in own if given.now - record.at <= settings.evidence.max_age]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """The newest run of a suite and a prompt: the places of its cases, and the answers that stand for them."""

    record: Record
    prompt: str
    places: tuple[int, ...]
    calls: tuple[Call, ...]


def _of_release(given: GateInput, settings: GateSettings, records: Records) -> list[_Measured] | str:
    """Returns what was measured of each suite and prompt of the release, or why that is not known.

    A run of some suites takes no place of those that it left out, and a case that was left to an earlier run costs what
    it cost there: nothing becomes cheaper by not being called.
    """
    newest = _newest(given, settings, records)
    if isinstance(newest, str):
        return newest
    pairs = newest_of_each(_fresh(given, settings, records), settings.days)
    for record in {record.id: record for runs in pairs.values() for record in runs}.values():
        if record.lacks:
            return "its newest run lacks answers, whose cost is not known"
    found = []
    for (suite, name), runs in sorted(pairs.items(), key=lambda item: item[0]):
        prompt = given.candidate.prompt(name)
        if prompt is None:
            continue
        for record in runs:
            one = _of_pair(given, settings, records, suite, prompt, record)
            if isinstance(one, str):
                return one
            found.append(one)
    return found


def _of_pair(
    given: GateInput, settings: GateSettings, records: Records, suite: str, prompt: GatePrompt, record: Record
) -> _Measured | str:
    places = [place for place, case in enumerate(record.cases) if (case.suite, case.prompt) == (suite, prompt.name)]
    cases = [record.cases[place] for place in places]
    calls: list[Call | None] = []
    if any(case.reused for case in cases):
        universe = Universe(cases)
        parts = parts_of(records.counted, universe, suite, prompt)
        stands = standing(records.counted, parts, universe, prompt, [record], settings.evidence, given.now)
        if isinstance(stands, str):
            return stands
        calls = [call for place in range(len(cases)) for call in stands.calls(place)]
    else:
        calls = [call for place in places for call in record.reported(Arm.CANDIDATE, place)]
    answered = tuple(call for call in calls if call is not None)
    if len(answered) < len(calls):
        return "an earlier run, to which its newest left cases, lacks answers"
    return _Measured(record=record, prompt=prompt.name, places=tuple(places), calls=answered)


def _newest(given: GateInput, settings: GateSettings, records: Records, prompt: str = "") -> Record | str:
    """Returns the newest run of the release that has a prompt, or why it has no such run."""
    own = [
        record
        for record in records.own(given.candidate.digest)
        if not prompt or any(case.prompt == prompt for case in record.cases)
    ]
    if not own:
        refused = f": {'; '.join(records.refused)}" if records.refused else ""
        return f"there is no run of {given.name} that counts{refused}"
    if given.now - own[-1].at > settings.evidence.max_age:
        return f"the newest run is of {own[-1].at:%Y-%m-%d}, older than the policy takes"
    if own[-1].under_way:
        return f"a run is under way since {own[-1].at:%Y-%m-%d %H:%M}"
    return own[-1]


def _cost_of(calls: Sequence[Call]) -> float | None:
    """Returns what an answer cost on average; None without answers, or where one's price is not known.

    Errors count as much as the dearest answer.
    """
    costs = [call.cost_usd for call in calls if _answered(call)]
    known = [one for one in costs if one is not None]
    if not known or len(known) < len(costs):
        return None
    return (math.fsum(known) + max(known) * (len(calls) - len(known))) / len(calls)


def within(base: CheckVerdict, got: float, most: float, what: str) -> CheckVerdict:
    """Returns the verdict on a cost with a limit, both in US dollars."""
    passed = got <= most
    return replace(
        base,
        outcome=Outcome.PASS if passed else Outcome.FAIL,
        got=f"{what} costs ${got:.6g}",
        asked=f"{what} costs at most ${most:.6g}",
        reason="" if passed else "it costs more",
        hint="" if passed else "Change the prompt, its parameters or its model.",
    )


def _growth(
    given: GateInput, settings: GateSettings, base: CheckVerdict, measured: Sequence[_Measured], most: float
) -> CheckVerdict:
    """Compares the calls of cases that live was asked too: of each changed prompt, in a run with what is live now."""
    for name, reason, hint in rename_doubts(given, settings):
        return replace(base, prompt=name, reason=reason, hint=hint)
    own: list[Call] = []
    others: list[Call] = []
    same = True  # every request of a changed prompt is that of live
    changed = {each.prompt.name: each.other for each in changed_prompts(given, given.live[0], settings)}
    for one in measured:
        now = changed.get(one.prompt)  # by its old name, where the policy has one
        if now is None:
            continue
        same = same and all(one.record.cases[place].unchanged for place in one.places)
        if one.record.content(Arm.LIVE, one.prompt) != now.content:
            reason = f"no run of it measured what {one.prompt} costs on live"
            return replace(base, reason=reason, lacks_run=True, prompt=one.prompt, against=given.live[0].digest)
        for place in one.places:
            theirs = one.record.reported(Arm.LIVE, place)
            if any(map(_answered, theirs)):
                own += one.record.reported(Arm.CANDIDATE, place)
                others += theirs
    call, live = _cost_of(own), _cost_of(others)
    if call is None or live is None:
        if not others and same:
            return replace(base, outcome=Outcome.PASS, got="every request is that of live", hint="")
        return replace(base, reason="its newest run did not measure what live costs")
    return growth(base, call, live, most)


def growth(base: CheckVerdict, call: float, live: float, most: float) -> CheckVerdict:
    """Returns the verdict on what a call costs beside one of live."""
    passed = call <= most * live
    return replace(
        base,
        outcome=Outcome.PASS if passed else Outcome.FAIL,
        got=f"a call costs ${call:.6g}, on live ${live:.6g}",
        asked=f"a call costs at most {most:g} times what it costs on live",
        reason="" if passed else "it costs more",
        hint="" if passed else "Change the prompt, its parameters or its model.",
    )

"""The check ``cost`` with ``source: measured``: what calls cost where users are, by evidence that was frozen of it.

The candidate has to have answered calls, on another channel or as a canary. A prompt that is the same in what is live
costs what it costs there, and prompts are weighed as they are called live, so that a channel where the dear prompt is
rarely called makes nothing cheaper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from promptops.core.evidence.evidence import Evidence, measured_of
from promptops.core.evidence.measured_sums import MeasuredSum, MeasuredSums
from promptops.core.evidence.run import Source
from promptops.core.gate.calls import MONTH, growth, within
from promptops.core.gate.given import GateInput, GatePrompt, GateRelease
from promptops.core.gate.settings import GateSettings
from promptops.core.gate.subject import rename_doubts
from promptops.core.gate.verdict import CheckVerdict
from promptops.core.verdict import Outcome

FEWEST: Final = 100
"""Calls of a changed prompt from which on its mean counts: costs of calls spread about as wide as their mean, so it is
then known to about a tenth.
"""


def cost(given: GateInput, settings: GateSettings) -> list[CheckVerdict]:
    """Returns one verdict for each limit of the cost."""
    rule = settings.cost
    assert rule is not None
    base = CheckVerdict(name="cost", outcome=Outcome.INCONCLUSIVE)
    newest = _newest(given, settings)
    if newest is None:
        reason = "what was measured is frozen for a release, and there is nothing of this one"
        return [replace(base, reason=reason, hint="Ask again once it is released.")]
    piece, measured = newest
    base = replace(base, evidence=(piece.id,))
    for name, reason, hint in rename_doubts(given, settings):
        return [replace(base, prompt=name, reason=reason, hint=hint)]
    costs = _Costs(given, settings, measured)
    if doubt := costs.doubt():
        return [replace(base, prompt=doubt[0], reason=doubt[1], hint=doubt[2])]
    call = costs.call()
    if call is None:
        return [replace(base, reason="it was not called in seven days", hint=_CALLED)]
    found = []
    if rule.per_call_usd is not None:
        found.append(within(base, call, rule.per_call_usd, "a measured call"))
    if rule.monthly_usd is not None:
        found.append(_month(given, settings, base, call, measured))
    if rule.growth is not None and given.live:
        found.append(_growth(base, costs, rule.growth))
    return found or [replace(base, outcome=Outcome.PASS, got="nothing to compare with: a first release")]


_CALLED: Final = "Let it answer calls first: on a channel that this one takes releases from, or as a canary."


def _newest(given: GateInput, settings: GateSettings) -> tuple[Evidence, MeasuredSums] | None:
    """The newest frozen sums of the candidate for this channel that are not too old."""
    mine = [
        piece
        for piece in given.evidence
        if piece.app == given.app
        and piece.source is Source.MEASURED
        and piece.digest == given.candidate.digest
        and given.now - piece.at <= settings.evidence.max_age
    ]
    for piece in sorted(mine, key=lambda piece: (piece.at, piece.id), reverse=True):
        measured = measured_of(piece)
        if measured.channel == given.channel:
            return piece, measured
    return None


def _month(
    given: GateInput, settings: GateSettings, base: CheckVerdict, call: float, measured: MeasuredSums
) -> CheckVerdict:
    """A month of the calls that the policy names, else of the planned ones, and never of fewer than are measured: an
    app that plans few calls does not open its own gate.
    """
    rule = settings.cost
    assert rule is not None and rule.monthly_usd is not None
    calls_a_day = rule.calls_a_day
    if calls_a_day is None:
        if measured.calls_a_day is None:
            reason = f"no whole day of calls on {given.channel} was measured, so what a month costs is not known"
            return replace(base, reason=reason, hint="Wait for one, or name calls_a_day in the policy.")
        calls_a_day = max(measured.calls_a_day, given.planned_calls or 0)
    return within(base, call * calls_a_day * MONTH, rule.monthly_usd, f"a month of {calls_a_day:,} calls a day")


def _growth(base: CheckVerdict, costs: _Costs, most: float) -> CheckVerdict:
    pair = costs.beside_live()
    if isinstance(pair, str):
        return replace(base, reason=pair, hint=_CALLED)
    return growth(base, pair[0], pair[1], most) if pair else replace(
        base, outcome=Outcome.PASS, got="no prompt that live has was called"
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sum:
    """Calls and what they cost; ``unpriced`` are models without a price."""

    calls: int = 0
    usd: Decimal = Decimal(0)
    unpriced: frozenset[str] = frozenset()

    @property
    def mean(self) -> Decimal:
        return self.usd / self.calls


class _Costs:
    """What calls of the candidate's prompts cost, weighed as they are called live."""

    def __init__(self, given: GateInput, settings: GateSettings, measured: MeasuredSums) -> None:
        self._given = given
        self._old_names = {new: old for old, new in settings.renames.items()}
        self._live = given.live[0] if given.live else None
        self._sums = measured.sums
        prompts = given.candidate.prompts
        self._others = {prompt.name: self._other(prompt, self._live) for prompt in prompts}
        self._own = {prompt.name: self._of(prompt) for prompt in prompts}
        self._weights = self._weighed()

    def doubt(self) -> tuple[str, str, str] | None:
        """Which prompt's cost is not known, why, and what to do."""
        for prompt in sorted(self._given.candidate.prompts, key=lambda prompt: prompt.name):
            own, other = self._own[prompt.name], self._others[prompt.name]
            if (other is None or other.content != prompt.content) and own.calls < FEWEST:
                reason = (
                    f"{own.calls} calls of {prompt.name} as it is now were measured in seven days: it takes {FEWEST}"
                )
                return prompt.name, reason, _CALLED
            if own.unpriced and self._weights.get(prompt.name):
                models = ", ".join(model or "a model that is not known" for model in sorted(own.unpriced))
                return prompt.name, f"the price of {models} is not known", "A policy may take `source: run` instead."
        return None

    def call(self) -> float | None:
        """What a call costs on average; None without calls."""
        total = sum(self._weights.values())
        spent = sum((self._own[name].mean * weight for name, weight in self._weights.items()), Decimal(0))
        return float(spent / total) if total else None

    def beside_live(self) -> tuple[float, float] | str | None:
        """What a call of the prompts that live has costs, and what it costs live; or why that is not known."""
        own = live = Decimal(0)
        total = 0
        for name, weight in sorted(self._weights.items()):
            other = self._others[name]
            if other is None or self._live is None:
                continue
            theirs = self._summed({(self._live.digest, other.name)})
            if theirs.calls < (1 if other.content == self._prompt(name).content else FEWEST):
                return f"{theirs.calls} calls of {other.name} on live were measured in seven days: it takes {FEWEST}"
            if theirs.unpriced:
                return f"the price of {', '.join(sorted(theirs.unpriced)) or 'a model'} is not known"
            total += weight
            own += self._own[name].mean * weight
            live += theirs.mean * weight
        return (float(own / total), float(live / total)) if total else None

    def _prompt(self, name: str) -> GatePrompt:
        found = self._given.candidate.prompt(name)
        assert found is not None
        return found

    def _other(self, prompt: GatePrompt, release: GateRelease | None) -> GatePrompt | None:
        """The prompt of another release, by its old name where the policy has one."""
        if release is None:
            return None
        return release.prompt(prompt.name) or release.prompt(self._old_names.get(prompt.name, ""))

    def _of(self, prompt: GatePrompt) -> _Sum:
        """What was measured of a prompt's content, in the candidate and where it is live unchanged."""
        places = {(self._given.candidate.digest, prompt.name)}
        for release in self._given.live:
            other = self._other(prompt, release)
            if other is not None and other.content == prompt.content:
                places.add((release.digest, other.name))
        return self._summed(places)

    def _weighed(self) -> Mapping[str, int]:
        """How often each prompt is called: live, on this channel; where live lacks one or was not called, where the
        candidate was.
        """
        live = self._live
        if live is not None and all(self._others.values()):
            here = [each for each in self._sums if each.channel == self._given.channel]
            names = {name: other.name for name, other in self._others.items() if other is not None}
            counts = {name: _added(here, {(live.digest, other)}).calls for name, other in names.items()}
            if any(counts.values()):
                return {name: count for name, count in counts.items() if count}
        candidate = self._given.candidate
        own = {one.name: _added(self._sums, {(candidate.digest, one.name)}).calls for one in candidate.prompts}
        return {name: count for name, count in own.items() if count}

    def _summed(self, places: set[tuple[str, str]]) -> _Sum:
        return _added(self._sums, places)


def _added(sums: Iterable[MeasuredSum], places: set[tuple[str, str]]) -> _Sum:
    mine = [each for each in sums if (each.release, each.prompt) in places]
    return _Sum(
        calls=sum(each.calls for each in mine),
        usd=sum((Decimal(each.usd) for each in mine), Decimal(0)),
        unpriced=frozenset(model for each in mine for model in each.unpriced or ()),
    )

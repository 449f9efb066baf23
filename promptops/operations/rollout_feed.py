"""Counts the keys of reports for canaries whose steps the policy takes, in the transaction that takes the reports.

Side and step of a key's call are those of the revision that it was assigned at, never those of the moment in which a
report comes. A revision belongs to one canary at most, so no outcome counts for another one. Reports of an earlier
epoch count for none: what their revisions were is not known after a restore.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from promptops.core.canary.record import Ramp, Record
from promptops.core.canary.state import Coin, Counted
from promptops.core.errors import Invalid
from promptops.core.outcomes.report import BadUnit, SampledUnit
from promptops.core.outcomes.series import Arm
from promptops.core.outcomes.units import Sample

if TYPE_CHECKING:
    from promptops.core.canary.rollout_fact import Rollout
    from promptops.core.canary.rollout_policy import RolloutPolicy
    from promptops.core.model import Deployment
    from promptops.store import Reader, Writer
    from promptops.store.queries.outcome_desk import OutcomeDesk

Place: TypeAlias = tuple[str, str]
"""An app on a channel."""

FIRST_SEEN: Final = "first-seen"
"""As what a key of the sample is counted when it is seen first. No guardrail has this name, for it has a hyphen."""
_MOST: Final = 1_000
"""Canaries of which a process remembers what does not change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A canary as it stands at a revision, in an epoch: what holds from its start to its end, and its steps so far."""

    live: Deployment
    fact: Rollout
    policy: RolloutPolicy
    log: tuple[Deployment, ...]
    ramp: Ramp
    epoch: int

    @property
    def guardrails(self) -> tuple[str, ...]:
        """The guardrails that judge it: those that were off at its start are out, so that the others show it sooner."""
        return tuple(name for name in self.policy.guardrails if name not in self.fact.off)

    def sample(self, step: int) -> Sample:
        """Which keys were in the sample in a step."""
        return Sample.giving(self.fact.keys_a_day, weight=self.ramp.weights[step])


class Trials:
    """The canaries that a process knows, so that not every report reads their deployments."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, str, str, int], Trial | None] = {}

    def of(self, reader: Reader, live: Deployment, epoch: int) -> Trial | None:
        """Returns the canary of what is live in an epoch; None where no policy takes its steps, or an unknown one."""
        assert live.canary is not None
        name = live.canary.rollout
        key = (epoch, live.app, live.channel, name, live.revision)
        if key not in self._known:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = self._read(reader, live, name, epoch)
        return self._known[key]

    def _read(self, reader: Reader, live: Deployment, name: str, epoch: int) -> Trial | None:
        fact = reader.rollout(live.app, live.channel, name)
        if fact is None:
            return None
        try:
            policy = fact.policy
        except Invalid:  # of a later version, which takes its steps
            return None
        log = reader.canary_log(live.app, live.channel, name)
        return Trial(live=live, fact=fact, policy=policy, log=log, ramp=Ramp.of(log), epoch=epoch)


@dataclass(slots=True)
class Keys:
    """Keys of reports: those that were bad, those of samples, and those of scores, which are in no sample by that."""

    bad: list[BadUnit] = field(default_factory=list)
    sampled: list[SampledUnit] = field(default_factory=list)
    scored: list[SampledUnit] = field(default_factory=list)

    def by_place(self) -> dict[str, dict[str, Keys]]:
        """Returns those that take part in a canary, by channel and app: keys of calls of one of its sides."""
        found: dict[str, dict[str, Keys]] = defaultdict(lambda: defaultdict(Keys))
        for name in ("bad", "sampled", "scored"):
            for one in getattr(self, name):
                place = one.assignment
                if one.unit.bucket is not None and place.arm in (Arm.STABLE, Arm.CANARY):
                    getattr(found[place.channel][place.app], name).append(one)
        return found


def feed(writer: Writer, desk: OutcomeDesk, trials: Trials, keys: Keys) -> tuple[Place, ...]:
    """Counts these keys; returns the places whose canary has to be looked at now, since a limit is reached."""
    reached = []
    for channel, apps in sorted(keys.by_place().items()):
        for live in desk.running(channel, apps):
            trial = trials.of(writer, live, desk.epoch)
            if trial is not None and _count(desk, trial, apps[live.app]):
                reached.append((live.app, channel))
    return tuple(reached)


def _count(desk: OutcomeDesk, trial: Trial, keys: Keys) -> bool:
    """Counts the keys of a canary; returns whether a limit is reached."""
    place = (trial.live.app, trial.live.channel, trial.fact.rollout)
    bad = [one for one in keys.bad if _is_of(one, trial)]
    sampled = [one for one in keys.sampled if _is_of(one, trial)]
    scored = [
        one for one in keys.scored if _is_of(one, trial) and _sample(one, trial).has(one.unit, _weight(one, trial))
    ]
    desk.add_units([], scored)
    seen = [one for one in sampled if _sample(one, trial).has_either_way(one.unit)]
    stored = desk.rollout_state(*place) if bad or seen else None
    if stored is None:  # what is lost begins anew with the next look
        return False
    try:
        record = Record.of(stored.text, trial.ramp, trial.guardrails, desk.epoch)
    except ValueError:  # of a later version: the next look pauses, and one canary stops no report
        return False
    units = {one.unit.id for one in bad} | {each.unit.id for each in seen}
    counting = _Counting(record, trial.ramp, desk.counted_units(*place, units))
    for one in bad:
        counting.bad(one)
    for each in seen:
        counting.see(each)
    if counting.changed:
        desk.put_counted_units(*place, {unit: counting.coins[unit] for unit in counting.changed})
        desk.keep_rollout_state(*place, record.text())
    return record.state.is_skewed or counting.is_shown(trial.policy)


def _is_of(one: BadUnit | SampledUnit, trial: Trial) -> bool:
    return one.assignment.epoch == trial.epoch and one.assignment.revision in trial.ramp.steps


def _sample(one: SampledUnit, trial: Trial) -> Sample:
    return trial.sample(trial.ramp.steps[one.assignment.revision])


def _weight(one: SampledUnit, trial: Trial) -> int:
    return trial.ramp.weights[trial.ramp.steps[one.assignment.revision]]


class _Counting:
    """Counts keys one after the other."""

    def __init__(self, record: Record, ramp: Ramp, before: Mapping[str, Mapping[str, str]]) -> None:
        self._record = record
        self._ramp = ramp
        self.coins: dict[str, dict[str, str]] = {unit: dict(coins) for unit, coins in before.items()}
        self.changed: set[str] = set()
        self._touched: set[str] = set()

    def bad(self, one: BadUnit) -> None:
        step, bucket = self._ramp.steps[one.assignment.revision], one.unit.bucket
        assert bucket is not None  # others take no part
        for guardrail in one.guardrails:
            if guardrail in self._record.state.guardrails:
                known = self._known(one.unit.id, guardrail)
                counted = self._record.state.bad(guardrail, known, bucket=bucket, step=step, minute=one.minute)
                if self._keep(one.unit.id, guardrail, known, counted):
                    self._touched.add(guardrail)

    def see(self, one: SampledUnit) -> None:
        step, bucket = self._ramp.steps[one.assignment.revision], one.unit.bucket
        assert bucket is not None
        known = self._known(one.unit.id, FIRST_SEEN)
        counted = self._record.state.see(known, bucket=bucket, step=step)
        self._keep(one.unit.id, FIRST_SEEN, known, counted)

    def is_shown(self, policy: RolloutPolicy) -> bool:
        """Whether a coin that was thrown here shows that the canary is worse."""
        state = self._record.state
        coins = state.coins
        thrown = [coins[coin.of(guardrail)] for guardrail in self._touched for coin in Coin]
        return any(coin.log_e_value(policy.abort_ratio) >= state.limit for coin in thrown)

    def _known(self, unit: str, coin: str) -> Counted:
        text = self.coins.get(unit, {}).get(coin)
        try:
            return self._record.unknown if text is None else Counted.of(text)
        except ValueError:  # of a later version: as what it was counted is lost, so it counts no more
            return Counted.lost(len(self._ramp.weights))

    def _keep(self, unit: str, coin: str, known: Counted, counted: Counted) -> bool:
        if counted == known:
            return False
        self.coins.setdefault(unit, {})[coin] = str(counted)
        self.changed.add(unit)
        return True

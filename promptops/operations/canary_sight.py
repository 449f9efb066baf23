"""What is known of a canary whose steps the policy takes, at one moment and in one transaction, and what follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from promptops.core.canary.decision import CanaryDecision, Trouble
from promptops.core.canary.judge import Judgement, Moment, Verb, due, held_abort, judge
from promptops.core.canary.record import SKEW, Ramp, Record, clock_is_off, is_paused
from promptops.core.canary.state import RolloutState
from promptops.core.canary.words import why_of
from promptops.core.deployment_parts import WHOLE, Action
from promptops.core.evidence.run import Source
from promptops.core.model import Deployment
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.counters import added
from promptops.core.outcomes.report import Guardrail
from promptops.core.outcomes.series import Arm
from promptops.core.timestamp import midnight, minute_of
from promptops.core.verdict import Outcome
from promptops.operations.rollout_feed import Trial, Trials
from promptops.operations.waivers import abort_waiver
from promptops.store.queries.rollouts import Revisions

if TYPE_CHECKING:
    from promptops.core.evidence.approval import Waiver
    from promptops.core.evidence.evidence import Evidence
    from promptops.store import Reader
    from promptops.store.queries.rollout_sample import SampleCount

RECORDED: Final = 0.5
"""Share of stable's calls that has to be recorded before one that is not says something."""
_SIDES: Final = (Arm.STABLE, Arm.CANARY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """The calls of a canary by arm, as counts by name."""

    of: Mapping[str, Counter[str]] = field(default_factory=dict)

    def __getitem__(self, arm: str) -> Counter[str]:
        return self.of.get(arm, Counter())

    def both(self, count: str) -> int:
        """Returns how many of both sides were counted so."""
        return sum(self[arm][count] for arm in _SIDES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A canary at a moment.

    ``record`` is what there is to keep of it, ``stored`` what is kept and since when. ``judgement`` is what the policy
    says, and ``trouble`` what pauses the canary whatever that is. ``calls`` are those of this step. ``waiver`` is a
    person's, by which nothing aborts the canary.
    """

    trial: Trial
    record: Record
    stored: str | None
    looked_at: datetime
    moment: Moment
    judgement: Judgement
    trouble: Trouble | None
    decisions: tuple[CanaryDecision, ...]
    calls: Calls
    waiver: Waiver | None = None

    @property
    def live(self) -> Deployment:
        """What is live."""
        return self.trial.live

    @property
    def step(self) -> int:
        """The step that holds, counted from 0."""
        return self.trial.ramp.number

    @property
    def verb(self) -> Verb:
        """What to do: evidence that the canary is worse goes before trouble, and trouble before all else."""
        worse = self.judgement.verb is Verb.ABORT
        return Verb.PAUSE if self.trouble is not None and not worse else self.judgement.verb

    @property
    def held(self) -> str:
        """Why the canary would be aborted without the waiver, in words; empty where nothing would."""
        policy, state = self.trial.policy, self.record.state
        abort = held_abort(policy, state, self.moment)
        return why_of(policy, abort, state, self.moment) if abort is not None else ""

    @property
    def why(self) -> str:
        """What makes it, as a word."""
        worse = self.judgement.verb is Verb.ABORT
        return self.trouble.value if self.trouble is not None and not worse else self.judgement.why


def sight_of(reader: Reader, trials: Trials, live: Deployment, now: datetime) -> Sight | None:
    """Returns what is known of the canary of what is live; None where no policy takes its steps."""
    epoch = reader.epoch()
    trial = trials.of(reader, live, epoch)
    if trial is None:
        return None
    place = (live.app, live.channel, trial.fact.rollout)
    stored, decisions = reader.rollout_state(*place), reader.canary_decisions(*place)
    looked_at = stored.at if stored else now
    within = revisions_of(live, trial.ramp, epoch, trial.ramp.number)
    calls = calls_of(reader, within, trial.ramp.began[-1])
    record, failed = _record(trial, stored.text if stored else None, epoch)
    waiver = abort_waiver(reader, live, now)
    moment = _moment(reader, trial, record, decisions, calls, waiver, now)
    record = _with_trouble(trial, record, moment, looked_at, now)
    trouble = _trouble(trial, record, moment, calls)
    moment = replace(moment, failed=failed)
    if trouble is None and not moment.paused and due(trial.policy, moment) is not None:
        moment = _sampled(reader, trial, within, moment)
    return Sight(
        trial=trial,
        record=record,
        stored=stored.text if stored else None,
        looked_at=looked_at,
        moment=moment,
        judgement=judge(trial.policy, record.state, moment),
        trouble=trouble,
        decisions=decisions,
        calls=calls,
        waiver=waiver,
    )


def revisions_of(live: Deployment, ramp: Ramp, epoch: int, step: int = 0) -> Revisions:
    """Returns the revisions of a canary from the beginning of a step on."""
    return Revisions(
        app=live.app,
        channel=live.channel,
        epoch=epoch,
        first=ramp.first[step],
        last=ramp.last,
        minute=minute_of(ramp.began[step]),
    )


def calls_of(reader: Reader, within: Revisions, since: datetime) -> Calls:
    """Returns the calls of these revisions, by arm."""
    found: dict[str, Mapping[str, int]] = {}
    for row in reader.outcome_days([within.app], [within.channel], since=midnight(since)):
        place = row.series.assignment
        if within.has(place):
            counts = {name.value: count for name, count in row.sums.counts.items()}
            found[place.arm] = added(found.get(place.arm, {}), counts)
    return Calls(of={arm: Counter(counts) for arm, counts in found.items()})


# --- what is kept ----------------------------------------------------------------------------------


def _record(trial: Trial, text: str | None, epoch: int) -> tuple[Record, str]:
    """What is kept of a canary, and why that cannot be read. What is lost begins anew, with steps yet to come."""
    blank = Record(state=RolloutState(trial.ramp.weights, trial.guardrails), epoch=epoch, lost=len(trial.ramp.weights))
    if text is None:
        return replace(blank, unsaid=Trouble.LOST), ""
    try:
        return Record.of(text, trial.ramp, trial.guardrails, epoch), ""
    except ValueError as error:
        return blank, str(error)


def _with_trouble(trial: Trial, record: Record, moment: Moment, looked_at: datetime, now: datetime) -> Record:
    """The record with the trouble of this look, if there is any: of epochs first, since they explain the rest."""
    epoch = trial.epoch
    if record.epoch != epoch:
        return replace(record, epoch=epoch, unsaid=Trouble.EPOCH)
    bake = trial.policy.steps[trial.policy.number_at(moment.weight)].bake
    if record.unsaid is None and not moment.paused and clock_is_off(looked_at, now, bake):
        return replace(record, unsaid=Trouble.CLOCK)
    return record


def _trouble(trial: Trial, record: Record, moment: Moment, calls: Calls) -> Trouble | None:
    """What pauses the canary now."""
    if moment.paused:
        return None
    failed = trial.fact.keys_count and calls[Arm.NAMED][Count.BAD]  # without such keys, no client reports their calls
    if record.unsaid is None and failed and Trouble.FIRST_KEYS.value not in moment.resumed:
        return Trouble.FIRST_KEYS
    return record.unsaid


# --- what the policy judges ------------------------------------------------------------------------


def _moment(
    reader: Reader,
    trial: Trial,
    record: Record,
    decisions: Iterable[CanaryDecision],
    calls: Calls,
    waiver: Waiver | None,
    now: datetime,
) -> Moment:
    ramp = trial.ramp
    off = dict(trial.fact.off)
    if calls[Arm.STABLE][Count.CALLS] < RECORDED * calls[Arm.STABLE][Count.OPENED]:
        off[Guardrail.UNRECORDED.value] = "fewer than half of stable's calls are recorded"
    mismatched = calls[Arm.STABLE][Count.MISMATCH]
    return Moment(
        age=now - ramp.began[-1],
        weight=ramp.weights[-1],
        looks=record.looked(ramp.number),
        paused=is_paused(trial.live),
        resumed=_resumed(trial, decisions),
        no_abort=waiver is not None,
        off=off,
        refused=_refused(reader, trial, now),
        mismatched=mismatched,
        served=calls[Arm.CANARY][Count.CALLS] + mismatched,
        without_unit=calls.both(Count.NO_UNIT),
        calls=calls.both(Count.CALLS),
    )


def _resumed(trial: Trial, decisions: Iterable[CanaryDecision]) -> frozenset[str]:
    """The causes of pauses of this step that a person ended."""
    steps, step = trial.ramp.steps, trial.ramp.number
    last = max(
        (entry.revision for entry in trial.log if entry.canary and entry.canary.action is Action.RESUME), default=0
    )
    return frozenset(
        each.why
        for each in decisions
        if each.verb == Verb.PAUSE and steps.get(each.revision) == step and each.revision < last
    )


def _refused(reader: Reader, trial: Trial, now: datetime) -> tuple[str, ...]:
    """The checks that the policy asks at each step and whose newest verdict does not let the release through."""
    canary = trial.live.canary
    if not trial.policy.ask or canary is None:
        return ()
    newest: dict[str, Evidence] = {}
    for piece in reader.evidence(app=trial.live.app, digest=canary.release.digest):
        if piece.source is Source.EXTERNAL and piece.at >= trial.ramp.began[-1]:
            newest[piece.check] = piece
    return tuple(
        name
        for name in trial.policy.ask
        if (found := newest.get(name)) is None
        or found.verdict is not Outcome.PASS
        or (found.expires_at is not None and found.expires_at <= now)
    )


# --- the sample ------------------------------------------------------------------------------------


def count_sample(
    reader: Reader, trial: Trial, within: Revisions, guardrails: Sequence[str] = (), early: range = range(0)
) -> SampleCount:
    """Returns the keys of the sample in the step that holds, as :meth:`Reader.count_sample` does."""
    ramp = trial.ramp
    return reader.count_sample(within, trial.sample(ramp.number), ramp.weights[-1], guardrails, early)


def _sampled(reader: Reader, trial: Trial, within: Revisions, moment: Moment) -> Moment:
    """The moment with the keys of the sample, for a look."""
    weight, began = moment.weight, trial.ramp.began[-1]
    # Before the step began there was no such call: of a clock that goes wrong, it is not known when a key was seen.
    early = range(minute_of(began - SKEW), minute_of(began + moment.age / 2))
    counted = count_sample(reader, trial, within, trial.guardrails, early)
    odds = trial.sample(trial.ramp.number).quotient * weight / (WHOLE - weight)
    if counted.stable:
        # A client of an earlier version takes fewer keys of the canary: those that came are what there is to compare.
        odds = min(odds, counted.canary / counted.stable)
    return replace(moment, keys=counted.early, odds=odds, canary_keys=counted.canary)

"""What happens to a canary now: it is aborted, paused, taken a step further, or left as it is. No I/O, no clock.

The rules:

- evidence that the canary is worse ends it at any moment, also while it is paused; ``actions`` of the policy may pause
  it instead. A guardrail that is off at the moment shows nothing;
- measurements that cannot be trusted pause it at once, or abort it, as the policy's ``on`` says;
- it advances at two looks in a step: at the end of ``bake`` and, if it did not, at the end of ``wait``. Before 100 %
  there is only the second one, so that what wears users down slowly has time to show. A pause opens no look;
- a look takes it further if every guardrail shows it not to be worse. If that is not shown at the end of ``wait``, the
  policy decides, and the history says that the canary advanced because nothing looked worse. Where only evidence from
  elsewhere is missing, it is paused;
- the cause of a pause that a person ended pauses it no more in that step.

What a rule reads is in :class:`Moment`; the numbers behind a decision are made by
:mod:`promptops.core.canary.explanation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from promptops.core.canary.advance import Advance, SampledKeys, judge_step
from promptops.core.canary.rollout_policy import Cause, Response
from promptops.core.canary.state import Coin
from promptops.core.deployment_parts import WHOLE

if TYPE_CHECKING:
    from promptops.core.canary.rollout_policy import RolloutPolicy
    from promptops.core.canary.state import RolloutState

MISMATCHED: Final = 0.01
"""Share of the calls of the canary's keys that the stable release may serve: a client cannot serve the other one."""
WITHOUT_UNIT: Final = 0.05
"""Share of calls that may come without a unit: no coin counts them."""
_NO_KEYS: Final = SampledKeys(canary=0, canary_bad=0, stable=0, stable_bad=0)
FEWEST: Final = 100
"""Calls from which on such a share says something."""


class Verb(StrEnum):
    """What to do."""

    HOLD = "hold"
    ADVANCE = "advance"
    PAUSE = "pause"
    ABORT = "abort"


class Look(StrEnum):
    """When a step may advance."""

    BAKE = "bake"
    WAIT = "wait"


class Shown(StrEnum):
    """Why a canary advanced. These are two lines of the history, and not the same."""

    NOT_WORSE = "not-worse"
    """Every guardrail showed that it is not worse."""
    NOTHING_WORSE = "nothing-worse"
    """Nothing looked worse, and the policy takes that as enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What is known of a canary when it is looked at.

    ``age`` is the time since its step began and ``weight`` the one in force; ``looks`` are those of this step so far.
    ``keys`` are, by guardrail, those of the sample that were first seen in the first half of ``age``; ``odds`` are
    those of a sampled key to be the canary's, and ``canary_keys`` counts the sampled keys of the canary in this step.
    ``resumed`` are the causes (:attr:`Judgement.why`) of pauses that a person ended in this step; ``no_abort`` is a
    waiver of aborts. ``off`` are guardrails that cannot judge now, with the reason; ``refused`` is the evidence from
    elsewhere that the policy asks for and that does not stand. ``mismatched`` of ``served`` calls of the canary's keys
    got the stable release, ``without_unit`` of ``calls`` had no unit, and ``failed`` is why there is no analysis.
    """

    age: timedelta
    weight: int
    looks: frozenset[Look] = frozenset()
    keys: Mapping[str, SampledKeys] = field(default_factory=dict)
    odds: float = 1.0
    canary_keys: int = 0
    paused: bool = False
    resumed: frozenset[str] = frozenset()
    no_abort: bool = False
    off: Mapping[str, str] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    mismatched: int = 0
    served: int = 0
    without_unit: int = 0
    calls: int = 0
    failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What to do, and why.

    ``guardrail`` is the one that shows the canary to be worse; ``cause`` is what else went wrong. ``look`` is the one
    that this judgement spent, also where the canary is left as it is. ``weight`` is that of the next step of an
    advance: 10,000 is the finish. ``verdicts`` are those of the guardrails at the look.
    """

    verb: Verb
    cause: Cause | None = None
    guardrail: str = ""
    look: Look | None = None
    shown: Shown | None = None
    weight: int = 0
    verdicts: Mapping[str, Advance] = field(default_factory=dict)

    @property
    def why(self) -> str:
        """What made it, as a word: a cause, ``worse:`` and the guardrail, or what was shown; empty for nothing."""
        if self.guardrail:
            return f"worse:{self.guardrail}"
        return str(self.cause or self.shown or "")


def judge(policy: RolloutPolicy, state: RolloutState, moment: Moment) -> Judgement:
    """Returns what to do with a canary now."""
    for judgement in (*_worse(policy, state, moment), *_untrusted(policy, state, moment)):
        if _holds(judgement, moment):
            return judgement
    if moment.paused or (look := due(policy, moment)) is None:
        return Judgement(verb=Verb.HOLD)
    return _look(policy, state, moment, look)


def held_abort(policy: RolloutPolicy, state: RolloutState, moment: Moment) -> Judgement | None:
    """Returns the abort that a person's waiver holds back; None where nothing would abort the canary, or no waiver."""
    every = (*_worse(policy, state, moment), *_untrusted(policy, state, moment)) if moment.no_abort else ()
    return next((judgement for judgement in every if judgement.verb is Verb.ABORT), None)


def due(policy: RolloutPolicy, moment: Moment) -> Look | None:
    """Returns the look that this moment opens, if the canary is not paused."""
    if Look.WAIT in moment.looks:
        return None
    if moment.age >= policy.wait:
        return Look.WAIT
    bake = policy.steps[policy.number_at(moment.weight)].bake
    is_open = policy.after(moment.weight) is not None and Look.BAKE not in moment.looks and moment.age >= bake
    # Evidence from elsewhere that does not stand yet keeps this look for later.
    return Look.BAKE if is_open and not moment.refused else None


def _worse(policy: RolloutPolicy, state: RolloutState, moment: Moment) -> Iterator[Judgement]:
    """An abort for each guardrail that shows the canary to be worse, and a pause where the policy pauses it instead."""
    evidence = state.evidence(policy.abort_ratio)
    judging = [name for name in state.guardrails if name not in moment.off]
    over = [name for name in judging if any(evidence[coin.of(name)] >= state.limit for coin in Coin)]
    found = [Judgement(verb=Verb(policy.action(name)), guardrail=name) for name in over]
    return iter(sorted(found, key=lambda judgement: judgement.verb is not Verb.ABORT))


def _untrusted(policy: RolloutPolicy, state: RolloutState, moment: Moment) -> Iterator[Judgement]:
    wrong = {
        Cause.ANALYSIS_FAILED: bool(moment.failed),
        Cause.SAMPLE_RATIO: state.is_skewed,
        Cause.ARM_MISMATCH: _above(moment.mismatched, moment.served, MISMATCHED),
        Cause.NO_UNIT: _above(moment.without_unit, moment.calls, WITHOUT_UNIT),
    }
    return (Judgement(verb=Verb(policy.on[cause]), cause=cause) for cause, is_wrong in wrong.items() if is_wrong)


def _holds(judgement: Judgement, moment: Moment) -> bool:
    """Whether nothing a person did keeps this from being done."""
    if judgement.verb is Verb.ABORT:
        return not moment.no_abort
    return not moment.paused and judgement.why not in moment.resumed


def _look(policy: RolloutPolicy, state: RolloutState, moment: Moment, look: Look) -> Judgement:
    judged = {name: moment.keys.get(name, _NO_KEYS) for name in state.guardrails if name not in moment.off}
    verdicts = {
        name: judge_step(keys, moment.odds, ratio=policy.ratio, tolerance=policy.tolerance)
        for name, keys in judged.items()
    }
    enough = moment.canary_keys >= policy.canary_keys and bool(judged) and all(keys.canary for keys in judged.values())
    found = Judgement(verb=Verb.HOLD, look=look, verdicts=verdicts)
    following = policy.after(moment.weight)
    further = replace(found, verb=Verb.ADVANCE, weight=following.weight if following else WHOLE)
    is_shown = enough and all(verdict.is_shown for verdict in verdicts.values())
    if is_shown and not moment.refused:
        return replace(further, shown=Shown.NOT_WORSE)
    if look is Look.BAKE:
        return found
    cause = Cause.INCONCLUSIVE if enough else Cause.NO_DATA
    response = policy.on[cause]
    if moment.refused and (is_shown or response is Response.ADVANCE):
        # What the policy asks for from elsewhere does not stand. By itself that aborts nothing, and a person goes on.
        response = Response.PAUSE
    if response is Response.ADVANCE and any(_worse(policy, state, moment)):
        response = Response.PAUSE  # a person ended the pause of a guardrail: something looks worse
    if response is Response.ADVANCE:
        return replace(further, shown=Shown.NOTHING_WORSE, cause=cause)
    ended = replace(found, verb=Verb(response), cause=cause)
    return ended if _holds(ended, moment) else found


def _above(count: int, of: int, share: float) -> bool:
    return of >= FEWEST and count > share * of

"""What a policy did with a canary and why, in words for its history: the reason of the deployment that it made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from promptops.core.bucketing import percent
from promptops.core.canary.advance import Advance
from promptops.core.canary.decision import Trouble
from promptops.core.canary.judge import Judgement, Shown, Verb
from promptops.core.canary.rollout_policy import Cause
from promptops.core.canary.state import Coin
from promptops.core.deployment_parts import WHOLE

if TYPE_CHECKING:
    from promptops.core.canary.judge import Moment
    from promptops.core.canary.rollout_policy import RolloutPolicy
    from promptops.core.canary.state import RolloutState

_BEYOND: Final = 12 * math.log(10)
"""Of a logarithm: more digits of evidence say nothing more."""
_TROUBLES: Final[dict[Trouble, str]] = {
    Trouble.LOST: "what was measured of its keys is lost: the steps so far can show nothing any more",
    Trouble.EPOCH: "the registry came back from a backup, and does not know what was reported since",
    Trouble.CLOCK: "the clock went back, or nothing looked at the canary for longer than its step bakes",
    Trouble.FIRST_KEYS: "calls failed of the keys that have the canary first",
}


def reason_of(
    policy: RolloutPolicy, judgement: Judgement, state: RolloutState, moment: Moment, trouble: Trouble | None
) -> str:
    """Returns what was decided and why, as one line."""
    if trouble is not None and judgement.verb is not Verb.ABORT:
        return f"paused: {_TROUBLES[trouble]}"
    if judgement.verb is Verb.ADVANCE:
        # The promotion of a finish says for itself that it is one.
        step = "" if judgement.weight == WHOLE else f"advanced to {percent(judgement.weight)}: "
        return f"{step}{_shown(judgement)}"
    done = "aborted" if judgement.verb is Verb.ABORT else "paused"
    return f"{done}: {why_of(policy, judgement, state, moment)}"


def why_of(policy: RolloutPolicy, judgement: Judgement, state: RolloutState, moment: Moment) -> str:
    """Returns why a canary is to be aborted or paused: the evidence of a guardrail, or what else went wrong."""
    if judgement.guardrail:
        shown = evidence_of(policy, state, judgement.guardrail)
        return f"the canary is worse at {judgement.guardrail}: {shown}"
    return cause_of(policy, judgement, state, moment)


def evidence_of(policy: RolloutPolicy, state: RolloutState, guardrail: str) -> str:
    """Returns the evidence of the strongest coin of a guardrail, with the keys that it counted since the start."""
    evidence, coins = state.evidence(policy.abort_ratio), state.coins
    coin = max(Coin, key=lambda each: evidence[each.of(guardrail)])
    sides = [sides for (component, _), sides in coins[coin.of(guardrail)].counts.items() if component == 0]
    canary, stable = (sum(side[place] for side in sides) for place in (0, 1))
    minutes = f" in {coin.minutes} different minutes" if coin.minutes > 1 else ""
    return (
        f"{canary:,} keys of the canary and {stable:,} of stable were bad{minutes}, "
        f"evidence {number(evidence[coin.of(guardrail)])} of {number(state.limit)}"
    )


def exposure_of(sides: Mapping[str, Mapping[str, int]]) -> str:
    """Returns how many calls and keys each side had and how many calls were bad, since fewer failures that are spread
    over more keys, or keys that call more often, are worse by this evidence too.
    """
    canary, stable = (_calls(sides[side]) for side in ("canary", "stable"))
    return f"the canary had {canary}, and stable {stable}"


def _calls(side: Mapping[str, int]) -> str:
    """Keys come from the sample, and later than calls."""
    keys = f" of about {side['keys']:,} keys" if side["keys"] else ""
    bad = f", {side['bad'] / side['calls']:.1%} bad" if side["calls"] else ""
    return f"{side['calls']:,} calls{keys}{bad}"


def cause_of(policy: RolloutPolicy, judgement: Judgement, state: RolloutState, moment: Moment) -> str:
    """Returns what a cause means here."""
    match judgement.cause:
        case Cause.SAMPLE_RATIO:
            seen = state.first_seen.values()
            sides = f"{sum(side[0] for side in seen):,} to {sum(side[1] for side in seen):,}"
            return f"the keys are not split as they should be: {sides}, of the sample"
        case Cause.ARM_MISMATCH:
            return f"stable served {moment.mismatched:,} of {moment.served:,} calls of the canary's keys"
        case Cause.NO_UNIT:
            return f"{moment.without_unit:,} of {moment.calls:,} calls came without a key"
        case Cause.ANALYSIS_FAILED:
            return f"the analysis failed: {moment.failed}"
        case Cause.NO_DATA:
            return f"there is not enough to judge: {_missing(policy, moment)}"
        case _:
            return _undecided(judgement, moment)


def number(log: float) -> str:
    """Returns an e-value as people read it, of its logarithm."""
    if log > _BEYOND:
        return f"over {10**12:,}"
    value = math.exp(log)
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _shown(judgement: Judgement) -> str:
    if judgement.shown is Shown.NOTHING_WORSE:
        return "nothing looked worse, and it is not shown that nothing is"
    return "every guardrail shows it not to be worse"


def _undecided(judgement: Judgement, moment: Moment) -> str:
    open_ = [name for name, verdict in judgement.verdicts.items() if not verdict.is_shown]
    saturated = [name for name in open_ if judgement.verdicts[name] is Advance.SATURATED]
    parts = [f"not shown at {', '.join(open_)}"] if open_ else []
    parts += [f"{', '.join(saturated)} is saturated, choose a rarer guardrail"] if saturated else []
    parts += [f"there is no verdict for it of {', '.join(moment.refused)}"] if moment.refused else []
    return f"it is not shown that the canary is not worse: {'; '.join(parts)}"


def _missing(policy: RolloutPolicy, moment: Moment) -> str:
    had = f"{moment.canary_keys:,} keys of the sample had the canary in this step, of {policy.canary_keys:,} needed"
    if moment.canary_keys < policy.canary_keys:
        return had
    unshown = [name for name, keys in moment.keys.items() if name not in moment.off and not keys.canary]
    return f"{had}, and none of them could show {', '.join(unshown)}" if unshown else "every guardrail is off"

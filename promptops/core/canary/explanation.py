"""The numbers behind a decision about a canary, and what would have changed it, as they are stored with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from promptops.core.canary.advance import Advance, SampledKeys, judge_step
from promptops.core.canary.guardrail import Guardrail
from promptops.core.deployment_parts import WHOLE

if TYPE_CHECKING:
    from promptops.core.canary.judge import Judgement, Moment
    from promptops.core.canary.rollout_policy import RolloutPolicy
    from promptops.core.canary.state import RolloutState

MOST: Final = 10_000
"""Keys that are added in thought: where more of them would be needed, the number is null."""
LARGEST: Final = 1e15
"""Of a number that is stored or sent: canonical JSON has none above 2^53."""


def explain(policy: RolloutPolicy, state: RolloutState, moment: Moment, judgement: Judgement) -> dict[str, object]:
    """Returns the numbers of a judgement as a document of JSON.

    ``evidence`` has each coin's e-value and ``limit`` the one that aborts. ``evidence_changes`` says by how many bad
    keys the nearest coin is from the other side of it. Of a look, ``guardrails`` has the sampled keys with the verdict,
    and by how many bad keys of the canary it would be another one; null where none would do.
    """
    evidence = state.evidence(policy.abort_ratio)
    numbers: dict[str, object] = {
        "limit": e_value(state.limit),
        "evidence": {coin: e_value(log) for coin, log in evidence.items()},
        "evidence_changes": distance(policy, state),
        "age_s": round(moment.age.total_seconds()),
        "weight": moment.weight,
        "canary_keys": moment.canary_keys,
    }
    if judgement.look:
        numbers["look"] = judgement.look.value
        numbers["guardrails"] = {
            name: _at_look(policy, moment, name, verdict) for name, verdict in judgement.verdicts.items()
        }
        numbers["off"] = dict(moment.off)
        numbers["refused"] = list(moment.refused)
    return numbers


def distance(policy: RolloutPolicy, state: RolloutState) -> dict[str, object]:
    """Returns how far the evidence is from the limit: the coin, and how many further bad keys, of which side.

    Below the limit these are keys of the canary, one after the other, to the abort; above it keys of stable that would
    undo it. The number is null where it is above :data:`MOST`.
    """
    ratio, limit = policy.abort_ratio, state.limit
    evidence = state.evidence(ratio)
    over = [coin for coin, log in evidence.items() if log >= limit]
    if over:
        need = {coin: _more(state.coins[coin], lambda log: log < limit, ratio, WHOLE - 1) for coin in over}
        coin = max(over, key=lambda name: MOST + 1 if need[name] is None else need[name] or 0)
        return {"coin": coin, "side": "stable", "keys": need[coin]}
    if not evidence:
        return {}
    need = {coin: _more(state.coins[coin], lambda log: log >= limit, ratio, 0) for coin in evidence}
    coin = min(evidence, key=lambda name: MOST + 1 if need[name] is None else need[name] or 0)
    return {"coin": coin, "side": "canary", "keys": need[coin]}


def _more(coin: Guardrail, crosses: Callable[[float], bool], ratio: float, bucket: int) -> int | None:
    """How many further keys of this bucket under the last step take the evidence to where it crosses."""

    def after(count: int) -> bool:
        step = len(coin.weights) - 1
        one = Guardrail(coin.weights)
        one.add(0, bucket, step)
        counts = dict(coin.counts)
        for place, (canary, stable) in one.counts.items():
            before = counts.get(place, (0, 0))
            counts[place] = (before[0] + count * canary, before[1] + count * stable)
        return crosses(Guardrail(coin.weights, counts).log_e_value(ratio))

    return _fewest(after)


def _fewest(holds: Callable[[int], bool], most: int = MOST) -> int | None:
    """The smallest number from 1 on for which it holds, of what holds from some number on; None above ``most``."""
    if most < 1 or not holds(most):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _at_look(policy: RolloutPolicy, moment: Moment, name: str, verdict: Advance) -> Mapping[str, object]:
    keys = moment.keys.get(name)
    if keys is None:
        return {"verdict": verdict.value}
    room = keys.canary - keys.canary_bad if verdict.is_shown else keys.canary_bad

    def is_other(count: int) -> bool:
        changed = replace(keys, canary_bad=keys.canary_bad + (count if verdict.is_shown else -count))
        return _shown(policy, moment, changed) != verdict.is_shown

    return {
        "canary": keys.canary,
        "canary_bad": keys.canary_bad,
        "stable": keys.stable,
        "stable_bad": keys.stable_bad,
        "verdict": verdict.value,
        "changes_at": _fewest(is_other, room),
    }


def _shown(policy: RolloutPolicy, moment: Moment, keys: SampledKeys) -> bool:
    return judge_step(keys, moment.odds, ratio=policy.ratio, tolerance=policy.tolerance).is_shown


def e_value(log: float) -> float:
    """Returns an e-value of its logarithm, in four digits; one that no float holds is 1e+304."""
    return float(f"{math.exp(min(log, 700.0)):.4g}")

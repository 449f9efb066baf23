"""Rules that are common, and cry wolf: what they make of the same traffic, with steps of the same length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from promptops.core.canary.coins import WORSE
from promptops.core.deployment_parts import WHOLE
from tests.harness.calibrate.canary_traffic import Bools, Floats, Traffic

RULES: Final = ("z-test", "fixed limit", "per call")
"""A z-test after every 100 calls; more than 5 %, or twice the usual share, of ten calls of the canary are bad, five
times; and the coins of a guardrail, one for each bad call instead of each key."""
_EVERY = 100
_Z = 1.645
_WINDOW, _TIMES = 10, 5
_LIMIT = math.log(15 / 0.05)


def alarms(traffic: Traffic, ramp: Sequence[int]) -> tuple[bool, bool, bool]:
    """Returns which of the rules would abort."""
    hours = traffic.world.hours / len(ramp)
    step = np.minimum(traffic.assigned / hours, len(ramp) - 1).astype(int)
    weight = np.array(ramp)[step]
    canary = traffic.bucket[traffic.user] < weight
    bad = traffic.bad(canary, step)
    order = np.flatnonzero(bad)[np.argsort(traffic.reported[bad])]
    return (
        _z_test(canary, bad),
        _fixed(canary, bad, traffic.world.bad),
        _per_call(canary[order], weight[order] / (WHOLE - weight[order])),
    )


def _z_test(canary: Bools, bad: Bools) -> bool:
    calls = np.array([canary.cumsum(), (~canary).cumsum()], float)[:, _EVERY - 1 :: _EVERY]
    wrong = np.array([(canary & bad).cumsum(), (~canary & bad).cumsum()], float)[:, _EVERY - 1 :: _EVERY]
    pooled = wrong.sum(0) / calls.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = wrong / calls
        z = (shares[0] - shares[1]) / np.sqrt(pooled * (1 - pooled) * (1 / calls).sum(0))
    return bool((np.nan_to_num(z) > _Z).any())


def _fixed(canary: Bools, bad: Bools, usual: float) -> bool:
    calls = bad[canary]
    windows = calls[: calls.size // _WINDOW * _WINDOW].reshape(-1, _WINDOW).mean(1)
    return bool((windows > max(0.05, 2 * usual)).sum() >= _TIMES)


def _per_call(canary: Bools, odds: Floats) -> bool:
    if not canary.size:
        return False
    paths = [np.cumsum(np.log((1 + odds) / (1 + odds * multiple)) + canary * math.log(multiple)) for multiple in WORSE]
    logs = np.logaddexp.reduce(np.array(paths), 0) - math.log(len(WORSE))
    return bool((np.logaddexp(logs, 0) + math.log(0.5)).max() >= _LIMIT)

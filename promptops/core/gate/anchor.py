"""Which release is the anchor: of those that were stable in a time, the one that is shown to be best on the suites.

Without one, each release may be a little worse than the one before, and twelve of them are much worse together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from promptops.core.evidence.case_table import Arm
from promptops.core.gate.given import GateInput, GateRelease
from promptops.core.gate.own_runs import planned
from promptops.core.gate.pools import Universe, means_of, parts_of
from promptops.core.gate.records import Records, records_of
from promptops.core.gate.settings import GateSettings, NotWorse
from promptops.core.gate.subject import suites_of
from promptops.core.statistics.bounds import lower_bound

LEVEL = 0.05
"""At which a release's share of passed cases is bounded: so a lucky run of few cases is no anchor."""


def choose_anchor(given: GateInput, settings: GateSettings, past: Iterable[GateRelease]) -> GateRelease | None:
    """Returns the best of the releases that were stable in the anchor's time; None if none of them was ever measured.

    ``past`` are newest first; of equally good ones the newest is taken. What the policy does not count, does not here.

    Raises:
        Invalid: the evidence of one is damaged.
    """
    if settings.not_worse is None:
        return None
    records = records_of(given, settings.evidence)
    best: GateRelease | None = None
    most = 0.0
    for release in past:
        bound = _bound(release, records, settings.not_worse)
        if bound > most:
            best, most = release, bound
    return best


def _bound(release: GateRelease, records: Records, rule: NotWorse) -> float:
    """Returns the lower bound of the share of cases that a release passed, over its suites together; 0 without any."""
    passed, count = 0.0, 0
    own = records.own(release.digest)
    for prompt in release.prompts:
        for suite in suites_of(prompt.name, release, rule.suites):
            universe = Universe(planned(own, suite.name, prompt.name))
            left = any(case.reused for case in universe.cases)
            parts = parts_of(records.counted if left else own, universe, suite.name, prompt)
            means = means_of(parts, len(universe.cases), Arm.CANDIDATE, rule.measure)
            passed += math.fsum(mean.low for mean in means)
            count += len(means)
    return lower_bound(math.floor(passed + 1e-9), count, LEVEL)

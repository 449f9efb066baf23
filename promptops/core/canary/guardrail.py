"""A guardrail of a rollout: evidence that keys go bad more often on the canary than on the stable release.

A key counts as bad at most once in each *component* of the rollout, which are experiments of their own:

- one over the whole rollout. Its coins have the odds of the weight in force;
- one for each later step, over the keys that this step could move from stable to the canary. All of them begin anew
  with it, also those that went bad before, since which of them the step moves is as random as it was at the start.

No component begins in any other way. One that begins late, among keys that have mostly gone bad before, would abort
canaries that are *better*: stable then has no keys left that can go bad for the first time.

The component of the whole rollout has the weight 1/2, that of step k (from 1) the weight 2^-(k+1), so that steps need
not be known beforehand; what later steps would get stays at 1. Each component's e-value is a martingale if the canary
is no different, and so is their mean with these weights.

Several guardrails are several chances to be wrong. They are joined by the union bound and not by their mean: a key
whose side one guardrail has shown is no coin any more for another one, so a mean of theirs would not be proved.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from promptops.core.canary.coins import Tosses, log_e_value
from promptops.core.deployment_parts import WHOLE

FALSE_ABORTS: Final = 0.05
"""How often a rollout may be aborted whose canary is no worse, over all guardrails and the whole of it."""

Place = tuple[int, int]
"""A component, 0 for the whole rollout, and the step under which a key went bad, from 0."""


class Guardrail:
    """The bad keys of one rollout for one guardrail, as counts.

    ``weights`` are those of the steps so far, in basis points, from the first one on: at least as high as the one
    before, above 0 and below 10,000. ``counts`` are earlier ones to go on with: keys of the canary and of stable.

    Raises:
        ValueError: there is no such ramp.
    """

    def __init__(self, weights: Sequence[int], counts: Mapping[Place, tuple[int, int]] | None = None) -> None:
        if not weights or list(weights) != sorted(weights) or not 0 < weights[0] <= weights[-1] < WHOLE:
            raise ValueError(f"no rollout has the steps {list(weights)}")
        self.weights = tuple(weights)
        self._counts = dict(counts or {})

    @property
    def counts(self) -> Mapping[Place, tuple[int, int]]:
        """Bad keys of the canary and of stable, by component and step."""
        return self._counts

    def add(self, counted: int, bucket: int, step: int) -> int:
        """Counts a key that went bad, in each component where it has not yet.

        ``counted`` has a bit for each component that counted the key before, 0 for none; the new one is returned.
        ``bucket`` is the key's, from 0 to 9,999, and ``step`` that of the revision which served the call, from 0: a
        report that arrives late belongs to its own step.
        """
        on_canary = bucket < self.weights[step]
        for component in range(step + 1):
            if not self.waits_for(counted, component, bucket):
                continue
            canary, stable = self._counts.get((component, step), (0, 0))
            self._counts[component, step] = (canary + on_canary, stable + (not on_canary))
            counted |= 1 << component
        return counted

    def waits_for(self, counted: int, component: int, bucket: int) -> bool:
        """Returns whether a component may still count a key.

        The side of a key that was on the canary before the component began is no toss of it.
        """
        return not counted >> component & 1 and bucket >= self._before(component)

    def odds(self, component: int, step: int) -> tuple[int, int]:
        """Returns the odds of the canary under a step among the keys of a component, as two whole numbers."""
        return self.weights[step] - self._before(component), WHOLE - self.weights[step]

    def log_e_value(self, ratio: float = 1.0) -> float:
        """Returns the logarithm of the evidence that the canary's odds are more than ``ratio`` times as high."""
        logs = [
            log_e_value(self._tosses(component, ratio)) + math.log(share(component))
            for component in range(len(self.weights))
        ]
        return _log_sum([*logs, math.log(share(len(self.weights) - 1))])

    def _tosses(self, component: int, ratio: float) -> Iterator[Tosses]:
        for (of, step), (canary, stable) in sorted(self._counts.items()):
            if of == component:
                moved, left = self.odds(component, step)
                yield Tosses(odds=ratio * moved / left, canary=canary, stable=stable)

    def _before(self, component: int) -> int:
        """The weight in force before a component began."""
        return self.weights[component - 1] if component else 0


def share(component: int) -> float:
    """Returns the weight of a component's e-value; that of the last one is also what is left for later steps."""
    return 0.5 if component == 0 else 0.5 ** (component + 1)


def shows_worse(log_e_values: Iterable[float], level: float = FALSE_ABORTS) -> bool:
    """Returns whether any of these guardrails shows that the canary is worse.

    If it is not, this happens in at most ``level`` of rollouts, looked at any number of times.
    """
    values = list(log_e_values)
    return bool(values) and max(values) >= math.log(len(values) / level)


def _log_sum(logarithms: Sequence[float]) -> float:
    largest = max(logarithms)
    return largest + math.log(math.fsum(math.exp(number - largest) for number in logarithms))

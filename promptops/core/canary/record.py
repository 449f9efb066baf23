"""What a registry keeps of a canary beside its keys: the counts, and what became of its looks.

It is measured, and no fact. A registry that was made again from git has none, and one that came back from a backup has
an old one. What is not kept cannot be counted fairly any more, so a person hears of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

from promptops.core.canary.decision import Trouble
from promptops.core.canary.judge import Look
from promptops.core.canary.state import Counted, RolloutState
from promptops.core.deployment_parts import Action
from promptops.core.model import Deployment

SKEW: Final = timedelta(minutes=1)
"""How far the clocks of two servers may be apart."""
SHORTEST_GAP: Final = timedelta(minutes=10)
"""Time without a look that is never too long: a server looks once a minute, and may start anew meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """The steps of a canary so far, from its deployments: by revision the step, counted from 0, and their weights."""

    steps: Mapping[int, int]
    weights: tuple[int, ...]
    began: tuple[datetime, ...]
    first: tuple[int, ...]
    last: int

    @classmethod
    def of(cls, log: Sequence[Deployment]) -> Self:
        """Returns that of the deployments of one canary, oldest first."""
        steps: dict[int, int] = {}
        weights: list[int] = []
        began: list[datetime] = []
        first: list[int] = []
        for entry in log:
            assert entry.canary is not None
            if not weights or entry.canary.weight > weights[-1]:
                weights.append(entry.canary.weight)
                began.append(entry.at)
                first.append(entry.revision)
            steps[entry.revision] = len(weights) - 1
        last = log[-1].revision
        return cls(steps=steps, weights=tuple(weights), began=tuple(began), first=tuple(first), last=last)

    @property
    def number(self) -> int:
        """The step that holds, counted from 0."""
        return len(self.weights) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The counts of a canary, and what was done with them.

    ``epoch`` is the registry's in which they were last looked at. ``looks`` are those that were spent, by step.
    ``lost`` says how many steps had begun when earlier counts were lost: none of them counts any more. ``unsaid`` is a
    trouble that has to pause the canary and did not yet, since a person had paused it.
    """

    state: RolloutState
    epoch: int
    looks: frozenset[tuple[int, Look]] = frozenset()
    lost: int = 0
    unsaid: Trouble | None = None

    @property
    def unknown(self) -> Counted:
        """What is remembered of a key of which nothing is kept."""
        return Counted.lost(self.lost) if self.lost else Counted()

    def looked(self, step: int) -> frozenset[Look]:
        """Returns the looks of a step that were spent."""
        return frozenset(look for at, look in self.looks if at == step)

    def spent(self, step: int, look: Look | None) -> Self:
        """Returns the record after a look of a step."""
        return self if look is None else replace(self, looks=self.looks | {(step, look)})

    def text(self) -> str:
        """Returns it as JSON."""
        return json.dumps(
            {
                "counts": self.state.to_json(),
                "epoch": self.epoch,
                "looks": [[step, look.value] for step, look in sorted(self.looks)],
                "lost": self.lost,
                "unsaid": self.unsaid.value if self.unsaid else "",
            },
            separators=(",", ":"),
        )

    @classmethod
    def of(cls, text: str, ramp: Ramp, guardrails: Iterable[str], epoch: int) -> Self:
        """Returns the record of a text, to go on with the steps so far; of an empty one, that of a beginning.

        Raises:
            ValueError: no version of promptops wrote it.
        """
        if not text:
            return cls(state=RolloutState(ramp.weights, tuple(guardrails)), epoch=epoch)
        try:
            found = json.loads(text)
            return cls(
                state=RolloutState.of_json(found["counts"], ramp.weights),
                epoch=found["epoch"],
                looks=frozenset((step, Look(look)) for step, look in found["looks"]),
                lost=found["lost"],
                unsaid=Trouble(found["unsaid"]) if found["unsaid"] else None,
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"the state of a canary is malformed: {error!r}") from None


def is_paused(deployment: Deployment) -> bool:
    """Returns whether a canary may not grow by itself."""
    return deployment.canary is not None and deployment.canary.action is Action.PAUSE


def clock_is_off(looked: datetime, now: datetime, bake: timedelta) -> bool:
    """Returns whether the clock went back since the last look, or that is longer ago than a step bakes.

    Nothing tells a clock that jumped ahead from servers that were all away. Either way a step's time has passed in
    which nothing was watched.
    """
    return now < looked - SKEW or now - looked > max(bake, SHORTEST_GAP)

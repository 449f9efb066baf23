"""The evidence of one rollout: two coins for each guardrail, and the sides of the keys that were seen first.

A key is bad *once* at its first bad event, and *again* with bad events in a third different minute of one step. The
first coin does not see depth: conversations of which a fifth of the calls are bad, and then four fifths, are bad once
either way. All components count a key that is bad again at the same event, as they do one that is bad once: if each had
minutes of its own, an earlier one would show the side before a later one throws, and the mean of both is not fair.

The state is counts, so keys may come in any order. What it has to remember of a key is a :class:`Counted`, which is
kept beside the key. All coins of a rollout share the error of 5 % by the union bound
(:mod:`promptops.core.canary.guardrail`): the limit of each is their number divided by 5 %.

The split of the keys is judged by the same kind of coins. They are thrown by keys that are in the sample on either side
and by no others. The thresholds of the sample change with the step, so a key that stable did not sample may be seen
first when a step has moved it to the canary: among all sampled keys, those that are seen first are no coins.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from promptops.core.canary.advance import is_skewed
from promptops.core.canary.coins import Tosses
from promptops.core.canary.guardrail import FALSE_ABORTS, Guardrail, Place
from promptops.core.deployment_parts import WHOLE

MINUTES: Final = 3
"""Different minutes of a step with a bad event that make a key bad *again*."""

Rows: TypeAlias = list[list[int]]

_COUNTED: Final = re.compile(r"([0-9a-f]+)\.([0-9a-f]+)((?:\.[0-9a-f]+@[0-9a-f]+)*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a rollout remembers of a key at a guardrail, or of its first sight.

    ``once`` and ``again`` have a bit for each component that counted the key. ``minutes`` are those of bad events, with
    the step of each, as long as a component needs them.
    """

    once: int = 0
    again: int = 0
    minutes: tuple[tuple[int, int], ...] = ()

    @classmethod
    def lost(cls, steps: int) -> Counted:
        """Returns what to remember of a key where what was remembered is lost: so many steps count it no more.

        A component that goes on with keys which it may have counted already is not fair. Those of later steps are.
        """
        every = (1 << steps) - 1
        return cls(once=every, again=every)

    @classmethod
    def of(cls, text: str) -> Counted:
        """Returns what :meth:`__str__` wrote.

        Raises:
            ValueError: nothing wrote this.
        """
        found = _COUNTED.fullmatch(text)
        if not found:
            raise ValueError(f"{text[:80]!r} is not what a rollout remembers of a key")
        minutes = [part.split("@") for part in found[3].split(".")[1:]]
        return cls(
            once=int(found[1], 16),
            again=int(found[2], 16),
            minutes=tuple((int(minute, 16), int(step, 16)) for minute, step in minutes),
        )

    def __str__(self) -> str:
        return f"{self.once:x}.{self.again:x}" + "".join(f".{minute:x}@{step:x}" for minute, step in self.minutes)


class RolloutState:
    """The counts of one rollout.

    ``weights`` are those of its steps so far, in basis points, each above the one before; ``guardrails`` are those that
    judge it, the same from its start to its end.

    Raises:
        ValueError: there is no such ramp, or a guardrail stands twice.
    """

    def __init__(self, weights: Sequence[int], guardrails: Sequence[str]) -> None:
        if len(set(guardrails)) < len(guardrails):
            raise ValueError(f"a guardrail stands twice in {', '.join(guardrails)}")
        self.weights = tuple(weights)
        self.guardrails = tuple(guardrails)
        self._once = {name: Guardrail(weights) for name in guardrails}
        self._again = {name: Guardrail(weights) for name in guardrails}
        self._first_seen: dict[int, tuple[int, int]] = {}

    @property
    def coins(self) -> Mapping[str, Guardrail]:
        """Every coin by its name: ``error`` and ``error again``."""
        return self._once | {f"{name} again": coin for name, coin in self._again.items()}

    @property
    def limit(self) -> float:
        """The logarithm of the evidence at which a coin shows that the canary is worse."""
        return math.log(2 * max(1, len(self.guardrails)) / FALSE_ABORTS)

    @property
    def first_seen(self) -> Mapping[int, tuple[int, int]]:
        """Keys of the canary and of stable that were seen first under each step."""
        return self._first_seen

    @property
    def is_skewed(self) -> bool:
        """Whether a side gets more keys than its share, or fewer; it may be asked any number of times."""
        return is_skewed(
            Tosses(odds=self.weights[step] / (WHOLE - self.weights[step]), canary=canary, stable=stable)
            for step, (canary, stable) in sorted(self._first_seen.items())
        )

    def evidence(self, ratio: float = 1.0) -> dict[str, float]:
        """Returns the logarithm of each coin's evidence that the canary's odds are above ``ratio`` times its share."""
        return {name: coin.log_e_value(ratio) for name, coin in self.coins.items()}

    def bad(self, guardrail: str, counted: Counted, *, bucket: int, step: int, minute: int) -> Counted:
        """Counts a bad event of a key, where it is one, and returns what to remember of the key.

        ``bucket`` is the key's, from 0 to 9,999, and ``step`` that of the revision which served the call, from 0. A
        guardrail that does not judge this rollout counts nothing.
        """
        if guardrail not in self._once:
            return counted
        once = self._once[guardrail].add(counted.once, bucket, step)
        coin, again = self._again[guardrail], counted.again
        minutes = {*counted.minutes, (minute, step)}
        if sum(under == step for _, under in minutes) >= MINUTES:
            again = coin.add(again, bucket, step)
        kept = tuple(
            sorted(
                (at, under)
                for at, under in minutes
                if any(coin.waits_for(again, component, bucket) for component in range(under + 1))
            )
        )
        return Counted(once=once, again=again, minutes=kept)

    def see(self, counted: Counted, *, bucket: int, step: int) -> Counted:
        """Counts a key of the sample when it is seen first. It has to be in the sample on either side.

        The key is counted once in a rollout, whichever step it is seen under.
        """
        if not counted.once:
            canary, stable = self._first_seen.get(step, (0, 0))
            on_canary = bucket < self.weights[step]
            self._first_seen[step] = (canary + on_canary, stable + (not on_canary))
        return Counted(once=1)

    def to_json(self) -> dict[str, object]:
        """Returns the counts as a document of JSON: a few hundred numbers."""
        return {
            "guardrails": {
                name: {"once": _rows(self._once[name]), "again": _rows(self._again[name])} for name in self.guardrails
            },
            "first_seen": [[step, *sides] for step, sides in sorted(self._first_seen.items())],
        }

    @classmethod
    def of_json(cls, document: Mapping[str, object], weights: Sequence[int]) -> RolloutState:
        """Returns the state of a document that :meth:`to_json` made, to go on with the weights of the steps so far.

        Raises:
            ValueError: the document is not one.
        """
        try:
            guardrails: Mapping[str, Mapping[str, Rows]] = document["guardrails"]  # type: ignore[assignment]
            first_seen: Rows = document["first_seen"]  # type: ignore[assignment]
            state = cls(weights, tuple(guardrails))
            for name, coins in guardrails.items():
                state._once[name] = Guardrail(weights, _counts(coins["once"], len(weights)))
                state._again[name] = Guardrail(weights, _counts(coins["again"], len(weights)))
            seen = _counts([[0, *row] for row in first_seen], len(weights))
            state._first_seen = {step: sides for (_, step), sides in seen.items()}
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"the state of a rollout is malformed: {error}") from None
        return state


def _rows(coin: Guardrail) -> Rows:
    return [[*place, *sides] for place, sides in sorted(coin.counts.items())]


def _counts(rows: Rows, steps: int) -> dict[Place, tuple[int, int]]:
    counts = {}
    for row in rows:
        component, step, canary, stable = row
        if not (0 <= component <= step < steps and canary >= 0 and stable >= 0):
            raise ValueError(f"of a rollout of {steps} steps, {row}")
        counts[component, step] = (canary, stable)
    return counts

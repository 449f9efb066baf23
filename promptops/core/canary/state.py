"""The evidence of one rollout: three coins for each guardrail, and the sides of the keys that were seen first.

A key is bad *once* at its first bad event, *again* with bad events in a third different minute of one step, and *often*
with those of a tenth. The first coin does not see depth: conversations of which a fifth of the calls are bad, and then
four fifths, are bad once either way, and those of 30 calls are bad again either way.

All components of a coin count a key at the same event. If each had minutes of its own, an earlier component would show
the side of a key before a later one throws it, and the mean of the two would not be fair.

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
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from promptops.core.canary.advance import is_skewed
from promptops.core.canary.coins import Tosses
from promptops.core.canary.guardrail import FALSE_ABORTS, Guardrail, Place
from promptops.core.deployment_parts import WHOLE


class Coin(StrEnum):
    """The coins of a guardrail."""

    ONCE = "once"
    AGAIN = "again"
    OFTEN = "often"

    @property
    def minutes(self) -> int:
        """In how many different minutes of a step a key has to be bad."""
        return _MINUTES[self]

    def of(self, guardrail: str) -> str:
        """Returns the name of this coin of a guardrail: ``error``, ``error again``."""
        return guardrail if self is Coin.ONCE else f"{guardrail} {self}"


_MINUTES: Final = {Coin.ONCE: 1, Coin.AGAIN: 3, Coin.OFTEN: 10}

Rows: TypeAlias = list[list[int]]

_COUNTED: Final = re.compile(r"([0-9a-f]+)\.([0-9a-f]+)\.([0-9a-f]+)((?:\.[0-9a-f]+@[0-9a-f]+)*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a rollout remembers of a key at a guardrail, or of its first sight.

    ``masks`` have a bit for each component that counted the key, one mask a coin. ``minutes`` are those of bad events,
    with the step of each, as long as a coin needs them.
    """

    masks: tuple[int, int, int] = (0, 0, 0)
    minutes: tuple[tuple[int, int], ...] = ()

    @classmethod
    def lost(cls, steps: int) -> Counted:
        """Returns what to remember of a key where what was remembered is lost: so many steps count it no more.

        A component that goes on with keys which it may have counted already is not fair. Those of later steps are.
        """
        every = (1 << steps) - 1
        return cls(masks=(every, every, every))

    @classmethod
    def of(cls, text: str) -> Counted:
        """Returns what :meth:`__str__` wrote.

        Raises:
            ValueError: nothing wrote this.
        """
        found = _COUNTED.fullmatch(text)
        if not found:
            raise ValueError(f"{text[:80]!r} is not what a rollout remembers of a key")
        minutes = [part.split("@") for part in found[4].split(".")[1:]]
        return cls(
            masks=(int(found[1], 16), int(found[2], 16), int(found[3], 16)),
            minutes=tuple((int(minute, 16), int(step, 16)) for minute, step in minutes),
        )

    def __str__(self) -> str:
        return ".".join([*(f"{mask:x}" for mask in self.masks), *(f"{at:x}@{step:x}" for at, step in self.minutes)])


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
        self._coins = {name: tuple(Guardrail(weights) for _ in Coin) for name in guardrails}
        self._first_seen: dict[int, tuple[int, int]] = {}

    @property
    def coins(self) -> Mapping[str, Guardrail]:
        """Every coin by its name."""
        return {
            kind.of(name): coin for name, coins in self._coins.items() for kind, coin in zip(Coin, coins, strict=True)
        }

    @property
    def limit(self) -> float:
        """The logarithm of the evidence at which a coin shows that the canary is worse."""
        return math.log(len(Coin) * max(1, len(self.guardrails)) / FALSE_ABORTS)

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
        if guardrail not in self._coins:
            return counted
        if self._first_waiting(counted.masks, bucket) > step:
            return counted
        coins = self._coins[guardrail]
        minutes = {*counted.minutes, (minute, step)}
        bad = sum(under == step for _, under in minutes)
        once, again, often = (
            coin.add(mask, bucket, step) if bad >= kind.minutes else mask
            for kind, coin, mask in zip(Coin, coins, counted.masks, strict=True)
        )
        # A minute counts for the components of its step and of earlier ones: none is needed where all have the key.
        needed = self._first_waiting((once, again, often), bucket)
        kept = tuple(sorted((at, under) for at, under in minutes if under >= needed))
        return Counted(masks=(once, again, often), minutes=kept)

    def _first_waiting(self, masks: tuple[int, int, int], bucket: int) -> int:
        """The first component of which a coin may still count a key; the number of steps where no coin may.

        A key takes part in the component of the whole rollout, and in those of the steps that find it on stable.
        """
        by_all = masks[0] & masks[1] & masks[2]
        first = (~by_all & (by_all + 1)).bit_length() - 1  # the lowest bit that is not set
        steps = len(self.weights)
        return first if first < min(bisect_right(self.weights, bucket) + 1, steps) else steps

    def see(self, counted: Counted, *, bucket: int, step: int) -> Counted:
        """Counts a key of the sample when it is seen first. It has to be in the sample on either side.

        The key is counted once in a rollout, whichever step it is seen under.
        """
        if not any(counted.masks):
            canary, stable = self._first_seen.get(step, (0, 0))
            on_canary = bucket < self.weights[step]
            self._first_seen[step] = (canary + on_canary, stable + (not on_canary))
        return Counted(masks=(1, 0, 0))

    def to_json(self) -> dict[str, object]:
        """Returns the counts as a document of JSON: a few hundred numbers."""
        return {
            "guardrails": {
                name: {kind.value: _rows(coin) for kind, coin in zip(Coin, coins, strict=True)}
                for name, coins in self._coins.items()
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
                state._coins[name] = tuple(Guardrail(weights, _counts(coins[kind], len(weights))) for kind in Coin)
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

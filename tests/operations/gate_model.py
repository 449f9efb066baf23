"""A gate as one process after the other would see it: what each operation changes, and what it has to answer.

It is written from what the gate promises, not from how it is made: a promotion is let through where, at one moment
between its call and its return, all is there that the policy of that moment demands; and it is refused only where, at
such a moment, something is not. :mod:`tests.store.linearizability` looks for these moments.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tests.store.linearizability import Timed

What = Literal["approve", "withdraw", "verdict", "run", "promote", "rollback", "policy", "ask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Timed):
    """What one process asked for, and what it was told. ``told`` is empty where it was refused.

    ``release`` is the version; ``who`` approves; ``passed`` is the verdict of another system, given ``at``; ``gate`` is
    a new policy's. ``told`` is: of an approval its number, whether it is new, and the policy and position that it is
    for; of a withdrawal its numbers; of a promotion or a rollback the revision and what was and is stable; of a policy
    its version; of a question whether the gate opens, under which policy, and since which revision the same is stable.
    """

    what: What
    release: str = ""
    who: str = ""
    passed: bool = True
    at: str = ""
    gate: int = 0
    told: tuple[int | str | bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Word:
    """An approval that was not taken back."""

    number: int
    who: str
    release: str
    policy: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """All that decides over a promotion. ``under`` are the releases that a rollback goes to, the next one last."""

    gates: tuple[Mapping[str, Any] | None, ...]
    gate: int = 0
    policy: int = 1
    revision: int = 0
    stable: str = ""
    under: tuple[str, ...] = ()
    kept_out: frozenset[str] = frozenset()
    words: frozenset[Word] = frozenset()
    numbered: int = 0
    verdicts: frozenset[tuple[str, str, bool]] = frozenset()
    measured: frozenset[str] = frozenset()

    @property
    def key(self) -> Hashable:
        return (
            self.gate, self.policy, self.revision, self.stable, self.kept_out, self.words, self.numbered, self.verdicts,
            self.measured,
        )  # fmt: skip

    def after(self, asked: Asked) -> Gate | None:
        return {
            "approve": self._approve, "withdraw": self._withdraw, "verdict": self._verdict, "run": self._run,
            "promote": self._promote, "rollback": self._rollback, "policy": self._policy, "ask": self._ask,
        }[asked.what](asked)  # fmt: skip

    def opens(self, release: str) -> bool:
        """Whether all is there that the policy demands of a release now."""
        demands = self.gates[self.gate] or {}
        people = {word.who for word in self.words if self._holds(word, release)}
        said = max(((at, passed) for of, at, passed in self.verdicts if of == release), default=("", False))
        return (
            len(people) >= demands.get("approvals", {"count": 0})["count"]
            and ("external" not in demands or said[1])
            and ("required" not in demands or release in self.measured)
        )

    def _holds(self, word: Word, release: str) -> bool:
        return (word.release, word.policy, word.position) == (release, self.policy, self.revision)

    def _approve(self, asked: Asked) -> Gate | None:
        mine = [word for word in self.words if word.who == asked.who and self._holds(word, asked.release)]
        number = mine[0].number if mine else self.numbered + 1
        if asked.told != (number, not mine, self.policy, self.revision):
            return None
        if mine:
            return self
        word = Word(number, asked.who, asked.release, self.policy, self.revision)
        return replace(self, words=self.words | {word}, numbered=number)

    def _withdraw(self, asked: Asked) -> Gate | None:
        mine = sorted(
            (word for word in self.words if (word.who, word.release) == (asked.who, asked.release)),
            key=lambda word: word.number,
        )
        if asked.told != tuple(range(self.numbered + 1, self.numbered + 1 + len(mine))):
            return None
        return replace(self, words=self.words.difference(mine), numbered=self.numbered + len(mine))

    def _verdict(self, asked: Asked) -> Gate:
        return replace(self, verdicts=self.verdicts | {(asked.release, asked.at, asked.passed)})

    def _run(self, asked: Asked) -> Gate:
        return replace(self, measured=self.measured | {asked.release})

    def _promote(self, asked: Asked) -> Gate | None:
        if asked.release == self.stable:
            return self if asked.told == (self.revision, self.stable, self.stable) else None
        if asked.release in self.kept_out or not self.opens(asked.release):
            return None if asked.told else self
        if asked.told != (self.revision + 1, self.stable, asked.release):
            return None
        under = (*self.under, self.stable) if self.stable else self.under
        return replace(self, revision=self.revision + 1, stable=asked.release, under=under)

    def _rollback(self, asked: Asked) -> Gate | None:
        out, under = self.kept_out | {self.stable}, self.under
        while under and under[-1] in out:
            under = under[:-1]
        if not under:
            return None if asked.told else self
        if asked.told != (self.revision + 1, self.stable, under[-1]):
            return None
        return replace(self, revision=self.revision + 1, stable=under[-1], under=under[:-1], kept_out=out)

    def _policy(self, asked: Asked) -> Gate | None:
        policy = self.policy + (self.gates[asked.gate] != self.gates[self.gate])
        return replace(self, policy=policy, gate=asked.gate) if asked.told == (policy,) else None

    def _ask(self, asked: Asked) -> Gate | None:
        return self if asked.told == (self.opens(asked.release), self.policy, self.revision) else None

"""A canary as one process after the other would see it: what each operation changes, and what it has to answer.

It is written from what the pages promise, not from how it is made: a step is taken only where the canary stands at one
moment between the call and the return, each once, and a refusal names what is true at such a moment.
:mod:`tests.store.linearizability` looks for these moments.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Final, Literal

from tests.store.linearizability import Timed

What = Literal["promote", "advance", "pause", "resume", "abort", "finish", "rollback", "report", "look", "read"]
Told = tuple[str | int | bool, ...]

STEPS: Final = (2_000, 5_000)
"""Basis points of the keys, step by step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Timed):
    """What one process asked for, and what it was told: the error's name, or a word and what is live after it.

    ``release`` is what is promoted, and ``rollout`` the canary of which keys are reported that were bad on its side.
    """

    what: What
    release: str = ""
    rollout: str = ""
    told: Told = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """An app on a channel. ``under`` are the releases that a rollback goes to, the next one last. ``worse`` is whether
    the reports show that the canary is; ``rollout`` is its name.
    """

    revision: int
    stable: str
    under: tuple[str, ...] = ()
    kept_out: frozenset[str] = frozenset()
    canary: str = ""
    weight: int = 0
    rollout: str = ""
    paused: bool = False
    worse: bool = False

    @property
    def key(self) -> Hashable:
        return self

    @property
    def seen(self) -> Told:
        """What is live, as each answer has it."""
        return self.revision, self.stable, self.canary, self.weight

    def after(self, asked: Asked) -> Live | None:
        if asked.what == "look":
            return self._look(asked.told)
        if asked.what == "report":
            return self._report(asked)
        word, then = self._asked(asked)
        told = (word,) if then is None else (word, *then.seen)
        return (then or self) if asked.told == told else None

    def _asked(self, asked: Asked) -> tuple[str, Live | None]:
        """What is told, and what is live after it; nothing where that was refused."""
        if asked.what == "read":
            return "read", self
        if asked.what == "promote":
            return self._promote(asked.release)
        if asked.what == "rollback":
            return self._rollback()
        if not self.canary:
            return "NoCanary", None
        if asked.what == "advance":
            return self._advance()
        if asked.what in ("pause", "resume"):
            wanted = asked.what == "pause"
            return ("same", self) if self.paused is wanted else ("made", self._step(paused=wanted))
        return "made", self.aborted() if asked.what == "abort" else self.finished()

    def _promote(self, release: str) -> tuple[str, Live | None]:
        if release in (self.stable, self.canary):
            return "same", self
        if self.canary:
            return "CanaryInProgress", None
        if release in self.kept_out:
            return "Quarantined", None
        return "made", self._step(
            canary=release, weight=STEPS[0], rollout=f"1.{self.revision + 1}", paused=False, worse=False
        )

    def _report(self, asked: Asked) -> Live | None:
        is_of_it = bool(self.canary) and asked.rollout == self.rollout
        then = replace(self, worse=self.worse or is_of_it)
        return then if asked.told == ("reached" if is_of_it else "counted",) else None

    def _rollback(self) -> tuple[str, Live | None]:
        if self.canary:
            return "made", self.aborted(keep_out=True)
        under = self.under
        while under and (under[-1] in self.kept_out or under[-1] == self.stable):
            under = under[:-1]
        if not under:
            return "NothingToRollBackTo", None
        back = self._step(stable=under[-1], under=under[:-1])
        return "made", replace(back, kept_out=self.kept_out | {self.stable})

    def _advance(self) -> tuple[str, Live | None]:
        weight = next((step for step in STEPS if step > self.weight), None)
        return ("CanaryInProgress", None) if weight is None else ("made", self._step(weight=weight, paused=False))

    def _look(self, told: Told) -> Live | None:
        """When the policy takes a step depends on the clock. What it may do does not."""
        verb = told[0]
        then: Live | None = None
        if verb == "none":  # of a finish too, before which something else was done
            then = self if not self.canary or self.weight == STEPS[-1] else None
        elif self.canary and verb == "hold":
            then = None if self.worse else self
        elif self.canary and verb == "abort":
            then = self.aborted(keep_out=True) if self.worse else None
        elif self.canary and not self.paused and not self.worse:
            made = {"pause": self._step(paused=True), "advance": self._advance()[1], "finish": self.finished()}
            then = made[str(verb)] if verb != "finish" or self.weight == STEPS[-1] else None
        if then is None or verb == "none":
            return then
        return then if told[1:] == (then.revision, then.weight if verb != "finish" else 10_000) else None

    def aborted(self, *, keep_out: bool = False) -> Live:
        """What is live without the canary."""
        out = self.kept_out | {self.canary} if keep_out else self.kept_out
        return replace(self._without_canary(), kept_out=out)

    def finished(self) -> Live:
        """What is live when the canary is stable."""
        return replace(self._without_canary(), stable=self.canary, under=(*self.under, self.stable))

    def _without_canary(self) -> Live:
        return self._step(canary="", weight=0, rollout="", paused=False, worse=False)

    def _step(self, **changes: object) -> Live:
        return replace(self, revision=self.revision + 1, **changes)  # type: ignore[arg-type]

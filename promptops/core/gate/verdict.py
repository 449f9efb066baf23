"""What a gate says: the verdict of each check, with all that a reader needs to act on it, and the worst of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.gate.given import GateInput
from promptops.core.verdict import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckVerdict:
    """What one check says, of one prompt or suite where it is about one.

    ``got`` and ``asked`` are words with numbers. ``evidence`` are ids of what was read. ``smallest_seen`` is the
    smallest margin (or the highest bar) that so many cases could have shown, ``cases_missing`` how many more a release
    that is as good as live needs to pass four in five times, ``cases_least`` how many it needs in any case.
    ``lacks_run``: only another run could decide it, of the suite with ``suite_digest``, and compared with the release
    with the digest ``against`` where there is one.
    """

    name: str
    outcome: Outcome
    prompt: str = ""
    suite: str = ""
    got: str = ""
    asked: str = ""
    evidence: tuple[str, ...] = ()
    smallest_seen: float | None = None
    cases_missing: int | None = None
    cases_least: int | None = None
    reason: str = ""
    hint: str = ""
    waived_until: datetime | None = None
    lacks_run: bool = False
    suite_digest: str = ""
    against: str = ""

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASS

    def because(self, reason: str) -> CheckVerdict:
        """Returns the verdict with one more sentence among its reasons."""
        return replace(self, reason=f"{self.reason}; {reason}" if self.reason else reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """The verdicts of all checks, at least one, and the worst outcome. ``warns``: the policy lets each one through."""

    outcome: Outcome
    checks: tuple[CheckVerdict, ...]
    warns: bool = False

    @property
    def opens(self) -> bool:
        """Whether the release may go through."""
        return self.outcome is Outcome.PASS or self.warns


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Returns the worst outcome; an ERROR without any, since what asks nothing judges nothing."""
    return max(outcomes, key=lambda outcome: outcome.rank, default=Outcome.ERROR)


def evaluate(given: GateInput, against: str = "what is live") -> str:
    """Returns the hint to make the evidence that lacks."""
    words = f"Evaluate {given.name} against {against}" if given.live else f"Evaluate {given.name}"
    anchor = {"anchor": given.anchor.version or given.anchor.digest} if given.anchor else {}
    return Sentence(Advice(Action.EVALUATE, words=words, release=given.name, channel=given.channel, **anchor))


def approve(given: GateInput, what: str, **about: str) -> Sentence:
    """Returns the hint to let a person approve; ``about`` is what of, beside the release itself."""
    if not given.candidate.released:
        return Sentence(f"A person approves {what} once it is released: ", Advice(Action.RELEASE, app=given.app))
    advice = Advice(Action.APPROVE, release=given.name, channel=given.channel, **about)
    return Sentence(f"A person who had no part in the release approves {what}: ", advice)

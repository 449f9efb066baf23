"""A pair: a changed prompt with one of its suites, and the release with which it is compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from promptops.core.evidence.run import SuiteRef
from promptops.core.gate.given import GateInput, GateRelease
from promptops.core.gate.own_runs import case_digests_of
from promptops.core.gate.records import Records
from promptops.core.gate.settings import NotWorse
from promptops.core.gate.subject import Changed, suites_of
from promptops.core.gate.verdict import CheckVerdict
from promptops.core.verdict import Outcome

NAME = "not_worse"
ANCHOR = "the anchor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One comparison to make: a prompt, one of its suites, and the release it is compared with.

    ``known`` are the digests of the cases that this release was judged with.
    """

    changed: Changed
    suite: SuiteRef
    what: str
    known: frozenset[str] = frozenset()

    @property
    def against(self) -> str:
        return "what is live" if self.what == "live" else self.what

    @property
    def is_anchor(self) -> bool:
        """Whether it is compared with the anchor: its suites are those of long ago, and it is no one's try."""
        return self.what == ANCHOR

    @property
    def has_other_model(self) -> bool:
        """Whether the two releases ask different models."""
        other = self.changed.other
        return other is not None and other.model != self.changed.prompt.model

    def verdict(self, outcome: Outcome, reason: str = "", hint: str = "") -> CheckVerdict:
        return CheckVerdict(
            name=NAME,
            outcome=outcome,
            prompt=self.changed.prompt.name,
            suite=self.suite.name,
            suite_digest=self.suite.digest,
            against=self.changed.release.digest,
            reason=reason,
            hint=hint,
        )


def others(given: GateInput, rule: NotWorse) -> Iterator[tuple[GateRelease, str]]:
    """Yields the releases that a candidate is compared with, and what each is called."""
    for place, release in enumerate(given.live):
        yield release, "live" if not place else "the release before live"
    anchor = given.anchor
    if rule.anchor is not None and anchor is not None and all(anchor.digest != one.digest for one in given.live):
        yield anchor, ANCHOR


def pairs_of(given: GateInput, records: Records, rule: NotWorse, changed: Changed, what: str) -> list[Pair]:
    """Returns the comparisons of a changed prompt with one release: one for each of its suites."""
    return [
        Pair(
            changed=changed,
            suite=suite,
            what=what,
            known=case_digests_of(changed.release.suite(suite.name), records.counted),
        )
        for suite in suites_of(changed.prompt.name, given.candidate, rule.suites)
    ]

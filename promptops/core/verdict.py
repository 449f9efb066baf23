"""What one check of a channel's policy says of a release. :mod:`promptops.core.policy` has the checks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a check found, from the best to the worst. An ERROR is a check that could not judge the release."""

    PASS = "pass"  # noqa: S105 a verdict, no password
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    FAIL = "fail"

    @property
    def rank(self) -> int:
        return list(Outcome).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one check says of a release: its outcome, the reason unless it passed, and the next step."""

    check: str
    outcome: Outcome
    reason: str = ""
    hint: str = ""

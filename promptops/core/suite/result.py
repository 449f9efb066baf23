"""What an answer is worth: the result of one check, and of a case with all its checks.

A case passes when all its checks pass, and its score is the mean of theirs. A check that could not decide is an error:
it never makes a case pass, and it does not hide that another check failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a check says of one answer: a score from 0 to 1, or None for an error; ``why`` unless all is well.

    Raises:
        ValueError: the score is not a number from 0 to 1.
    """

    score: float | None
    why: str = ""

    def __post_init__(self) -> None:
        if self.score is not None and not 0 <= self.score <= 1:  # refuses NaN too
            raise ValueError(f"{self.score} is not a score from 0 to 1")

    def passed(self, pass_at: float) -> bool | None:
        """Returns whether the score is high enough; None for an error."""
        return None if self.score is None else self.score >= pass_at


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What one answer to a case is worth. Both are None for an error; ``passed`` is False as soon as a check failed."""

    passed: bool | None
    score: float | None


PASSED = Result(score=1.0)


def failed(why: str) -> Result:
    """A check that is not fulfilled."""
    return Result(score=0.0, why=why)


def unscored(why: str) -> Result:
    """A check that could not decide."""
    return Result(score=None, why=why)


def case_result(results: Sequence[tuple[Result, float]]) -> CaseResult:
    """Puts together the results of all checks of a case, each with its ``pass_at``.

    Raises:
        ValueError: there are none, and nothing measured is never a pass.
    """
    if not results:
        raise ValueError("a case without a check has no result")
    passes = [result.passed(pass_at) for result, pass_at in results]
    scores = [result.score for result, _ in results if result.score is not None]
    complete = len(scores) == len(results)
    return CaseResult(
        passed=False if False in passes else True if complete else None,
        score=sum(scores) / len(scores) if complete else None,
    )

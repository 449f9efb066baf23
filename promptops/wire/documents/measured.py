"""What of a planned run need not be asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCaseDocument:
    """A case that need not be asked: its place in the plan, the run that asked it, the time of that run's opening, and
    how many of its answers passed.
    """

    case: int
    run: str
    at: datetime
    passed: int
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadCasesDocument:
    """The cases of a suite and a prompt that are asked on several days: those of one share, from 0, are due.

    If `share` is null, today's were asked, and the others are due from `due` on.
    """

    suite: str
    prompt: str
    days: int
    share: int | None
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredDocument:
    """The cases of a plan that need not be asked, if the live release is the one with this digest; and those of which
    another day is due.

    Without a gate, or with nothing live, `digest` is empty and there are no cases.
    """

    app: str
    channel: str
    digest: str
    cases: tuple[MeasuredCaseDocument, ...]
    spread: tuple[SpreadCasesDocument, ...]

"""What a promotion needs to know and what takes too long to find out under its locks: it is found out before.

A decision that lacks a piece raises what it lacks; the piece is found out without a lock, and the decision made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from promptops.core.compiled import flaw_of
from promptops.core.model import Deployment, Release
from promptops.operations.contract import Comparisons, Uncompared
from promptops.operations.gate_desk import Desk, Unasked

if TYPE_CHECKING:
    from promptops.core.callers import ContractChange


class Unjudged(Exception):
    """Raised under the lock for a release that was not compiled yet; the check runs without the lock."""

    def __init__(self, release: Release) -> None:
        super().__init__(release.digest)
        self.release = release


UNKNOWN: Final = (Unjudged, Uncompared, Unasked)
"""What a decision raises where it needs something that takes too long to find out under the locks."""


class Known:
    """What was found out for a promotion outside of its transaction: which releases no client can load, what they
    change for callers, and what the gate says of each app.
    """

    def __init__(self, desk: Callable[[], Desk], comparisons: Callable[[str], Comparisons]) -> None:
        self.flaws: dict[str, str] = {}
        self._desks: dict[str, Desk] = {}
        self._comparisons: dict[str, Comparisons] = {}
        self._make_desk = desk
        self._make_comparisons = comparisons

    def desk(self, app: str) -> Desk:
        """Returns the desk of an app's gate."""
        if app not in self._desks:
            self._desks[app] = self._make_desk()
        return self._desks[app]

    def comparisons(self, app: str) -> Comparisons:
        """Returns what an app's releases change for callers."""
        if app not in self._comparisons:
            self._comparisons[app] = self._make_comparisons(app)
        return self._comparisons[app]

    def contracts(self, deployments: Iterable[Deployment]) -> tuple[ContractChange, ...]:
        """Returns what deployments changed for callers."""
        return tuple(each for made in deployments for each in self.comparisons(made.app).after([made]))

    def learn(self, unknown: Exception) -> None:
        """Finds out what a decision lacked."""
        if isinstance(unknown, Uncompared):
            unknown.compare()
        elif isinstance(unknown, Unasked):
            self.desk(unknown.release.app).ask(unknown.release)
        elif isinstance(unknown, Unjudged):
            self.judge(unknown.release)

    def judge(self, release: Release) -> None:
        """Finds out whether clients can load a release."""
        self.flaws[release.digest] = flaw_of(release.content)

    def warned(self) -> tuple[str, ...]:
        """Returns what gates that only warn said; of several apps with the app in front."""
        if len(self._desks) == 1:
            return next(iter(self._desks.values())).warned
        return tuple(f"{app}: {text}" for app, desk in self._desks.items() for text in desk.warned)

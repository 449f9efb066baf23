"""Which suites an app had when it was released: known to the registry by itself, so that none is left out unseen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.evidence.run import MOST_SUITES, SuiteRef
from promptops.core.names import AppName

MOST_CASES: Final = 50_000
"""Cases of all suites of an app whose digests are recorded: about 4 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSuites:
    """The suites of an app at the commit of a release, in order of their names. ``number`` counts those of the app.

    They are no part of the release's digest; the same content may be released again with others. ``dirty`` says that
    the files were not those of the commit.
    """

    app: AppName
    number: int
    digest: str
    suites: tuple[SuiteRef, ...]
    commit: str
    actor: str
    at: datetime
    dirty: bool = False

    def __post_init__(self) -> None:
        """Raises Invalid: a suite is there twice, or there are too many."""
        require_suites(self.suites)


def require_suites(suites: tuple[SuiteRef, ...]) -> None:
    """Check that suites can be recorded.

    Raises:
        Invalid: one is there twice, or there are too many, or too many cases.
    """
    if len({suite.name for suite in suites}) < len(suites) or len(suites) > MOST_SUITES:
        raise Invalid(f"an app has each suite once, and at most {MOST_SUITES}")
    if sum(len(suite.cases) for suite in suites) > MOST_CASES:
        raise Invalid(f"the suites of an app have more than {MOST_CASES:,} cases in all")

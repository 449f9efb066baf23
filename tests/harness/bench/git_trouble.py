"""A rollback while something is the matter with git, against one where there is no git at all: nobody waits for git."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.harness.bench.fill import ACTOR
from tests.harness.bench.measure import Line, compare, process
from tests.harness.bench.start_up import workspace
from tests.harness.faults.troubles import NO_GIT, TROUBLES, Trouble, adopting, bound_by_permissions, environment

_ROUNDS = 9
_BOUND = 1.2


def lines(folder: Path) -> Iterator[Line]:
    """One line for each trouble."""
    # Every measured rollback leaves one release fewer to go back to.
    releases = (len(TROUBLES) + 1) * (_ROUNDS + 1) + 5
    without = _spoiled(folder / "without", NO_GIT, releases)
    for number, trouble in enumerate(TROUBLES):
        root = _spoiled(folder / f"trouble-{number}", trouble, releases)
        yield compare(
            f"rollback, {trouble.name}",
            partial(_roll_back, root, trouble),
            partial(_roll_back, without, NO_GIT),
            named=NO_GIT.name,
            bound=_BOUND,
            rounds=_ROUNDS,
        )


def _spoiled(root: Path, trouble: Trouble, releases: int) -> Path:
    made = workspace(root, apps=1, releases=releases, on=("prod",))
    trouble.spoil(made)
    return made


def _roll_back(root: Path, trouble: Trouble) -> float:
    """Seconds of the whole process. What it left to be done in the background is over before the next one starts."""
    command = [sys.executable, "-m", "promptops", "--actor", ACTOR, "rollback"]
    with adopting():
        return process(command, root, environment=environment(trouble, root), before=bound_by_permissions)

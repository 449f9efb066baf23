"""docs/calibration.md: what was measured, as a page."""

from __future__ import annotations

from collections.abc import Sequence

from tests.harness.calibrate.line import Line, table
from tests.support.checkout import ROOT

PAGE = ROOT / "docs" / "calibration.md"

_ABOVE = """\
# Calibration

What the rules of gates promise, and what was measured. `make calibrate` writes this page anew: it takes minutes, and
ends with an error where a bound is missed. [statistics.md](statistics.md) has the formulas.

*Exact* lines count every possible result, for every share of cases that disagree. For the other ones so many releases
were drawn that are worse by the margin, 5 points of 200 cases unless the line says otherwise, and each was judged by
the code that judges yours. "Without the remedy" is what passed with prototypes that had none. The last lines are of
the interval that `promptops outcomes` shows for the cost of an outcome; without the remedy, its blocks are minutes.

A line that begins with "not closed" is something that a gate cannot see.

"""


def write(lines: Sequence[Line]) -> None:
    """Writes the page."""
    PAGE.write_text(_ABOVE + table(lines) + "\n", encoding="utf-8")

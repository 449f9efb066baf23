"""docs/calibration.md: what was measured, as a page."""

from __future__ import annotations

from collections.abc import Sequence

from tests.harness.calibrate.line import Line, table
from tests.support.checkout import ROOT

PAGE = ROOT / "docs" / "calibration.md"

_ABOVE = """\
# Calibration

What the rules of gates and of canaries promise, and what was measured. `make calibrate` writes this page anew: it takes
minutes, and ends with an error where a bound is missed. [statistics.md](statistics.md) has the formulas.

*Exact* lines count every possible result, for every share of cases that disagree. For the other ones so many releases
were drawn that are worse by the margin, 5 points of 200 cases unless the line says otherwise, and each was judged by
the code that judges yours. "Without the remedy" is what passed with prototypes that had none. The last lines are of
the interval that `promptops outcomes` shows for the cost of an outcome; without the remedy, its blocks are minutes.

A line that begins with "not closed" is something that a gate cannot see.

"""


_CANARIES = """\

## Canaries

Whole rollouts of five guardrails, steps as a policy takes them, judged by the code that judges yours. "Without the
remedy" is a canary without the rule that the line is about. Beside false aborts stands what other rules make of the
same traffic, with steps of the same length: a z-test after every 100 calls; a fixed limit (five windows of ten calls of
the canary with more than 5 % bad, or twice the usual share); and the same coins, thrown by each bad call instead of
each key. What an e-value is worth is its expected value: 100 % is fair.

A median call above 100 % is a later abort than that of a prototype with one coin of ten.

"""


def write(lines: Sequence[Line], canaries: Sequence[Line]) -> None:
    """Writes the page."""
    _write(_ABOVE + table(lines) + "\n", canaries)


def write_canaries(canaries: Sequence[Line]) -> None:
    """Writes the part about canaries anew, and leaves the rest as it is."""
    _write(PAGE.read_text(encoding="utf-8").partition("\n## Canaries\n")[0], canaries)


def _write(above: str, canaries: Sequence[Line]) -> None:
    PAGE.write_text(above + _CANARIES + table(canaries) + "\n", encoding="utf-8")

"""``make calibrate``: measures every promise of the gates and writes docs/calibration.md.

It takes minutes, with ``--short`` seconds. Exits 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

import numpy as np

from tests.harness.calibrate import counted, judged, long_run, one_run, ratios, several_runs
from tests.harness.calibrate.line import Line
from tests.harness.calibrate.page import write

TRIES, SHORT = 500, 12


def measured(*, short: bool) -> Iterator[Line]:
    """Yields every line; the same ones each time."""
    tries = SHORT if short else TRIES
    yield from counted.lines(short)
    for world in (*one_run.WORLDS, *several_runs.WORLDS):
        yield from world(np.random.default_rng(11), tries)
    for world in long_run.WORLDS:
        yield from world(np.random.default_rng(12), tries)
    yield from judged.lines(np.random.default_rng(13), tries, short=short)
    yield from ratios.lines(np.random.default_rng(14), tries)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make calibrate", description=__doc__)
    parser.add_argument("--judges", action="store_true", help="the worlds of judges alone; writes nothing")
    parser.add_argument("--short", action="store_true", help="a part, in seconds; writes nothing")
    asked = parser.parse_args(arguments)
    begun = time.monotonic()
    lines = []
    of_judges = judged.lines(np.random.default_rng(13), SHORT if asked.short else TRIES, short=asked.short)
    for line in of_judges if asked.judges else measured(short=asked.short):
        said = "" if line.ok else "  MISSED"
        print(f"{line.measured:8.2%}  {line.bound:6.1%}  {line.world}{said}", flush=True)
        lines.append(line)
    missed = [line for line in lines if not line.ok]
    print(f"{len(lines) - len(missed)} of {len(lines)} within their bound, in {time.monotonic() - begun:.0f} s")
    if not asked.short and not asked.judges:
        write(lines)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

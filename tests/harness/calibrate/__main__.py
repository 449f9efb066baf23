"""``make calibrate``: measures every promise of the gates and of canaries, and writes docs/calibration.md.

It takes minutes, with ``--short`` seconds. Exits 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

import numpy as np

from tests.harness.calibrate import canaries, canary_theorem, counted, judged, long_run, one_run, ratios, several_runs
from tests.harness.calibrate.line import Line
from tests.harness.calibrate.page import write, write_canaries

TRIES, SHORT = 500, 12
ROLLOUTS, SHORT_ROLLOUTS = 200, 6


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


def of_canaries(*, short: bool, rollouts: int = ROLLOUTS) -> Iterator[Line]:
    """Yields every line about canaries; the same ones each time, with the same number of rollouts."""
    yield from canary_theorem.lines(short=short)
    yield from canaries.lines(15, SHORT_ROLLOUTS if short else rollouts)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make calibrate", description=__doc__)
    parser.add_argument("--judges", action="store_true", help="the worlds of judges alone; writes nothing")
    parser.add_argument("--canaries", action="store_true", help="canaries alone; writes their part of the page anew")
    parser.add_argument("--rollouts", type=int, default=ROLLOUTS, help=f"how many a world; {ROLLOUTS} without it")
    parser.add_argument("--short", action="store_true", help="a part, in seconds; writes nothing")
    asked = parser.parse_args(arguments)
    begun = time.monotonic()
    of_judges = judged.lines(np.random.default_rng(13), SHORT if asked.short else TRIES, short=asked.short)
    of_gates = of_judges if asked.judges else measured(short=asked.short)
    gates = [] if asked.canaries else list(_printed(of_gates))
    canary = [] if asked.judges else list(_printed(of_canaries(short=asked.short, rollouts=asked.rollouts)))
    missed = [line for line in (*gates, *canary) if not line.ok]
    count = len(gates) + len(canary)
    print(f"{count - len(missed)} of {count} within their bound, in {time.monotonic() - begun:.0f} s")
    if asked.canaries and not asked.short:
        write_canaries(canary)
    elif not asked.short and not asked.judges:
        write(gates, canary)
    return int(bool(missed))


def _printed(lines: Iterator[Line]) -> Iterator[Line]:
    for line in lines:
        missed = "" if line.ok else "  MISSED"
        print(f"{line.measured:8.2%}  {line.bound:6.1%}  {line.world}{missed}", flush=True)
        yield line


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

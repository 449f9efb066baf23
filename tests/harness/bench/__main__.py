"""``make bench``: measure everything and print the table. ``--strict`` fails where a bound is missed.

``--only rendering,files`` measures a part: start_up, changes, gating, files, rendering, loading, git_trouble, rebuild,
journal, evals, calls, otlp, serving, traffic, following, reporting, looking, counted, idle, guessing, floods.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from tests.harness.bench.measure import Line, table

PARTS = (
    *("rendering", "loading", "files", "start_up", "changes", "gating", "git_trouble", "rebuild", "journal", "evals"),
    *("calls", "otlp", "serving", "traffic", "following", "reporting", "looking", "counted", "idle", "guessing"),
    "floods",
)


def main(arguments: list[str]) -> int:
    """Measure and print; 1 with ``--strict`` and a bound missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--strict", action="store_true", help="exit 1 where a bound is missed")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    asked = parser.parse_args(arguments)
    found: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="promptops-bench-", ignore_cleanup_errors=True) as folder:
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
        for part in asked.only.split(","):
            if part not in PARTS:
                parser.error(f"{part} is none of {', '.join(PARTS)}")
            room = Path(folder) / part
            room.mkdir()
            for line in import_module(f"tests.harness.bench.{part}").lines(room):
                print(f"  {line.what}: {line.ratio:.2f}", file=sys.stderr, flush=True)
                found.append(line)
    print()
    print(table(found))
    missed = [line for line in found if not line.ok]
    print(f"\n{len(found) - len(missed)} of {len(found)} within their bound")
    return int(asked.strict and bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

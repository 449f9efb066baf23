"""Reads result files in a process of its own: a line ``FORMAT PATH`` comes in, and a line of JSON goes out.

It has what the file was refused with, a traceback where there was one, and the most MiB that the process ever had.
"""

from __future__ import annotations

import json
import resource
import sys
import traceback
from pathlib import Path

from promptops.core.errors import Invalid
from promptops.importers.reading import read_results


def answer(format: str, path: Path) -> dict[str, object]:
    refused = trouble = ""
    rows = 0
    try:
        rows = len(read_results(path, format, prompt="answer").table.rows)
    except Invalid as error:
        refused = error.message
    except BaseException:  # noqa: BLE001 the test shows it
        trouble = traceback.format_exc()
    return {"refused": refused, "trouble": trouble, "rows": rows, "peak": _peak()}


def _peak() -> int:
    """MiB, from when this program began: `ru_maxrss` also counts what the process was before, a copy of its parent."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20  # bytes, on macOS
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) >> 10


if __name__ == "__main__":
    for line in sys.stdin:
        format, path = line.split()
        print(json.dumps(answer(format, Path(path))), flush=True)

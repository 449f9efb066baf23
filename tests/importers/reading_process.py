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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {"refused": refused, "trouble": trouble, "rows": rows, "peak": peak}


if __name__ == "__main__":
    for line in sys.stdin:
        format, path = line.split()
        print(json.dumps(answer(format, Path(path))), flush=True)

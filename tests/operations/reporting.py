"""A runner as a process of its own: opens a run, reports its rows some at a time, and closes it. It may be killed."""

from __future__ import annotations

import random
import sys
import uuid
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

from promptops.core.evidence.run import Run, expected
from promptops.operations.runs import CloseRequest, OpenRequest, ReportRequest, close, open_run, report
from promptops.store import Registry
from tests.support.evidence import row, run


def planned() -> Run:
    """The run that every process works on."""
    return run(7, cases=60)


def main(url: str, seed: str) -> None:
    """Report every row in an order of its own, with a latency of its own, and close now and then."""
    order, mine = random.Random(seed), planned()
    rows = [replace(row(*place), latency_ms=float(seed)) for place in expected(mine)]
    order.shuffle(rows)
    with closing(Registry.open(url)) as registry:
        open_run(registry, OpenRequest.of(mine, key=uuid.uuid4().hex), actor=seed, now=datetime.now(UTC))
        print("open", flush=True)
        for start in range(0, len(rows), 5):
            part = ReportRequest(run=mine.id, rows=tuple(rows[start : start + 5]), key=uuid.uuid4().hex)
            report(registry, part, now=datetime.now(UTC))
            if order.random() < 0.2:
                closing_ = CloseRequest(run=mine.id, key=uuid.uuid4().hex, note="now and then")
                close(registry, closing_, actor=seed, now=datetime.now(UTC))


if __name__ == "__main__":
    main(*sys.argv[1:])

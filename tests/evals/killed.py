"""A run in a process of its own, that a test kills: ``python -m tests.evals.killed URL FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from promptops.evals.plan import Plan
from tests.evals.running import planned, prompt, ran, side, suite
from tests.support.model_server import ModelServer

CASES = 200


def the_plan() -> Plan:
    """The same plan in each process."""
    return planned(side(prompt()), suites=[suite(*(f"thing {number}" for number in range(CASES)))])


if __name__ == "__main__":
    ran(the_plan(), Path(sys.argv[2]), ModelServer(url=sys.argv[1]))

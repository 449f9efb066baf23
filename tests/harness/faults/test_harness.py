"""The harness itself: a kill, a full disk and a restart each, on both databases. The real run is `make faults`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.harness.faults.report import Row, table
from tests.support.checkout import ROOT


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nothing_is_lost_in_the_smallest_run(database: str) -> None:
    # In a process of its own: the harness forks, which this one with its threads had better not.
    command = [sys.executable, "-m", "tests.harness.faults", "--smoke", "--on", database]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().splitlines()[-1].partition(",")[2].startswith(" 0 failed"), done.stdout


def test_a_loss_fails_the_run_and_is_told() -> None:
    row = Row(part="random kills", what="one", database="SQLite", rounds=1)
    row.gone("round 1", "promote bot")
    assert not row.ok
    last = table([row]).splitlines()[-3:]
    assert last == ["random kills, one, SQLite: round 1: LOST promote bot", "", "0 passed, 1 failed"]


def test_an_experiment_that_never_ran_is_no_success() -> None:
    assert not Row(part="disk", what="full", database="SQLite").ok
    assert Row(part="disk", what="full", database="SQLite", skipped="may not mount").ok

"""Runners that are killed at any moment lose no row that was taken, double none, and leave nothing half done."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import pytest

from promptops.core.evidence.case_table import Arm, Row
from promptops.core.evidence.evidence import table_of
from promptops.core.evidence.run import expected
from promptops.operations.runs import CloseRequest, close, state
from promptops.store import Registry, check_store
from tests.operations.reporting import planned
from tests.store.facts import ask
from tests.support.checkout import ROOT
from tests.support.evidence import AT
from tests.support.factory import key

ROUNDS = 4


def _start(url: str, seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.operations.reporting", url, str(seed)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_runners_that_are_killed_lose_and_double_nothing(registry: Registry, registry_url: str) -> None:
    chance, run = random.Random(20), planned()
    seen: dict[tuple[int, Arm, int], Row] = {}
    for round_ in range(ROUNDS):
        processes = [_start(registry_url, seed=10 * round_ + number) for number in (1, 2)]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()  # it has opened the run
        if round_ < ROUNDS - 1:
            time.sleep(chance.uniform(0, 0.3))
            for process in processes:
                process.kill()
        for process in processes:
            process.communicate(timeout=60)
        there = {row.place: row for row in ask(registry, lambda reader: reader.run_rows(run.id))}
        assert seen.items() <= there.items(), "what was taken stands"
        seen = there
    assert all(process.returncode == 0 for process in processes)
    assert state(registry, run.id).missing == 0

    evidence = close(registry, CloseRequest(run=run.id, key=key()), actor="ci", now=AT)
    assert evidence.complete
    assert {row.place: row for row in table_of(evidence, run).rows} == seen
    assert seen.keys() == set(expected(run))
    numbers = [each.number for each in ask(registry, lambda reader: reader.evidence(run=run.id))]
    assert sorted(numbers) == list(range(1, evidence.number + 1))
    actions = [entry.action for entry in ask(registry, lambda reader: reader.audit())]
    assert actions.count("open-run") == 1
    assert check_store(registry) == ()

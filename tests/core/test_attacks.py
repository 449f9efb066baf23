"""Fault case 73: what hostile templates do, each in a process of its own with 256 MB and a second of processor time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from promptops.core.template.jinja import STEPS
from promptops.core.template.template import LIMIT
from tests.core.attacks import ATTACKS


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    command = [sys.executable, "-m", "tests.core.attacks"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    outcomes: dict[str, str] = json.loads(done.stdout)
    return outcomes


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_template_is_refused_or_harmless(name: str, outcomes: dict[str, str]) -> None:
    assert outcomes[name] == ATTACKS[name][1]


def test_the_limits_are_the_ones_the_attacks_were_measured_with() -> None:
    # Raise either and the second and the 256 MB have to be measured again.
    assert (LIMIT, STEPS) == (1_000_000, 2_000_000)

"""What marks the process in which something was made, so that a fork is noticed."""

from __future__ import annotations

import sys

import pytest

from promptops.client.process import Mark, ProcessMark, mark
from tests.client.test_process import ended, run


@pytest.mark.parametrize("kind", [mark, ProcessMark], ids=["page", "number"])
def test_a_mark_is_true_in_the_process_that_made_it_so_alone(kind: type[ProcessMark]) -> None:
    program = f"""
    from promptops.client.process import {kind.__name__} as mark
    made = mark()
    assert not made[0]
    made[0] = 1
    assert made[0]
    def child():
        assert not made[0]
        made[0] = 1
        assert made[0]
    ended_well(in_child(child))
    assert made[0]
    made[0] = 0
    assert not made[0]
    """
    ended(run(program, "-"))


def test_a_mark_costs_less_than_asking_for_the_process() -> None:
    found: Mark = mark()
    assert isinstance(found, ProcessMark) is not sys.platform.startswith("linux")

"""What a reader may cost: time that grows at most as the file does, and memory of 20 times a file, or 1 KB a case."""

from __future__ import annotations

import gc
import time
import tracemalloc
from itertools import pairwise

import pytest

from promptops.source.lint.lint import check
from promptops.source.suites.data_file import ENDINGS as DATA
from promptops.source.suites.data_file import MAX_CASES
from tests.source.hostile import GOOD, Make, cases, tree_of

SIZES = (16 * 1024, 64 * 1024, 256 * 1024)
GROWTH = SIZES[1] // SIZES[0]
SLACK = 2.0
NOISE = 0.02
"""Seconds that a measurement on a busy machine is off."""

CASES = list(cases())


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """What is imported once is no cost of a file."""
    check(tree_of("prompts/a.prompt.yml", f"{GOOD}template: jinja2\ninputs: {{x: {{enum: [1]}}}}\n"))


def test_there_are_as_many_inputs_as_were_promised() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize(("path", "make"), [(path, make) for _, path, make in CASES], ids=[case[0] for case in CASES])
def test_reading_takes_time_and_memory_in_proportion(path: str, make: Make) -> None:
    texts = [make(size) for size in SIZES]
    for size, text in zip(SIZES, texts, strict=True):
        assert size * 0.8 < len(text.encode()) <= size
    times = [float("inf")] * len(SIZES)
    for _ in range(3):  # the best of three, but one is enough where it is good
        times = [min(best, _seconds(path, text)) for best, text in zip(times, texts, strict=True)]
        if all(after <= GROWTH * SLACK * before + NOISE for before, after in pairwise(times)):
            break
    else:
        pytest.fail(f"seconds at {SIZES} bytes: {times}")
    if _peak(path, texts[1]) > 20 * SIZES[1]:  # dense: many small values, of which there is a largest number
        assert _peak(path, texts[2]) <= (MAX_CASES * 1024 if path.endswith(DATA) else 20 * SIZES[2])


def _seconds(path: str, text: str) -> float:
    """Processor seconds of reading a file and making all that is said about it."""
    tree = tree_of(path, text)
    gc.disable()
    try:
        began = time.process_time()
        check(tree)
        return time.process_time() - began
    finally:
        gc.enable()


def _peak(path: str, text: str) -> int:
    """The most bytes that reading a file takes."""
    tree = tree_of(path, text)
    tracemalloc.start()
    try:
        check(tree)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

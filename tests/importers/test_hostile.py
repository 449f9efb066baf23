"""Hostile files are refused by name: no traceback, no gigabytes, also one after the other in one process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.importers.hostile import CASES
from tests.support.checkout import ROOT

MOST = 200
"""MiB of a process that has read them all."""


class Reader:
    """The process that reads."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.importers.reading_process"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self, format: str, path: Path) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(format, path, file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.process.communicate()


def test_there_are_as_many_as_were_promised() -> None:
    assert len(CASES) >= 30


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_by_name(name: str, reader: Reader, tmp_path: Path) -> None:
    format, make, said = CASES[name]
    path = tmp_path / "results.json"
    path.write_bytes(make())
    answer = reader.read(format, path)
    path.unlink()
    assert answer["trouble"] == ""
    assert answer["refused"].startswith("results.json") and said in answer["refused"], answer
    assert answer["peak"] <= MOST


def test_what_is_no_file_is_refused(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path, tmp_path / "missing", Path("/dev/zero"), tmp_path / "loop"):
        assert "cannot be read" in reader.read("promptfoo", path)["refused"]

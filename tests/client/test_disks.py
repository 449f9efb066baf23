"""Disks that are full or closed, writers that are killed, and many writers at once: what was good stays good."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from promptops.client.disk.cache import slot_path, write
from tests.client.killing import state
from tests.support.checkout import ROOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a client, with nothing there yet."""
    return slot_path(tmp_path / "cache" / "promptops", registry="https://registry.test", channel="prod")


def _run(code: str, *arguments: object) -> dict[str, object]:
    """What a process of its own prints; as nobody where this is root, for whom no folder is closed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed: dict[str, object] = json.loads(done.stdout)
    return printed


_FULL = """
import json, os, resource, sys
from pathlib import Path
from promptops.client.disk.cache import read, write
from tests.client.killing import revision_of, state
path = Path(sys.argv[1])
first = write(path, state(1)).result
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
saved = write(path, state(2))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(json.dumps({
    "first": first, "result": saved.result, "reason": saved.problem.reason, "found": revision_of(read(path).stored),
    "left": [name for name in os.listdir(path.parent) if name.startswith(".lkg-")],
}))
"""


def test_a_full_disk_leaves_what_was_there_and_nothing_half(path: Path) -> None:
    assert _run(_FULL, path) == {"first": "written", "result": "failed", "reason": "disk", "found": 1, "left": []}


_CLOSED = """
import json, os, sys
from pathlib import Path
from promptops.client.disk.cache import read, write
from tests.client.killing import revision_of, state
path, made = Path(sys.argv[1]), Path(sys.argv[2])
encoded = state(2)
if os.geteuid() == 0:
    os.chown(path.parent.parent, 65534, 65534); os.setuid(65534)
first = write(path, state(1)).result
os.chmod(path.parent, 0o500)
shut = write(path, encoded)
os.chmod(path.parent.parent, 0o500)
nowhere = write(made, encoded)
found = revision_of(read(path).stored)
os.chmod(path.parent.parent, 0o700); os.chmod(path.parent, 0o000)
hidden = read(path)
os.chmod(path.parent, 0o700)
print(json.dumps({
    "first": first, "shut": shut.result, "nowhere": nowhere.result, "found": found,
    "hidden": [problem.reason for problem in hidden.problems],
}))
"""


def test_a_folder_that_is_closed_to_us_keeps_what_it_has() -> None:
    # Not in pytest's own folder: each pytest that starts on this machine closes that one to everybody else.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = slot_path(Path(folder, "cache", "promptops"), registry="https://registry.test", channel="prod")
        path.parent.parent.mkdir()
        told = _run(_CLOSED, path, path.parent.parent / "more" / "x.lkg")
    assert told.pop("hidden") == ["unreadable", "unreadable"]
    assert told == {"first": "written", "shut": "failed", "nowhere": "failed", "found": 1}


def test_what_killed_writers_left_is_removed_after_an_hour(path: Path) -> None:
    old, new = path.with_name(".lkg-1-old"), path.with_name(".lkg-2-new")
    write(path, state(1))
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 3700,) * 2)
    write(path, state(2))
    assert not old.exists()
    assert new.exists()


def _killing(*arguments: object) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.client.killing", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, int] = json.loads(done.stdout)
    return told


def test_a_writer_that_is_killed_at_any_moment_leaves_what_it_acknowledged(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    told = _killing("kill", tmp_path, 100)
    assert (told["unreadable"], told["older"]) == (0, 0)
    assert told["acknowledged"] > 0


def test_sixteen_processes_that_write_at_once_leave_the_newest_and_never_a_mixture(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    told = _killing("together", tmp_path, 16, 5)
    assert (told["down"], told["unreadable"], told["failed"]) == (0, 0, 0)
    assert told["highest"] == told["expected"]
    assert told["reads"] > 0

"""Files that are replaced whole, named once, and locked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from promptops.core.errors import Conflict
from promptops.files import cache_folder, locked_folder, name_file, name_together, replace_file, take_lock
from tests.support.checkout import ROOT


def test_a_file_is_replaced_and_the_old_one_is_kept_where_a_name_is_given(tmp_path: Path) -> None:
    path, old = tmp_path / "slot", tmp_path / "slot.prev"
    replace_file(path, b"one")
    replace_file(path, b"two", previous=old, mode=0o644)
    assert (path.read_bytes(), old.read_bytes()) == (b"two", b"one")
    assert (path.stat().st_mode & 0o777, old.stat().st_mode & 0o777) == (0o644, 0o600)
    assert sorted(os.listdir(tmp_path)) == ["slot", "slot.prev"]


def test_a_file_that_cannot_be_replaced_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        replace_file(tmp_path / "taken", b"data")
    assert os.listdir(tmp_path) == ["taken"]


def test_a_name_that_is_taken_is_never_overwritten(tmp_path: Path) -> None:
    part, target = tmp_path / "part", tmp_path / "target"
    part.write_bytes(b"new")
    target.write_bytes(b"old")
    with pytest.raises(Conflict, match="exists already"):
        name_file(part, target)
    assert target.read_bytes() == b"old"


def test_files_get_their_names_together_or_none_does(tmp_path: Path) -> None:
    parts = {tmp_path / f"part-{number}": tmp_path / f"file-{number}" for number in range(3)}
    for number, part in enumerate(parts):
        part.write_text(f"{number}\n")
    (tmp_path / "file-1").write_text("before\n")
    with pytest.raises(FileNotFoundError):
        name_together(parts | {tmp_path / "missing": tmp_path / "file-3"})
    assert {path.name for path in tmp_path.iterdir()} == {"part-0", "part-1", "part-2", "file-1"}
    name_together(parts)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {f"file-{n}": f"{n}\n" for n in range(3)}


def test_a_lock_is_held_against_other_processes_and_threads(tmp_path: Path) -> None:
    code = "import os, sys; from promptops.files import take_lock; "
    code += "take_lock(os.open(sys.argv[1], os.O_RDONLY), seconds=0)"

    def other() -> int:
        command = [sys.executable, "-c", code, str(tmp_path)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode

    handle = os.open(tmp_path, os.O_RDONLY)
    with locked_folder(tmp_path):
        assert other() == 1
        with pytest.raises(TimeoutError):
            take_lock(handle, seconds=0)
    assert other() == 0
    assert take_lock(handle, seconds=0) is True
    os.close(handle)


def test_who_waits_for_a_folder_comes_after_the_other(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with locked_folder(tmp_path):
            order.append("second")

    with locked_folder(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]


def test_readers_share_a_lock_and_a_writer_waits_for_them(tmp_path: Path) -> None:
    handles = [os.open(tmp_path, os.O_RDONLY) for _ in range(3)]
    assert all(take_lock(handle, shared=True, seconds=0) for handle in handles[:2])
    with pytest.raises(TimeoutError):
        take_lock(handles[2], seconds=0)
    for handle in handles:
        os.close(handle)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HOME": "/home/ada"}, Path("/home/ada/.cache/promptops")),
        ({"HOME": "/home/ada", "XDG_CACHE_HOME": "/var/cache"}, Path("/var/cache/promptops")),
        ({"HOME": "/home/ada", "XDG_CACHE_HOME": "not/absolute"}, Path("/home/ada/.cache/promptops")),
        ({}, None),
        ({"HOME": ""}, None),
    ],
)
def test_where_the_cache_of_the_user_is(environment: dict[str, str], folder: Path | None) -> None:
    assert cache_folder(environment) == folder

"""Where a process can be killed: before and after each effect, and once in a wait however long that is."""

from __future__ import annotations

import os
from pathlib import Path

from tests.harness.faults.points import unwatch, watch


def test_an_effect_is_two_points_and_a_wait_is_one_however_often_it_asks(tmp_path: Path) -> None:
    seen: list[str] = []
    child = os.posix_spawn("/bin/sleep", ["sleep", "0.2"], {})
    watch(seen.append)
    os.mkdir(tmp_path / "new")
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        pass
    os.rmdir(tmp_path / "new")
    len(seen)
    unwatch()
    assert seen == [f"{when} posix.{what}" for what in ("mkdir", "waitpid", "rmdir") for when in ("before", "after")]

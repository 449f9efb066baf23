"""Work done in a process of its own, which may be killed: forked from this warm one, leader of its own group.

What it says comes through a pipe, a line at a time, so whatever was said before the kill was said.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

Say = Callable[[object], None]
Work = Callable[[Say], None]

PATIENCE = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a child said before its end, and how it ended: its exit code, or minus the signal that killed it."""

    said: tuple[object, ...]
    code: int

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Child:
    """One process at work. Fork only from a process with a single thread and no open registry."""

    def __init__(self, work: Work) -> None:
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            _work(work, writing)
        os.close(writing)
        self._reading = reading
        with suppress(OSError):  # the child does the same; whoever comes first
            os.setpgid(self.pid, self.pid)

    def kill(self, *, everything: bool = False) -> None:
        """Kill the child and its group; with ``everything``, what it started outside of its group too, such as git."""
        started = descendants(self.pid) if everything else []
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        for pid in started:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def wait(self, seconds: float = PATIENCE) -> Ended:
        """Read what it says until it ends. One that hangs is killed, which is reported as code 124."""
        until = time.monotonic() + seconds
        data, hung = b"", False
        while True:
            ready, _, _ = select.select([self._reading], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                hung = True
                self.kill()
                break
            chunk = os.read(self._reading, 65536)
            if not chunk:
                break
            data += chunk
        os.close(self._reading)
        _, status = os.waitpid(self.pid, 0)
        whole = data.rpartition(b"\n")[0].splitlines()
        code = 124 if hung else os.waitstatus_to_exitcode(status)
        return Ended(said=tuple(json.loads(line) for line in whole), code=code)


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and theirs, as Linux tells; elsewhere none."""
    found: list[int] = []
    for file in Path("/proc").glob(f"{pid}/task/*/children"):
        with suppress(OSError):
            for child in map(int, file.read_text().split()):
                found += [child, *descendants(child)]
    return found


def run(work: Work, seconds: float = PATIENCE) -> Ended:
    """A child from its start to its end."""
    return Child(work).wait(seconds)


def _work(work: Work, writing: int) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with suppress(OSError):
            os.setpgid(0, 0)

        def say(what: object) -> None:
            os.write(writing, json.dumps(what).encode() + b"\n")

        work(say)
        code = 0
    except BaseException:  # noqa: BLE001 the end of this process: nothing may run on in it
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)

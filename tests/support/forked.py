"""The command line in processes that are forked from one which has imported everything.

An interpreter that starts and imports a server takes a second of CPU, nine tenths of what a test with a server cost.
From its arguments to its exit code, what runs here is the same. Tests of a start itself, of what it imports and of what
is missing, start an interpreter.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import runpy
import signal
import sys
import warnings
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, Self, TextIO

from tests.support.checkout import ROOT


@functools.cache
def forking() -> ForkServerContext:
    """How this process starts others without what it has open. They have imported what they need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.imported"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)  # a forkserver does not get this process's sys.path before it imports
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    return context


class Forked:
    """A process that runs `promptops ARGUMENTS`, with the methods of :class:`subprocess.Popen` that tests need."""

    def __init__(
        self, arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], errors: TextIO
    ) -> None:
        reading, writing = os.pipe()
        context = forking()
        given = (tuple(arguments), str(folder), dict(environment), DupFd(writing), DupFd(errors.fileno()))
        self._process: ForkServerProcess = context.Process(target=_become, args=given, daemon=True)
        self._process.start()
        os.close(writing)
        self.stdout = os.fdopen(reading, encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stdout.close()
        self.wait()
        self._process.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, or minus the number of the signal that ended it.

        Raises:
            TimeoutError: it still runs.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError(f"it still runs after {timeout} s")
        return self._process.exitcode

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(*arguments: str, folder: Path, environment: Mapping[str, str], timeout: float = 90.0) -> CompletedProcess[str]:
    """How `promptops ARGUMENTS` ended, and what it printed."""
    with TemporaryFile("w+", encoding="utf-8") as errors:
        with Forked(arguments, folder=folder, environment=environment, errors=errors) as process:
            out = process.stdout.read()
            code = process.wait(timeout)
        errors.seek(0)
        return CompletedProcess(arguments, code, out, errors.read())


def _become(arguments: Sequence[str], folder: str, environment: Mapping[str, str], out: Any, errors: Any) -> None:
    """In the new process: what an interpreter does that is given ``-m promptops`` and these arguments."""
    for stream, number in ((out, 1), (errors, 2)):
        os.dup2(descriptor := stream.detach(), number)
        os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    warnings.simplefilter("default")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which it does not have where tests run in the background
    sys.argv = ["promptops", *arguments]
    runpy.run_module("promptops", run_name="__main__", alter_sys=True)

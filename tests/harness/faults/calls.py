"""System calls that fail in a process of the harness: the k-th of a kind, as ``strace -e inject=`` has it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from tempfile import NamedTemporaryFile

from tests.harness.faults.children import Child, Ended, Say, Work

NO_TRACING = "strace is missing, or may not trace here"


def injected(fault: str, work: Work) -> tuple[Ended, int]:
    """Do the work in a child in which a system call fails, as ``strace -e inject=`` has it; and how often it did."""
    reading, writing = os.pipe()

    def wait_then_work(say: Say) -> None:
        _allow_tracing()
        os.close(writing)
        os.read(reading, 1)
        work(say)

    child = Child(wait_then_work)
    os.close(reading)
    call = fault.partition(":")[0]
    asked = ["-e", f"trace={call}", "-e", f"inject={fault}", "-e", "signal=none"]
    with NamedTemporaryFile("r") as told:  # and not a pipe, which would be full at some time
        command = ["strace", "-f", "-p", str(child.pid), "-o", told.name, *asked]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr is not None
            for line in strace.stderr:
                if "attached" in line:
                    break
            os.write(writing, b"!")
            os.close(writing)
            ended = child.wait()
        return ended, sum("(INJECTED)" in line for line in told)


def _allow_tracing() -> None:
    """Where only a parent may trace (Yama), let anybody trace this process: prctl(PR_SET_PTRACER, ANY)."""
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)


def may_trace() -> bool:
    if not shutil.which("strace"):
        return False
    done = subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], capture_output=True, check=False)
    return done.returncode == 0

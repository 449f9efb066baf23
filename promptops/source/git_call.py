"""One call of git: bytes in, bytes out, and an end within a time.

A git that hangs (a file system that is gone, a remote that says nothing, a hook somewhere) is ended together with
everything it started: it runs in a process group of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from promptops.core.errors import GitUnavailable

LOCAL_SECONDS = 60.0
"""How long a call may take that touches this machine only."""

REMOTE_SECONDS = 120.0
"""How long a call may take that speaks to a remote."""

_PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a call ended with: exit code, standard output, and the first lines of standard error."""

    code: int
    out: bytes
    err: str


class Call(Protocol):
    """Runs git in one repository; whoever passes ``writes`` may change it, whoever passes ``remote`` needs a network.

    Raises GitUnavailable where git cannot be started or does not end in time; failing is an answer.
    """

    def __call__(
        self,
        *arguments: str,
        data: bytes = b"",
        environment: Mapping[str, str] | None = None,
        writes: bool = False,
        remote: bool = False,
    ) -> Said: ...


class Patience:
    """How long calls may take, each by itself and, after :meth:`limit`, all of them together."""

    def __init__(self) -> None:
        self._until: float | None = None

    def limit(self, seconds: float | None) -> None:
        """From now on everything has to end within so many seconds, or each call by itself again."""
        self._until = None if seconds is None else time.monotonic() + seconds

    def seconds(self, most: float) -> float:
        """What the next call may take.

        Raises:
            GitUnavailable: the time is over.
        """
        if self._until is None:
            return most
        left = min(most, self._until - time.monotonic())
        if left <= 0:
            raise GitUnavailable("git took too long", hint="What is left goes to git with: promptops sync")
        return left


def answer(process: subprocess.Popen[bytes], data: bytes, seconds: float, what: str) -> Said:
    """Give a process its input and wait for its end.

    Raises:
        GitUnavailable: it took longer.
    """
    try:
        out, err = process.communicate(data, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        end(process)
        raise GitUnavailable(f"git {what} did not answer within {seconds:.0f} seconds and was ended") from error
    return Said(code=process.returncode, out=out, err=first_lines(err.decode("utf-8", "replace")))


def end(process: subprocess.Popen[bytes], *, streams: bool = True) -> None:
    """Kill a process and all that it started, and wait for nothing that could still hold its pipes.

    ``streams`` are closed too, but for a thread that another one still reads from.
    """
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg") and os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    for stream in (process.stdin, process.stdout, process.stderr) if streams else ():
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1)


def require_git(seconds: float = _PROBE_SECONDS) -> None:
    """Make sure that there is a git and that it answers, before a library asks it without a limit.

    One that answered once is not asked again.

    Raises:
        GitUnavailable: there is none, or it does not.
    """
    _probe(shutil.which("git") or "git", seconds)


@cache
def _probe(program: str, seconds: float) -> None:
    quiet = subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            [program, "version"], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )
    except OSError as error:
        raise GitUnavailable(f"git cannot be run: {error.strerror}", hint="Install git.") from error
    try:
        code = process.wait(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        end(process)
        raise GitUnavailable(f"git does not answer: `git version` took over {seconds:.0f} seconds") from error
    if code:
        raise GitUnavailable(f"git cannot be run: `git version` failed with exit code {code}", hint="git version")


def first_lines(text: str) -> str:
    """What git complains about, short enough for a message."""
    text = text.strip().removeprefix("stderr: ").strip("'\n ")
    return " ".join(text.split("\n")[:4])[:400]

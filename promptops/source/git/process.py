"""One call of git: bytes in, bytes out, and an end within a time.

A git that hangs (a file system that is gone, a remote that says nothing, a hook somewhere) is ended together with
everything it started: it runs in a process group of its own.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol

from promptops.core.errors import GitUnavailable

if TYPE_CHECKING:
    from git.cmd import Git

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


class Begin(Protocol):
    """Starts git in one repository; whoever passes ``writes`` may change it, whoever passes ``remote`` needs a network.

    Raises GitUnavailable where git cannot be started.
    """

    def __call__(self, *arguments: str, writes: bool = False, remote: bool = False) -> Running: ...


class Running:
    """A git that was started. It does its work while nobody waits, or waits itself for what it is to work on."""

    def __init__(self, started: Git.AutoInterrupt, what: str, patience: Patience, most: float) -> None:
        if started.proc is None:
            raise GitUnavailable(f"git {what} could not be started")
        self._started = started  # which ends it, at the latest, when nobody needs it any more
        self._process: subprocess.Popen[bytes] = started.proc
        self._what = what
        self._patience = patience
        self._most = most

    def answer(self, data: bytes = b"") -> Said:
        """Give it its input and wait for its end; failing is an answer.

        Raises:
            GitUnavailable: it does not end in time.
        """
        try:
            seconds = self._patience.seconds(self._most)
        except GitUnavailable:
            self.end()
            raise
        return answer(self._process, data, seconds, self._what)

    def end(self) -> None:
        """Kill it: nobody needs the answer."""
        end(self._process)


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
    # What communicate() ends with.
    process.wait = partial(wait, process)  # type: ignore[method-assign]
    try:
        out, err = process.communicate(data, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        end(process)
        raise GitUnavailable(f"git {what} did not answer within {seconds:.0f} seconds and was ended") from error
    finally:
        del process.wait
    return Said(code=process.returncode, out=out, err=first_lines(err.decode("utf-8", "replace")))


def wait(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
    """As ``process.wait``, which sleeps a millisecond before it looks again: as long as many a git runs.

    Raises:
        subprocess.TimeoutExpired: it did not end.
    """
    until = time.monotonic() + timeout if timeout is not None else 0.0
    if sys.platform == "linux" and timeout is not None and process.poll() is None:
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(process.pid)
            try:
                poll = select.poll()
                poll.register(handle, select.POLLIN)
                poll.poll(timeout * 1000)
            finally:
                os.close(handle)
    return subprocess.Popen.wait(process, None if timeout is None else max(0.0, until - time.monotonic()))


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

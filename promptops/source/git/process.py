"""Runs one git command with a deadline: bytes in, bytes out.

A git that hangs (a file system that is gone, a remote that does not answer, a hook) is killed together with every
process it started. For that, local commands run in a process group of their own.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from promptops.core.errors import GitUnavailable

LOCAL_SECONDS = 60.0
"""Seconds that a local command may take. A large repository on a slow disk needs a few; a hang must not block more."""

REMOTE_SECONDS = 120.0
"""Seconds that a command to a remote may take: a push of many refs over a slow line needs more than a minute."""

_USER = re.compile(r"([a-z][a-z0-9+.-]*://)[^/\s']*@", re.IGNORECASE)
_SAID = re.compile(r"^remote:[ \t]*(.*?)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitResult:
    """The result of a command: exit code, standard output, and the first lines of standard error.

    ``remote`` is what the other side said, line by line.
    """

    code: int
    out: bytes
    err: str
    remote: tuple[str, ...] = ()


class Begin(Protocol):
    """Starts git in one repository.

    A command with ``writes`` may change the repository; one with ``remote`` talks to a remote and gets more time.

    Raises:
        GitUnavailable: git cannot be started.
    """

    def __call__(self, *arguments: str, writes: bool = False, remote: bool = False) -> Running: ...


class Running:
    """A git process that was started and works in the background, or waits for its standard input."""

    def __init__(self, process: subprocess.Popen[bytes], what: str, patience: Patience, most: float) -> None:
        self._process = process
        self._what = what
        self._patience = patience
        self._most = most

    def answer(self, data: bytes = b"") -> GitResult:
        """Sends the input, waits for the process to end, and returns its result, also for an exit code other than 0.

        Raises:
            GitUnavailable: the process did not end in time.
        """
        try:
            seconds = self._patience.seconds(self._most)
        except GitUnavailable:
            self.end()
            raise
        return answer(self._process, data, seconds, self._what)

    def end(self) -> None:
        """Kills the process and discards its result."""
        end(self._process)


class Patience:
    """The time limit of git commands: one for each command and, after :meth:`limit`, one for all of them together."""

    def __init__(self) -> None:
        self._until: float | None = None

    def limit(self, seconds: float | None) -> None:
        """Sets a deadline for all commands from now on, in seconds; None removes it."""
        self._until = None if seconds is None else time.monotonic() + seconds

    def seconds(self, most: float) -> float:
        """Returns the seconds that the next command may take, at most ``most``.

        Raises:
            GitUnavailable: the common deadline has passed.
        """
        if self._until is None:
            return most
        left = min(most, self._until - time.monotonic())
        if left <= 0:
            raise GitUnavailable("git took too long", hint="What is left goes to git with: promptops sync")
        return left


def answer(process: subprocess.Popen[bytes], data: bytes, seconds: float, what: str) -> GitResult:
    """Sends a process its input and waits for it to end.

    Raises:
        GitUnavailable: the process took longer than ``seconds`` and was killed.
    """
    # communicate() ends with process.wait(), which would sleep between looks at the process: see wait() below.
    process.wait = partial(wait, process)  # type: ignore[method-assign]
    try:
        out, err = process.communicate(data, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        end(process)
        raise GitUnavailable(f"git {what} did not answer within {seconds:.0f} seconds and was ended") from error
    finally:
        del process.wait
    text = hide_credentials(err.decode("utf-8", "replace"))
    said = tuple(line for line in _SAID.findall(text) if line)
    return GitResult(code=process.returncode, out=out, err=first_lines(text), remote=said)


def wait(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
    """Waits for a process without polling, where the system can.

    ``Popen.wait`` with a timeout sleeps between polls, a millisecond and more: as long as many a git command runs.

    Raises:
        subprocess.TimeoutExpired: the process did not end in time.
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
    """Kills a process with its process group, without waiting for other processes that still hold its pipes.

    Pass ``streams=False`` where another thread still reads from them: closing them under it would be a race.
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


def first_lines(text: str) -> str:
    """Returns the first lines of git's error output, short enough for a message."""
    text = text.strip().removeprefix("stderr: ").strip("'\n ")
    return " ".join(text.split("\n")[:4])[:400]


def hide_credentials(text: str) -> str:
    """Returns a text without the user and password of the URLs in it; a token may be in either."""
    return _USER.sub(r"\1", text)

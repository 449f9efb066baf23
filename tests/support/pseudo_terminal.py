"""Command lines that are typed one after the other on a real pseudo-terminal, in one process that is forked."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from collections.abc import Mapping, Sequence
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

from tests.support.forked import forking

MARK = "\x00"
"""What separates the commands on the terminal; no command prints it."""


def typed_on_a_terminal(
    lines: Sequence[Sequence[str]],
    *,
    columns: int,
    rows: int = 24,
    folder: Path,
    environment: Mapping[str, str],
    keys: tuple[bytes, bytes] = (b"", b""),
) -> list[tuple[int, str]]:
    """Returns the exit code of each command line, and all that the terminal got of it, stdout and stderr.

    ``keys`` are a text, and what is typed each time that it shows.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    given = ([tuple(line) for line in lines], str(folder), dict(environment), DupFd(slave))
    process = forking().Process(target=_type, args=given, daemon=True)
    process.start()
    os.close(slave)
    read, (text, typed), at = b"", keys, 0
    try:
        while piece := _read(master):
            read += piece
            if text and text in read[at:]:
                os.write(master, typed)
                at = len(read)
    finally:
        os.close(master)
        process.join()
    parts = read.decode().replace("\r\n", "\n").split(MARK)
    assert len(parts) == 2 * len(lines) + 1, parts[-1]
    return [(int(code), text) for text, code in zip(parts[0::2], parts[1::2], strict=False)]


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65_536)
    except OSError:  # Linux says so where the other side is closed
        return b""


def _type(lines: Sequence[Sequence[str]], folder: str, environment: Mapping[str, str], terminal: Any) -> None:
    from promptops.cli.main import run

    os.setsid()  # so that the terminal is this process's own, and Ctrl-C on it ends what runs
    for number in (0, 1, 2):
        os.dup2(descriptor := terminal.detach() if number == 0 else 0, number)
        if number == 0:
            os.close(descriptor)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", buffering=1, closefd=False)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for line in lines:
        code = run(line)
        with contextlib.suppress(OSError):
            sys.stdout.write(f"{MARK}{code}{MARK}")
            sys.stdout.flush()

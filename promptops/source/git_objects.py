"""One running ``git cat-file --batch``: names of objects in, their bytes out, many at a time.

Starting a process costs more than reading a hundred prompts, so commits, folders and files all come through this one.
A blob over the cap flows past without being kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from promptops.core.errors import GitUnavailable
from promptops.source.git_call import LOCAL_SECONDS, Patience, end
from promptops.source.tree import MAX_FILE

if TYPE_CHECKING:
    from git.cmd import Git

_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class GitObject:
    """An object of git. ``data`` of a blob is cut at a cap, usually ``MAX_FILE + 1`` bytes; ``size`` is its whole
    size.
    """

    sha: str
    kind: str
    size: int
    data: bytes


class Objects:
    """The objects of one repository."""

    def __init__(self, start: Callable[[], Git.AutoInterrupt], patience: Patience | None = None) -> None:
        self._start = start
        self._patience = patience or Patience()
        self._process: Git.AutoInterrupt | None = None

    def get(self, name: str) -> GitObject | None:
        """An object by id, or by anything that git takes for a name; None where there is none."""
        return next(self.each([name]))

    def each(self, names: Sequence[str], *, most: int = MAX_FILE + 1) -> Iterator[GitObject | None]:
        """The objects of these names, in this order. Take all of them: they come out of one stream."""
        for start in range(0, len(names), _AT_ONCE):
            # Fewer bytes of questions than a pipe holds, so that neither side waits for the other.
            some = names[start : start + _AT_ONCE]
            with self._in_time():
                stream = self._ask([name for name in some if "\n" not in name])
                found = [None if "\n" in name else _receive(stream, most) for name in some]
            yield from found

    def close(self) -> None:
        """End the process. Asking again starts a new one."""
        if self._process is not None and self._process.proc is not None:
            for stream in (self._process.proc.stdin, self._process.proc.stdout, self._process.proc.stderr):
                if stream is not None:
                    with suppress(OSError):  # what was not asked any more cannot be flushed where git has ended
                        stream.close()
            self._process.proc.wait()
        self._process = None

    def __del__(self) -> None:
        self.close()

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """End the process if it does not answer in time; reading then finds the end of the stream."""
        watch = threading.Timer(self._patience.seconds(LOCAL_SECONDS), self._give_up)
        watch.daemon = True
        watch.start()
        try:
            yield
        except (GitUnavailable, ValueError, OSError) as error:
            self._process = None
            raise GitUnavailable(str(error) or "git cat-file ended early", hint="git fsck") from error
        finally:
            watch.cancel()

    def _give_up(self) -> None:
        if self._process is not None and self._process.proc is not None:
            end(self._process.proc, streams=False)

    def _ask(self, names: Sequence[str]) -> IO[bytes]:
        if self._process is None:
            self._process = self._start()
        process = self._process.proc
        if process is None or process.stdin is None or process.stdout is None:
            raise GitUnavailable("git cat-file could not be started")
        try:
            process.stdin.write("".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape"))
            process.stdin.flush()
        except BrokenPipeError as error:
            raise _ended() from error
        stream: IO[bytes] = process.stdout
        return stream


def _ended() -> GitUnavailable:
    return GitUnavailable("git cat-file ended early", hint="`git status`, in the same folder, says what git minds.")


def _receive(stream: IO[bytes], most: int) -> GitObject | None:
    header = stream.readline()
    if not header:
        raise _ended()
    parts = header.split()
    if len(parts) != 3 or not parts[2].isdigit() or parts[1] not in (b"blob", b"tree", b"commit", b"tag"):
        return None  # "… missing", "… ambiguous"
    kind, size = parts[1].decode(), int(parts[2])
    data = stream.read(min(size, most) if kind == "blob" else size)
    left = size - len(data)
    while left > 0:
        passed = len(stream.read(min(left, 1 << 16)))
        if not passed:
            raise _ended()
        left -= passed
    stream.read(1)  # the line end behind every object
    return GitObject(sha=parts[0].decode(), kind=kind, size=size, data=data)

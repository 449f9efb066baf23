"""Reads objects through one running ``git cat-file --batch``: names in, bytes out, many at a time.

Starting a process costs more than reading a hundred prompts, so commits, folders and files all come from this one
process. It also finds objects that were written after it started. Bytes of a blob beyond the cap are discarded as they
arrive.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from promptops.core.errors import GitUnavailable
from promptops.source.git.pack import RawObject
from promptops.source.git.process import LOCAL_SECONDS, Patience, end, first_lines, wait
from promptops.source.tree import MAX_FILE

# Names that are sent ahead of reading: git looks objects up meanwhile, and few are lost if the caller stops early.
_AT_ONCE = 100
_COMPARED = 1 << 18  # bytes of objects that are compared together
_CHUNK = 1 << 16  # the capacity of a pipe on Linux
# A git whose input ends exits at once; one that still runs after this hangs, and is killed.
_CLOSE_SECONDS = 5.0
_KINDS = (b"blob", b"tree", b"commit", b"tag")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitObject:
    """An object of git. ``data`` of a blob is cut at a cap, usually ``MAX_FILE + 1`` bytes; ``size`` is its whole
    size.
    """

    sha: str
    kind: str
    size: int
    data: bytes


@dataclass(slots=True)
class _Coming:
    """The state of one request: the names whose objects are still to be read, and the objects that were read."""

    names: deque[str]
    most: int
    read: deque[GitObject | None] = field(default_factory=deque)


class Objects:
    """Reads the objects of one repository. Not for use by two threads at once."""

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]], patience: Patience | None = None) -> None:
        self._start = start
        self._patience = patience or Patience()
        self._talk: _Talk | None = None
        self._coming: _Coming | None = None

    def get(self, name: str) -> GitObject | None:
        """Returns an object by its id or any name that git resolves; None if it does not exist."""
        return next(self.each([name]))

    def each(self, names: Sequence[str], *, most: int = MAX_FILE + 1) -> Iterator[GitObject | None]:
        """Returns the objects of these names, in this order; None for one that does not exist.

        A hundred names at a time go to git, which looks objects up while the caller works on those before them.

        Raises:
            GitUnavailable: git did not answer in time, or ended.
        """
        pages = [names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE)]
        first = self._ask(pages[0], most) if pages else None
        return self._each(first, pages[1:]) if first else iter(())

    def same(self, objects: Iterable[RawObject]) -> bool:
        """Returns True if the repository has each of these objects, byte by byte.

        What git answers is compared as it comes, in a third of the time of reading the objects one by one.

        Raises:
            GitUnavailable: git did not answer in time, or ended.
        """
        for page in _pages(objects):
            self._ask([item.sha for item in page], 0)
            self._coming = None
            with self._or_end() as talk:
                talk.wait_for(self._patience.seconds(LOCAL_SECONDS))
                same = talk.answers(b"".join(map(_answer, page)))
            if not same:
                talk.end()  # the rest of its output would be taken for the answer to the next request
                self._talk = None
                return False
        return True

    def close(self) -> None:
        """Ends the process. The next read starts a new one."""
        talk, self._talk = self._talk, None
        if talk is not None:
            talk.close()

    def __del__(self) -> None:
        self.close()

    def _each(self, coming: _Coming, pages: Sequence[Sequence[str]]) -> Iterator[GitObject | None]:
        while True:
            while coming.names or coming.read:
                if not coming.read:
                    self._read(coming)
                yield coming.read.popleft()
            if not pages:
                return
            coming, pages = self._ask(pages[0], coming.most), pages[1:]

    def _ask(self, names: Sequence[str], most: int) -> _Coming:
        before = self._coming
        while before is not None and before.names and self._talk is not None:
            self._read(before)  # its objects come first out of the same stream
        self._patience.seconds(LOCAL_SECONDS)  # raises if the common deadline has passed
        if self._talk is not None and self._talk.over():
            self.close()
        if self._talk is None:
            self._talk = _Talk(self._start())
        with self._or_end() as talk:
            talk.ask([name for name in names if "\n" not in name])
        self._coming = _Coming(deque(names), most)
        return self._coming

    def _read(self, coming: _Coming) -> None:
        """Reads the next object of a request."""
        if coming is not self._coming:
            raise _ended()
        with self._or_end() as talk:
            talk.wait_for(self._patience.seconds(LOCAL_SECONDS))
            coming.read.append(None if "\n" in coming.names[0] else _receive(talk, coming.most))
        coming.names.popleft()

    @contextmanager
    def _or_end(self) -> Iterator[_Talk]:
        """Kills the process on any error: the rest of its output would be taken for the answer to the next request."""
        talk = self._talk
        if talk is None:
            raise _ended()
        try:
            yield talk
        except BaseException:
            talk.end()
            self._talk = self._coming = None
            raise


class _Talk:
    """A running ``git cat-file --batch``.

    Writing does not block: with full pipes in both directions, git would wait for us to read and we for git to read.
    Names that do not fit into the pipe are sent between reads.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin is None or process.stdout is None:
            raise GitUnavailable("git cat-file could not be started")
        self._process = process
        self._in, self._out = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(self._in, False)
        self._questions = b""
        self._answers = bytearray()
        self._seconds = self._until = 0.0

    def over(self) -> bool:
        """True if the process has ended."""
        return self._process.poll() is not None

    def wait_for(self, seconds: float) -> None:
        """Sets the deadline of the reads that follow, in seconds from now."""
        self._seconds, self._until = seconds, time.monotonic() + seconds

    def ask(self, names: Sequence[str]) -> None:
        """Sends names of objects as far as the pipe takes them; the others follow while objects are read."""
        self._questions = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
        self._write()

    def line(self) -> bytes:
        """Reads the next line and returns it without its line end."""
        searched = 0
        while (end_of_line := self._answers.find(b"\n", searched)) < 0:
            searched = len(self._answers)
            self._more()
        return self.take(end_of_line + 1)[:-1]

    def take(self, size: int) -> bytes:
        """Reads and returns ``size`` bytes."""
        while len(self._answers) < size:
            self._more()
        data = bytes(self._answers[:size])
        del self._answers[:size]
        return data

    def answers(self, expected: bytes) -> bool:
        """Reads exactly these bytes; returns False as soon as others come."""
        read = 0
        while read < len(expected):
            if not self._answers:
                self._more()
            size = len(self._answers)
            if self._answers != expected[read : read + size]:
                return False
            self._answers.clear()
            read += size
        return True

    def pass_by(self, size: int) -> None:
        """Reads and discards ``size`` bytes without holding them all in memory."""
        while size:
            if not self._answers:
                self._more()
            passed = min(size, len(self._answers))
            del self._answers[:passed]
            size -= passed

    def _more(self) -> None:
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        if self._questions:
            poll.register(self._in, select.POLLOUT)
        ready = dict(poll.poll(max(0.0, self._until - time.monotonic()) * 1000))
        if not ready:
            raise GitUnavailable(f"git cat-file did not answer within {self._seconds:.0f} seconds and was ended")
        if self._in in ready:
            self._write()
        if self._out in ready:
            data = os.read(self._out, _CHUNK)
            if not data:
                raise _ended(self._complaint())
            self._answers += data

    def _write(self) -> None:
        try:
            self._questions = self._questions[os.write(self._in, self._questions) :]
        except BlockingIOError:
            return
        except BrokenPipeError as error:
            raise _ended(self._complaint()) from error

    def _complaint(self) -> str:
        """What git wrote to stderr before it ended."""
        with suppress(OSError, ValueError, AttributeError):
            handle = self._process.stderr.fileno()  # type: ignore[union-attr]
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            return first_lines(os.read(handle, _CHUNK).decode("utf-8", "replace")) if poll.poll(1000) else ""
        return ""

    def close(self) -> None:
        """Closes the input, at which git exits by itself, and kills a git that does not."""
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        try:
            wait(self._process, _CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self.end()

    def end(self) -> None:
        """Kills the process with its process group."""
        with suppress(OSError):
            end(self._process)


def _ended(complaint: str = "") -> GitUnavailable:
    return GitUnavailable(
        "git cat-file ended early" + (f": {complaint.removeprefix('fatal: ')}" if complaint else ""),
        hint="Of a partial clone, `remote.*.uploadpack` is not run. Get what is missing first: git checkout"
        if "lazy fetching disabled" in complaint
        else "Run `git status` in that folder: it shows git's own message.",
    )


def _pages(objects: Iterable[RawObject]) -> Iterator[list[RawObject]]:
    """The objects in groups, whose bytes are in memory once more while they are compared."""
    page: list[RawObject] = []
    size = 0
    for item in objects:
        page.append(item)
        size += len(item.data)
        if size > _COMPARED:
            yield page
            page, size = [], 0
    if page:
        yield page


def _answer(item: RawObject) -> bytes:
    return b"%s %s %d\n%s\n" % (item.sha.encode(), item.kind.encode(), len(item.data), item.data)


def _receive(talk: _Talk, most: int) -> GitObject | None:
    parts = talk.line().split()
    if len(parts) != 3 or not parts[2].isdigit() or parts[1] not in _KINDS:
        return None  # "… missing", "… ambiguous"
    kind, size = parts[1].decode(), int(parts[2])
    data = talk.take(min(size, most) if kind == "blob" else size)
    talk.pass_by(size - len(data) + 1)  # with the line end behind every object
    return GitObject(sha=parts[0].decode(), kind=kind, size=size, data=data)

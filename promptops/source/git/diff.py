"""Two commits -> the lines that the second one has and the first one does not, file by file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from promptops.core.errors import GitUnavailable
from promptops.source.git.process import Begin

_DIFF: Final = (
    *("diff-tree", "-r", "-p", "--unified=0", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color"),
    *("--text", "--no-indent-heuristic", "--diff-algorithm=myers", "--src-prefix=a/", "--dst-prefix=b/"),
)
_FILE: Final = re.compile(rb'\+\+\+ (?:b/(?P<plain>[^\t]*)|"b/(?P<quoted>.*)")\t?')
_LINES: Final = re.compile(rb"@@ -(?P<old>\d+)(?:,(?P<gone>\d+))? \+(?P<first>\d+)(?:,(?P<count>\d+))? @@")
_ESCAPE: Final = re.compile(rb"\\([0-7]{3}|.)")
_SHORT: Final = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def changed_lines(begin: Begin, base: str, head: str, folder: str = "") -> Mapping[str, frozenset[int]]:
    """Returns the lines of the head, counted from 1, that are new or others than at the base, by the path of the file.

    Paths are relative to the repository. A file that is gone, or of which lines are only missing, has none.

    Raises:
        GitUnavailable: git cannot compare them.
    """
    result = begin(*_DIFF, base, head, "--", folder or ".").answer()
    if result.code:
        raise GitUnavailable(f"git diff-tree failed: {result.err or f'exit code {result.code}'}")
    found: dict[str, set[int]] = {}
    for path, lines in _hunks(result.out):
        found.setdefault(path, set()).update(lines)
    return {path: frozenset(lines) for path, lines in found.items()}


def _hunks(diff: bytes) -> Iterator[tuple[str, range]]:
    """Yields each hunk's lines. The texts of a hunk are passed by, since they may look like its head."""
    path, left = "", 0
    for line in diff.split(b"\n"):
        if left > 0:
            left -= line[:1] in (b"+", b"-")
        elif (file := _FILE.match(line)) is not None:
            path = _name(file["quoted"]) if file["plain"] is None else file["plain"].decode("utf-8", "surrogateescape")
        elif path and (hunk := _LINES.match(line)) is not None:
            first, count = int(hunk["first"]), int(hunk["count"] or 1)
            left = count + int(hunk["gone"] or 1)
            yield path, range(first, first + count)


def _name(quoted: bytes) -> str:
    """Returns a name that git quotes as C does: with a quote, a backslash, a control character or a byte over 127."""

    def plain(match: re.Match[bytes]) -> bytes:
        code: bytes = match[1]
        return bytes([int(code, 8)]) if len(code) == 3 else _SHORT.get(code, code)

    return _ESCAPE.sub(plain, quoted).decode("utf-8", "surrogateescape")

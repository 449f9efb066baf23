"""A terminal whose whole screen is one page that is drawn again and again; afterwards it shows what it showed before.

Also the one line on stderr that says how far a command is. The screen is drawn in the alternate screen, as editors and
pagers do it (DECSET 1049, https://invisible-island.net/xterm/ctlseqs/ctlseqs.html), from the top and without an empty
moment, so that nothing flickers.
"""

from __future__ import annotations

import shutil
import signal
import sys
from types import FrameType, TracebackType
from typing import Final, Self, TextIO

from promptops.cli.exit import writing
from promptops.cli.output.fit import cut, visible_text
from promptops.config import setting

TERMINATED: Final = 128 + signal.SIGTERM
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _END_OF_LINE, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def is_screen() -> bool:
    """Returns whether stdout is a terminal that can be drawn on."""
    return _is_drawable(sys.stdout)


def _is_drawable(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty() and setting("TERM") not in ("", "dumb")


class LiveLine:
    """One line on stderr that says how far a command is, and is drawn over the one before.

    A pipe and a dumb terminal show nothing of it. The line is shorter than the terminal is wide: a line that goes on
    in the next row cannot be drawn over, and would leave a row each time.
    """

    def __init__(self) -> None:
        self._shown = ""

    def show(self, text: str) -> None:
        """Show the text in place of the one before, cut where the terminal ends; an equal one is not written again."""
        if not _is_drawable(sys.stderr):
            return
        room = shutil.get_terminal_size().columns - 1
        line = visible_text(cut(text, room))
        if line != self._shown:
            sys.stderr.write(f"\r{line}{_END_OF_LINE}")
            sys.stderr.flush()
            self._shown = line

    def end(self) -> None:
        """Take the line away."""
        self.show("")


class Screen:
    """The terminal on stdout, as long as the block lasts; it is as it was after a Ctrl-C and a SIGTERM too."""

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGTERM, _terminated)
        self._write(_ENTER)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        signal.signal(signal.SIGTERM, self._before)
        self._write(_LEAVE)

    def draw(self, text: str) -> None:
        """Show these lines in place of the ones before."""
        lines = text.rstrip("\n").replace("\n", f"{_END_OF_LINE}\r\n")
        self._write(f"{_HOME}{lines}{_END_OF_LINE}{_BELOW}")

    def _write(self, text: str) -> None:
        with writing():
            sys.stdout.write(text)
            sys.stdout.flush()


def _terminated(number: int, frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)

"""A terminal whose whole screen is one page that is drawn again and again; afterwards it shows what it showed before.

It is drawn in the alternate screen, as editors and pagers do it
(https://invisible-island.net/xterm/ctlseqs/ctlseqs.html, DECSET 1049), from the top and without an empty moment, so
that nothing flickers.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType, TracebackType
from typing import Final, Self

from promptops.cli.exit import writing
from promptops.config import setting

TERMINATED: Final = 128 + signal.SIGTERM
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _END_OF_LINE, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def is_screen() -> bool:
    """Returns whether stdout is a terminal that can be drawn on."""
    return sys.stdout.isatty() and setting("TERM") not in ("", "dumb")


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

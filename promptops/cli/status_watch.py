"""`promptops status --watch`: a screen that is drawn anew; without a terminal the status each time that it changed."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from promptops import clock
from promptops.cli.exit import writing
from promptops.cli.failures import INTERRUPTED
from promptops.cli.output import render
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.output.screen import Screen, is_screen
from promptops.cli.output.status_report import Seen, all_lines, status_screen
from promptops.cli.watching import SECONDS, answers
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.cli.session import Session
    from promptops.core.errors import Unavailable
    from promptops.gateway import Gateway


def watch_status(session: Session, ask: Callable[[Gateway], Seen]) -> int:
    """Shows what is live until Ctrl-C, and returns the exit code."""
    try:
        with session.gateway(seconds=SECONDS) as gateway:
            if session.json or not is_screen():
                _follow(lambda: ask(gateway), _InLines(session))
            else:
                with Screen() as screen:
                    _follow(lambda: ask(gateway), _OnScreen(session, screen))
    except KeyboardInterrupt:  # a person has seen enough
        pass
    return INTERRUPTED


def _follow(ask: Callable[[], Seen], view: _OnScreen | _InLines) -> None:
    for seen, pause in answers(ask, view.away, wait=time.sleep, clock=time.monotonic):
        view.show(seen, pause)


class _OnScreen:
    """Draws each answer in place of the one before, which stays while the registry does not answer."""

    def __init__(self, session: Session, screen: Screen) -> None:
        self._session = session
        self._screen = screen
        self._last: Seen | None = None
        self._at = ""

    def show(self, seen: Seen, pause: float) -> None:
        page = _page(self._session)
        self._last, self._at = seen, clock.format_moment(page.now, page.zone)
        self._draw(page, Span(f"asks again in {pause:.0f} s · Ctrl-C ends", "quiet"))

    def away(self, error: Unavailable, pause: float) -> None:
        foot = f"! no answer after {self._at}, asks again in {pause:.0f} s: {error.message}"
        self._draw(_page(self._session), Span(foot, "warn"))

    def _draw(self, page: Page, foot: Line) -> None:
        if self._last is not None:
            rows = shutil.get_terminal_size().lines
            self._screen.draw(page.text(status_screen(self._last, page, rows=rows, foot=foot)))


class _InLines:
    """Prints the whole status, or with ``--json`` its document on a line, each time that it changed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shown: object = None
        self._is_away = False

    def show(self, seen: Seen, pause: float) -> None:
        if self._is_away:
            self._session.note("the registry answers again.")
            self._is_away = False
        shape = written(seen.status)
        now = shape | {"pending": 0, "pending_since": None}, None if self._session.json else seen.behind
        if now == self._shown:
            return
        self._shown = now
        with writing():
            if self._session.json:
                render.print_json(shape, one_line=True)
            else:
                page = _page(self._session)
                page.print([*all_lines(seen, "", page), ""])
            sys.stdout.flush()

    def away(self, error: Unavailable, pause: float) -> None:
        if not self._is_away:
            self._session.note(f"the registry does not answer, and is asked again: {error.message}")
        self._is_away = True


def _page(session: Session) -> Page:
    return render.page(now=clock.now(), zone=session.zone, color=session.color)

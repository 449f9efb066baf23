"""Where the answers about a canary go that is watched: onto a screen, or as a line or a document for each change."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from promptops import clock
from promptops.cli.canary_watch import watch
from promptops.cli.exit import EXIT_CODES, writing
from promptops.cli.failures import INTERRUPTED
from promptops.cli.output import render
from promptops.cli.output.canary_screen import ROWS, canary_screen, furthest, how_far
from promptops.cli.output.phrases import next_steps, person, verb
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.output.screen import Screen, is_screen
from promptops.cli.watching import SECONDS
from promptops.core.bucketing import percent
from promptops.wire.codec import to_json
from promptops.wire.documents.deployments import DeploymentDocument

if TYPE_CHECKING:
    from promptops.cli.canary_watch import Ended
    from promptops.cli.session import Session
    from promptops.core.errors import Unavailable
    from promptops.core.model import Json
    from promptops.wire.documents.canaries import CanaryStatusDocument


def watch_canary(session: Session, app: str, channel: str) -> int:
    """Watches a canary to its end, and returns the exit code: 0 if it was finished, 5 if it ended in another way."""
    try:
        with session.gateway(seconds=SECONDS) as gateway:
            if session.json or not is_screen():
                ended = watch(gateway, app, channel, InLines(session))
            else:
                with Screen() as screen:
                    ended = watch(gateway, app, channel, OnScreen(session, screen))
    except KeyboardInterrupt:  # a person has seen enough
        return INTERRUPTED
    say_end(session, ended)
    return 0 if ended.is_finished else EXIT_CODES["Refused"]


class OnScreen:
    """Draws each answer in place of the one before, which stays while the registry does not answer."""

    def __init__(self, session: Session, screen: Screen) -> None:
        self._session = session
        self._screen = screen
        self._last: tuple[CanaryStatusDocument, datetime] | None = None

    def show(self, found: CanaryStatusDocument, pause: float) -> None:
        page = _page(self._session)
        self._last = found, page.now
        at = clock.format_moment(page.now, page.zone)
        self._draw(page, Span(f"{at} · asks again in {pause:.0f} s · Ctrl-C ends", "quiet"))

    def away(self, error: Unavailable, pause: float) -> None:
        page = _page(self._session)
        since = clock.format_moment(self._last[1], page.zone) if self._last else ""
        again = f"asks again in {pause:.0f} s"
        self._draw(page, Span(f"! no answer after {since}, {again}: {error.message}", "warn"))

    def _draw(self, page: Page, foot: Line) -> None:
        if self._last is not None:
            rows = min(shutil.get_terminal_size().lines, ROWS)
            self._screen.draw(page.text(canary_screen(self._last[0], page, rows=rows, foot=foot)))


class InLines:
    """Prints a line for each change, or with ``--json`` the document. What only grows with the traffic is no change."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shown: object = None
        self._is_away = False

    def show(self, found: CanaryStatusDocument, pause: float) -> None:
        if self._is_away:
            self._session.note("the registry answers again.")
            self._is_away = False
        if (now := _decisive(found)) == self._shown:
            return
        self._shown = now
        if self._session.json:
            _print_document(to_json(found))
        else:
            page = _page(self._session)
            _print(page, [[f"{clock.format_moment(page.now, page.zone)}  ", *_words(found)]])

    def away(self, error: Unavailable, pause: float) -> None:
        if not self._is_away:
            self._session.note(f"the registry does not answer, and is asked again: {error.message}")
        self._is_away = True


def say_end(session: Session, ended: Ended) -> None:
    """Prints how a canary ended."""
    if session.json:
        made = to_json(DeploymentDocument.of(ended.by)) if ended.by is not None else None
        _print_document({"ended": ended.word, "rollout": ended.last.rollout, "deployment": made})
        return
    page = _page(session)
    place = [ended.last.app, "--channel", ended.last.channel]
    _print(page, [*_end(ended), *next_steps([("what led here", ["history", *place])])])


def _decisive(found: CanaryStatusDocument) -> object:
    """What of a canary decides about it, and what was decided."""
    decided = (found.revision, found.paused, found.waiver, found.would_abort, found.next_look_at, len(found.decisions))
    if not found.by_policy:
        return (*decided, [side.bad for side in found.sides])
    bad = [(coin.guardrail, coin.coin, coin.canary, coin.stable, coin.off) for coin in found.coins]
    return (*decided, bad, found.first_keys_bad, found.canary_keys >= found.keys_needed)


def _words(found: CanaryStatusDocument) -> list[Cell]:
    state = f"{found.app} on {found.channel} at {percent(found.weight)}{', paused' if found.paused else ''}"
    near = furthest(found.coins)
    if found.by_policy:
        parts = [how_far(near)] if near is not None else []
        parts.append(f"{found.canary_keys:,} of {found.keys_needed:,} keys")
    else:
        parts = [f"{side.arm} {side.bad:,} bad of {side.calls:,} calls" for side in found.sides]
    if found.first_keys_bad:
        parts.append(f"{found.first_keys_bad:,} bad calls of the keys that have it first")
    if found.would_abort:
        parts.append(f"would abort, held: {found.would_abort}")
    if found.decisions:
        parts.append(f"last decision: {found.decisions[-1].reason}")
    return [Span(state, "name"), f": {'; '.join(parts)}"]


def _end(ended: Ended) -> list[Line]:
    last, by = ended.last, ended.by
    place = f"{last.app} on {last.channel}"
    if by is None:
        return [[Span("! ", "warn"), f"{place}: the registry does not know this canary any more"]]
    if ended.is_finished:
        return [[Span("✓ ", "good"), Span(place, "name"), f" serves {by.version} to everyone: {by.reason}"]]
    why = f": {by.reason}" if by.reason else ""
    what = f": the canary ended, {verb(by)} by {person(by.actor)}{why}"
    return [[Span("✗ ", "bad"), Span(place, "name"), what]]


def _page(session: Session) -> Page:
    return render.page(now=clock.now(), zone=session.zone, color=session.color)


def _print(page: Page, lines: Sequence[Line]) -> None:
    with writing():
        page.print(lines)
        page.stream.flush()


def _print_document(value: Mapping[str, Json]) -> None:
    with writing():
        render.print_json(value, one_line=True)
        sys.stdout.flush()

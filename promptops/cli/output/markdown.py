"""Markdown of our own pages -> lines for a terminal, or as it is written."""

from __future__ import annotations

from collections.abc import Iterator

from promptops.cli.output.render import Line, Page, Painted, Sent


def markdown(text: str, page: Page) -> Iterator[Line]:
    """Yields the lines of a page: set for the width of a terminal, as they are written in a pipe."""
    if page.width is None:
        yield from map(Sent, text.splitlines())
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(
        width=page.width,
        force_terminal=page.color,
        color_system="standard" if page.color else None,
        legacy_windows=False,
        _environ={},  # colours were decided before, and COLUMNS is in the width
    )
    with console.capture() as captured:
        console.print(Markdown(text, hyperlinks=False, code_theme="ansi_dark"))
    for line in captured.get().splitlines():
        yield Painted(line.rstrip())

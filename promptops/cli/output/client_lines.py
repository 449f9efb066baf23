"""What several commands say of clients: those that cannot load an app, and those that fell silent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from promptops import clock
from promptops.cli.output.phrases import enumerated
from promptops.cli.output.render import Line, Page, Span

if TYPE_CHECKING:
    from promptops.core.heartbeat import LiveClient


def failure_lines(failures: Sequence[tuple[str, str, str]]) -> list[Line]:
    """Lists the clients that cannot load an app, in one line for each app and reason, of (client, app, reason)."""
    lines: list[Line] = []
    for (app, reason), group in groupby(sorted(failures, key=lambda each: each[1:]), key=lambda each: each[1:]):
        names = [client for client, _, _ in group]
        lines.append([Span(f"{app} cannot be loaded by {enumerated(names)}: ", "bad"), reason])
    return ["", *lines] if lines else []


def silent_lines(silent: Sequence[LiveClient], page: Page) -> list[Line]:
    """Lists the clients that fell silent: a rollback does not wait for them, and they may still run."""
    if not silent:
        return []
    names = [f"{client.beat.name} ({clock.format_age(client.seen_at, page.now)})" for client in silent]
    sentence = f"Silent, without a goodbye: {enumerated(names)}"
    return ["", Span(sentence, "warn")]

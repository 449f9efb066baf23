"""What a person is asked before a registry, or an override, is made of lines of git that are not vouched for.

At a terminal it asks. Elsewhere it says the same on stderr and goes on; if the registry has a key, it refuses.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import counted, one_line, person
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.session import Session
from promptops.core.errors import Refused
from promptops.core.signing import INSTALL

if TYPE_CHECKING:
    from promptops.projection.offer import Doubt
    from promptops.projection.proving import Listed

_KEY = (
    "Name the key: --key KEY, its public line, its fingerprint or a file; or PROMPTOPS_REGISTRY_KEY. "
    "--yes takes them on trust."
)
_FIRST, _LAST = 3, 17
"""Lines that are shown from the beginning and from the end of a long list, where forged ones would be."""

yes_option = click.option("--yes", "-y", is_flag=True, help="Take lines of git that are not vouched for; do not ask.")


def asking(session: Session, *, yes: bool) -> Callable[[Doubt], bool]:
    """Returns what asks about lines that are not vouched for. It returns False if no person was asked."""

    def ask(doubt: Doubt) -> bool:
        if yes:
            return True
        if not session.json and sys.stdin.isatty() and sys.stdout.isatty():
            session.answer(dict, lambda page: _lines(doubt, page))
            if not click.confirm("Take them?" if doubt.lines else "Go on?"):
                raise click.Abort
            return True
        for text in _notes(doubt, session):
            session.note(text)
        if doubt.keyed:
            raise Refused("the registry has a key, and these lines are not signed with one that is trusted", hint=_KEY)
        return False

    return ask


def unvouched_shape(lines: Sequence[Listed]) -> list[JsonObject]:
    """Returns the JSON of lines that are not vouched for."""
    from promptops.core.timestamp import timestamp

    return [{"seq": each.seq, "at": timestamp(each.at), "actor": each.actor, "what": each.what} for each in lines]


def _heads(doubt: Doubt) -> list[str]:
    heads = [f"{doubt.loss.why}: {doubt.loss} of the audit log are not known here"] if doubt.loss else []
    if not doubt.lines:
        return heads
    here = f"the lines up to {doubt.verified:,}" if doubt.verified else "no line"
    key = f"the journal says that its key is {doubt.key}" if doubt.key else "the registry has no key"
    means = key if doubt.keyed else f"{key}, so the right to push to the home of its journal is the right to write them"
    unchecked = f"signatures were not verified: {INSTALL}"
    return [
        *heads,
        f"{here} of this registry {'are' if doubt.verified else 'is'} vouched for here, and"
        f" {counted(len(doubt.lines), 'line')} would be taken on trust; {means}",
        *([] if doubt.checked else [unchecked]),
    ]


def _rows(doubt: Doubt, zone: tzinfo) -> list[list[str]]:
    lines = doubt.lines
    many = len(lines) > _FIRST + _LAST + 1
    shown = [*lines[:_FIRST], *lines[-_LAST:]] if many else lines
    rows = [
        [f"{each.seq:,}", clock.format_moment(each.at, zone), person(each.actor), one_line(each.what)] for each in shown
    ]
    if many:
        rows.insert(_FIRST, ["…", "", "", f"{counted(len(lines) - len(shown), 'line')} more; --json lists them all"])
    return rows


def _notes(doubt: Doubt, session: Session) -> list[str]:
    return [*_heads(doubt), *(f"line {'  '.join(row)}" for row in _rows(doubt, session.zone))]


def _lines(doubt: Doubt, page: Page) -> list[Line]:
    heads: list[Line] = [[Span("! ", "warn"), head[:1].upper() + head[1:] + "."] for head in _heads(doubt)]
    return [*page.columns(_rows(doubt, page.zone)), *([""] if doubt.lines else []), *heads, ""]

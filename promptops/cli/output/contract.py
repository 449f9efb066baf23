"""What a change of a channel changes for the code that calls -> lines."""

from __future__ import annotations

from collections.abc import Sequence

from promptops.cli.output.phrases import counted, one_line
from promptops.cli.output.render import Line, Span
from promptops.core.callers import ContractChange
from promptops.core.model import Bump, Change

_SHOWN = 8
"""Changes that are shown of one app; `promptops diff` shows all of them, with their texts."""


def contract_lines(contracts: Sequence[ContractChange], *, alone: bool, dry_run: bool) -> list[Line]:
    """What changed for callers: of an app ``alone`` change by change, of several a line each."""
    changed = [each for each in contracts if each.changes]
    if not changed:
        return []
    will = "would change" if dry_run else "changed"
    if not alone:
        apps: list[Line] = [["  ", Span(each.app, "name"), ": ", _size(each)] for each in changed]
        return ["", [Span(f"What {will} for callers:", "strong")], *apps]
    [contract] = changed
    lines: list[Line] = ["", [Span(f"What {will} for callers of {contract.old}: ", "strong"), _size(contract)]]
    lines += [["  ", _change(change)] for change in contract.changes[:_SHOWN]]
    more = len(contract.changes) - _SHOWN
    lines += [["  ", Span(f"and {counted(more, 'more change')}", "quiet")]] if more > 0 else []
    return [*lines, *_callers(contract)]


def _callers(contract: ContractChange) -> list[Line]:
    """The processes that are not ready for it; or that all are."""
    if contract.ready:
        return [["  ", Span("Every live process that asks for it is ready.", "good")]]
    names = [*map(str, contract.unready), *(f"no live process has used {name}" for name in contract.unasked)]
    lines: list[Line] = [[Span("! ", "warn"), one_line(text)] for text in names[:_SHOWN]]
    more = len(names) - _SHOWN
    return [*lines, [Span("! ", "warn"), f"and {more:,} more"]] if more > 0 else lines


def _size(contract: ContractChange) -> Span:
    callers = ", so callers have to change" if contract.breaking else ""
    style = "bad" if contract.breaking else ""
    return Span(f"{counted(len(contract.changes), 'change')}, {contract.bump.value}{callers}", style)


def _change(change: Change) -> Span:
    return Span(one_line(str(change)), "bad" if change.bump is Bump.MAJOR else "")

"""The tokens of a call as they were measured, by prompt and release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptops.cli.output.phrases import counted
from promptops.cli.output.render import Cell, Line, Page, Span

if TYPE_CHECKING:
    from promptops.core.outcomes.measured_tokens import MeasuredTokens

_MOST = 10
"""Prompts that are listed: those with the most calls."""


def measured_lines(measured: Sequence[MeasuredTokens], page: Page) -> list[Line]:
    """Returns a table of the prompts that were called most, a line for each release."""
    if not measured:
        return []
    calls: dict[str, int] = {}
    for each in measured:
        calls[each.prompt] = calls.get(each.prompt, 0) + each.calls
    shown = sorted(calls, key=lambda prompt: (-calls[prompt], prompt))[:_MOST]
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in ("PROMPT", "RELEASE", "IN", "OUT", "CALLS")]]
    rows += [_row(each) for prompt in shown for each in measured if each.prompt == prompt]
    left = len(calls) - len(shown)
    more: list[Line] = [Span(f"and {counted(left, 'other prompt')}", "quiet")] if left else []
    return ["", Span("Tokens of a call, as measured in 7 days", "strong"), *page.columns(rows), *more]


def _row(each: MeasuredTokens) -> list[Cell]:
    cached = f" ({each.cached_tokens / each.input_tokens:.0%} cached)" if each.cached_tokens else ""
    tokens = f"{each.input_tokens / each.calls:,.0f}{cached}", f"{each.output_tokens / each.calls:,.0f}"
    return [each.prompt, each.version, *tokens, f"{each.calls:,}"]

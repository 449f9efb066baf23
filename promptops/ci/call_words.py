"""What calls cost and how long they take, in words: a line for each that was measured, and none for what was not."""

from __future__ import annotations

from collections.abc import Iterator

from promptops.core.evidence.calls import CallChange, Calls


def call_lines(change: CallChange | None) -> Iterator[str]:
    """Yields ``a call costs $0.0021, on live $0.002 (+5.0 %), over 40 cases``, and the same of tokens and latency."""
    if change is None:
        return
    now, live = change.now, change.live or Calls()
    rows = (
        ("a call costs", now.cost_usd, live.cost_usd, "${:.4g}"),
        ("a call has", now.tokens, live.tokens, "{:,.0f} tokens"),
        ("half of the calls take at most", now.latency_ms, live.latency_ms, "{:,.0f} ms"),
    )
    over = f", over {change.cases:,} case{'' if change.cases == 1 else 's'}"
    for what, got, before, form in rows:
        if got is not None:
            yield f"{what} {form.format(got)}{_beside(got, before, form)}{over}"


def _beside(got: float, before: float | None, form: str) -> str:
    if before is None:
        return ""
    share = f" ({(got - before) / before:+.1%})" if before else ""
    return f", on live {form.format(before)}{share}"

"""What calls did and cost: a column for each group, a row for each number; or CSV, a line for each group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from promptops import clock
from promptops.cli.output.phrases import counted
from promptops.cli.output.render import Cell, Line, Page, Span, print_csv

if TYPE_CHECKING:
    from promptops.wire.documents.outcome_reports import (
        CallGroupDocument,
        CostDocument,
        ForecastDocument,
        LookDocument,
        ModelCostDocument,
        OutcomesDocument,
        ShareDocument,
    )

_ACROSS = 4
"""Groups beside each other: more do not fit on a line."""

_SHARES = (
    ("bad", "bad"),
    ("errors", "errors"),
    ("refused", "refused"),
    ("schema_failed", "schema failed"),
    ("check_failed", "check failed"),
    ("truncated", "truncated"),
    ("unread", "unread"),
    ("pin_mismatch", "other model"),
)


# --- outcomes --------------------------------------------------------------------------------------


def outcomes_lines(found: OutcomesDocument, page: Page) -> list[Line]:
    """Returns what the calls of an app did."""
    head: Line = [
        Span(found.app, "name"),
        f" since {clock.format_moment(found.since, page.zone)}",
        _prices(found.prices),
    ]
    if not found.groups:
        return [head, "No call was reported.", Span("  Applications report with client.call().", "quiet")]
    lines: list[Line] = [head]
    for channel in dict.fromkeys(group.channel for group in found.groups):
        of_channel = [group for group in found.groups if group.channel == channel]
        for start in range(0, len(of_channel), _ACROSS):
            lines += ["", *page.columns(list(table(channel, of_channel[start : start + _ACROSS])))]
    return [*lines, *_forecast(found.forecast, "at the planned traffic"), *looks_lines(found.looks)]


def _prices(version: str) -> Cell:
    return Span(f"   prices: {version or 'none, install promptops[server]'}", "quiet")


def table(channel: str, groups: Sequence[CallGroupDocument]) -> Iterator[list[Cell]]:
    """Yields a row for each number of these groups, a column for each group."""
    yield [Span(channel, "name"), *(Span(group.key or "(none)", "strong") for group in groups)]
    yield _row("calls", groups, lambda group: f"{group.calls:,}")
    if any(group.keys for group in groups):
        yield _row("keys", groups, lambda group: "" if group.keys is None else f"about {group.keys:,}")
    if any(group.cancelled for group in groups):
        yield _row("cancelled", groups, lambda group: f"{group.cancelled:,}")
    for name, title in _SHARES:
        if name == "bad" or any(getattr(group, name).count for group in groups):
            yield [title, *(_share(getattr(group, name)) for group in groups)]
    yield _row("bad a day", groups, lambda group: "" if group.bad_a_day is None else _number(group.bad_a_day))
    for name, title in (("p50_ms", "p50"), ("p95_ms", "p95"), ("p99_ms", "p99")):
        yield [title, *(_time(getattr(group, name)) for group in groups)]
    yield _row("tokens in", groups, _tokens)
    yield _row("tokens out", groups, lambda group: f"{group.output_tokens:,}")
    yield _row("cost", groups, lambda group: _cost(group.cost_usd, group.unpriced))
    yield _row("a call", groups, lambda group: _usd(group.cost_a_call_usd))
    yield from _outcomes(groups)
    for name in sorted({score.name for group in groups for score in group.scores}):
        yield [f"score {name}", *(_score(group, name) for group in groups)]
    for model in sorted({model for group in groups for model in group.unpriced}):
        yield [f"no price of {model or 'an unknown model'}", *(_unpriced(group, model) for group in groups)]


def _row(title: str, groups: Sequence[CallGroupDocument], cell: Callable[[CallGroupDocument], str]) -> list[Cell]:
    return [title, *map(cell, groups)]


def _outcomes(groups: Sequence[CallGroupDocument]) -> Iterator[list[Cell]]:
    for name in sorted({outcome.name for group in groups for outcome in group.outcomes}):
        found = [{each.name: each for each in group.outcomes}.get(name) for group in groups]
        yield [name, *("" if each is None else f"{each.count:,}" for each in found)]
        yield [
            "  one of it",
            *(
                ""
                if each is None
                else Span(f"{_usd(each.cost_usd)}{_between(each.low_usd, each.high_usd, _usd)}", "strong")
                for each in found
            ),
        ]


def _share(share: ShareDocument) -> Cell:
    if share.share is None:
        return ""
    text = f"{_percent(share.share)}{_between(share.low, share.high, _percent)}"
    return Span(text, "quiet") if not share.count else text


def _between(low: float | None, high: float | None, form: Callable[[float | None], str]) -> str:
    return "" if low is None or high is None else f" ({form(low)} to {form(high)})"


def _score(group: CallGroupDocument, name: str) -> str:
    score = next((score for score in group.scores if score.name == name), None)
    if score is None:
        return ""
    return f"{score.mean:.3g} of {score.count:,}" + (f", {score.below:,} below" if score.below else "")


def _tokens(group: CallGroupDocument) -> str:
    cached = f" ({_percent(group.cached_share)} cached)" if group.cached_share else ""
    return f"{group.input_tokens:,}{cached}"


def _unpriced(group: CallGroupDocument, model: str) -> str:
    return f"{group.unpriced[model]:,} tokens" if model in group.unpriced else ""


# --- cost ------------------------------------------------------------------------------------------


def cost_lines(found: CostDocument, page: Page) -> list[Line]:
    """Returns what the calls of an app cost."""
    head: Line = [
        Span(found.app, "name"),
        f" since {clock.format_moment(found.since, page.zone)}",
        _prices(found.prices),
    ]
    if not found.calls:
        return [head, "No call was reported.", Span("  Applications report with client.call().", "quiet")]
    titles = ("MODEL", "CALLS", "TOKENS IN", "OUT", "COST", "A CALL")
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in titles], *map(_model, found.models)]
    total = _cost(found.cost_usd, found.unpriced)
    rows.append([Span("all", "strong"), f"{found.calls:,}", "", "", Span(total, "strong"), _usd(found.cost_a_call_usd)])
    lines: list[Line] = [head, "", *page.columns(rows)]
    for model, tokens in sorted(found.unpriced.items()):
        what = f"  {tokens:,} tokens of {model or 'an unknown model'} have no price: `prices:` in promptops.yml"
        lines.append([Span(what, "warn")])
    lines += _forecast(found.now, "as it goes")
    return [*lines, *_forecast(found.at, "asked"), *looks_lines(found.looks)]


def _model(model: ModelCostDocument) -> list[Cell]:
    return [
        Span(model.model, "name"),
        f"{model.calls:,}",
        f"{model.input_tokens:,}",
        f"{model.output_tokens:,}",
        _usd(model.cost_usd),
        _usd(model.cost_a_call_usd),
    ]


def _forecast(forecast: ForecastDocument | None, what: str) -> list[Line]:
    if forecast is None:
        return []
    times = (
        ""
        if forecast.times is None or abs(forecast.times - 1) < 0.005
        else f", {forecast.times:.3g} times as many as now"
    )
    head = f"{_number(forecast.calls_a_day)} calls a day ({what}{times})"
    rows: list[list[Cell]] = [["a day", _usd(forecast.day_usd), ""]]
    budget = "" if forecast.planned_month_usd is None else f"of {_usd(forecast.planned_month_usd)} planned"
    rows.append(["a month", _usd(forecast.month_usd), _holds(forecast.in_budget, budget)])
    if forecast.planned_calls_a_day is not None:
        planned = f"{forecast.planned_calls_a_day:,} planned"
        rows.append(["calls a day", _number(forecast.calls_a_day), _holds(forecast.in_plan, planned)])
    for limit in forecast.limits:
        for got, most, of in (
            (limit.calls, limit.calls_a_minute, "calls"),
            (limit.tokens, limit.tokens_a_minute, "tokens"),
        ):
            if most is not None:
                holds = None if got is None else got <= most
                shown = "not known yet" if got is None else _number(got)
                rows.append([f"{limit.of}, {of} in the largest minute", shown, _holds(holds, f"of {most:,}")])
    return rows_below(head, rows)


def rows_below(head: str, rows: Sequence[Sequence[Cell]]) -> list[Line]:
    """Returns a heading and rows of three cells below it, aligned."""
    first = max(len(str(row[0])) for row in rows)
    second = max(len(str(row[1])) for row in rows)
    below: list[Line] = [[f"  {row[0]:<{first}}  {row[1]:>{second}}  ", row[2]] for row in rows]
    return ["", Span(head, "strong"), *below]


def _holds(holds: bool | None, text: str) -> Cell:
    if holds is None or not text:
        return text
    return Span(f"{'✓' if holds else '✗'} {text}", "good" if holds else "bad")


def looks_lines(looks: Iterable[LookDocument]) -> list[Line]:
    """Returns what is worth a look."""
    lines: list[Line] = [[Span("  ! ", "warn"), look.text] for look in looks]
    return ["", Span("Worth a look", "warn"), *lines] if lines else []


# --- CSV -------------------------------------------------------------------------------------------


def print_groups(found: OutcomesDocument) -> None:
    """Writes a line for each group; each outcome and each score has columns of its own."""
    rows = [_flat(group) for group in found.groups]
    for row, group in zip(rows, found.groups, strict=True):
        for outcome in group.outcomes:
            row |= {f"{outcome.name}": outcome.count, f"{outcome.name}_cost_usd": outcome.cost_usd}
            row |= {f"{outcome.name}_low_usd": outcome.low_usd, f"{outcome.name}_high_usd": outcome.high_usd}
        for score in group.scores:
            row |= {f"{score.name}_mean": score.mean, f"{score.name}_scores": score.count}
    _print(rows)


def print_models(found: CostDocument) -> None:
    """Writes a line for each model."""
    _print([_flat(model) for model in found.models])


def _print(rows: Sequence[Mapping[str, Any]]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    print_csv(names, [{name: "" if row.get(name) is None else row[name] for name in names} for row in rows])


def _flat(document: CallGroupDocument | ModelCostDocument) -> dict[str, Any]:
    """The numbers and texts of a document; of a share its count and its bounds."""
    from promptops.wire.documents.outcome_reports import ShareDocument

    flat: dict[str, Any] = {}
    for field in fields(document):
        value = getattr(document, field.name)
        if isinstance(value, ShareDocument):
            flat |= {field.name: value.count, f"{field.name}_low": value.low, f"{field.name}_high": value.high}
        elif value is None or isinstance(value, str | int | float):
            flat[field.name] = value
    return flat


# --- numbers ---------------------------------------------------------------------------------------


def _usd(amount: float | None) -> str:
    """``$12.34``; four digits that count below a dollar; ``unknown``."""
    if amount is None:
        return "unknown"
    if amount >= 1 or amount == 0:
        return f"${amount:,.2f}"
    digits = f"{amount:.4g}"
    return f"${amount:.10f}".rstrip("0") if "e" in digits else f"${digits}"


def _cost(amount: float | None, unpriced: Mapping[str, int]) -> str:
    return "unknown: " + counted(len(unpriced), "model") + " without a price" if unpriced else _usd(amount)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}" if share >= 0.001 or share == 0 else f"{share:.3%}"


def _time(milliseconds: float | None) -> str:
    if milliseconds is None:
        return ""
    return f"{milliseconds:,.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:,.1f} s"


def _number(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.2g}"

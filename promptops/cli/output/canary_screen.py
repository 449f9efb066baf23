"""A canary -> a screen of 80 columns and 24 lines: both sides, each guardrail up to its limit, and what is needed.

Everything is said by words, numbers and bars, so that no colour is needed. Where there is more than fits, the
guardrails that are furthest from their limit are left out first, and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from promptops import clock
from promptops.cli.output.canary_report import evidence_number, needs, way_to_limit
from promptops.cli.output.fit import NARROWEST, cut, cut_line, shortened, squeezed
from promptops.cli.output.phrases import counted
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.core.bucketing import percent
from promptops.core.canary.state import Coin
from promptops.core.deployment_parts import WHOLE
from promptops.core.outcomes.series import Arm

if TYPE_CHECKING:
    from promptops.wire.documents.canaries import CanaryCoinDocument, CanarySideDocument, CanaryStatusDocument

COLUMNS: Final = 80
ROWS: Final = 24
_NAME: Final = 20
_COUNTS: Final = 15
_BAR: Final = 14
_LARGEST: Final = 999_999
"""Evidence that is written in full: one of seven digits says nothing more."""


def canary_screen(found: CanaryStatusDocument, page: Page, *, rows: int = ROWS, foot: Line = "") -> list[Line]:
    """Returns the canary as so many lines at most, none wider than the page or 80 columns; ``foot`` is the last one."""
    width = min(page.width or COLUMNS, COLUMNS)
    page = replace(page, width=width)
    above: list[Line] = [*_head(found, page), "", *_sides(found, page), *_first(found)]
    below: list[Line] = ["", *_needs(found, page), *_last(found, page), foot]
    room = rows - sum(line != "" for line in (*above, *below))
    lines = [*above, *_guardrails(found, room), *below]
    while len(lines) > rows and "" in lines:  # any line with words is worth more than an empty one
        lines.remove("")
    shown = lines if len(lines) <= rows else [*lines[: rows - 1], lines[-1]]
    return [cut_line(line, width) for line in shown]


def how_far(coin: CanaryCoinDocument) -> str:
    """Returns how far a coin is: ``error again: 12 bad keys to 3 of stable, evidence 4.2 of 420``."""
    name = Coin(coin.coin).of(coin.guardrail)
    keys = f"{coin.canary:,} bad keys to {coin.stable:,} of stable"
    return f"{name}: {keys}, evidence {_number(coin.evidence)} of {_number(coin.limit)}"


def furthest(coins: Sequence[CanaryCoinDocument]) -> CanaryCoinDocument | None:
    """Returns the coin that is nearest to its limit."""
    return max(coins, key=way_to_limit, default=None)


def _head(found: CanaryStatusDocument, page: Page) -> list[Line]:
    sides = {side.arm: side.version for side in found.sides}
    names = [found.app, found.channel, sides.get(Arm.CANARY.value, ""), sides.get(Arm.STABLE.value, "")]
    between = (" on ", ": canary ", " beside ", "")
    least = [NARROWEST, len(found.channel), NARROWEST, NARROWEST]
    widths = squeezed(list(map(len, names)), (page.width or COLUMNS) - sum(map(len, between)), least)
    line: list[Cell] = []
    for name, style, space, after in zip(names, ("name", "name", "strong", ""), widths, between, strict=True):
        line += [shortened(Span(name, style), space), after]
    who = "the policy" if found.by_policy else "a person"
    paused: list[Cell] = [Span(", paused", "warn")] if found.paused else []
    state: list[Cell] = [f"{percent(found.weight)} of the keys", *paused, f"; {who} takes its steps; "]
    return [line, [*state, f"began {clock.format_age(found.began_at, page.now)}"], *_steps(found)]


def _steps(found: CanaryStatusDocument) -> list[Line]:
    """The steps of the policy, with the one that holds in brackets."""
    if not found.steps:
        return []
    weights = [*(step.weight for step in found.steps), WHOLE]
    shown = [f"[{percent(weight)}]" if weight == found.weight else percent(weight) for weight in weights]
    return [[Span("steps  ", "quiet"), " > ".join(shown)]]


def _sides(found: CanaryStatusDocument, page: Page) -> list[Line]:
    rows: list[list[Cell]] = [
        [Span(title, "quiet") for title in ("SIDE", "RELEASE", "KEYS", "CALLS", "CALLS A KEY", "BAD CALLS")]
    ]
    for side in found.sides:
        each = f"{side.calls / side.keys:.1f}" if side.keys else ""
        bad = f"{_count(side.bad)} ({_share(side.bad, side.calls)})"
        rows.append([side.arm, side.version, _count(side.keys), _count(side.calls), each, bad])
    return page.columns(rows, least=18)


def _first(found: CanaryStatusDocument) -> list[Line]:
    if not found.first_keys:
        return []
    have = "key has" if found.first_keys == 1 else "keys have"
    bad = counted(found.first_keys_bad, "bad call")
    return [["  first   ", f"{found.first_keys:,} {have} it first, outside the comparison: {bad}"]]


def _guardrails(found: CanaryStatusDocument, room: int) -> list[Line]:
    """The coin of each guardrail that is nearest to its limit, in the policy's order, in so many lines at most."""
    if not found.coins:
        return []
    nearest: dict[str, CanaryCoinDocument] = {}
    for coin in found.coins:
        before = nearest.get(coin.guardrail)
        nearest[coin.guardrail] = coin if before is None or way_to_limit(coin) > way_to_limit(before) else before
    once = {coin.guardrail: coin for coin in found.coins if coin.coin == Coin.ONCE.value}
    sides = {side.arm: side for side in found.sides}
    fits = max(room - 1, 1)  # below the titles
    if len(nearest) > fits:  # one line says how many are left out
        fits = max(fits - 1, 1)
    kept = set(sorted(nearest, key=lambda name: way_to_limit(nearest[name]), reverse=True)[:fits])
    lines: list[Line] = ["", _titles(found)]
    lines += [_guardrail(coin, once.get(name, coin), sides) for name, coin in nearest.items() if name in kept]
    if rest := [coin for name, coin in nearest.items() if name not in kept]:
        most = max(way_to_limit(coin) for coin in rest)
        lines.append(Span(f"  and {len(rest)} more, {most:.0%} of the way to the limit at most", "quiet"))
    return lines


def _titles(found: CanaryStatusDocument) -> Line:
    names = ["BAD KEYS OF".ljust(_NAME), "CANARY".rjust(_COUNTS), "STABLE".rjust(_COUNTS)]
    return Span(f"  {' '.join(names)}  EVIDENCE, limit {_number(found.coins[0].limit)}", "quiet")


def _guardrail(coin: CanaryCoinDocument, once: CanaryCoinDocument, sides: dict[str, CanarySideDocument]) -> Line:
    """``once`` has the keys that were bad at all, ``coin`` the strongest evidence: of those, or of often bad ones."""
    name = Coin(coin.coin).of(coin.guardrail) + (", pauses" if coin.action == "pause" else "")
    head: list[Cell] = ["  ", _padded(name, _NAME), " "]
    if coin.off:
        return [*head, f"off: {coin.off}"]
    counts = [
        f"{_count(bad)} ({_share(bad, sides[arm.value].keys)})".rjust(_COUNTS) if arm.value in sides else " " * _COUNTS
        for arm, bad in ((Arm.CANARY, once.canary), (Arm.STABLE, once.stable))
    ]
    share = way_to_limit(coin)
    filled = int(share * _BAR)  # full only where the limit is reached
    style = "bad" if share >= 1 else "warn" if share >= 0.5 else "good"
    bar = "#" * filled + "-" * (_BAR - filled)
    return [*head, " ".join(counts), "  ", Span(bar, style), "| ", _number(coin.evidence)]


def _needs(found: CanaryStatusDocument, page: Page) -> list[Line]:
    rows = [row for row in needs(found, page) if row[0] != "first"]
    return [[Span(name.ljust(13), "warn" if name == "would abort" else "quiet"), text] for name, text in rows]


def _last(found: CanaryStatusDocument, page: Page) -> list[Line]:
    if not found.decisions:
        return []
    last = found.decisions[-1]
    return [[Span("last".ljust(13), "quiet"), f"{clock.format_age(last.at, page.now)}: {last.reason}"]]


def _padded(text: str, width: int) -> Cell:
    short = cut(text, width)
    shown = short.text if isinstance(short, Span) else short
    return shown.ljust(width)


def _count(number: int) -> str:
    """In full below a million: ``12,345``, ``1.2M``."""
    return f"{number:,}" if number < 1_000_000 else f"{number / 1_000_000:,.1f}M"


def _share(part: int, whole: int) -> str:
    """How many of so many; keys are counted by a sample, so there may seem to be fewer than were bad."""
    share = min(part / whole, 1) if whole else 0
    return f"{share:.2%}" if share < 0.1 else f"{share:.0%}"


def _number(value: float) -> str:
    return f">{_LARGEST:,}" if value > _LARGEST else evidence_number(value)

"""A canary -> lines for a terminal of 80 columns: both sides, the evidence up to the limit, and what is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from promptops import clock
from promptops.cli.output.phrases import counted, next_steps, one_line, person
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.core.bucketing import percent
from promptops.core.canary.judge import Verb
from promptops.core.canary.state import Coin
from promptops.core.deployment_parts import WHOLE
from promptops.core.duration import duration_text
from promptops.core.outcomes.series import Arm

if TYPE_CHECKING:
    from promptops.operations.canary_look import Looked
    from promptops.wire.documents.canaries import CanaryCoinDocument, CanarySideDocument, CanaryStatusDocument

_BAR: Final = 16
"""Characters of a bar from no evidence to the limit."""
_MARKS: Final = {"hold": ("· ", "quiet"), "pause": ("! ", "warn"), "abort": ("✗ ", "bad")}
_NEAR: Final = 0.5
"""Part of the way to the limit from which on it is shown as a warning."""


def canary_lines(found: CanaryStatusDocument, page: Page) -> list[Line]:
    """The canary, its sides, the evidence, and what comes next."""
    return [
        *_head(found, page),
        "",
        *_side_lines(found.sides, page),
        *_evidence(found, page),
        *_needs(found, page),
        *_last(found, page),
        *next_steps(_next(found)),
    ]


def looked_lines(looks: Sequence[Looked]) -> list[Line]:
    """What one look at each canary came to."""
    if not looks:
        return ["No canary whose steps the policy takes runs there."]
    return [_looked(each) for each in looks]


def _looked(look: Looked) -> Line:
    mark, style = _MARKS.get(look.verb, ("✓ ", "good"))
    place = Span(f"{look.app} on {look.channel}", "name")
    if look.verb == "hold":
        return [Span(mark, style), place, f" at {percent(look.weight)}: nothing to do"]
    return [Span(mark, style), place, f": {look.reason}"]


def _head(found: CanaryStatusDocument, page: Page) -> list[Line]:
    sides = {side.arm: side for side in found.sides}
    canary, stable = sides.get(Arm.CANARY.value), sides.get(Arm.STABLE.value)
    state: list[Cell] = [Span(", paused", "warn")] if found.paused else []
    line: Line = [
        Span(f"{found.app} on {found.channel}", "name"),
        ": canary ",
        Span(canary.version if canary else "", "strong"),
        f" beside {stable.version if stable else ''}, {percent(found.weight)} of the keys",
        *state,
    ]
    who = f"the policy of {found.channel} takes its steps" if found.by_policy else "a person takes its steps"
    since = f"  {who}, since {clock.format_age(found.began_at, page.now)}"
    return [line, [Span(since, "quiet")]]


def _side_lines(sides: Sequence[CanarySideDocument], page: Page) -> list[Line]:
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in ("SIDE", "RELEASE", "KEYS", "CALLS", "BAD", "A KEY")]]
    for side in sides:
        bad = f"{side.bad:,} ({side.bad / side.calls:.2%})" if side.calls else "0"
        each = f"{side.calls / side.keys:.1f}" if side.keys else ""
        rows.append([side.arm, side.version, f"{side.keys:,}", f"{side.calls:,}", bad, each])
    return page.columns(rows)


def _evidence(found: CanaryStatusDocument, page: Page) -> list[Line]:
    """Each coin as a bar up to the limit, the nearest first."""
    if not found.coins:
        return []
    limit = found.coins[0].limit
    rows = [_coin(coin) for coin in sorted(found.coins, key=lambda coin: (bool(coin.off), -coin.evidence))]
    title = f"Evidence that the canary is worse; {limit:,.0f} aborts it"
    return ["", [Span(title, "strong")], *page.columns(rows)]


def _coin(coin: CanaryCoinDocument) -> list[Cell]:
    name = Coin(coin.coin).of(coin.guardrail)
    if coin.off:
        return [name, Span("off", "quiet"), "", "", Span(coin.off, "quiet")]
    way = way_to_limit(coin)
    style = "bad" if way >= 1 else "warn" if way >= _NEAR else "good"
    bar = Span("#" * round(way * _BAR) + "-" * (_BAR - round(way * _BAR)), style)
    return [name, bar, evidence_number(coin.evidence), f"canary {coin.canary:,}, stable {coin.stable:,} keys", ""]


def evidence_number(value: float) -> str:
    """Returns an e-value, or its limit, as people read it."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def way_to_limit(coin: CanaryCoinDocument) -> float:
    """Returns how far the evidence of a coin is on the way from none, 0, to its limit, 1; 0 of one that is off."""
    return 0.0 if coin.off else max(0.0, min(1.0, math.log(max(coin.evidence, 1.0)) / math.log(coin.limit)))


def needs(found: CanaryStatusDocument, page: Page) -> list[tuple[str, str]]:
    """Returns what the next step still needs, and what would abort the canary, each with its name."""
    if not found.by_policy:
        return []
    rows: list[tuple[str, str]] = []
    if found.next_weight is not None:
        step = "the finish" if found.next_weight == WHOLE else percent(found.next_weight)
        rows.append(("next", f"{step}: {_when(found, page)}"))
    rows.append(("sample", f"{found.canary_keys:,} keys of the canary in this step, of {found.keys_needed:,} needed"))
    if found.verdicts_needed:
        rows.append(("verdict", f"none that passes in this step of {', '.join(found.verdicts_needed)}"))
    if found.nearest and found.bad_keys_left is not None:
        left = counted(found.bad_keys_left, "further bad key")
        needed = f"{left} of the canary at" if found.bad_keys_left else "the limit is reached at"
        rows.append((_action(found), f"{needed} {found.nearest}"))
    if found.first_keys:
        rows.append(
            ("first", f"the canary first for {counted(found.first_keys, 'key')}, {found.first_keys_bad:,} bad calls")
        )
    return [*rows, *_held(found, page)]


def _needs(found: CanaryStatusDocument, page: Page) -> list[Line]:
    rows = needs(found, page)
    if not rows:
        return []
    width = max(len(name) for name, _ in rows)
    lines: list[Line] = [
        ["  ", Span(name.ljust(width + 2), "warn" if name == "would abort" else "quiet"), text] for name, text in rows
    ]
    return ["", *lines]


def _action(found: CanaryStatusDocument) -> str:
    """What the policy does when the coin that is nearest to its limit reaches it."""
    near = (coin.action for coin in found.coins if Coin(coin.coin).of(coin.guardrail) == found.nearest)
    return next(near, Verb.ABORT.value)


def _held(found: CanaryStatusDocument, page: Page) -> list[tuple[str, str]]:
    """What a waiver holds back, until when, by whom and why."""
    waiver = found.waiver
    if waiver is None:
        return []
    until = f"until {clock.format_moment(waiver.expires_at, page.zone)} or the end of the pause"
    why = f"by {person(waiver.actor)}: {one_line(waiver.reason)}"
    if not found.would_abort:
        return [("no abort", f"{until}, {why}")]
    return [("would abort", found.would_abort), ("held", f"{until}, {why}")]


def _when(found: CanaryStatusDocument, page: Page) -> str:
    if found.next_look_at is None:
        return "no look is left in this step; a person takes it, or the canary ends"
    if found.paused:
        return "once the pause ends"
    if found.next_look_at <= page.now:
        return "at the next look, if every guardrail shows it not to be worse"
    left = duration_text(found.next_look_at - page.now)
    return f"in {left}, if every guardrail shows it not to be worse"


def _last(found: CanaryStatusDocument, page: Page) -> list[Line]:
    if not found.decisions:
        return []
    last = found.decisions[-1]
    age = clock.format_age(last.at, page.now)
    return ["", [Span("Last decision: ", "strong"), f"{last.reason} ({age}, revision {last.revision})"]]


def _next(found: CanaryStatusDocument) -> list[tuple[str, list[str]]]:
    place = [found.app, "--channel", found.channel]
    steps = [("end it", ["canary", "abort", *place])]
    return [("go on", ["canary", "resume", *place]), *steps] if found.paused else steps

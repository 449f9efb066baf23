"""An incident -> one screen of 80 columns and 24 lines, which the rollback to paste stands at the end of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from promptops import clock
from promptops.cli.output.changes import change_lines
from promptops.cli.output.fit import NARROWEST, cells_of, cut_line, shortened, width_of
from promptops.cli.output.phrases import (
    canary,
    counted,
    enumerated,
    one_line,
    origin,
    person,
    quoted,
    serving,
    typed,
    verb,
)
from promptops.cli.output.render import Cell, Line, Page, Span

if TYPE_CHECKING:
    from promptops.cli.incident import Incident
    from promptops.operations.queries import Named

COLUMNS: Final = 80
_NAMES: Final = 10
"""Characters before a value: the longest name, `rollback`, and a gap."""
_SIGNS: Final = ("+", "-", "~")
_MARKS: Final = ("[-", "-]", "{+", "+}")
_OTHERS: Final = 3
"""Other apps that are named: what went wrong is rarely further back."""


def incident_lines(found: Incident, page: Page, *, rows: int | None) -> list[Line]:
    """Returns the incident as so many lines at most: only the difference is shortened. None is for a pipe."""
    above = _cut([_head(found, page), "", *_live(found, page)], page)
    people = _people(found, page)
    changed, others = _cut(_changed(found, page), page), _others(found, page)
    command: list[Line] = ["", _way_out(found)]
    if rows is not None:
        changed = _short(found, changed, max(rows - _height([*above, *people, *others, *command], page), 2))
    return [*above, *people, *_cut(changed, page), *others, *command]


def _head(found: Incident, page: Page) -> Line:
    at = f" · {clock.format_moment(page.now, page.zone)}"
    rest: list[Cell] = [" on ", Span(found.live.channel, "name"), Span(at, "quiet")]
    name: Cell = Span(found.live.app, "name")
    if page.width is not None:
        name = shortened(name, max(page.width - sum(map(width_of, rest)), NARROWEST))
    return [name, *rest]


def _live(found: Incident, page: Page) -> list[Line]:
    live = found.live
    since = f"{clock.format_age(live.at, page.now)} ({clock.format_short(live.at, page.now, page.zone)})"
    rows: list[Line] = [
        _fact(
            "live", [Span(serving(live), "strong"), f", {verb(live)} {origin(live)} {since} by {person(live.actor)}"]
        ),
        _fact("canary", Span(canary(live).removeprefix("canary "), "warn") if live.canary else ""),
        _fact("because", quoted(one_line(live.reason))),
        _fact("rollback", _target(found)),
        *(_fact("", Span(each.words(page.now.date()), "bad")) for each in found.target.ending),
        _fact("clients", _clients(found)),
    ]
    failing = {
        client.beat.cannot_load[live.app] for client in found.clients.live if live.app in client.beat.cannot_load
    }
    rows += [_fact("", Span(f"cannot load it: {one_line(reason)}", "bad")) for reason in sorted(failing)[:1]]
    return [row for row in rows if row]


def _target(found: Incident) -> Line:
    target = found.target
    if found.live.canary is not None and target.release is not None:
        return ["ends the canary, ", Span(target.release.version, "good"), " is for everyone"]
    if target.release is None:
        return [Span("no good release to go back to", "bad"), f": {one_line(target.why)}"]
    state = Span(", its model is gone or ends soon", "bad") if target.ending else ", which is good"
    return ["goes to ", Span(target.release.version, "good"), state]


def _clients(found: Incident) -> Line:
    live, behind, silent = found.clients.live, found.behind, found.clients.silent
    if not live and not silent:
        return Span("none reports that it follows it", "quiet")
    parts: list[Cell] = [f"{counted(len(live), 'client')}, "]
    if behind:
        names = enumerated([client.beat.name for client in behind], 3)
        parts.append(Span(f"{len(behind):,} behind: {names}", "bad"))
    else:
        parts.append(Span("none behind", "good"))
    return [*parts, *([Span(f"; {len(silent):,} silent", "warn")] if silent else [])]


def _people(found: Incident, page: Page) -> list[Line]:
    profile = found.profile
    if profile is None or not (profile.owner or profile.on_call or profile.runbook):
        is_known = profile is not None or not found.unknown
        why = "app.yml names no owner, on_call or runbook" if is_known else "not known, as what changed"
        return [_fact("owner", Span(why, "quiet"))]
    who = [f"{name}{text}" for name, text in (("", profile.owner), ("on call: ", profile.on_call)) if text]
    rows = [row for row in (_fact("owner", "; ".join(who)), _fact("runbook", profile.runbook)) if row]
    return [line for name, *value in map(cells_of, rows) for line in page.hanging([name], value)]


def _changed(found: Incident, page: Page) -> list[Line]:
    """What the newest change did, with the words that differ."""
    if found.difference is None:
        why = f"What changed is not known: {found.unknown}" if found.unknown else ""
        return ["", [Span(why, "warn")]] if why else []
    difference = found.difference
    size = f"{counted(len(difference.changes), 'change')}, {difference.bump.value}"
    names = [named.release.version if named.release else "" for named in (difference.old, difference.new)]
    lines: list[Line] = ["", [Span(f"Changed from {names[0]} to {names[1]}: ", "strong"), size]]
    rows: list[list[Cell]] = []
    texts: list[Line] = []
    for change in difference.changes:
        name = Span(change.prompt or found.live.app, "name")
        rows.append([name, Span(change.field, "quiet"), change.summary])
        if marked := _marked(change_lines(change, page)[1:], page):
            title: list[Line] = [["  ", name]] if len(difference.changes) > 1 else []
            texts += [*title, *marked]
    return [*lines, *page.columns(rows), *texts]


def _marked(text: Sequence[Line], page: Page) -> list[Line]:
    """What differs of a text, folded: the end of a line may hold the words that differ."""
    compared = [cells_of(line)[1:] for line in text]
    lines = [part for cells in compared if _plain(cells)[:1] in _SIGNS for part in page.hanging(["    "], cells)]
    places = [place for place, line in enumerate(lines) if _has_mark(cells_of(line))]
    if not places:
        return lines
    shown = lines[places[0] : places[-1] + 1]
    return [*(["    …"] if places[0] else []), *shown]


def _has_mark(cells: Sequence[Cell]) -> bool:
    """Whether words of the line are marked, by colour or as git marks them."""
    styles = [cell.style for cell in cells if isinstance(cell, Span)]
    return any(style.endswith("-word") for style in styles) or any(mark in _plain(cells) for mark in _MARKS)


def _plain(cells: Sequence[Cell]) -> str:
    return "".join(cell.text if isinstance(cell, Span) else cell for cell in cells)


def _short(found: Incident, lines: list[Line], rows: int) -> list[Line]:
    """The first of the lines; where some are left out, with the command that shows all."""
    if len(lines) <= rows:
        return lines
    names = [f"{found.live.app}@{named.release.version}" for named in _compared(found) if named.release]
    all_of_it = Span(f"… {counted(len(lines) - rows + 1, 'more line')}: {typed(['diff', *names])}", "quiet")
    return [*lines[: rows - 1], ["  ", all_of_it]]


def _compared(found: Incident) -> list[Named]:
    return [found.difference.old, found.difference.new] if found.difference else []


def _others(found: Incident, page: Page) -> list[Line]:
    """The other apps of the channel that changed last."""
    rows: list[list[Cell]] = []
    for each in found.others[:_OTHERS]:
        what = f"{verb(each)} {origin(each)} by {person(each.actor)}"
        rows.append([Span(each.app, "name"), serving(each), clock.format_age(each.at, page.now), what])
    more = len(found.others) - len(rows)
    title = f"Also on {found.live.channel}, newest first" + (f" (of {len(found.others)})" if more else "")
    return ["", [Span(title, "strong")], *page.columns(rows)] if rows else []


def way_out(found: Incident) -> list[str]:
    """The words of the command to paste: a rollback; where it goes nowhere, taking off what is live, or a promotion."""
    place = ["--channel", found.live.channel, "--reason", "…"]
    if found.target.release is not None:
        return ["rollback", found.live.app, *place, "--wait"]
    if found.live.stable is not None:
        return ["retire", found.live.app, *place]
    return ["promote", f"{found.live.app}@VERSION", *place]


def _way_out(found: Incident) -> Line:
    title = "To go back:  " if found.target.release else "To take it off:  " if found.live.stable else "To go on:  "
    return [Span(title, "strong"), Span(typed(way_out(found)), "command")]


def _fact(name: str, value: Line) -> Line:
    cells = cells_of(value)
    return [Span(f"  {name.ljust(_NAMES)}", "quiet"), *cells] if _plain(cells) else []


def _cut(lines: Sequence[Line], page: Page) -> list[Line]:
    return [line if page.width is None else cut_line(line, page.width) for line in lines]


def _height(lines: Sequence[Line], page: Page) -> int:
    """How many rows of the terminal the lines take: a command, an address or a link is never cut, for it is pasted."""
    width = page.width or COLUMNS
    return sum(max(1, -(-sum(map(width_of, cells_of(line))) // width)) for line in lines)

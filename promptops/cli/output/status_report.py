"""What is live -> lines: a few standings in sentences, many in one line each; or one screen that is drawn anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from promptops import clock
from promptops.cli.output.client_lines import failure_lines
from promptops.cli.output.fit import cut_line
from promptops.cli.output.phrases import (
    canary,
    counted,
    moment,
    next_steps,
    one_line,
    origin,
    person,
    quoted,
    serving,
    verb,
)
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.core.bucketing import percent
from promptops.core.deployment_parts import Kind
from promptops.core.evidence.approval import NO_ABORT
from promptops.core.models.ends import MODEL_ENDS

if TYPE_CHECKING:
    from promptops.core.evidence.approval import Waiver
    from promptops.core.model import Deployment
    from promptops.core.outcomes.app_look import AppLook
    from promptops.operations.queries import RegistryStatus
    from promptops.operations.status import Standing, Target

WIDE = 110
"""From this width on, there are times beside ages."""
_WARNED = frozenset({Kind.ROLLBACK, Kind.OFF, Kind.ABORT})
_LATE = 5
"""Apps with clients that are behind that are named."""
_REST = 4
"""Lines below the standings: the next steps, and the shell's prompt."""
SENTENCES = 9
"""Up to this many standings are shown in sentences, which fills a screen; more get one line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is live, and how many clients are behind what is shown of it, by app and channel."""

    status: RegistryStatus
    behind: Mapping[tuple[str, str], int]

    def standings(self) -> tuple[Standing, ...]:
        """Returns the standings app by app: first those that clients do not follow, then what changed last."""
        newest: dict[str, tuple[bool, datetime]] = {}
        for each in self.status.standings:
            live = each.deployment
            rank = (self.behind.get((live.app, live.channel), 0) > 0, live.at)
            newest[live.app] = max(newest.get(live.app, rank), rank)
        return tuple(sorted(self.status.standings, key=lambda each: newest[each.deployment.app], reverse=True))


def all_lines(seen: Seen, waits: str, page: Page) -> list[Line]:
    """Everything that `status` says; ``waits`` is why changes are not brought to git here."""
    live_now = replace(seen.status, standings=seen.standings())
    return [
        *status_lines(live_now, page),
        *_behind(seen),
        *_waivers(live_now, page),
        *_looks(live_now),
        *_failures(live_now),
        *_pending(live_now, waits, page),
    ]


def status_screen(seen: Seen, page: Page, *, rows: int, foot: Line) -> list[Line]:
    """One screen: what needs a look, then as many standings as fit, those that changed last first."""
    live_now = replace(seen.status, standings=seen.standings())
    head: Line = [Span(f"registry {live_now.registry} · {clock.format_moment(page.now, page.zone)}", "quiet")]
    if not live_now.standings:
        return [head, "", *_nothing(live_now), foot]
    above = [head, "", _last_change(live_now, page), *_behind(seen), *_failures(live_now), *_waivers(live_now, page)]
    table = _table(live_now, page)
    room = rows - len(above) - 1
    if len(table) > room:
        left = len(table) - max(room - 1, 3)
        table = [*table[: max(room - 1, 3)], Span(f"  … and {left} more", "quiet")]
    lines = [*above, *table][: rows - 1]
    return [cut_line(line, page.width or 80) for line in (*lines, foot)]


def _behind(seen: Seen) -> list[Line]:
    """Which apps clients do not follow yet, those with the most clients first."""
    late = sorted(seen.behind.items(), key=lambda each: (-each[1], each[0]))
    lines: list[Line] = [
        [Span("! ", "warn"), Span(f"{app} on {channel}", "name"), f": {counted(count, 'client')} behind"]
        for (app, channel), count in late[:_LATE]
    ]
    if len(late) > _LATE:
        lines.append(Span(f"  and of {len(late) - _LATE} more: promptops clients", "quiet"))
    return ["", *lines] if lines else []


def _waivers(live_now: RegistryStatus, page: Page) -> list[Line]:
    """The checks that what is live did not have to pass, until they count again."""
    lines: list[Line] = [
        [
            Span("! ", "warn"),
            Span(f"{each.app}@{each.version}", "name"),
            *_without(each),
            f" until {clock.format_moment(each.expires_at, page.zone)}",
            f", by {person(each.actor)}: {one_line(each.reason)}",
        ]
        for each in live_now.waivers
    ]
    return ["", *lines] if lines else []


def _without(waiver: Waiver) -> list[Cell]:
    if waiver.check == NO_ABORT:
        return [f" is the canary on {waiver.channel} and is paused, and ", Span("nothing aborts it", "strong")]
    return [f" is on {waiver.channel} without the check ", Span(waiver.check, "strong")]


def _looks(live_now: RegistryStatus) -> list[Line]:
    """What of the calls of the last seven days is worth a look, and which models end soon."""
    lines: list[Line] = [
        [Span("! ", "warn"), Span(each.app, "name"), f": {each.text}", Span(_where(each), "quiet")]
        for each in live_now.looks
    ]
    return ["", *lines] if lines else []


def _where(look: AppLook) -> str:
    return "" if look.code == MODEL_ENDS else f" (promptops cost {look.app})"


def _failures(live_now: RegistryStatus) -> list[Line]:
    return failure_lines([(each.client, each.app, each.reason) for each in live_now.cannot_load])


def _pending(live_now: RegistryStatus, waits: str, page: Page) -> list[Line]:
    """The line for changes that are in the database and not in git: no problem, unless they stay."""
    if not live_now.pending:
        return []
    since = f", the oldest from {moment(page, live_now.pending_since)}" if live_now.pending_since else ""
    what = f"{counted(live_now.pending, 'change')} not in git yet{since}: "
    lines: list[Line] = ["", [Span(what, "warn"), Span("promptops sync", "command")]]
    return [*lines, *([[Span(f"The journal waits: {waits}", "quiet")]] if waits else [])]


def status_lines(live_now: RegistryStatus, page: Page) -> list[Line]:
    """The newest change first, then every standing."""
    head: Line = [Span(f"registry {live_now.registry} · {clock.format_moment(page.now, page.zone)}", "quiet")]
    if not live_now.standings:
        return [head, "", *_nothing(live_now)]
    last = [] if len(live_now.standings) == 1 else page.hanging([], _last_change(live_now, page))
    lines = [head, *([""] if last else []), *last, *_sentences(live_now, page)]
    if len(live_now.standings) > SENTENCES or (last and page.height is not None and len(lines) + _REST > page.height):
        # after a long answer the reader sees its end, beside the prompt
        lines = [head, *_table(live_now, page), "", *last]
    if live_now.idle:
        shown = ", ".join(live_now.idle[:8]) + (f" and {len(live_now.idle) - 8} more" if len(live_now.idle) > 8 else "")
        lines += ["", [Span(f"Released but live nowhere{_here(live_now)}: {shown}", "quiet")]]
    newest = _newest(live_now)
    place = [newest.deployment.app, "--channel", newest.deployment.channel]
    steps = [("what led here", ["history", *place])] + ([("to go back", ["rollback", *place])] if newest.target else [])
    return [*lines, *next_steps(steps)]


def _newest(live_now: RegistryStatus) -> Standing:
    return max(live_now.standings, key=lambda standing: standing.deployment.at)


def _here(live_now: RegistryStatus) -> str:
    return f" on {live_now.channels[0]}" if len(live_now.channels) == 1 else ""


def _nothing(live_now: RegistryStatus) -> list[Line]:
    if live_now.idle:
        app = live_now.idle[0]
        channel = live_now.channels[-1] if live_now.channels else "CHANNEL"  # the one that others take releases from
        steps = [
            ("what there is", ["releases", app]),
            ("make it live", ["promote", f"{app}@VERSION", "--channel", channel]),
        ]
        where = f" on {live_now.channels[0]}" if len(live_now.channels) == 1 else ""
        shown = ", ".join(live_now.idle[:8]) + (" …" if len(live_now.idle) > 8 else "")
        return [f"Nothing is live{where} yet. Released: {shown}", *next_steps(steps)]
    steps = [("look for mistakes", ["check"]), ("cut the first release", ["release"])]
    return ["Nothing is released yet.", *next_steps(steps)]


def _last_change(live_now: RegistryStatus, page: Page) -> Line:
    newest = _newest(live_now).deployment
    when = f", {clock.format_age(newest.at, page.now)} by {person(newest.actor)}"
    cells: list[Cell] = [Span("Last change: ", "strong"), Span(f"{newest.app} on {newest.channel}", "name"), " "]
    if newest.revision == 1:
        return [*cells, "serves its first release, ", Span(serving(newest), "strong"), when]
    if newest.canary is not None:
        return [*cells, f"{verb(newest)} {origin(newest)}: ", Span(canary(newest), "strong"), when]
    if newest.stable is None:
        return [*cells, Span(verb(newest), "strong"), f" {origin(newest)}", when]
    return [*cells, f"{verb(newest)} {origin(newest)} to ", Span(newest.version, "strong"), when]


def _sentences(live_now: RegistryStatus, page: Page) -> list[Line]:
    lines: list[Line] = []
    places = max(len(standing.deployment.channel) for standing in live_now.standings)
    versions = max(len(serving(standing.deployment)) for standing in live_now.standings)
    margin = " " * min(places + versions + 6, page.width // 3 if page.width else places + versions + 6)
    for app, standings in groupby(live_now.standings, key=lambda standing: standing.deployment.app):
        lines += ["", [Span(app, "name")]]
        for standing in standings:
            lines += _standing_lines(standing, page, places, versions, margin)
    return lines


def _standing_lines(standing: Standing, page: Page, places: int, versions: int, margin: str) -> list[Line]:
    live = standing.deployment
    since = clock.format_age(live.at, page.now)
    if page.width is None or page.width >= WIDE:
        since += f" · {clock.format_short(live.at, page.now, page.zone)}"
    version = Span(serving(live).ljust(versions + 2), "strong" if live.stable else "warn")
    what: Line = [
        Span(verb(live), "warn" if live.kind in _WARNED else ""),
        f" {origin(live)} by {person(live.actor)}, {since}",
    ]
    lines = page.hanging(["  ", live.channel.ljust(places + 2), version], what)
    if live.canary:
        lines.append([margin, Span(canary(live), "warn")])
    if live.reason:
        lines += page.hanging([margin], quoted(one_line(live.reason)))
    if live.canary:
        back: list[Cell] = ["rollback would end the canary: ", Span(serving(live), "good"), " for everyone"]
    elif standing.target:
        age = clock.format_age(standing.target.at, page.now)
        version = Span(standing.target.release.version, "good")
        back = ["rollback would go to ", version, f" (promoted {age})"]
    else:
        back = [Span("no rollback possible: no good release was live before it", "quiet")]
    return [*lines, *page.hanging([margin], back)]


def _back(target: Target | None) -> Span:
    return Span(target.release.version, "good") if target else Span("none", "quiet")


def _brief(live: Deployment) -> str:
    """``1.4.0``, or ``1.4.0 +1.5.0 5 %`` with a canary."""
    found = live.canary
    return f"{serving(live)} +{found.release.version} {percent(found.weight)}" if found else serving(live)


def _table(live_now: RegistryStatus, page: Page) -> list[Line]:
    rows: list[list[Cell]] = [
        [Span(title, "quiet") for title in ("APP", "CHANNEL", "LIVE", "ROLLBACK TO", "SINCE", "BY", "LAST CHANGE")]
    ]
    narrow = page.width is not None and page.width < WIDE
    for standing in live_now.standings:
        live, target = standing.deployment, standing.target
        time = "" if narrow else f", {clock.format_short(live.at, page.now, page.zone)}"
        change = f"{live.kind.value} {origin(live)}" + (f": {one_line(live.reason)}" if live.reason else "")
        now = _brief(live) if narrow else ", ".join(part for part in (serving(live), canary(live)) if part)
        rows.append(
            [
                live.app,
                live.channel,
                Span(now, "strong"),
                Span(live.version, "good") if live.canary else _back(target),
                clock.format_age(live.at, page.now) + time,
                person(live.actor),
                change,
            ]
        )
    apps = len({standing.deployment.app for standing in live_now.standings})
    title = f"{counted(apps, 'app')} live on {counted(len(live_now.channels), 'channel')}"
    return ["", [Span(title, "strong")], *page.columns(rows, spare=("BY", "LAST CHANGE", "SINCE", "ROLLBACK TO"))]

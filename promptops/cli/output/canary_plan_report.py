"""What a canary would see -> lines for a terminal of 80 columns, with a rollout to paste."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from promptops.cli.output.phrases import facts, next_steps
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.core.bucketing import percent

if TYPE_CHECKING:
    from promptops.core.canary.low_traffic import LowTraffic
    from promptops.wire.documents.canaries import CanaryPlanDocument, CanaryPlanStepDocument

_WITHOUT_KEY: Final = 0.05
"""Share of calls without a key above which a canary pauses."""
_STEPS: Final = 4
"""Steps beside each other, so that a line has 80 columns."""
_WIDTH: Final = 78
_TOO_LITTLE: Final = (
    "Too little traffic for a canary: with half of the keys, it would take more than 7 days to see one that is three "
    "times as bad. Put captured calls of users to the release instead."
)


def plan_lines(found: CanaryPlanDocument, page: Page) -> list[Line]:
    """What the steps would see, what judges no canary, and a rollout for this traffic."""
    head: Line = [Span(f"{found.app} on {found.channel}", "name"), f": what a canary beside {found.stable} would see"]
    if not found.reported or not found.keys_a_day:
        return [head, "", *_unknown(found, page)]
    return [
        head,
        "",
        *facts(page, _known(found)),
        "",
        *_step_lines(found, page),
        *_guardrail_lines(found, page),
        *_warnings(found, page),
        *_proposed(found, page),
    ]


def low_traffic_lines(low: LowTraffic) -> list[Line]:
    """What the first step of a canary does not see that was just started, and what to do instead."""
    release = f"{low.app}@{low.version}"
    worse = bad_rate(low.guardrail, low.share, tripled=low.tripled)
    sees = duration(None if low.sees is None else int(low.sees.total_seconds()))
    text = (
        f"{percent(low.weight)} of about {low.keys_a_day:,} keys a day: {worse} shows after {sees}, and the step lasts "
        f"{duration(int(low.wait.total_seconds()))} at most."
    )
    steps = [
        ("what each step sees", ["canary", "plan", release, "--channel", low.channel]),
        ("calls of users as cases", ["eval", release, "--cases", f"calls:{low.channel}"]),
    ]
    return ["", [Span("Low traffic: ", "warn"), text], *next_steps(steps)]


def duration(seconds: int | None) -> str:
    """``20 hours``, ``19 days``: as much as is known; ``over 90 days`` where it may be never."""
    if seconds is None:
        return "over 90 days"
    hours = max(1, round(seconds / 3600))
    count, unit = (hours, "hour") if hours < 48 else (round(hours / 24), "day")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def bad_rate(guardrail: str, share: float, *, tripled: bool) -> str:
    """``a tripled error rate``, ``1 % of keys bad at refusal``."""
    if tripled:
        return "a tripled error rate" if guardrail == "error" else f"three times as many keys bad at {guardrail}"
    return f"{_share(share)} of keys bad at {guardrail}"


def rollout_block(channel: str, settings: Mapping[str, object]) -> list[str]:
    """The settings as they stand in ``promptops.yml``, one a line."""
    from yaml import safe_dump

    lines = [safe_dump({name: value}, default_flow_style=True, width=sys.maxsize) for name, value in settings.items()]
    return ["channels:", f"  {channel}:", "    rollout:", *(f"      {line.strip()[1:-1]}" for line in lines)]


def _unknown(found: CanaryPlanDocument, page: Page) -> list[Line]:
    """Nothing is known of the keys: what to do about it."""
    place = f"{found.app} on {found.channel}"
    if not found.reported:
        what = f"No client reported in 7 days what calls of {place} did, so nothing is known of its keys."
        do = "Let the application call the model within client.call(…, key=…), with a token that may report."
    else:
        what = f"Calls of {place} were reported, and none of their keys, so no step would see anything."
        do = "Let the application say who asks: client.get_prompt(…, key=user_id), or client.call(…, key=…)."
    return [
        [Span("! ", "warn"), what],
        *(f"  {line}" for line in wrap(do, _width(page))),
        *next_steps(_calls_instead(found)),
    ]


def _known(found: CanaryPlanDocument) -> list[tuple[str, Cell]]:
    days = f"{found.days} whole days" if found.days > 1 else "one whole day" if found.days else "today so far"
    whose = "" if found.of_stable else f"; {found.stable} has no whole day yet, so bad keys are those of others"
    policy = f"{found.channel} has no rollout: this is of 5, 25 and 50 %, as in the docs" if found.by_default else ""
    return [
        ("keys", f"about {found.keys_a_day:,} a day, by {days}{whose}"),
        ("rollout", policy or f"that of {found.channel}; a step lasts {duration(found.wait_seconds)} at most"),
        ("limits", _factors(found)),
    ]


def _factors(found: CanaryPlanDocument) -> str:
    if not found.release:
        return ""
    higher = [
        f"{what} {times:.2f} times as high"
        for what, times in (("slow", found.slow_times), ("dear", found.dear_times))
        if times > 1
    ]
    if not higher:
        return f"those of {found.stable}: no run found {found.release} slower or dearer"
    return f"{' and '.join(higher)}: so {found.release} was in a run beside {found.stable}"


def _step_lines(found: CanaryPlanDocument, page: Page) -> Iterator[Line]:
    worse = bad_rate(found.headline, found.headline_share, tripled=found.headline_tripled)
    titles = ("STEP", "KEYS A DAY", f"{found.keys_needed:,} KEYS AFTER", "ABORTS AFTER", "ADVANCES AFTER")
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in titles]]
    is_stuck = any(each.state == "dropped" for each in found.guardrails)
    for step in found.steps:
        advances = _advances(found, step)
        rows.append(
            [
                Span(percent(step.weight), "strong"),
                f"{step.canary_keys_a_day:,.0f}",
                duration(step.enough_keys_seconds),
                _within(step.sees_seconds, found.wait_seconds),
                Span("never", "warn") if is_stuck else _within(advances, found.wait_seconds),
            ]
        )
    yield from page.columns(rows)
    if found.headline:
        yield [Span(f"  Aborts: a canary with {worse}. Advances: an equal one.", "quiet")]


def _advances(found: CanaryPlanDocument, step: CanaryPlanStepDocument) -> int | None:
    """After how long an equal canary has enough keys, and every guardrail shows it not to be worse; None for never."""
    times = [step.enough_keys_seconds, *(sight.not_worse_seconds for sight in step.sights)]
    known = [time for time in times if time is not None]
    return None if len(known) < len(times) or not step.sights else max(known)


def _within(seconds: int | None, wait: int) -> Cell:
    """A time, as a warning where the step is over by then."""
    return Span(duration(seconds), "warn" if seconds is None or seconds > wait else "")


def _guardrail_lines(found: CanaryPlanDocument, page: Page) -> Iterator[Line]:
    """By guardrail and step: when three times as many bad keys abort, and when as many are shown not to be worse."""
    for start in range(0, len(found.steps), _STEPS):
        steps = found.steps[start : start + _STEPS]
        titles = ("GUARDRAIL", "BAD A DAY", *(percent(step.weight) for step in steps))
        rows: list[list[Cell]] = [[Span(title, "quiet") for title in titles]]
        for each in found.guardrails:
            if each.state == "judges":
                sights = [sight for step in steps for sight in step.sights if sight.guardrail == each.guardrail]
                cells = [f"{_brief(sight.worse_seconds)} / {_brief(sight.not_worse_seconds)}" for sight in sights]
                rows.append([each.guardrail, _share(each.bad), *cells])
        if len(rows) > 1:
            yield from ("", *page.columns(rows))
    if found.steps and any(each.state == "judges" for each in found.guardrails):
        yield [Span("  Three times as bad: aborted after / equal: shown not to be worse after.", "quiet")]


def _brief(seconds: int | None) -> str:
    return "never" if seconds is None else duration(seconds).replace(" hour", "h").replace(" day", "d").rstrip("s")


def _width(page: Page) -> int:
    return min(page.width or _WIDTH + 2, _WIDTH + 2) - 2


def _warnings(found: CanaryPlanDocument, page: Page) -> Iterator[Line]:
    """What a reader would else find out while the canary runs."""
    said = list(_said(found))
    if said:
        yield ""
    for text in said:
        first, *more = wrap(text, _width(page))
        yield [Span("! ", "warn"), first]
        yield from (f"  {line}" for line in more)


def _said(found: CanaryPlanDocument) -> Iterator[str]:
    if found.steps and found.headline:
        first = found.steps[0]
        if first.sees_seconds is None or first.sees_seconds > found.wait_seconds:
            yield _low(found)
    for each in found.guardrails:
        if each.state == "off":
            yield f"{each.guardrail} is off: {each.why}."
        elif each.state == "dropped":
            yield f"{each.guardrail} lets no canary advance: {each.why}."
    if found.calls and found.calls_without_key > _WITHOUT_KEY * found.calls:
        part = found.calls_without_key / found.calls
        yield f"{_share(part)} of calls have no key: above 5 % a canary pauses (no_unit)."
    if found.inside is not None:
        inside = found.inside
        yield (
            f"A canary of whose keys {_share(inside.share)} are bad at {inside.guardrail} is not worse by `ratio` and "
            f"`tolerance`, and is aborted from about {inside.keys:,} keys on, at {percent(inside.weight)}."
        )
    if found.unseen_hours:
        yield f"A canary may be over within a day: {found.unseen_hours}."


def _low(found: CanaryPlanDocument) -> str:
    first = found.steps[0]
    worse = bad_rate(found.headline, found.headline_share, tripled=found.headline_tripled)
    later = [step for step in found.steps[1:] if step.sees_seconds is not None]
    best = next((step for step in later if (step.sees_seconds or 0) <= found.wait_seconds), None)
    other = f"; start at {percent(best.weight)}: {duration(best.sees_seconds)}" if best else ""
    return (
        f"{percent(first.weight)} of {found.keys_a_day:,} keys a day: {worse} after {duration(first.sees_seconds)}"
        f"{other}."
    )


def _proposed(found: CanaryPlanDocument, page: Page) -> Iterator[Line]:
    yield ""
    if found.proposed is None:
        judges = any(each.state == "judges" for each in found.guardrails)
        yield from wrap(_TOO_LITTLE if judges else "No guardrail of these would judge a canary.", _width(page))
        yield from next_steps(_calls_instead(found))
        return
    yield [Span("A rollout for this traffic, for promptops.yml:", "strong")]
    yield ""
    yield from (f"  {line}" for line in rollout_block(found.channel, found.proposed))
    release = f"{found.app}@{found.release or 'VERSION'}"
    yield from next_steps([("start one", ["canary", "start", release, "--channel", found.channel])])


def _calls_instead(found: CanaryPlanDocument) -> list[tuple[str, Sequence[str]]]:
    release = f"{found.app}@{found.release or 'VERSION'}"
    return [("calls of users as cases", ["eval", release, "--cases", f"calls:{found.channel}"])]


def _share(part: float) -> str:
    return f"{100 * part:.3g} %"

"""`promptops outcomes` over 10 million calls of 90 days against the command where there are none: whole processes.

The rows are those that a registry has after so many days: sums of minutes for two days, of hours for 60, and of days. A
release a week, two prompts. The hours of a day differ, and each day is like the one before, since only the number and
the size of rows decide what reading them takes.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from promptops import store
from promptops.core.outcomes.call_outcome import CallOutcome, Count, Tokens
from promptops.core.outcomes.recorder import Recorder
from promptops.core.outcomes.series import Series
from promptops.core.outcomes.sums import Sums
from promptops.store.queries.outcome_rows import DAY, HOUR
from tests.harness.bench.fill import ACTOR, NOW, deploy_all, fill_app
from tests.harness.bench.measure import Line, compare, process
from tests.support.postgresql import postgresql
from tests.support.reports import assignment, series, total

_DAYS = 90
_CALLS = 10_000_000
_ROUNDS = 9
_A_MINUTE = -(-_CALLS // ((_DAYS - 1) * DAY))
_PROMPTS = ("answer", "title")
_MODEL = "openai/gpt-4o-2024-08-06"

Hour = tuple[dict[str, Sums], list[dict[str, Sums]]]
"""The sums of an hour by prompt, and those of its minutes."""


def lines(folder: Path) -> Iterator[Line]:
    """One on each database."""
    yield _compared("SQLite", *(f"sqlite:///{folder}/{name}.db" for name in ("many", "none")), folder=folder)
    rooms = [folder / name for name in ("many", "none")]
    for room in rooms:
        room.mkdir()
    with postgresql(rooms[0]) as many, postgresql(rooms[1]) as none:
        yield _compared("PostgreSQL", many, none, folder=folder)


def _compared(name: str, many: str, none: str, *, folder: Path) -> Line:
    now = datetime.now(UTC)
    for url in (many, none):
        store.create(url, name="bench", now=NOW, actor=ACTOR)
        with closing(store.Registry.open(url)) as registry:
            deploy_all(registry, "bot", fill_app(registry, "bot", -(-_DAYS // 7)), ["prod"])
            if url == many:
                _fill(registry, now)
    return compare(
        f"promptops outcomes over 10 million calls of {_DAYS} days, {name}",
        partial(process, _promptops(many), folder),
        partial(process, _promptops(none), folder),
        named="the same without a call",
        bound=1.5,
        rounds=_ROUNDS,
    )


def _fill(registry: store.Registry, now: datetime) -> None:
    """Count so many calls before now, each day in a transaction, and look that they are found."""
    hours = [_hour(random.Random(number)) for number in range(24)]
    minute = int(now.timestamp()) // 60
    for day in range(minute - minute % DAY - (_DAYS - 1) * DAY, minute + 1, DAY):
        registry.write(partial(_add_day, start=day, hours=hours, now=now))
    with registry.read() as reader:
        rows = reader.outcome_rows("bot", since=now - timedelta(days=_DAYS), now=now)
        found = sum(row.sums[Count.CALLS] for row in rows)
    if not _CALLS <= found <= 1.03 * _CALLS:
        raise RuntimeError(f"{found:,} calls are found, not {_CALLS:,}")


def _add_day(writer: store.Writer, *, start: int, hours: list[Hour], now: datetime) -> None:
    minute = int(now.timestamp()) // 60
    desk = writer.outcomes()
    desk.lock()
    place = assignment(revision=start // DAY % _DAYS // 7 + 1)
    sums: dict[tuple[Series, int], Sums] = {}
    for number, (whole, minutes) in enumerate(hours):
        first = start + number * HOUR
        by_minute = minutes if first >= minute - 2 * DAY else [whole]
        for at, counted in enumerate(by_minute, first):
            if at <= minute:
                sums |= {(series(place, prompt=name, model=_MODEL), at): each for name, each in counted.items()}
    desk.add_sums(sums)
    desk.prune(now, chance=1.0)


def _hour(lot: random.Random) -> Hour:
    """The sums of an hour by prompt, and those of its minutes: calls that differ."""
    minutes = [_minute(lot) for _ in range(HOUR)]
    return {name: total([minute[name] for minute in minutes]) for name in _PROMPTS}, minutes


def _minute(lot: random.Random) -> dict[str, Sums]:
    recorder = Recorder()
    for number in range(_A_MINUTE):
        tokens = Tokens(input=lot.randint(500, 2_000), cached=lot.randint(0, 400), output=lot.randint(50, 400))
        error = "openai.APITimeoutError" if lot.random() < 0.01 else ""
        outcome = CallOutcome(latency_ms=lot.lognormvariate(7, 0.5), tokens=None if error else tokens, error=error)
        recorder.record(series(prompt=_PROMPTS[number % len(_PROMPTS)]), 0, outcome)
    return {found.prompt: sums for (found, _), sums in recorder.swap().sums.items()}


def _promptops(url: str) -> list[str]:
    asked = ["outcomes", "bot", "--since", f"{_DAYS}d", "--registry", url]
    return [sys.executable, "-m", "promptops", *asked]

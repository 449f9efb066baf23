"""Reads what a canary freezes at its start beside its policy: limits of its calls, guardrails that never judge, and how
many keys its app has in a day.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from promptops.core.canary.limits import Dearer, limits_of, off_of
from promptops.core.errors import PromptopsError
from promptops.core.evidence.case_table import Arm as Side
from promptops.core.evidence.case_table import Row, RowOutcome
from promptops.core.evidence.content import prompt_content
from promptops.core.evidence.evidence import newest_of_each_run, table_of
from promptops.core.evidence.run import ArmRelease, Source
from promptops.core.model import ReleaseRef
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.outcome_row import OutcomeRow
from promptops.core.outcomes.series import Arm
from promptops.core.outcomes.sums import Sums
from promptops.core.release_bytes import content_from_bytes
from promptops.core.timestamp import midnight, minute_of
from promptops.core.trial import Limits
from promptops.operations.outcome_report import releases_of
from promptops.operations.undeclared_guardrails import undeclared

if TYPE_CHECKING:
    from promptops.core.model import Json
    from promptops.store import Reader

LOOKED_BACK: Final = timedelta(days=7)
"""Of so many days, and of today, are the calls by which a canary's are slow or dear: whole days are few rows."""
TIMED: Final = 20
"""Rows of each side in a run from which on its times and costs say how much slower or dearer a candidate is."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtStart:
    """``limits`` are by prompt, ``off`` has the reason of each guardrail that never judges. ``keys_a_day`` is 0 where
    it is not known. ``dearer`` has raised the limits, and ``calls`` are those of the stable release, by prompt.
    """

    limits: Mapping[str, Json]
    off: Mapping[str, str]
    keys_a_day: int
    dearer: Dearer
    calls: Mapping[str, Sums]


def at_start(
    reader: Reader,
    app: str,
    channel: str,
    *,
    stable: ReleaseRef,
    candidate: ReleaseRef | None,
    bake: timedelta,
    guardrails: Collection[str],
    now: datetime,
) -> AtStart:
    """Returns what a canary of the candidate beside the stable release freezes for these guardrails; ``bake`` is that
    of its first step. Without a candidate, it is one of which nothing is known.
    """
    lately = midnight(now - LOOKED_BACK)
    # Keys are known by the day, so the window is of whole days: a key has at least as many calls there as in the bake.
    began = midnight(now - max(1, math.ceil(bake / _DAY)) * _DAY)
    rows = _of_stable(reader, app, channel, stable, min(lately, began), now)
    by_prompt = _by_prompt(row for row in rows if row.minute >= minute_of(lately))
    calls = _calls(row for row in rows if row.minute >= minute_of(began))
    keys = _keys(reader, app, channel, stable, began)
    dearer = _dearer(reader, app, candidate, stable) if candidate is not None else Dearer()
    use = {prompt: calls[prompt] / keys if keys and prompt in calls else 1.0 for prompt in by_prompt}
    limits = {prompt: limits_of(sums, use[prompt], dearer) for prompt, sums in by_prompt.items()} if keys else {}
    off = dict(off_of(limits.values(), by_prompt.values(), min(use.values(), default=1.0)))
    releases = [stable] if candidate is None else [stable, candidate]
    off |= undeclared(reader, app, releases, guardrails)
    return AtStart(
        limits={prompt: found for prompt, each in sorted(limits.items()) if (found := _to_json(each, guardrails))},
        off={name: why for name, why in off.items() if name in guardrails},
        keys_a_day=reader.keys_a_day(app, channel, now),
        dearer=dearer,
        calls=by_prompt,
    )


def _to_json(limits: Limits, guardrails: Collection[str]) -> dict[str, Json]:
    """The limits that there are, of these guardrails."""
    found = {field.name: getattr(limits, field.name) for field in fields(Limits)}
    wanted = {name: "dear" if name == "dear_micro_usd" else "slow" for name in found}
    return {name: limit for name, limit in found.items() if limit is not None and wanted[name] in guardrails}


def _of_stable(
    reader: Reader, app: str, channel: str, stable: ReleaseRef, since: datetime, now: datetime
) -> list[OutcomeRow]:
    """What calls of the stable release did since then."""
    rows = reader.outcome_rows(app, since=since, channel=channel, now=now)
    of_stable = [row for row in rows if row.series.assignment.arm is Arm.STABLE]
    releases = releases_of(reader, app, {row.series.assignment for row in of_stable})
    served = {place for place, release in releases.items() if release.digest == stable.digest}
    return [row for row in of_stable if row.series.assignment in served]


def _by_prompt(rows: Iterable[OutcomeRow]) -> dict[str, Sums]:
    found: dict[str, Sums] = {}
    for row in rows:
        prompt = row.series.prompt
        found[prompt] = found[prompt].merged(row.sums) if prompt in found else row.sums
    return found


def _calls(rows: Iterable[OutcomeRow]) -> Counter[str]:
    """How many calls each prompt had."""
    found: Counter[str] = Counter()
    for row in rows:
        found[row.series.prompt] += row.sums[Count.CALLS]
    return found


def _keys(reader: Reader, app: str, channel: str, stable: ReleaseRef, since: datetime) -> int:
    """About how many keys the stable release had since then."""
    keys = reader.outcome_keys(app, since=since, channel=channel)
    releases = releases_of(reader, app, keys)
    return sum(
        number
        for each, number in keys.items()
        if each.arm is Arm.STABLE and (release := releases.get(each)) is not None and release.digest == stable.digest
    )


def _dearer(reader: Reader, app: str, candidate: ReleaseRef, stable: ReleaseRef) -> Dearer:
    """How much slower and dearer the newest run found the candidate that compared it with the stable release; 1 without
    such a run.
    """
    found = [piece for piece in reader.evidence(app=app, digest=candidate.digest) if piece.source is Source.RUN]
    for piece in reversed(newest_of_each_run(found)):
        try:
            run = reader.run(piece.run)
            if _sends_the_same(reader, app, run.release(Side.LIVE), stable):
                return dearer_of(table_of(reader.one_evidence(piece.id), run).rows)
        except (
            PromptopsError
        ):  # damaged, which `fsck` says: the limits are those of a candidate of which nothing is known
            continue
    return Dearer()


def _sends_the_same(reader: Reader, app: str, live: ArmRelease | None, stable: ReleaseRef) -> bool:
    """Whether what a run took as live is the stable release, or has its prompts: as a gate counts it."""
    if live is None or live.digest == stable.digest:
        return live is not None
    content = content_from_bytes(reader.find_release(app, digest=stable.digest).content)
    return bool(live.prompts) and all(prompt_content(content, each.prompt) == each.digest for each in live.prompts)


def dearer_of(rows: Sequence[Row]) -> Dearer:
    """Returns how much slower and dearer the candidate of a run was than what was live: by the 95th percentile of the
    times, and by the mean cost. 1 where the run does not say.
    """
    times, costs = (
        [_known(rows, side, name) for side in (Side.CANDIDATE, Side.LIVE)] for name in ("latency_ms", "cost_usd")
    )
    return Dearer(slow=_times(*map(_p95, times)), dear=_times(*map(_mean, costs)))


def _known(rows: Sequence[Row], side: Side, name: str) -> list[float]:
    answered = [row for row in rows if row.arm is side and row.outcome is not RowOutcome.ERROR and not row.reused]
    numbers = [getattr(row, name) for row in answered]
    return sorted(number for number in numbers if number is not None)


def _p95(numbers: Sequence[float]) -> float | None:
    return numbers[math.ceil(0.95 * len(numbers)) - 1] if len(numbers) >= TIMED else None


def _mean(numbers: Sequence[float]) -> float | None:
    return math.fsum(numbers) / len(numbers) if len(numbers) >= TIMED else None


def _times(candidate: float | None, live: float | None) -> float:
    return max(1.0, candidate / live) if candidate is not None and live else 1.0

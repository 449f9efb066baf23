"""How many tokens calls of a release took, by prompt, as clients reported them in the last seven days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.measured_tokens import MeasuredTokens
from promptops.core.outcomes.rates import answered
from promptops.core.timestamp import midnight

if TYPE_CHECKING:
    from promptops.store import Reader

_DAYS: Final = 7
"""Days in UTC, today among them."""


def measured_tokens(
    reader: Reader, app: str, digests: Collection[str], *, sees: Callable[[str], bool], now: datetime
) -> tuple[MeasuredTokens, ...]:
    """Returns what was measured of releases with these digests on the channels that the caller ``sees``.

    By version, then prompt. A prompt without a call whose tokens are known is left out.
    """
    from promptops.operations.outcome_report import releases_of

    channels = [channel.name for channel in reader.channels() if sees(channel.name)]
    rows = list(reader.outcome_days([app], channels, since=midnight(now) - timedelta(days=_DAYS - 1)))
    releases = releases_of(reader, app, {row.series.assignment for row in rows})
    found: dict[tuple[str, str], Counter[Count]] = {}
    for row in rows:
        release = releases.get(row.series.assignment)
        if release is not None and release.digest in digests:
            found.setdefault((release.version, row.series.prompt), Counter()).update(row.sums.counts)
    measured = [_measured(version, prompt, counts) for (version, prompt), counts in sorted(found.items())]
    return tuple(each for each in measured if each.calls)


def _measured(version: str, prompt: str, counts: Counter[Count]) -> MeasuredTokens:
    return MeasuredTokens(
        version=version,
        prompt=prompt,
        calls=max(answered(counts) - counts[Count.UNREAD], 0),
        input_tokens=counts[Count.INPUT_TOKENS],
        cached_tokens=counts[Count.CACHED_TOKENS],
        output_tokens=counts[Count.OUTPUT_TOKENS],
    )

"""Freezes what was measured of a release as evidence, for gates that read it: once an hour for a channel.

Sums grow and are deleted, so a verdict that read them could not be made again. Prices are those of the list alone: with
prices of a request, the promoter would set the cost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Final

from promptops.core.digest import digest as digest_of
from promptops.core.errors import EvidenceNotFound, Invalid
from promptops.core.evidence.evidence import Evidence
from promptops.core.evidence.measured_sums import MeasuredSum, MeasuredSums, encode_measured
from promptops.core.evidence.run import Source
from promptops.core.gate.reading import read_gate
from promptops.core.model import Policy
from promptops.core.outcomes.call_outcome import Count
from promptops.core.timestamp import minute_of

if TYPE_CHECKING:
    from promptops.core.outcomes.outcome_row import OutcomeRow
    from promptops.core.outcomes.rates import ModelRates, RatesOf
    from promptops.evals.price_list import PriceList
    from promptops.store import Reader, Registry, Writer

DAYS: Final = 7
_TRAFFIC_DAYS: Final = 8
"""Days of which traffic is taken: the first one with calls is rarely whole."""


def reads_measured(policy: Policy, app: str) -> bool:
    """Returns whether the gate of a policy reads what was measured of an app. One that cannot be read does not."""
    if policy.gate is None:
        return False
    try:
        rule = read_gate(policy.gate, app).cost
    except Invalid:
        return False
    return rule is not None and rule.source is Source.MEASURED


def frozen(reader: Reader, app: str, channel: str, digest: str, now: datetime) -> tuple[Evidence, bool]:
    """Returns what was measured until this hour as evidence of a release, and whether it is recorded."""
    until = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    text = f"promptops/measured-v1\0{app}\0{channel}\0{digest}\0{until.isoformat()}"
    id = hashlib.sha256(text.encode()).hexdigest()[:32]
    try:
        return reader.one_evidence(id), True
    except EvidenceNotFound:
        pass
    from promptops.evals.price_list import PriceList

    prices = PriceList()
    table = encode_measured(_measured(reader, app, channel, until, now, prices))
    return Evidence(
        id=id,
        app=app,
        digest=digest,
        source=Source.MEASURED,
        actor="",
        at=now,
        prices=prices.version,
        note=f"calls of {DAYS} days until {until:%Y-%m-%d %H:%M} UTC, for the gate of {channel}",
        table=table,
        table_digest=digest_of(table),
    ), False


def freeze(registry: Registry, app: str, channel: str, digest: str, *, actor: str, now: datetime) -> None:
    """Records what the gate of a channel reads of what was measured of a release, if it reads that; once an hour."""
    with registry.read() as reader:
        if not reads_measured(reader.channel(channel).policy, app) or frozen(reader, app, channel, digest, now)[1]:
            return

    def work(writer: Writer) -> None:
        writer.lock_log()
        piece, recorded = frozen(writer, app, channel, digest, now)
        if not recorded:
            writer.record(replace(piece, actor=actor))

    registry.write(work)


def _measured(
    reader: Reader, app: str, channel: str, until: datetime, now: datetime, prices: PriceList
) -> MeasuredSums:
    from promptops.core.outcomes.forecast import traffic
    from promptops.core.outcomes.measured import Measured, measure

    since = until - timedelta(days=DAYS)

    def rates(model: str, minute: int) -> ModelRates | None:
        return prices.rates(model, datetime.fromtimestamp(minute * 60, UTC)) if model else None

    rows = list(reader.outcome_rows(app, since=since, until=until, now=now))
    midnight = until.replace(hour=0)
    days = list(reader.outcome_days([app], [channel], since=midnight - timedelta(days=_TRAFFIC_DAYS)))
    whole = measure(days, lambda row: None, lambda model, minute: None).get(None, Measured())
    calls = traffic(whole, minute_of(until)).calls_a_day
    return MeasuredSums(
        channel=channel,
        since=since,
        until=until,
        calls_a_day=None if calls is None else ceil(calls),
        sums=tuple(_sums(reader, app, rows, rates)),
    )


def _sums(reader: Reader, app: str, rows: Iterable[OutcomeRow], rates: RatesOf) -> Iterable[MeasuredSum]:
    from promptops.core.outcomes.measured import measure
    from promptops.operations.outcome_report import releases_of

    kept = list(rows)
    releases = releases_of(reader, app, {row.series.assignment for row in kept})

    def place(row: OutcomeRow) -> tuple[str, str, str]:
        release = releases.get(row.series.assignment)
        return row.series.assignment.channel, release.digest if release else "", row.series.prompt

    for (channel, digest, prompt), found in sorted(measure(kept, place, rates).items()):
        if digest and found.read:
            yield MeasuredSum(
                channel=channel,
                release=digest,
                prompt=prompt,
                calls=found.read,
                usd=format(found.spend.usd, "f"),
                input_tokens=found.sums[Count.INPUT_TOKENS],
                output_tokens=found.sums[Count.OUTPUT_TOKENS],
                unpriced=found.spend.unpriced or None,
            )

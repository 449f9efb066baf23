"""Counts the sampled keys of a canary in the database: a few numbers of tens of thousands of rows.

A key has a row for each day and revision on which it called. It is one key with the first of their minutes, and could
be bad, and was, at what any of them says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import ColumnElement, Connection, Subquery, and_, case, distinct, func, literal, or_, select, true

from promptops.core.canary.advance import SampledKeys
from promptops.core.outcomes.report import Guardrail
from promptops.core.outcomes.series import Arm
from promptops.core.outcomes.units import EVERY, Sample
from promptops.store.queries.outcome_units import estimate, names_in
from promptops.store.queries.rollouts import Revisions
from promptops.store.schema import tables

_sample, _bad = tables.sample_unit, tables.bad_unit
_ALL: Final = "g"  # behind every id, which is of hex digits


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCount:
    """The sampled keys of each side; ``early`` has by guardrail those of them that were seen first in some minutes."""

    canary: int = 0
    stable: int = 0
    early: Mapping[str, SampledKeys] = field(default_factory=dict)


def count_sample(
    connection: Connection, within: Revisions, sample: Sample, weight: int, guardrails: Sequence[str], early: range
) -> SampleCount:
    """Returns the keys of the sample in some revisions, at the weight in force there, each once. Of a guardrail, those
    count that could be bad at it. A key without a bucket is on no side.
    """
    keys = _keys(within, sample, weight, guardrails, early)
    sums = [
        func.sum(keys.c[name]) for number in range(len(guardrails)) for name in (f"could_{number}", f"bad_{number}")
    ]
    counted = select(keys.c.canary, func.count(), *sums).group_by(keys.c.canary)
    rows = {bool(row[0]): list(map(int, row[1:])) for row in connection.execute(counted)}
    canary, stable = (rows.get(side, [0] * (1 + len(sums))) for side in (True, False))
    by_guardrail = {
        name: SampledKeys(canary=canary[at], canary_bad=canary[at + 1], stable=stable[at], stable_bad=stable[at + 1])
        for at, name in zip(range(1, len(canary), 2), guardrails, strict=True)
    }
    return SampleCount(canary=canary[0], stable=stable[0], early=by_guardrail)


def _keys(within: Revisions, sample: Sample, weight: int, guardrails: Sequence[str], early: range) -> Subquery:
    """A row for each key: its side, and by guardrail whether it was early and could be bad, and whether it also was."""
    of_canary = _sample.c.bucket < weight
    is_early = func.min(_sample.c.minute).between(early.start, early.stop - 1)
    columns = [_flag(func.min(_sample.c.bucket) < weight).label("canary")]
    for number, name in enumerate(guardrails):
        could, was_bad = _could(name), _was_bad(name, within)
        columns.append(_flag(and_(is_early, could)).label(f"could_{number}"))
        columns.append(_flag(and_(is_early, could, was_bad)).label(f"bad_{number}"))
    return (
        select(*columns)
        .where(
            *within.conditions(_sample),
            _sample.c.day >= within.day,
            or_(
                and_(of_canary, _sample.c.unit < _end(sample.canary)),
                and_(~of_canary, _sample.c.unit < _end(sample.stable)),
            ),
        )
        .group_by(_sample.c.unit)
        .subquery()
    )


def _could(guardrail: str) -> ColumnElement[bool]:
    """Whether a key could be bad. Every call may stay open, so no report says that of this one."""
    return true() if guardrail == Guardrail.UNRECORDED else _says(_sample.c.could, guardrail)


def _was_bad(guardrail: str, within: Revisions) -> ColumnElement[bool]:
    """Whether a key was bad. That a call stayed open is found later, and is no part of the sample."""
    if guardrail != Guardrail.UNRECORDED:
        return _says(_sample.c.bad, guardrail)
    return _sample.c.unit.in_(select(_bad.c.unit).where(*within.conditions(_bad), _bad.c.guardrail == guardrail))


def _says(column: ColumnElement[str], guardrail: str) -> ColumnElement[bool]:
    """Whether any row of a key names the guardrail in its list of JSON."""
    return func.max(_flag(names_in(column, literal(json.dumps(guardrail))))) == 1


def _flag(holds: ColumnElement[bool]) -> ColumnElement[int]:
    return case((holds, 1), else_=0)


def _end(threshold: int) -> str:
    """The text before which the ids below a threshold are, in the order of their digits."""
    return _ALL if threshold >= EVERY else f"{threshold:08x}"


def keys_by_arm(connection: Connection, within: Revisions) -> dict[Arm, int]:
    """Returns about how many keys each side had, from the sample."""
    units = (func.count(distinct(_sample.c.unit)).label("units"), func.max(_sample.c.unit).label("top"))
    there = [*within.conditions(_sample), _sample.c.day >= within.day]
    rows = connection.execute(select(_sample.c.arm, *units).where(*there).group_by(_sample.c.arm))
    return {Arm(row.arm): estimate(row.units, row.top) for row in rows}

"""What calls of an app took and cost where users are, frozen: the table of evidence with the source ``measured``.

Sums are no facts: they grow, and are deleted. What a gate reads of them is frozen first, with the prices of that time,
so its answer follows from facts for ever. ``{"schema": "promptops.measured/1", …}``, canonical JSON in zlib.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from promptops.core.digest import canonical, parse_canonical
from promptops.core.errors import Invalid
from promptops.core.evidence.run import is_digest
from promptops.core.evidence.table_bytes import MAX_BYTES, inflated
from promptops.core.json_codec import from_json, to_json
from promptops.core.model import Json

SCHEMA: Final = "promptops.measured/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSum:
    """What ``calls`` of a prompt of the release with this digest took on a channel; of calls whose tokens are known.

    ``usd`` is what those tokens cost that have a price, exactly, as text; ``unpriced`` are the tokens without one, by
    model.

    Raises:
        Invalid: a part is not one.
    """

    channel: str
    release: str
    prompt: str
    calls: int
    usd: str
    input_tokens: int = 0
    output_tokens: int = 0
    unpriced: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        try:
            fine = Decimal(self.usd).is_finite() and Decimal(self.usd) >= 0
        except InvalidOperation:
            fine = False
        if not fine or self.calls < 0 or not is_digest(self.release):
            raise Invalid(f"what was measured of {self.prompt[:80]} has a number or a digest that cannot be")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSums:
    """What was measured of an app from ``since`` until ``until``, for the gate of a channel.

    ``calls_a_day`` is the traffic of this channel by its whole days, rounded up; None without a whole day.
    """

    channel: str
    since: datetime
    until: datetime
    calls_a_day: int | None = None
    sums: tuple[MeasuredSum, ...] = ()


def encode_measured(measured: MeasuredSums) -> bytes:
    """Returns the bytes of a table of sums.

    Raises:
        Invalid: it is over the limits.
    """
    body = to_json(measured)
    assert isinstance(body, dict)
    document: dict[str, Json] = {"schema": SCHEMA, **body}
    return zlib.compress(canonical(document, limit=MAX_BYTES), 9)


def decode_measured(data: bytes) -> MeasuredSums:
    """Reads what :func:`encode_measured` wrote.

    Raises:
        Invalid: it is damaged, over the limits, or no table of sums.
    """
    document = parse_canonical(inflated(data, "table of sums"), limit=MAX_BYTES)
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        raise Invalid(f"not a table of the schema {SCHEMA}", hint="A newer promptops may have written it.")
    try:
        return from_json(MeasuredSums, {name: value for name, value in document.items() if name != "schema"}, "sums")
    except ValueError as error:
        raise Invalid(f"the table of sums is damaged: {error}") from error

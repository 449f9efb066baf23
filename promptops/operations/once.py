"""Each change is done once: the idempotency key of a request and its answer live in the change's own transaction.

A COMMIT that failed means "unknown", not "no". A retry with the same key gets the first answer, whether the first
attempt took effect or not; the same key with another request is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

from promptops.core.digest import canonical, parse_canonical
from promptops.core.errors import Invalid, KeyReused
from promptops.core.model import Json

if TYPE_CHECKING:
    from promptops.store import Reader, Writer

Row = Sequence[str | int | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A change somebody asks for: its key, and all that makes it this change and no other."""

    key: str
    operation: str
    arguments: Mapping[str, Json]

    def __post_init__(self) -> None:
        if not self.key or len(self.key) > 200 or not self.key.isprintable():
            raise Invalid("an idempotency key is 1 to 200 printable characters", hint="A UUID serves well.")

    def answered(self, reader: Reader) -> tuple[Row, ...] | None:
        """The first answer to this request, or None where it is new. Call it when the change's lock is held, so that of
        two requests with one key the second waits and then sees the first.

        Raises:
            KeyReused: the key belongs to another request.
        """
        found = reader.answer(self.key)
        if found is None:
            return None
        if found.request != self._fingerprint():
            raise KeyReused(
                f"the idempotency key '{self.key}' was used for a different request",
                hint="Use a new key for a new change.",
            )
        return tuple(cast("list[Row]", parse_canonical(found.body)))

    def remember(self, writer: Writer, answer: Sequence[Row], at: datetime) -> None:
        """Keep the answer with the change it belongs to."""
        writer.remember(self.key, self._fingerprint(), canonical([list(row) for row in answer]), at)

    def _fingerprint(self) -> str:
        return hashlib.sha256(canonical({"operation": self.operation, "arguments": self.arguments})).hexdigest()

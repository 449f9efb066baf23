"""Each change is done once: the idempotency key of a request and its answer live in the change's own transaction.

A COMMIT that failed means "unknown", not "no". A retry with the same key gets the first answer, whether the first
attempt took effect or not; the same key with another request is refused. Keys belong to their token: the same key is
new for every other token, and for a command that opens the database itself.
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
    """A requested change: its key, and everything that distinguishes it from other changes.

    ``token`` is the id of the request's token, empty without one. ``words`` are the reason or the notes.
    """

    key: str
    token: str
    operation: str
    arguments: Mapping[str, Json]
    words: str

    def __post_init__(self) -> None:
        if not self.key or len(self.key) > 200 or not self.key.isprintable():
            raise Invalid("an idempotency key is 1 to 200 printable characters", hint="A UUID serves well.")

    def answered(self, reader: Reader) -> tuple[Row, ...] | None:
        """Returns the first answer to this request, or None if it is new.

        Call it with the lock of the change held: of two requests with one key the second then waits and sees the first.

        Raises:
            KeyReused: the key belongs to another request.
        """
        deed, request = self._deed(), self._request()
        stored = reader.answer(self.key, token=self.token, request=deed)
        if stored is None:
            return None
        if stored.request not in (deed, request):
            same = stored.request.partition(".")[0] == deed
            raise KeyReused(
                f"the idempotency key '{self.key}' was used for "
                + (
                    "this request with another reason, other notes or another profile"
                    if same
                    else "a different request"
                ),
                hint="Use a new key for a new change; a retry repeats every word of the first try.",
            )
        return tuple(cast("list[Row]", parse_canonical(stored.body)))

    def remember(self, writer: Writer, answer: Sequence[Row], at: datetime) -> None:
        """Keep the answer with the change it belongs to."""
        body = canonical([list(row) for row in answer])
        writer.remember(self.key, self._request(), body, at, token=self.token)

    def _deed(self) -> str:
        """The digest of the operation without the words; the only one that versions before 0.2.0 kept."""
        return hashlib.sha256(canonical({"operation": self.operation, "arguments": self.arguments})).hexdigest()

    def _request(self) -> str:
        return f"{self._deed()}.{hashlib.sha256(self.words.encode('utf-8', 'surrogatepass')).hexdigest()}"

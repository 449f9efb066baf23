"""The bytes of releases that came and are not served yet, and how many releases to ask for at once. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from promptops.client.sources.http_messages import BATCH
from promptops.client.sources.source import Failed
from promptops.client.state.release_set import Held
from promptops.core.digest import digest as digest_of

MOST: Final = 256 << 20
"""Bytes of releases that a channel holds at most, so that no registry can fill the memory of an application."""

_FEWER: Final = 4
"""A question that was too slow is followed by one for this part of its releases: one slow release then stops few."""


class Supply:
    """Bytes by digest. Every method may be called from any thread."""

    def __init__(self) -> None:
        self.spare: dict[str, bytes] = {}
        self.batch = BATCH

    def take(
        self, wanted: Collection[str], contents: Mapping[str, bytes], *, held: Held | None
    ) -> tuple[set[str], dict[str, Failed]]:
        """Keep releases whose digest fits, as far as there is room. Returns what was kept, and why the rest was not."""
        kept, lost = set[str](), dict[str, Failed]()
        size = sum(map(len, held.contents.values() if held else ())) + sum(map(len, list(self.spare.values())))
        for digest in wanted:
            data = contents.get(digest)
            if data is None:
                continue
            if digest_of(data) != digest:
                lost[digest] = Failed(reason="digest", message="it was damaged on the way")
            elif size + len(data) > MOST:
                message = f"with it, releases of over {MOST:,} bytes would be held"
                lost[digest] = Failed(reason="too-large", message=message)
            else:
                size += len(data)
                self.spare[digest] = data
                kept.add(digest)
        return kept, lost

    def keep_only(self, wanted: Collection[str]) -> None:
        """Let go of all other bytes."""
        for digest in list(self.spare):
            if digest not in wanted:
                self.spare.pop(digest, None)

    def widen(self) -> None:
        """A question was answered in time: ask for twice as many releases."""
        self.batch = min(2 * self.batch, BATCH)

    def narrow(self, several: int) -> None:
        """A question for so many releases was not answered in time."""
        self.batch = max(1, several // _FEWER)

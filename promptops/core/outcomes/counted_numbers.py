"""Which documents of a client were counted, in a bounded memory, so that each counts once in any order.

A window behind the largest number, as receivers of IPsec keep one against replays (RFC 4303, section 3.4.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from promptops.core.errors import Conflict

WINDOW: Final = 1_024
"""Numbers that a late document may be behind the newest: a client has far fewer documents that wait for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedNumbers:
    """The largest number that was counted, 0 before the first, and which before it: bit k is of ``newest - k``."""

    newest: int = 0
    bits: int = 0

    def __contains__(self, number: int) -> bool:
        """Returns whether a document was counted.

        Raises:
            Conflict: it is too far behind the newest one to know.
        """
        behind = self.newest - number
        if behind >= WINDOW:
            raise Conflict(
                f"document {number} comes after document {self.newest}, too late to know whether it was counted",
                hint="Number the documents of a client from 1, and send those that wait first.",
            )
        return behind >= 0 and bool(self.bits >> behind & 1)

    def with_(self, number: int) -> CountedNumbers:
        """Returns what is known after a document was counted that was not before."""
        ahead = number - self.newest
        if ahead <= 0:
            return CountedNumbers(newest=self.newest, bits=self.bits | 1 << -ahead)
        kept = self.bits << ahead if ahead < WINDOW else 0
        return CountedNumbers(newest=number, bits=(kept | 1) & (1 << WINDOW) - 1)

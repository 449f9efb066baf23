"""Reads the audit log of a registry behind a server page by page, for its verification."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from promptops.core.errors import RegistryUnavailable
from promptops.core.model import AuditEntry, Json
from promptops.use_cases.documents import read_each

Page = Callable[[int], Mapping[str, Json]]
"""The page of the log after a line: ``{"head": {"seq": …, "hash": …}, "entries": […]}``, both of one moment."""


class Trail:
    """The log, and its head from the page that was read last, so that lines which were added meanwhile are part of
    both.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._head: tuple[int, str] | None = None

    def audit_trail(self) -> Iterator[AuditEntry]:
        """Yields every line, oldest first, up to an empty page."""
        last = 0
        while entries := self._entries(last):
            yield from entries
            if entries[-1].seq <= last:
                raise RegistryUnavailable("the server's answer is not understood: its audit log goes in a circle")
            last = entries[-1].seq

    def audit_head(self) -> tuple[int, str]:
        """Returns the number and hash of the newest line."""
        if self._head is None:
            self._entries(0)
        assert self._head is not None  # each page has one
        return self._head

    def _entries(self, after: int) -> tuple[AuditEntry, ...]:
        page = self._page(after)
        head = page["head"]
        seq, hash = (head.get("seq"), head.get("hash")) if isinstance(head, Mapping) else (None, None)
        if not isinstance(seq, int) or not isinstance(hash, str):
            raise RegistryUnavailable("the server's answer is not understood: it has no head of the audit log")
        self._head = seq, hash
        return read_each(AuditEntry, page["entries"])

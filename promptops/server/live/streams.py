"""Counts the open streams by token and address. On a full server, the token with most streams loses its oldest.

So one token, or one address of a token, never keeps the others out, and a server that is not full refuses no stream.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from promptops.core.errors import TooManyRequests

if TYPE_CHECKING:
    from promptops.server.live.feed import Follower


class Streams:
    """The open streams by token and address, oldest first. Used on the event loop only."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[str, dict[str, dict[Follower, None]]] = {}
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._counts.total()

    def enter(self, token: str, address: str, follower: Follower) -> None:
        """Count a stream. If there are too many, end the oldest stream of the token and address that have most.

        Raises:
            TooManyRequests: the caller has most.
        """
        if len(self) >= self._most:
            self._end_one_for(token, address)
        self._open.setdefault(token, {}).setdefault(address, {})[follower] = None
        self._counts[token] += 1

    def leave(self, token: str, address: str, follower: Follower) -> None:
        """Count it no more; it may have been ended already."""
        addresses = self._open.get(token, {})
        followers = addresses.get(address, {})
        if follower not in followers:
            return
        del followers[follower]
        self._counts[token] -= 1
        if not followers:
            del addresses[address]
        if not addresses:
            del self._open[token], self._counts[token]

    def _end_one_for(self, token: str, address: str) -> None:
        loser, count = self._counts.most_common(1)[0]
        if count <= self._counts[token] + 1:
            loser = token
        addresses = self._open.get(loser, {})
        most = max(addresses, key=lambda each: len(addresses[each]), default="")
        if not addresses or (loser == token and len(addresses[most]) <= len(addresses.get(address, ())) + 1):
            raise TooManyRequests(
                "there are as many streams as this server takes", retry_after=30, hint="Poll meanwhile."
            )
        ended = next(iter(addresses[most]))
        self.leave(loser, most, ended)
        ended.end()

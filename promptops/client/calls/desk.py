"""Where the calls of a channel are counted, in a form that costs a client without calls nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from promptops.client.calls.mailbox import Mailbox
from promptops.client.process import mark


class Counting(Protocol):
    """The sums of this process, as their sender sees them: :class:`promptops.client.calls.ledger.Ledger`."""

    @property
    def dropped(self) -> Mapping[str, int]:
        """What had no room in this process, by kind."""

    @property
    def has_much(self) -> bool:
        """True where a document now loses nothing, and one at its time could."""

    @property
    def has_answers(self) -> bool:
        """True while answers wait to be checked."""

    def judge(self) -> None:
        """Check the answers that wait. It may take a while; for one thread at a time."""

    def document(self, *, client: str, number: int, lineage: str, sdk: str, last: bool = False) -> bytes | None:
        """Returns everything since the last document as a new one; None if nothing happened."""


L = TypeVar("L", bound=Counting)


class CallDesk:
    """The calls of one channel of one client. Any thread may use it.

    ``problem`` is why nothing is reported, or why the last report did not arrive; empty while all is well. With
    ``is_off`` no call is counted. ``is_used`` is true once the application opened a call. ``samples`` has the threshold
    of each app's sample as the registry named it last, and ``tiers`` the numbers of input tokens above which a provider
    prices calls of a model otherwise, in order, for models whose prices it knows. ``rates`` has the same with the US
    dollars of a million tokens of input and of output, from 0 on. ``share`` is how many channels share
    the memory of a client.
    """

    def __init__(self, channel: str, *, share: int = 1) -> None:
        self.channel = channel
        self.problem = ""
        self.is_off = self.is_used = False
        self.samples: Mapping[str, int] = {}
        self.tiers: Mapping[str, tuple[int, ...]] = {}
        self.rates: Mapping[str, tuple[tuple[int, float, float], ...]] = {}
        self.lost: dict[str, int] = {}
        self._share = share
        self._key: tuple[str, bytes] = ("", b"")
        self._nudge: Callable[[], object] = _nothing
        self._mark = mark()
        self._renew()

    def _renew(self) -> None:
        self._making = threading.Lock()
        self._ledger: Counting | None = None
        self.mailbox = Mailbox()
        self._mark[0] = 1

    def forked(self) -> None:
        """In a forked child: what the parent counted is the parent's."""
        self.lost = {}
        self._renew()

    @property
    def ledger(self) -> Counting | None:
        """The sums of this process; None before the first call."""
        return self._ledger if self._mark[0] else None

    def open(self, make: Callable[[CallDesk, int], L]) -> L:
        """Make the sums of this process, at its first call, and return them. ``make`` also takes the share."""
        if not self._mark[0]:
            self.forked()
        with self._making:
            found = self._ledger
            if found is None:
                found = self._ledger = make(self, self._share)
                self._nudge()
            return found  # type: ignore[return-value]  # one kind makes them

    # --- what the sender says -----------------------------------------------------------------------

    def nudge_with(self, nudge: Callable[[], object]) -> None:
        """Have this called when there is something to send soon."""
        self._nudge = nudge

    def secret_of(self, lineage: str) -> bytes:
        """Returns the secret of the registry of this lineage; empty while it is not known."""
        of, secret = self._key
        return secret if of == lineage else b""

    def take_key(self, lineage: str, secret: bytes) -> None:
        """This is the secret of reporting clients, of the registry of this lineage."""
        self._key = lineage, secret

    def lose(self, dropped: Mapping[str, int]) -> None:
        """Count what was dropped, by kind."""
        for kind, number in dropped.items():
            self.lost[kind] = self.lost.get(kind, 0) + number

    def dropped(self) -> dict[str, int]:
        """Returns what this process had no room for, or could not report, by kind."""
        total = dict(self.lost)
        for kind, number in (self.ledger.dropped if self.ledger else {}).items():
            total[kind] = total.get(kind, 0) + number
        return total


def _nothing() -> None:
    """Takes the place of a sender until there is one."""

"""Throw away what a registry keeps for a while and nothing needs any more. Facts are never pruned.

A token that ended is a fact, and so is its secret's digest: `fsck` finds a secret that is gone. What is thrown away of
such a token are its idempotency keys, which no request can use again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from promptops.store import Registry, Writer
    from promptops.store.queries.housekeeping import Key

KEPT_KEYS: Final = timedelta(days=30)
"""How long a retry gets the first answer: longer than a pipeline waits over holidays; as Stripe's API v2 keeps keys
(https://docs.stripe.com/api-v2-overview)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was thrown away, or of a dry run what would be: ``keys`` that are older than :data:`KEPT_KEYS`, keys of
    tokens that ended, and reports of clients that were silent for a day.
    """

    keys: int
    keys_of_ended_tokens: int
    clients: int
    dry_run: bool = False

    @property
    def nothing(self) -> bool:
        return not (self.keys or self.keys_of_ended_tokens or self.clients)


def prune(registry: Registry, *, now: datetime, dry_run: bool = False) -> Pruned:
    """Throw away what is over, a thousand keys in a transaction, so that a rollback meanwhile waits for none of it.

    A prune that is interrupted has thrown away a part, and the next one the rest.
    """
    from promptops.store.queries.heartbeats import FORGOTTEN_AFTER

    with registry.read() as reader:
        ended = {token.id for token in reader.tokens() if token.flaw(now)}
        clients = reader.housekeeping().silent_clients(now - FORGOTTEN_AFTER)
    old, of_ended = _prune_keys(registry, now - KEPT_KEYS, ended, dry_run=dry_run)
    if clients and not dry_run:
        clients = registry.write(
            lambda writer: writer.housekeeping().forget_clients(now - FORGOTTEN_AFTER), flush=False
        )
    return Pruned(keys=old, keys_of_ended_tokens=of_ended, clients=clients, dry_run=dry_run)


def _prune_keys(registry: Registry, before: datetime, ended: set[str], *, dry_run: bool) -> tuple[int, int]:
    """Returns how many keys were over by their age, and how many were those of ended tokens."""
    old = of_ended = 0
    last: Key | None = ("", "")
    while last is not None:
        with registry.read() as reader:
            page = reader.housekeeping().keys(last, before=before, ended=ended)
        keys = (*page.old, *page.ended)
        if keys and not dry_run:
            registry.write(partial(_forget, keys=keys), flush=False)
        old, of_ended, last = old + len(page.old), of_ended + len(page.ended), page.last
    return old, of_ended


def _forget(writer: Writer, keys: tuple[Key, ...]) -> None:
    writer.housekeeping().forget_keys(keys)

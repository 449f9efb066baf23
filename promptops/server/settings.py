"""The settings of a server: the registry, the names that it answers to, and its limits."""

from __future__ import annotations

from dataclasses import dataclass, field

from promptops.core.oidc import Issuer

KIB, MIB = 1 << 10, 1 << 20

CHANGE = 256 * KIB
"""Bytes of the body of a change: a reason of 10,000 characters, all of them escaped, and a thousand names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Requests a second, and at most ``burst`` at once after a pause. A rate of 0 is no limit."""

    a_second: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The server's limits. Sizes are in bytes, times in seconds.

    ``reads`` is for reads of running applications, ``beats`` for their heartbeats: after a change a fleet that shares a
    token sends them all at once. ``others`` is for all other requests, and again for changes: each token has a bucket
    for each of the four, so that a flood of one leaves the others alone. ``failures`` is for requests without a token,
    and again for requests with an invalid one, by address. ``body`` and ``elements`` are for a route without its own
    limits. ``patience`` is how long a client may not read an answer or a stream before the server cuts it, ``ping``
    the longest silence of a stream, and ``keep_alive`` how long a connection stays open between two requests.
    """

    reads: Rate = Rate(a_second=2000, burst=4000)
    beats: Rate = Rate(a_second=500, burst=20_000)
    others: Rate = Rate(a_second=50, burst=200)
    failures: Rate = Rate(a_second=1, burst=20)
    body: int = 64 * KIB
    elements: int = 10_000
    headers: int = 16 * KIB
    parameters: int = 100
    deadline: float = 10.0
    patience: float = 10.0
    ping: float = 10.0
    keep_alive: float = 75.0  # longer than the 60 s of most load balancers: with less, some of their requests get a 502
    connections: int = 4096
    streams: int = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one server. ``hosts`` are the names that it answers to in the Host header; if empty, every name.

    ``proxies`` are the addresses and networks whose X-Forwarded-For it trusts. Without ``auth``, every caller that can
    connect may do everything. ``notify_secrets`` is the path of the file with the secrets of receivers of
    notifications; ``issuers`` are those whose ID tokens it exchanges for tokens.
    """

    registry: str
    allow_network_fs: bool = False
    auth: bool = True
    hosts: frozenset[str] = frozenset()
    proxies: tuple[str, ...] = ()
    notify_secrets: str = ""
    limits: Limits = field(default_factory=Limits)
    issuers: tuple[Issuer, ...] = ()

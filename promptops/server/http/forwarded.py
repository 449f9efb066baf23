"""Finds the address of the client behind a proxy: the one in ``X-Forwarded-For``, if a trusted proxy sent the request.

A client can write anything into that header, and a proxy may pass it on. So only an IP address counts: the header is
read from the right up to the first address that is not a trusted proxy's. With anything else, the proxy's own address
counts. Text that is not an address gets into no log and makes no bucket.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from starlette.types import Scope

Address = IPv4Address | IPv6Address

_HOPS: Final = 32
"""More proxies than that stand in no row."""

_HOP: Final = re.compile(
    r"\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?|([0-9.]{7,15})(?::[0-9]{1,5})?|([0-9A-Fa-f:.]{2,45})"
)


class Proxies:
    """The trusted proxies, as addresses and networks.

    Raises:
        ValueError: one of them is neither.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        self._networks = tuple(map(ip_network, trusted))
        self._trusts = lru_cache(maxsize=4096)(self._is_trusted)

    def name_client(self, scope: Scope) -> None:
        """Set the ``client`` of a request to the client's address, if a trusted proxy sent the request."""
        client = scope.get("client")
        if not self._networks or not client:
            return
        peer = address_in(client[0])
        if peer is None or not self._trusts(peer):
            return
        address = self._first(b",".join([value for name, value in scope["headers"] if name == b"x-forwarded-for"]))
        scope["client"] = (str(address or peer), 0)

    def _first(self, header: bytes) -> Address | None:
        """The last address that is not a trusted proxy's; if all are, the farthest one."""
        first = None
        hops: Sequence[bytes] = header.rsplit(b",", _HOPS)[-_HOPS:]
        for hop in reversed(hops):
            address = address_in(hop.decode("latin-1").strip(" \t"))
            if address is None:
                return None
            first = address
            if not self._trusts(address):
                break
        return first

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def address_in(text: str) -> Address | None:
    """The address that a hop is: alone, or with a port (``192.0.2.7:80``, ``[2001:db8::7]:80``). No zone, no name.

    An IPv4 address that came over IPv6 is the IPv4 address.
    """
    match = _HOP.fullmatch(text)
    if match is None:
        return None
    try:
        address = ip_address(match[1] or match[2] or match[3])
    except ValueError:
        return None
    if match[1] and address.version == 4:
        return None
    return (address.version == 6 and address.ipv4_mapped) or address

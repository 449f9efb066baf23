"""Which URLs and network addresses a notification may go to.

A URL is checked when it is declared, without the network. Each address that its host resolves to is checked again
before a connection, so a name that changes its address leads nowhere else. The rules:

- https, and http only to an address of this machine that the receiver names in ``private``;
- no user and no fragment; a host is a name or a plain IP address, never a number in another spelling;
- an address has to be a public one, or in a network that the receiver names in ``private``;
- addresses of a link, as those that have a cloud's credentials, are refused in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from promptops.core.errors import Invalid

SECRET: Final = "{secret}"  # noqa: S105 a placeholder
"""Stands in a URL for a part that is itself a secret, as in the URLs of Slack."""

Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address

_LONGEST: Final = 2000
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")
"""A last label that browsers and C libraries read as an address: https://url.spec.whatwg.org/#ends-in-a-number-checker"""
_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_EXAMPLE: Final = "https://hooks.example.com/promptops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL in its parts: ``path`` is what follows the host, with the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def place(self) -> str:
        """The host, and the port if it is not the usual one: fit for the Host header and for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


_PORTS: Final = {"https": 443, "http": 80}


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Returns addresses and networks that are named as text.

    Raises:
        Invalid: one is neither an address nor a network.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text))
        except ValueError:
            raise Invalid(
                f"'{text[:80]}' is neither an address nor a network", hint="For example 10.1.2.3 or 10.1.2.0/24."
            ) from None
    return tuple(networks)


def read_target(url: str, private: Sequence[Network] = ()) -> Target:
    """Returns the parts of a URL that notifications may go to.

    Raises:
        Invalid: they may not.
    """
    if len(url) > _LONGEST or not url.isascii() or not url.isprintable() or set(url) & set(" \\#<>\"'`^|"):
        raise Invalid("it has characters that no URL has, or over 2,000 of them", hint=_EXAMPLE)
    try:
        parts = urlsplit(url)
        host, port, user = parts.hostname or "", parts.port, parts.username
    except ValueError:
        raise Invalid("it is not a URL", hint=_EXAMPLE) from None
    if parts.scheme not in _PORTS:
        raise Invalid(f"it begins with '{parts.scheme[:20]}:', and https:// is taken", hint=_EXAMPLE)
    if user is not None or parts.password is not None:
        raise Invalid("it has a user in it, and git shows it to every reader", hint=_EXAMPLE)
    path = url.partition("://")[2][len(parts.netloc) :]
    if not host or "{" in parts.netloc or path.count(SECRET) > 1 or set(path.replace(SECRET, "")) & set("{}"):
        raise Invalid(f"it needs a host, and at most one {SECRET} behind it", hint=_EXAMPLE)
    target = Target(scheme=parts.scheme, host=host, port=_PORTS[parts.scheme] if port is None else port, path=path)
    _check_host(target, private)
    return target


def _check_host(target: Target, private: Sequence[Network]) -> None:
    """Raises Invalid: no connection to this host could be allowed, whatever its name resolves to."""
    host = target.host
    literal = _literal(host)
    local = host == "localhost" or host.endswith(".localhost")
    if literal is None and not all(map(_LABEL.fullmatch, host.split("."))):
        raise Invalid(f"'{host[:80]}' is not the name of a host", hint="A name in ASCII, without a dot at its end.")
    if literal is None and _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise Invalid(f"'{host[:80]}' is a number, which some readers take for another address", hint="A.B.C.D")
    if literal is not None and (flaw := address_flaw(host, private)):
        raise Invalid(flaw[0], hint=flaw[1])
    if local and not any(network.is_loopback for network in private):
        raise Invalid(f"'{host}' is this machine", hint="If that is meant: private: [127.0.0.1]")
    named_here = local or (literal is not None and literal.is_loopback)
    if target.scheme == "http" and not named_here:
        raise Invalid("it is not encrypted", hint="https://… http:// is for this machine alone.")


def address_flaw(text: str, private: Sequence[Network] = ()) -> tuple[str, str] | None:
    """Returns why no connection to this address is allowed, and what to do about it; None where it is allowed.

    An address that contains another one, as those of NAT64 and 6to4, is judged by both.
    """
    address = _literal(text.partition("%")[0])
    if address is None:
        return f"'{text[:80]}' is not an address", ""
    for each in (address, *_inside(address)):
        if each.is_link_local or each.is_multicast or each.is_unspecified:
            return f"{text} is an address that notifications never go to", ""
        if any(each in network for network in private):
            continue
        if isinstance(each, IPv6Address) and (each in _NAT64 or each.ipv4_mapped is not None):
            continue  # as the address inside it
        if not each.is_global or (isinstance(each, IPv6Address) and each not in _UNICAST):
            return f"{text} is not a public address", f"If that is meant, name it: private: [{each}]"
    return None


def _literal(host: str) -> _Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _inside(address: _Address) -> Iterator[_Address]:
    """The IPv4 addresses that an IPv6 address leads to."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield from address.teredo
        if address in _NAT64:
            yield IPv4Address(int(address) & 0xFFFF_FFFF)

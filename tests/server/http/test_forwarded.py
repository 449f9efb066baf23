"""What a proxy says of who asks is an address, or it is not there."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.server.http.forwarded import Proxies

TRUSTED = ("127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48")


def client(peer: str, *headers: str) -> str:
    """Whom a request counts for that came from this peer with these X-Forwarded-For."""
    scope: dict[str, Any] = {
        "client": (peer, 4711),
        "headers": [(b"x-forwarded-for", header.encode("latin-1")) for header in headers],
    }
    Proxies(TRUSTED).name_client(scope)
    return str(scope["client"][0])


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:8080", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("\t192.0.2.7 ", "192.0.2.7"),
        ("198.51.100.1, 192.0.2.7", "192.0.2.7"),  # what stands before it anybody may have written
        ("nonsense, 192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, 10.1.2.3, 2001:db8:1::9", "192.0.2.7"),  # a row of our proxies
        ("10.0.0.9, 10.0.0.8", "10.0.0.9"),
    ],
)
def test_the_last_address_that_is_no_proxys_counts(said: str, found: str) -> None:
    assert client("127.0.0.1", said) == found
    assert client("::ffff:127.0.0.1", said) == found
    assert client("192.0.2.200", said) == "192.0.2.200"


@pytest.mark.parametrize(
    "said",
    [
        "",
        " ",
        ",",
        "192.0.2.7,",
        "unknown",
        "_hidden",
        "localhost",
        "192.0.2.7 evil",
        "192.0.2.007",
        "192.0.2.256",
        "192.0.2",
        "3232235777",
        "0x7f.1",
        "192.0.2.7:",
        "192.0.2.7:port",
        "192.0.2.7:123456",
        "[192.0.2.7]:80",
        "[2001:db8::7",
        "2001:db8::7]",
        "2001:db8::7%eth0",
        "fe80::1%\x1b[2J",
        "[fe80::1%25x]:80",
        "::1::2",
        'for="192.0.2.7"',
        "192.0.2.7\r\nforged",
        "\x1b[2J192.0.2.7",
        "\u0661\u0669\u0662".encode().decode("latin-1"),
        "x" * 10_000,
        "192.0.2.7, garbage",
        "garbage, 10.0.0.9",
    ],
    ids=ascii,
)
def test_what_is_no_address_is_not_there(said: str) -> None:
    assert client("127.0.0.1", said) == "127.0.0.1"


def test_several_headers_are_one_and_no_end_of_hops_is_read() -> None:
    assert client("127.0.0.1", "192.0.2.1", "192.0.2.7, 10.0.0.1") == "192.0.2.7"
    assert client("127.0.0.1", "192.0.2.1," + "10.0.0.1," * 1000 + "10.0.0.2") == "10.0.0.1"


def test_a_peer_without_an_address_and_a_server_without_proxies_are_left_alone() -> None:
    for peer in (None, ("fe80::1%eth0", 1), ("/run/socket", 0)):
        scope: dict[str, Any] = {"client": peer, "headers": [(b"x-forwarded-for", b"192.0.2.7")]}
        Proxies(TRUSTED).name_client(scope)
        assert scope["client"] == peer
    scope = {"client": ("127.0.0.1", 1), "headers": [(b"x-forwarded-for", b"192.0.2.7")]}
    Proxies(()).name_client(scope)
    assert scope["client"] == ("127.0.0.1", 1)

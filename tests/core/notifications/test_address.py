"""Where a notification may go: fault case 67, at the time it is declared and for each address of a connection."""

from __future__ import annotations

import pytest

from promptops.core.errors import Invalid
from promptops.core.notifications.address import address_flaw, read_networks, read_target
from promptops.core.notifications.receiver import read_receiver

REFUSED = [
    "https://127.0.0.1/",
    "https://localhost/",
    "https://a.localhost/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[2002:7f00:1::]/",  # 6to4 of 127.0.0.1
    "https://169.254.169.254/latest/meta-data/",
    "https://[fe80::1]/",
    "https://[fd00:ec2::254]/",
    "https://0.0.0.0/",
    "https://[::]/",
    "https://10.0.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://2130706433/",  # 127.0.0.1 as one number
    "https://0177.0.0.1/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://127.1/",
    "https://127.0.0.1./",
    "https://hooks.example.com./",
    "https://user@hooks.example.com/",
    "https://user:secret@hooks.example.com/",
    "https://hooks.example.com@127.0.0.1/",
    "https://hooks.example.com\\@127.0.0.1/",
    "http://hooks.example.com/",
    "http://93.184.216.34/",
    "file:///etc/passwd",
    "gopher://hooks.example.com/",
    "ftp://hooks.example.com/",
    "//hooks.example.com/",
    "hooks.example.com",
    "https://",
    "https:///path",
    "https://hooks.example.com:99999/",
    "https://hooks.example.com/#part",
    "https://hooks.example.com/a b",
    "https://hooks.example.com/\n",
    "https://hooks.example.com/ü",
    "https://{secret}.example.com/",
    "https://hooks.example.com/{secret}/{secret}",
    "https://hooks.example.com/{other}",
    "https://" + "a" * 64 + ".example.com/",
    "https://hooks.example.com/" + "a" * 2000,
    "",
]


@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_leads_inside_or_is_none_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_target(url)
    assert "secret@" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "place", "path"),
    [
        ("https://hooks.example.com/promptops", "hooks.example.com", "/promptops"),
        ("https://hooks.example.com", "hooks.example.com", ""),
        ("https://hooks.example.com:8443/a?b=c", "hooks.example.com:8443", "/a?b=c"),
        ("https://93.184.216.34/", "93.184.216.34", "/"),
        ("https://[2606:2800:220:1::1]:444/", "[2606:2800:220:1::1]:444", "/"),
        ("HTTPS://Hooks.Example.COM/A", "hooks.example.com", "/A"),
        ("https://hooks.slack.com/services/{secret}", "hooks.slack.com", "/services/{secret}"),
    ],
)
def test_a_public_url_is_taken_apart(url: str, place: str, path: str) -> None:
    target = read_target(url)
    assert (target.place, target.path) == (place, path)


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://127.0.0.1:8080/hook", "127.0.0.1"),
        ("http://localhost:8080/hook", "127.0.0.0/8"),
        ("http://[::1]:8080/hook", "::1"),
        ("https://10.1.2.3/hook", "10.1.0.0/16"),
        ("https://[::ffff:10.1.2.3]/hook", "10.1.0.0/16"),
    ],
)
def test_a_private_address_is_taken_where_the_settings_name_it(url: str, private: str) -> None:
    assert read_target(url, read_networks([private])).host
    with pytest.raises(Invalid):
        read_target(url, read_networks(["192.168.0.0/16"]))


def test_http_is_for_this_machine_alone_and_addresses_of_a_link_are_never_taken() -> None:
    with pytest.raises(Invalid, match="not encrypted"):
        read_target("http://10.1.2.3/hook", read_networks(["10.0.0.0/8"]))
    everything = read_networks(["0.0.0.0/0", "::/0"])
    for address in ("169.254.169.254", "fe80::1%eth0", "::ffff:169.254.169.254", "0.0.0.0", "224.0.0.1", "ff02::1"):
        assert address_flaw(address, everything) is not None


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::93.184.216.34", "::ffff:8.8.8.8"])
def test_a_public_address_is_taken(address: str) -> None:
    assert address_flaw(address) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "notify.ops lacks url"),
        ({"url": 5}, "notify.ops.url is 5, and takes a text"),
        ({"url": "https://h.org", "events": ["deploy"]}, "notify.ops.events is ['deploy'], and takes of release,"),
        ({"url": "https://h.org", "format": "xml"}, "notify.ops.format is 'xml', and takes one of webhook, slack"),
        ({"url": "https://h.org", "private": ["10.0.0"]}, "notify.ops.private: '10.0.0' is neither an address nor"),
        ({"url": "https://h.org", "channels": ["PROD"]}, "notify.ops.channels is ['PROD'], and takes names of"),
        ({"url": "https://10.0.0.1"}, "notify.ops.url: 10.0.0.1 is not a public address"),
        ({"url": "https://h.org", "secret": "x"}, "notify.ops has no key 'secret'"),
    ],
)
def test_settings_of_a_receiver_are_refused_by_name(settings: dict[str, object], message: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_receiver("ops", settings)
    assert str(refused.value).startswith(message)

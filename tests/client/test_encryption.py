"""Whose certificates are believed. The certificates are made by certificates/make.sh."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptops import Client, State
from promptops.core.errors import Invalid
from tests.client import made
from tests.client.clients import Maker
from tests.client.fake_server import FakeServer
from tests.client.waiting import until

FOLDER = Path(__file__).parent / "certificates"
AUTHORITY = str(FOLDER / "authority.pem")


def _server(name: str) -> FakeServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER / f"{name}.pem")
    server = FakeServer(tls=context)
    server.serve(made.served(1, "1.0.0"))
    return server


@pytest.fixture
def good() -> Iterator[FakeServer]:
    """A server that proves who it is. Asked for before a client it ends after it: of one that leaves between
    connecting and greeting, Python's ssl leaves the socket to the garbage collector, which says so."""
    with _server("good") as server:
        yield server


def test_a_server_with_a_certificate_of_a_known_authority_is_followed(good: FakeServer, client_of: Maker) -> None:
    client = client_of(good.url, verify=AUTHORITY, token="pops_rt_secret")
    assert client.state is State.READY
    until(lambda: client.status().streaming)
    good.serve(made.served(2, "2.0.0"))
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")


def test_a_context_of_the_application_is_used_as_it_is(good: FakeServer, client_of: Maker) -> None:
    client = client_of(good.url, verify=ssl.create_default_context(cafile=AUTHORITY))
    assert client.state is State.READY


@pytest.mark.parametrize("name", ["wrong-host", "expired", "self-signed"])
def test_a_server_that_proves_nothing_is_not_asked_anything(client_of: Maker, tmp_path: Path, name: str) -> None:
    with _server("good") as server:
        with Client(server.url, channel="prod", verify=AUTHORITY, cache_dir=tmp_path, heartbeat=False) as first:
            until(lambda: list(tmp_path.glob("*.lkg")))
            assert first.state is State.READY
        port = server.port
    with _server(name) as impostor:
        impostor.stop()
        impostor.port = port
        impostor.start()
        client = client_of(impostor.url, verify=AUTHORITY, token="pops_rt_secret", cache_dir=tmp_path)
        assert client.state is State.DISCONNECTED
        assert "certificate" in client.status().problem.lower()
        assert client.get_prompt("bot/answer").source == "disk"
        assert impostor.asked == []
        client.close()


def test_an_unknown_authority_is_not_believed(good: FakeServer, client_of: Maker) -> None:
    client = client_of(good.url)
    assert client.state is State.COLD
    assert "certificate" in client.status().problem.lower()
    assert good.asked == []


def test_a_file_of_certificates_that_is_not_there_is_said_at_once() -> None:
    with pytest.raises(Invalid, match="certificates"):
        Client("https://127.0.0.1:1", channel="prod", verify="/nowhere/authority.pem")

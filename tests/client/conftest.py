"""A fake server, a proxy before it, and both clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from promptops import Client
from promptops.client.follow import reports, threads
from tests.client import made
from tests.client.clients import InLoop, Maker, makers
from tests.client.fake_server import FakeServer
from tests.client.proxy import FaultProxy

VARIABLES = ("REGISTRY", "CHANNEL", "TOKEN", "TOKEN_FILE", "VERSION", "PIN", "BUNDLE", "OVERRIDE", "CACHE")


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"PROMPTOPS_{name}", raising=False)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """Serves version 1.0.0 of one app, `bot`."""
    with FakeServer() as server:
        server.serve(made.served(1, "1.0.0"))
        yield server


@pytest.fixture
def plain_server() -> Iterator[FakeServer]:
    """The same as files of any web server."""
    with FakeServer(api=False) as server:
        server.serve(made.served(1, "1.0.0"))
        yield server


@pytest.fixture
def proxy(server: FakeServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goodbyes have time: a machine that is slow is no server that does not answer."""
    for module, name in ((reports, "BRIEFLY"), (reports, "GOODBYE"), (threads, "GOODBYE")):
        monkeypatch.setattr(module, name, 40.0)


@pytest.fixture(params=[Client, InLoop], ids=["threads", "tasks"])
def client_of(request: pytest.FixtureRequest) -> Iterator[Maker]:
    """Makes clients, once those with threads and once those with tasks."""
    with makers(request.param) as maker:
        yield maker


@pytest.fixture
def threaded() -> Iterator[Maker]:
    """Makes clients with threads."""
    with makers(Client) as maker:
        yield maker

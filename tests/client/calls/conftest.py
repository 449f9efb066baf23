"""A server that counts calls, and clients that know its secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from promptops import Client
from promptops.client import async_client
from promptops.client.follow import outcome_reports
from tests.client import made
from tests.client.calls.said import LINEAGE, answer, serve
from tests.client.clients import AnyClient, Maker
from tests.client.fake_server import SECRET, FakeServer
from tests.client.waiting import until

Connect = Callable[..., AnyClient]


@pytest.fixture
def counting(server: FakeServer) -> FakeServer:
    """A server that takes reports of calls of `bot`, at revision 17 of epoch 3."""
    serve(server, made.pointer(17, made.release("bot", "1.0.0")))
    return server


@pytest.fixture
def unhurried(patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing a client has time, too."""
    monkeypatch.setattr(async_client, "_END", 40.0)
    monkeypatch.setattr(Client.close, "__defaults__", (40.0,))


@pytest.fixture
def at_the_end(unhurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client reports its calls when it is closed, and not before, however slow the machine is."""
    monkeypatch.setattr(outcome_reports, "EVERY", 1e9)


@pytest.fixture
def often(unhurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document every moment."""
    monkeypatch.setattr(outcome_reports, "EVERY", 0.01)
    monkeypatch.setattr(outcome_reports, "LOOK", 0.01)


@pytest.fixture
def client(client_of: Maker, counting: FakeServer, at_the_end: None) -> AnyClient:
    """A client that has the secret of reporting clients."""
    return with_secret(client_of(counting.url))


def with_secret(client: AnyClient) -> AnyClient:
    """The same when it has the secret."""
    following: Any = getattr(client, "client", client)
    until(lambda: following._own.desk.secret_of(LINEAGE) == SECRET)
    return client


def ask(client: AnyClient, *keys: str) -> None:
    """One call for each key."""
    for key in keys:
        with client.call("bot/answer", key=key) as call:
            call.record(answer())

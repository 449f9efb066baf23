"""A server, and a typist who works with it or with the database behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from promptops.core.token import Scope, Token
from promptops.operations.tokens import TokenRequest, create_token
from promptops.server.app import create_app
from promptops.server.settings import Settings
from promptops.store import Registry
from tests.cli.conftest import Answer
from tests.server.running import inside
from tests.support import factory

Serve = Callable[[str], str]
"""Starts a server for the registry of this URL, and answers where it is."""


@dataclass(frozen=True, slots=True)
class Held:
    """A token and its secret."""

    token: Token
    secret: str


def mint(
    registry: Registry,
    name: str,
    *scopes: Scope,
    channels: tuple[str, ...] = ("*",),
    apps: tuple[str, ...] = ("*",),
    lifetime: timedelta | None = None,
    person: str = "",
) -> Held:
    """A token with these rights, of nobody and without an end unless that is said."""
    request = TokenRequest(name=name, scopes=scopes, channels=channels, apps=apps, lifetime=lifetime, person=person)
    made = create_token(registry, request, actor=factory.ACTOR, now=datetime.now(UTC))
    return Held(made.token, made.text)


def work_with(kind: str, url: str, secret: str, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the command line work with the "database" of this URL, or with a "server" for it and this token."""
    is_server = kind == "server"
    monkeypatch.setenv("PROMPTOPS_REGISTRY", serve(url) if is_server else url)
    if is_server:
        monkeypatch.setenv("PROMPTOPS_TOKEN", secret)


def rows(answer: Answer, name: str) -> list[Any]:
    """A list in the JSON of an answer."""
    found = answer.json[name]
    assert isinstance(found, list)
    return found


@contextmanager
def serving(url: str) -> Iterator[str]:
    """The address of a server for this registry, until the block ends. It is a thread of this process, since a process
    of its own would take a second to start, and a command line sees no difference."""
    with inside(create_app(Settings(registry=url))) as talking:
        yield f"http://127.0.0.1:{talking.port}"

"""Registries with something to serve, servers for them, and tokens of every kind."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from promptops.core.model import Policy
from promptops.core.token import Scope
from promptops.operations.tokens import TokenRequest, create_token, revoke_token
from promptops.store import Registry
from tests.server.running import Running, running
from tests.support import factory

UNLIMITED = ("--reads-per-second", "0", "--changes-per-second", "0")

Serve = Callable[..., Running]
"""Starts a server for the registry of the test, with these arguments; it ends with the test."""


def told(registry: Registry) -> None:
    """`bot` with three releases, all of them live on prod one after the other, and `other` with one; and `dev`."""
    factory.make_channels(registry, dev=Policy(), prod=Policy())
    for app, count in (("bot", 3), ("other", 1)):
        for place, release in enumerate(factory.make_releases(registry, app, count)):
            factory.go_live(registry, f"{app}@{release.version}", now=factory.minutes(place))


def mint(
    registry: Registry,
    name: str,
    *scopes: Scope,
    channels: tuple[str, ...] = ("*",),
    apps: tuple[str, ...] = ("*",),
    made: datetime | None = None,
    lifetime: timedelta | None = None,
    person: str = "",
) -> str:
    """The secret of a new token."""
    request = TokenRequest(name=name, scopes=scopes, channels=channels, apps=apps, lifetime=lifetime, person=person)
    return create_token(registry, request, actor=factory.ACTOR, now=made or datetime.now(UTC)).text


def revoke(registry: Registry, name: str) -> None:
    """Take a token back."""
    revoke_token(registry, name, actor=factory.ACTOR, now=datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Place:
    """A registry in which something is live, a server for it, and the secret of a token that may read everything."""

    registry: Registry
    url: str
    server: Running
    reader: str


@pytest.fixture
def world(registry: Registry) -> Registry:
    """A registry in which something is live, on each of the databases."""
    told(registry)
    return registry


@pytest.fixture
def reader(world: Registry) -> str:
    """The secret of a token that may read everything."""
    return mint(world, "reader", Scope.READ)


@pytest.fixture
def serve(registry_url: str, tmp_path: Path) -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(running(registry_url, tmp_path, *arguments))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """On each of the databases, one for all tests of a module; they leave `bot` and `other` where they are."""
    folder = tmp_path_factory.mktemp("place")
    if request.param == "sqlite":
        url = f"sqlite:///{folder}/registry.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), folder / "registry.db")
    else:
        url = request.getfixturevalue("postgresql_databases")(request.getfixturevalue("postgresql_template"))
    opened = Registry.open(url)
    told(opened)
    reader = mint(opened, "reader", Scope.READ)
    with running(url, folder, *UNLIMITED) as started:
        yield Place(opened, url, started, reader)
    opened.close()


@pytest.fixture(scope="module")
def lasting(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry in SQLite for all tests of a module, which leave it as it is."""
    path = tmp_path_factory.mktemp("lasting") / "registry.db"
    shutil.copy(sqlite_template, path)
    opened = Registry.open(f"sqlite:///{path}")
    told(opened)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def admin(lasting: Registry) -> str:
    return mint(lasting, "admin", Scope.ADMIN)


@pytest.fixture(scope="module")
def server(lasting: Registry, admin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server for all tests of a module, which takes as many requests as they send."""
    with running(f"sqlite:///{lasting.url}", tmp_path_factory.mktemp("server"), *UNLIMITED) as started:
        yield started

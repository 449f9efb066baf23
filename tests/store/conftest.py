"""Registries with a whole world in them: made once for each database, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from promptops.store import Registry, create
from tests.conftest import ACTOR, CREATED, shared
from tests.store.world import make_world

if TYPE_CHECKING:
    from psycopg import Connection


@pytest.fixture(scope="session")
def sqlite_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("world") / "registry.db"
    _make(str(path))
    return path


@pytest.fixture(scope="session")
def postgresql_world(postgresql_databases: Callable[[str], str]) -> str:
    url = postgresql_databases("template0")
    _make(url)
    return str(make_url(url).database)


@pytest.fixture(scope="session")
def shared_world(
    postgresql_databases: Callable[[str], str],
    shared_template: str,
    postgresql_admin: Connection[tuple[object, ...]],
) -> str:
    url = shared(postgresql_databases(shared_template), postgresql_admin)
    with closing(Registry.open(url)) as registry:
        make_world(registry)
    return str(make_url(url).database)


def _make(url: str) -> None:
    create(url, name="test", now=CREATED, actor=ACTOR)
    with closing(Registry.open(url)) as registry:
        make_world(registry)


@pytest.fixture
def world_url(database: str, reached: Callable[[str], str], request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a registry in which everything happened that can happen."""
    if database == "sqlite":
        path = tmp_path / "world.db"
        shutil.copy(request.getfixturevalue("sqlite_world"), path)
        return f"sqlite:///{path}"
    shared_too = request.node.callspec.params["database"] == "shared"
    world = request.getfixturevalue("shared_world" if shared_too else "postgresql_world")
    return reached(request.getfixturevalue("postgresql_database")(world))


@pytest.fixture
def world(world_url: str) -> Iterator[Registry]:
    """That registry, open."""
    with closing(Registry.open(world_url)) as registry:
        yield registry

"""A registry in which everything happened that can happen, beside the repository it was released from."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from promptops.core.faults import Fault
from promptops.core.model import Policy
from promptops.core.reference import parse_reference
from promptops.core.release_bytes import content_from_bytes
from promptops.operations.build import build
from promptops.operations.quarantine import WithholdRequest, unquarantine, yank
from promptops.operations.release import ReleaseRequest, release
from promptops.operations.tokens import revoke_token
from promptops.projection.objects import project
from promptops.source.git.repository import Repository
from promptops.store import Registry
from tests.support import factory
from tests.support.factory import ACTOR, PROMPT, key, minutes

Tamper = Callable[..., None]


@pytest.fixture(scope="session")
def made_world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, str]]:
    """The world of a database, made once: its repository, and what `template` answers. Tests take copies."""

    @functools.cache
    def make(database: str) -> tuple[Path, str]:
        folder = tmp_path_factory.mktemp(f"world-{database}")
        template = request.getfixturevalue(f"{database}_template")
        if database == "sqlite":
            made = url = str(shutil.copy(template, folder / "registry.db"))
        else:
            url = request.getfixturevalue("postgresql_databases")(template)
            made = str(make_url(url).database)
        root = factory.make_workspace(folder / "repo")
        with closing(Registry.open(url)) as registry:
            _fill(registry, root)
        return root, made

    return make


@pytest.fixture
def template(database: str, request: pytest.FixtureRequest) -> str:
    if "world" in request.fixturenames:
        return str(request.getfixturevalue("made_world")(database)[1])
    return str(request.getfixturevalue(f"{database}_template"))


@pytest.fixture
def root(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The repository: the world's, or a new one where a test does not ask for the world."""
    if "world" in request.fixturenames:
        return Path(shutil.copytree(request.getfixturevalue("made_world")(database)[0], tmp_path / "repo"))
    return factory.make_workspace(tmp_path / "repo")


@pytest.fixture
def repository(root: Path) -> Iterator[Repository]:
    opened = Repository.open(root)
    yield opened
    opened.close()


def write_older(registry: Registry, repository: Repository) -> None:
    """Brings everything to git as versions before 0.4.0 did: each fact has a ref of its own."""
    git = repository.refs
    with registry.read() as reader:
        made = [project(record, git.algorithm) for record in reader.facts(reader.journal())]
    git.write([item for each in made for item in each.objects])
    assert git.create({f"refs/promptops/{each.name}": each.sha for each in made}) == {}


def cut(registry: Registry, root: Path, take: int, *, dirty: bool = False) -> str:
    """Change the prompt, commit unless it is to be dirty, release; answers the version."""
    files = {"bot/prompts/greet.prompt.yml": PROMPT.replace("Say hello", f"Say hello {take} times")}
    if dirty:
        factory.write(root, files)
    else:
        factory.commit(root, files)
    with closing(Repository.open(root)) as repository:
        workspace = build(repository, root, ["bot"], builder="tests", allow_dirty=dirty)
    made = release(registry, workspace, ReleaseRequest(key=key(), notes=f"Take {take}"), actor=ACTOR, now=minutes(take))
    assert content_from_bytes(made[0].release.content).app == "bot"
    return made[0].release.version


@pytest.fixture
def world(registry: Registry, root: Path) -> Registry:
    """One fact of every kind: 0.1.0 to 0.1.3, the last one first dirty and then confirmed, 0.1.1 yanked."""
    return registry


def _fill(registry: Registry, root: Path) -> None:
    factory.make_channels(registry, dev=Policy(allow_dirty=True), prod=Policy())
    versions = [cut(registry, root, take) for take in range(3)]
    for place, version in enumerate(versions):
        factory.go_live(registry, f"bot@{version}", now=minutes(10 + place))
    factory.go_back(registry, "bot", now=minutes(20), reason="wrong\nanswers")
    factory.go_back(registry, "bot", now=minutes(21))
    held = WithholdRequest(reference=parse_reference(f"bot@{versions[2]}"), reason="fine", key=key(), channel="prod")
    unquarantine(registry, held, actor=ACTOR, now=minutes(22))
    bad = WithholdRequest(reference=parse_reference(f"bot@{versions[1]}"), reason="leaks", key=key())
    yank(registry, bad, actor=ACTOR, now=minutes(23))
    factory.make_token(registry, "ci", channels=("prod",), now=minutes(24))
    revoke_token(registry, "ci", reason="in a log", actor=ACTOR, now=minutes(25))
    cut(registry, root, 30, dirty=True)
    factory.git(root, "commit", "--quiet", "--all", "-m", "Commit it after all")
    with closing(Repository.open(root)) as repository:
        workspace = build(repository, root, ["bot"], builder="tests")
    release(registry, workspace, ReleaseRequest(key=key()), actor=ACTOR, now=minutes(31))


@pytest.fixture
def tamper(registry_url: str, database: str) -> Tamper:
    """Runs SQL as somebody who owns the database and has put its guards and constraints out of the way."""

    def run(*statements: str, **parameters: Any) -> None:
        url = registry_url.replace("postgresql://", "postgresql+psycopg://")
        engine = create_engine(url)
        with engine.connect() as connection:
            if database == "sqlite":
                connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
                guards = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type='trigger'").all()
                for name, _ in guards:
                    connection.exec_driver_sql(f"DROP TRIGGER {name}")
                for statement in statements:
                    connection.execute(text(statement), parameters)
                for _, sql in guards:
                    connection.exec_driver_sql(sql)
            else:
                tables = connection.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname='public'").all()
                for (table,) in tables:
                    connection.exec_driver_sql(f'ALTER TABLE "{table}" DISABLE TRIGGER ALL')
                for statement in statements:
                    connection.execute(text(statement), parameters)
                for (table,) in tables:
                    connection.exec_driver_sql(f'ALTER TABLE "{table}" ENABLE TRIGGER ALL')
                named = connection.exec_driver_sql(
                    "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
                    " WHERE NOT t.tgisinternal"
                ).all()
                for table, name in named:
                    connection.exec_driver_sql(f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER {name}')
            connection.commit()
        engine.dispose()

    return run


def codes(faults: tuple[Fault, ...]) -> set[str]:
    return {fault.code for fault in faults}

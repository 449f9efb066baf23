"""Which revision a registry is at stands in a table of its own: `alembic_version` belongs to others."""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing

import pytest

from promptops.store import HEAD, Registry, check_store, create, current_schema, upgrade
from promptops.store.engine.database import connect, locate
from tests.conftest import ACTOR, CREATED
from tests.migrations.filled import fill_old
from tests.support.factory import live_version
from tests.support.old import VERSIONS, Old


def run(url: str, *statements: str) -> list[tuple[object, ...]]:
    """SQL behind promptops' back; answers the rows of the last one."""
    _, writing = connect(locate(url))
    rows: Sequence[object] = ()
    with writing.begin() as connection:
        for statement in statements:
            done = connection.exec_driver_sql(statement)
            rows = done.all() if done.returns_rows else ()
    writing.dispose()
    return [tuple(row) for row in rows]  # type: ignore[arg-type]


def shared(url: str) -> list[tuple[object, ...]]:
    return run(url, "SELECT version_num FROM alembic_version ORDER BY 1")


def ours(url: str) -> list[tuple[object, ...]]:
    return run(url, "SELECT version_num FROM promptops_version")


@pytest.mark.parametrize("revision", ["0001", "0002"])
@pytest.mark.parametrize(
    ("there", "left"),
    [
        ((), ["promptops_version"]),  # ours alone: what stops the first promptops
        (("INSERT INTO alembic_version VALUES ('ab12cd34')",), ["ab12cd34"]),  # a second application in one table
        (("UPDATE alembic_version SET version_num = 'ab12cd34'",), ["ab12cd34"]),  # it took the table over
        (("DELETE FROM alembic_version",), []),
        (("DROP TABLE alembic_version",), None),
    ],
)
def test_a_registry_of_the_first_promptops_moves_out_of_the_shared_table(
    empty_url: str, revision: str, there: tuple[str, ...], left: list[str] | None
) -> None:
    url = fill_old(empty_url, revision)
    run(url, *there)
    assert current_schema(url) == (revision, HEAD)

    assert upgrade(url) == (revision, HEAD)
    assert upgrade(url) == (HEAD, HEAD)
    create(url, name="test", now=CREATED, actor=ACTOR)

    assert ours(url) == [(HEAD,)]
    if left is not None:
        assert shared(url) == [(version,) for version in left]
    with closing(Registry.open(url)) as registry:
        assert live_version(registry) is not None
        assert check_store(registry) == ()


def test_another_applications_revision_is_not_looked_at(registry_url: str) -> None:
    """Whoever comes second, with Alembic: it finds no table of that name, and makes its own."""
    before = run(registry_url, "SELECT 1")
    run(
        registry_url,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        "INSERT INTO alembic_version VALUES ('ab12cd34')",
    )
    assert current_schema(registry_url) == (HEAD, HEAD)
    assert upgrade(registry_url) == (HEAD, HEAD)
    Registry.open(registry_url).close()
    assert shared(registry_url) == [("ab12cd34",)]
    run(registry_url, "UPDATE alembic_version SET version_num = '0002'")
    assert current_schema(registry_url) == (HEAD, HEAD)
    assert before == [(1,)]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("revision", ["ab12cd34", "0003"])
def test_a_registry_is_made_beside_another_application(empty_url: str, revision: str) -> None:
    run(
        empty_url,
        "CREATE TABLE song (title TEXT)",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        f"INSERT INTO alembic_version VALUES ('{revision}')",
    )
    assert current_schema(empty_url) == (None, HEAD)
    assert create(empty_url, name="test", now=CREATED, actor=ACTOR)
    assert (ours(empty_url), shared(empty_url)) == ([(HEAD,)], [(revision,)])
    assert run(empty_url, "SELECT * FROM song") == []


# --- earlier versions themselves ---------------------------------------------------------------------

SCHEMAS = {"0.1.0": "0003", "0.6.0": "0018", "0.7.0": "0018"}
"""The newest schema that an earlier version knows."""
OLDER = [version for version, schema in SCHEMAS.items() if schema != HEAD]
"""Those for which a registry of today is too new."""

_CREATE = """
import os, promptops
from datetime import datetime, UTC
from promptops.store import create
create(os.environ["PROMPTOPS_REGISTRY"], name="test", now=datetime(2026, 1, 1, tzinfo=UTC), actor="Ada <a@example.org>")
"""
_TYPE = """
import contextlib, io, json, sys
from promptops.cli.main import run
for command in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = run(command)
    print(json.dumps([code, said.getvalue()]))
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Old]:
    """Earlier versions, each unpacked once for all tests."""
    return functools.cache(lambda version: Old.unpack(version, tmp_path_factory.mktemp("old")))


def attempt(old: Old, code: str, url: str) -> subprocess.CompletedProcess[str]:
    return old.attempt(code, PROMPTOPS_ACTOR=ACTOR, PROMPTOPS_REGISTRY=url)


def typed(old: Old, url: str, *commands: list[str]) -> list[tuple[int, str]]:
    """How command lines of an earlier version end that are typed one after the other, and their errors."""
    said = old.python(_TYPE, json.dumps(commands), PROMPTOPS_ACTOR=ACTOR, PROMPTOPS_REGISTRY=url)
    return [(code, errors) for code, errors in map(json.loads, said.splitlines())]


def kept(old: Old, url: str) -> list[object]:
    """What an earlier version must leave as it is; the first one kept its revision in the shared table."""
    revisions = ours(url) + (shared(url) if old.version == "0.1.0" else [])
    return [run(url, "SELECT * FROM audit"), revisions]


def test_the_schema_of_every_earlier_version_is_known() -> None:
    assert tuple(SCHEMAS) == VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_a_registry_of_an_earlier_promptops_is_upgraded_and_stops_it(
    empty_url: str, unpacked: Callable[[str], Old], version: str
) -> None:
    old = unpacked(version)
    made = attempt(old, _CREATE, empty_url)
    assert made.returncode == 0, made.stderr
    assert upgrade(empty_url) == (SCHEMAS[version], HEAD)

    if version in OLDER:
        before = kept(old, empty_url)
        for code, errors in typed(old, empty_url, ["status"], ["rollback", "--all"], ["db", "upgrade"]):
            assert code == 6, errors
            assert "newer" in errors and "Upgrade promptops" in errors
        again = attempt(old, _CREATE, empty_url)
        assert again.returncode != 0 and "SchemaTooNew" in again.stderr
        assert kept(old, empty_url) == before
    with closing(Registry.open(empty_url)) as registry:
        assert check_store(registry) == ()


def test_the_first_promptops_changes_nothing_in_a_new_registry(
    registry_url: str, unpacked: Callable[[str], Old]
) -> None:
    old = unpacked("0.1.0")
    [(code, errors)] = typed(old, registry_url, ["status"])
    assert (code, "no registry" in errors) == (6, True)
    made = attempt(old, _CREATE, registry_url)
    assert made.returncode != 0 and "already exists" in made.stderr
    with closing(Registry.open(registry_url)) as registry:
        assert check_store(registry) == ()

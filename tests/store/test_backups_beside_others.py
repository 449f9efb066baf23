"""Backups of a PostgreSQL database that is shared: exactly the registry's tables, by any role, into any schema."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from promptops.core.errors import Conflict, ExtraMissing, RegistryDamaged
from promptops.core.faults import Condition
from promptops.store import Registry, backup, check_store, create, restore
from promptops.store.backups.manifest import Manifest, encode, manifest_path, sha256_of
from promptops.store.engine.database import locate
from promptops.store.schema.tables import metadata
from tests.conftest import ACTOR, CREATED, settle_another_application
from tests.store.facts import ask
from tests.store.test_sessions import name_of, plain, require_all_right, sql, work_in
from tests.store.world import all_records, make_world
from tests.support.checkout import ROOT
from tests.support.factory import go_back, live_version, minutes

Make = Callable[[str], str]
pytestmark = pytest.mark.usefixtures("postgresql_tools")


@pytest.fixture
def shared(postgresql_database: Make) -> str:
    """A database with another application's tables, one of which not even its owner's friends may read."""
    url = postgresql_database("template0")
    settle_another_application(url)
    sql(url, "CREATE TABLE secret (theirs TEXT)", "CREATE FUNCTION theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    return url


def in_schema(url: str, schema: str = "promptops") -> str:
    return make_url(url).update_query_dict({"schema": schema}).render_as_string(False)


def save(url: str, folder: Path, name: str = "saved.backup", *, verify: bool = True) -> tuple[Path, Manifest]:
    return folder / name, backup(url, folder / name, now=minutes(400), verify=verify)


def bring_back(path: Path, url: str) -> None:
    restore(path, url, actor=ACTOR, now=minutes(500))


def entries(path: Path) -> list[str]:
    """What a dump holds, as its tools list it."""
    listed = subprocess.run(["pg_restore", "--list", str(path)], capture_output=True, text=True, check=True).stdout
    return re.findall(
        r"^\d+; \d+ \d+ (?:TABLE DATA|TABLE(?! DATA)|FUNCTION|VIEW|SEQUENCE SET) \S+ (\S+) ", listed, re.MULTILINE
    )


@pytest.mark.parametrize("target", ["promptops", "another", ""])
def test_a_schema_of_ones_own_comes_back_into_any_schema(
    shared: str, postgresql_database: Make, tmp_path: Path, target: str
) -> None:
    url = in_schema(shared)
    create(url, name="test", now=CREATED, actor=ACTOR)
    with closing(Registry.open(url)) as registry:
        make_world(registry)
        records = all_records(registry)
    path, made = save(url, tmp_path)
    assert set(entries(path)) == {*metadata.tables, "promptops_version"}
    assert path.stat().st_mode & 0o777 == 0o600

    there = postgresql_database("template0")
    again = in_schema(there, target) if target else there
    bring_back(path, again)
    with closing(Registry.open(again)) as registry:
        assert all_records(registry)[:-1] == records
        assert check_store(registry) == ()
        go_back(registry, "bot", now=minutes(501))
    assert made.holdings.counts["release"] == 8


def test_a_registry_comes_back_beside_another_application(shared: str, tmp_path: Path) -> None:
    url = in_schema(shared)
    create(url, name="test", now=CREATED, actor=ACTOR)
    with closing(Registry.open(url)) as registry:
        work_in(registry)
    path, _ = save(url, tmp_path)
    with pytest.raises(Conflict, match="another application"):
        bring_back(path, shared)
    with pytest.raises(Conflict, match="registry at"):
        bring_back(path, url)
    sql(shared, "DROP SCHEMA promptops CASCADE")
    bring_back(path, url)
    require_all_right_but_the_restore(url)
    with psycopg.connect(plain(shared)) as server:
        assert server.execute("SELECT version_num FROM alembic_version").fetchall() == [("ab12cd34",)]


def require_all_right_but_the_restore(url: str) -> None:
    with closing(Registry.open(url)) as registry:
        assert live_version(registry) == "0.1.0"
        assert ask(registry, lambda reader: reader.audit())[0].action == "restore"
        assert check_store(registry) == ()


@pytest.fixture
def documented_role(
    postgresql_database: Make, postgresql_admin: psycopg.Connection[tuple[object, ...]]
) -> Iterator[tuple[str, str]]:
    """A database with a registry beside others' tables in `public`, and the URL of the role of the operations guide."""
    url = postgresql_database("template0")
    role = f"{name_of(url)}_user"
    create(url, name="test", now=CREATED, actor=ACTOR)
    sql(url, "CREATE TABLE secret (theirs TEXT)", "REVOKE ALL ON secret FROM PUBLIC")
    guide = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    block = next(found for found in re.findall(r"```sql\n(.*?)```", guide, re.DOTALL) if "promptops_user" in found)
    sql(url, *(line for line in block.replace("promptops_user", f'"{role}"').split(";") if line.strip()))
    sql(url, f'REVOKE ALL ON secret FROM "{role}"')
    yield url, make_url(url).set(username=role).render_as_string(False)
    postgresql_admin.execute(f'DROP DATABASE "{name_of(url)}" WITH (FORCE)'.encode())
    postgresql_admin.execute(f'CREATE DATABASE "{name_of(url)}"'.encode())
    postgresql_admin.execute(f'DROP ROLE "{role}"'.encode())


@pytest.mark.parametrize("sequences", ["as documented", "as 0.1 documented"])
def test_the_role_of_the_guide_works_and_makes_backups(
    documented_role: tuple[str, str], postgresql_database: Make, tmp_path: Path, sequences: str
) -> None:
    """Although it may not read a table that is another application's."""
    owner, user = documented_role
    if sequences == "as 0.1 documented":
        sql(owner, f'REVOKE SELECT ON ALL SEQUENCES IN SCHEMA public FROM "{make_url(user).username}"')
    with closing(Registry.open(user)) as registry:
        work_in(registry)
    require_all_right(user)
    path, _ = save(user, tmp_path)
    assert "secret" not in entries(path)
    again = postgresql_database("template0")
    bring_back(path, again)
    require_all_right_but_the_restore(again)


def test_a_full_dump_as_the_first_promptops_made_it_is_restored(
    shared: str, postgresql_database: Make, tmp_path: Path
) -> None:
    """Of the whole database, other applications' tables among them."""
    url = in_schema(shared)
    create(url, name="test", now=CREATED, actor=ACTOR)
    with closing(Registry.open(url)) as registry:
        work_in(registry)
    path, made = save(url, tmp_path)
    subprocess.run(["pg_dump", f"--dbname={plain(url)}", "--format=custom", f"--file={path}"], check=True)
    assert "secret" in entries(path)
    whole = Manifest(
        **{name: getattr(made, name) for name in ("holdings", "database", "revision", "promptops", "at", "file")},
        size=path.stat().st_size,
        sha256=sha256_of(path),
    )
    manifest_path(path).write_bytes(encode(whole))
    again = postgresql_database("template0")
    bring_back(path, again)
    require_all_right_but_the_restore(again)


@pytest.mark.parametrize("kept", ["lines are lost", "no tool to read it"])
def test_a_backup_that_does_not_come_back_is_not_there(
    shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    """A pg_restore that loses the last row of each table without a word, as a broken archive could."""
    url = in_schema(shared)
    create(url, name="test", now=CREATED, actor=ACTOR)
    real, folder = shutil.which("pg_restore"), tmp_path / "bin"
    folder.mkdir()
    (folder / "pg_dump").symlink_to(str(shutil.which("pg_dump")))
    if kept == "lines are lost":
        (folder / "pg_restore").write_text(f"#!/bin/sh\n{real} \"$@\" | /usr/bin/sed '/^1\\t/d'\n")
        (folder / "pg_restore").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises((RegistryDamaged, ExtraMissing), match=r"does not come back|pg_restore is not"):
        save(url, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]
    save(url, tmp_path, verify=False)


def test_damage_is_found_by_the_backup_and_kept_only_if_told(shared: str, tmp_path: Path) -> None:
    url = in_schema(shared)
    create(url, name="test", now=CREATED, actor=ACTOR)
    with closing(Registry.open(url)) as registry:
        work_in(registry)
    sql(
        shared,
        "ALTER TABLE promptops.release DISABLE TRIGGER ALL",
        "UPDATE promptops.release SET content = 'x' WHERE version = '0.1.0'",
        "ALTER TABLE promptops.release ENABLE ALWAYS TRIGGER release_no_change",
        "ALTER TABLE promptops.release ENABLE ALWAYS TRIGGER release_no_truncate",
    )
    assert {fault.severity for fault in check_store(url)} == {Condition.DAMAGE}
    with pytest.raises(RegistryDamaged, match="content-changed") as caught:
        save(url, tmp_path)
    assert caught.value.advice[-1].arguments == {"name": "no_verify"}
    assert list(tmp_path.iterdir()) == []
    path, _ = save(url, tmp_path, verify=False)
    assert path.exists()


def test_a_place_is_shown_with_its_schema() -> None:
    assert str(locate("postgresql://ada:x@db/p?schema=ours")).endswith("/p?schema=ours")

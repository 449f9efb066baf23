"""A backup is the registry as it was at one moment; a restore gives it back whole, in a new epoch, or not at all."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from promptops.core.errors import (
    Conflict,
    ExtraMissing,
    Invalid,
    RegistryDamaged,
    RegistryNotInitialised,
    RegistryUnavailable,
    SchemaTooNew,
)
from promptops.store import HEAD, Manifest, Registry, backup, check_store, create, restore
from promptops.store.backups.manifest import encode, manifest_path, read_manifest
from promptops.store.engine.database import locate
from tests.store.facts import ACTOR, ask, minutes
from tests.store.world import all_records, answers
from tests.support.factory import content, go_back, make_release

LATER = minutes(500)


@pytest.fixture(autouse=True)
def tools(database: str, request: pytest.FixtureRequest) -> None:
    """PostgreSQL's tools, of the version of the tests' own server."""
    if database == "postgresql":
        request.getfixturevalue("postgresql_tools")


def save(url: str, folder: Path) -> tuple[Path, Manifest]:
    path = folder / "saved.backup"
    return path, backup(url, path, now=minutes(400))


def bring_back(path: Path, url: str) -> Manifest:
    return restore(path, url, actor=ACTOR, now=LATER)


def test_what_comes_back_is_what_was_there_in_the_next_epoch(
    world: Registry, world_url: str, empty_url: str, tmp_path: Path
) -> None:
    path, made = save(world_url, tmp_path)
    assert bring_back(path, empty_url) == made

    with closing(Registry.open(empty_url)) as again:
        assert (again.name, again.lineage) == (world.name, world.lineage)
        assert all_records(again)[:-1] == all_records(world)
        newest = all_records(again)[-1]
        assert (newest.ref, newest.audit.action, newest.audit.after) == ("epochs/3", "restore", "epoch 3")
        assert ask(again, lambda reader: reader.epoch()) == ask(world, lambda reader: reader.epoch()) + 1
        same = {name for name in ask(world, answers) if name not in ("audit", "head", "epoch", "journal")}
        assert {name: ask(again, answers)[name] for name in same} == {n: ask(world, answers)[n] for n in same}
        assert check_store(again) == ()
        go_back(again, "bot", now=minutes(501))


def test_the_manifest_says_what_is_in_the_backup(world: Registry, world_url: str, tmp_path: Path) -> None:
    path, manifest = save(world_url, tmp_path)
    seq, sealed = ask(world, lambda reader: reader.audit_head())

    assert read_manifest(path) == manifest
    assert (manifest.revision, manifest.file, manifest.size) == (HEAD, path.name, path.stat().st_size)
    held = manifest.holdings
    assert (held.registry, held.lineage, held.epoch) == ("test", world.lineage, 2)
    assert (held.audit_seq, held.audit_hash) == (seq, sealed)
    assert held.counts["release"] == 8 and held.counts["audit"] == seq
    assert sorted(os.listdir(tmp_path / ".")) == sorted({path.name, manifest_path(path).name, *_others(tmp_path)})


def _others(folder: Path) -> set[str]:
    """What the fixtures put there."""
    return {name for name in os.listdir(folder) if name.startswith(("world.db", "empty"))}


def test_a_folder_takes_backups_under_names_of_their_own(world_url: str, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    first = backup(world_url, tmp_path / "backups", now=minutes(1))
    second = backup(world_url, tmp_path / "backups", now=minutes(2))
    assert {first.file, second.file} < set(os.listdir(tmp_path / "backups"))


def test_a_backup_while_others_write_is_one_moment_of_the_log(
    world: Registry, world_url: str, empty_url: str, tmp_path: Path
) -> None:
    stop = threading.Event()

    def keep_writing() -> None:
        number = 0
        while not stop.is_set():
            make_release(world, content("bot", f"Busy {number} {{{{name}}}}"), now=minutes(300))
            number += 1

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        saved = [save(world_url, _folder(tmp_path, name)) for name in ("1", "2")]
    finally:
        stop.set()
        writer.join()

    bring_back(saved[-1][0], empty_url)
    with closing(Registry.open(empty_url)) as again:
        assert check_store(again) == ()
        assert set(all_records(again)[:-1]) < set(all_records(world))


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _change_manifest(key: str, value: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        data = json.loads(manifest_path(path).read_text(encoding="utf-8"))
        manifest_path(path).write_text(json.dumps(data | {key: value}), encoding="utf-8")

    return change


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": _truncate,
    "one bit": _flip,
    "gone": Path.unlink,
    "no manifest": lambda path: manifest_path(path).unlink(),
    "empty manifest": lambda path: manifest_path(path).write_bytes(b""),
    "no JSON": lambda path: manifest_path(path).write_bytes(b"\xff{"),
    "a list": lambda path: manifest_path(path).write_bytes(b"[]"),
    "another schema": _change_manifest("schema", "promptops.backup/2"),
    "one key more": _change_manifest("note", "x"),
    "size as text": _change_manifest("size", "10"),
    "no counts": _change_manifest("holdings", {}),
    "other digest": _change_manifest("sha256", "0" * 64),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_backup_that_was_touched_is_not_restored(world_url: str, empty_url: str, tmp_path: Path, damage: str) -> None:
    path, _ = save(world_url, tmp_path)
    DAMAGES[damage](path)
    with pytest.raises(Invalid):
        bring_back(path, empty_url)
    with pytest.raises(RegistryNotInitialised):
        Registry.open(empty_url)


def test_a_manifest_that_lies_about_what_is_held_is_found_out(world_url: str, empty_url: str, tmp_path: Path) -> None:
    path, manifest = save(world_url, tmp_path)
    forged = replace(manifest, holdings=replace(manifest.holdings, audit_hash="0" * 64))
    manifest_path(path).write_bytes(encode(forged))
    with pytest.raises(RegistryDamaged, match="manifest"):
        bring_back(path, empty_url)


def test_a_backup_of_a_newer_promptops_is_not_touched(world_url: str, empty_url: str, tmp_path: Path) -> None:
    path, manifest = save(world_url, tmp_path)
    manifest_path(path).write_bytes(encode(replace(manifest, revision="9999")))
    with pytest.raises(SchemaTooNew):
        bring_back(path, empty_url)


def test_nothing_that_exists_is_overwritten(
    world: Registry, world_url: str, registry_url: str, empty_url: str, tmp_path: Path
) -> None:
    path, _ = save(world_url, tmp_path)
    before = path.read_bytes()
    with pytest.raises(Conflict, match="exists"):
        save(world_url, tmp_path)
    assert path.read_bytes() == before
    with pytest.raises(Conflict):
        bring_back(path, registry_url)
    with pytest.raises(Conflict):
        bring_back(path, world_url)
    bring_back(path, empty_url)
    with pytest.raises(Conflict):
        bring_back(path, empty_url)


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_a_backup_that_could_not_be_made_safe_is_not_there_and_can_be_made_again(
    world_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """The file, its folder, the manifest, its folder: whichever cannot be synced."""
    before, sync, calls = set(os.listdir(tmp_path)), os.fsync, itertools.count(1)

    def fail(handle: int) -> None:
        if next(calls) == failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(RegistryUnavailable, match="Input/output error"):
            save(world_url, tmp_path)
    assert next(calls) == failing + 1
    assert set(os.listdir(tmp_path)) == before
    save(world_url, tmp_path)


def test_a_folder_whose_name_is_no_text_has_backups_too(
    world: Registry, world_url: str, database: str, empty_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / os.fsdecode(b"f\xff")
    folder.mkdir()
    if database == "sqlite":
        empty_url = str(folder / "restored.db")
        world_url = str(shutil.copy(tmp_path / "world.db", folder / "registry.db"))
    path, _ = save(world_url, folder)
    bring_back(path, empty_url)
    with closing(Registry.open(empty_url)) as restored:
        assert restored.lineage == world.lineage
    with pytest.raises(Invalid, match="is not UTF-8"):
        backup(world_url, folder / os.fsdecode(b"\xff.backup"), now=minutes(401))


def test_a_registry_that_is_not_there_has_no_backup(empty_url: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryNotInitialised):
        save(empty_url, tmp_path)


def test_a_folder_that_is_not_there_is_named(world_url: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailable, match="nowhere"):
        backup(world_url, tmp_path / "nowhere" / "x.backup", now=LATER)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_log_left_by_another_database_is_in_the_way(world_url: str, tmp_path: Path) -> None:
    """SQLite would play it back into the restored file."""
    path, _ = save(world_url, tmp_path)
    (tmp_path / "new.db-wal").write_bytes(b"x")
    with pytest.raises(Conflict, match=r"new\.db-wal"):
        bring_back(path, str(tmp_path / "new.db"))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_restored_file_is_one_file(world_url: str, tmp_path: Path) -> None:
    path, _ = save(world_url, tmp_path)
    (tmp_path / "new").mkdir()
    bring_back(path, str(tmp_path / "new" / "registry.db"))
    assert os.listdir(tmp_path / "new") == ["registry.db"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_copy_of_a_live_file_is_not_a_backup(world: Registry, world_url: str, tmp_path: Path) -> None:
    """Why the documentation warns of `cp`: what is still in the write-ahead log is not in the file."""
    source = locate(world_url).path
    assert source is not None
    make_release(world, content("bot", "The newest {{name}}"), now=minutes(300))
    newest = ask(world, lambda reader: reader.audit_head())
    shutil.copy(source, tmp_path / "copied.db")
    path, manifest = save(world_url, tmp_path)
    assert (manifest.holdings.audit_seq, manifest.holdings.audit_hash) == newest
    with closing(Registry.open(str(tmp_path / "copied.db"))) as copied:
        assert ask(copied, lambda reader: reader.audit_head()) != newest
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT max(seq) FROM audit").fetchone() == (newest[0],)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("died", ["before it was filled", "before the new epoch"])
def test_a_restore_of_the_first_promptops_that_died_is_finished_by_repeating_it(
    world: Registry, world_url: str, empty_url: str, tmp_path: Path, died: str
) -> None:
    """It filled a database with several commands, and marked it until the last."""
    path, manifest = save(world_url, tmp_path)
    if died == "before the new epoch":
        create(empty_url, name="half of it", now=minutes(1), actor=ACTOR)
    with psycopg.connect(make_url(empty_url).set(drivername="postgresql").render_as_string(False)) as connection:
        connection.execute("CREATE TABLE promptops_restoring (sha256 TEXT NOT NULL)")
        connection.execute("INSERT INTO promptops_restoring VALUES (%s)", [manifest.sha256])
    if died == "before the new epoch":
        assert [fault.code for fault in check_store(empty_url)] == ["restore-unfinished"]
    bring_back(path, empty_url)
    with closing(Registry.open(empty_url)) as again:
        assert again.name == world.name
        assert ask(again, lambda reader: reader.epoch()) == 3
        assert check_store(again) == ()
    with pytest.raises(Conflict):
        bring_back(path, empty_url)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_without_the_tools_it_is_said_what_to_run_where_they_are(
    world_url: str, empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = save(world_url, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExtraMissing) as caught:
        backup(world_url, tmp_path / "other.backup", now=LATER)
    assert "pg_dump --format=custom" in caught.value.hint
    with pytest.raises(ExtraMissing) as caught:
        bring_back(path, empty_url)
    assert "client programs" in caught.value.hint


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_tool_that_fails_says_why_and_no_password_is_an_argument(
    world_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "bin" / "pg_dump"
    script.parent.mkdir()
    script.write_text('#!/bin/sh\necho "$@" "but PGPASSWORD=$PGPASSWORD" >&2\nexit 1\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    url = make_url(world_url).set(password="hunter2").render_as_string(hide_password=False)
    with pytest.raises(RegistryUnavailable, match="pg_dump failed") as caught:
        backup(url, tmp_path / "saved.backup", now=LATER)
    arguments, _, environment = caught.value.message.partition("but")
    assert "hunter2" not in arguments
    assert "PGPASSWORD=hunter2" in environment
    assert not (tmp_path / "saved.backup").exists()


def test_a_backup_does_not_move_to_the_other_database(
    world_url: str, database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path, _ = save(world_url, tmp_path)
    other = "postgresql://nobody@localhost:1/x" if database == "sqlite" else str(tmp_path / "new.db")
    with pytest.raises(Invalid, match="backup of"):
        bring_back(path, other)

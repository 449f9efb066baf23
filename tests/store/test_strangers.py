"""SQLite files among the users of one machine, and among the files of other applications."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.errors import Conflict, RegistryDamaged, RegistryNotInitialised, RegistryUnavailable
from promptops.core.model import Policy
from promptops.store import Registry, backup, create, current_schema, restore, upgrade
from tests.conftest import ACTOR, CREATED
from tests.store.facts import START, ask, do
from tests.support.checkout import ROOT
from tests.support.factory import make_channels, minutes

NOBODY = 65534


@pytest.fixture
def others(tmp_path: Path) -> Iterator[Path]:
    """A folder into which every user may write, on a path that every user may walk."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can be several users")
    with tempfile.TemporaryDirectory(prefix="promptops-users-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


_AS_ANOTHER = """
import os, sys
from promptops.cli.main import run

user, umask, warm, *arguments = sys.argv[1:]
# Everything is loaded as root: where Python itself is, another user may not read.
run([word.replace("{here}", warm) for word in arguments])
run(["db", "current", "--registry", warm])
for stream in (sys.stdout, sys.stderr):
    print("---", file=stream, flush=True)
os.setgroups([])
os.setgid(int(user))
os.setuid(int(user))
os.umask(int(umask))
sys.exit(run([word.replace("{here}", os.environ["HERE"]) for word in arguments]))
"""


def promptops_as(user: int, path: Path, *arguments: str, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
    """The command line, typed by another user, about the registry at this path; `{here}` is where it is."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        warm = f"{folder}/registry.db"
        shutil.copy(path, warm)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PROMPTOPS_ACTOR": ACTOR}
        environment |= {"HERE": str(path), "HOME": "/nowhere"}
        told = [str(user), str(umask), warm, *arguments, "--registry", "{here}"]
        done = subprocess.run(
            [sys.executable, "-c", _AS_ANOTHER, *told],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    done.stdout, done.stderr = done.stdout.rpartition("---\n")[2], done.stderr.rpartition("---\n")[2]
    return done


def owned(path: Path, *, mode: int) -> Path:
    """A registry of `nobody` there."""
    create(str(path), name="test", now=CREATED, actor=ACTOR)
    path.chmod(mode)
    os.chown(path, NOBODY, NOBODY)
    return path


@pytest.mark.parametrize("command", ["status", "init", "db backup {here}.backup"])
def test_a_user_who_may_not_write_leaves_nothing_that_locks_the_owner_out(others: Path, command: str) -> None:
    path = owned(others / "registry.db", mode=0o644)

    asked = promptops_as(NOBODY - 1, path, *command.split())

    assert asked.returncode == 6, asked.stderr
    assert "registry.db-wal" in asked.stderr and "registry.db-shm" in asked.stderr
    assert "owner" in asked.stderr
    assert os.listdir(others) == ["registry.db"]
    changed = promptops_as(NOBODY, path, "db", "upgrade")
    assert changed.returncode == 0, changed.stderr
    assert os.listdir(others) == ["registry.db"]


def test_a_reader_of_a_folder_it_may_not_write_reads_while_the_owner_has_the_files_open(others: Path) -> None:
    folder = others / "closed"
    folder.mkdir()
    path = owned(folder / "registry.db", mode=0o644)
    os.chown(folder, NOBODY, NOBODY)
    folder.chmod(0o755)
    alone = promptops_as(NOBODY - 1, path, "status")
    assert (alone.returncode, "registry.db-wal" in alone.stderr) == (6, True)
    with closing(Registry.open(str(path))) as registry:
        ask(registry, lambda reader: reader.audit())
        beside = promptops_as(NOBODY - 1, path, "audit")
        assert beside.returncode == 0, beside.stderr
        make_channels(registry, prod=Policy(protected=True))
    assert os.listdir(folder) == ["registry.db"]


def test_a_new_registry_and_its_backups_are_for_their_owner_alone(others: Path) -> None:
    path = others / "registry.db"
    create(str(path), name="test", now=CREATED, actor=ACTOR)
    os.chown(path, NOBODY, NOBODY)
    assert promptops_as(NOBODY - 1, path, "status").returncode == 6
    made = promptops_as(NOBODY, path, "db", "backup", "{here}.backup", umask=0)
    assert made.returncode == 0, made.stderr
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in others.iterdir()}
    assert modes == dict.fromkeys(("registry.db", "registry.db.backup", "registry.db.backup.json"), "0o600")


def test_log_index_and_copies_have_the_mode_of_the_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "registry.db"
        create(str(path), name="test", now=CREATED, actor=ACTOR)
        with closing(Registry.open(str(path))) as registry:
            do(registry, lambda writer: writer.remember("key", "request", b"", START))
            modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()}
        assert modes == dict.fromkeys(("registry.db", "registry.db-wal", "registry.db-shm"), "0o600")
        path.chmod(0o660)  # what somebody chose stays
        create(str(path), name="test", now=CREATED, actor=ACTOR)
        backup(str(path), tmp_path / "b", now=minutes(1))
        restore(tmp_path / "b", str(tmp_path / "again.db"), actor=ACTOR, now=minutes(2))
        modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"registry.db": "0o660", "b": "0o600", "b.json": "0o600", "again.db": "0o600"}


# --- another application's file ---------------------------------------------------------------------


def _songs(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE song (title TEXT)")
        connection.commit()


def _alembic(path: Path) -> None:
    _songs(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
        connection.commit()


def _in_wal(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    _songs(path)


def _only_a_mark(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=7")


def _crashed(path: Path) -> None:
    """All there is is in the log that a process left."""
    with closing(sqlite3.connect(path.with_name("live.db"))) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE song (title TEXT)")
        connection.commit()
        shutil.copy(path.with_name("live.db"), path)
        shutil.copy(path.with_name("live.db-wal"), path.with_name(f"{path.name}-wal"))


def _diary(path: Path) -> None:
    path.write_text("Dear diary, " * 1000)


FOREIGN: dict[str, Callable[[Path], None]] = {
    "tables": _songs,
    "Alembic, too": _alembic,
    "WAL": _in_wal,
    "a mark": _only_a_mark,
    "a log": _crashed,
    "no database": _diary,
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_another_applications_file_is_refused_and_not_touched(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "other.db"
    FOREIGN[kind](path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if not file.name.startswith("live")}

    with pytest.raises((Conflict, RegistryUnavailable)) as caught:
        create(str(path), name="test", now=CREATED, actor=ACTOR)
    if kind != "no database":
        assert "another application" in caught.value.message

    after = {file.name: file.read_bytes() for file in tmp_path.iterdir() if not file.name.startswith("live")}
    after.pop("other.db-shm", None)  # what SQLite rebuilds from a log
    assert after == before


@pytest.mark.parametrize("kind", ["tables", "Alembic, too", "a mark"])
@pytest.mark.parametrize("ask_it", [Registry.open, upgrade, lambda url: backup(url, Path(f"{url}.b"), now=minutes(1))])
def test_whatever_asks_another_applications_file_leaves_it_as_it_was(
    tmp_path: Path, kind: str, ask_it: Callable[[str], object]
) -> None:
    path = tmp_path / "other.db"
    FOREIGN[kind](path)
    before = path.read_bytes()
    with pytest.raises((RegistryNotInitialised, RegistryDamaged)):
        ask_it(str(path))
    assert current_schema(str(path))[0] is None
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"other.db": before}


def test_an_empty_file_and_an_init_that_died_become_a_registry(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch(mode=0o640)
    with closing(sqlite3.connect(tmp_path / "died.db")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    for name in ("empty.db", "died.db"):
        assert create(str(tmp_path / name), name="test", now=CREATED, actor=ACTOR)
    assert (tmp_path / "empty.db").stat().st_mode & 0o777 == 0o640

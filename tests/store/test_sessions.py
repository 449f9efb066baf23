"""What a session on PostgreSQL was set to by a role, a database, an environment or another application is no matter."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from promptops.core.errors import Conflict, Invalid, RegistryNotInitialised, RegistryUnavailable
from promptops.core.model import Policy
from promptops.store import Registry, check_store, create, upgrade
from promptops.store.engine.database import locate
from promptops.store.engine.watching import watch
from tests.cli.conftest import Promptops, promptops
from tests.conftest import ACTOR, CREATED
from tests.store.facts import ask
from tests.support.factory import content, go_back, go_live, live_version, make_channels, make_release, minutes

__all__ = ["promptops"]

Admin = psycopg.Connection[tuple[object, ...]]
Make = Callable[[str], str]


def sql(url: str, *statements: str) -> None:
    """Run SQL behind promptops' back."""
    with psycopg.connect(plain(url), autocommit=True) as server:
        for statement in statements:
            server.execute(statement.encode())


def plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").difference_update_query(["schema"]).render_as_string(False)


def name_of(url: str) -> str:
    return str(make_url(url).database)


def work_in(registry: Registry) -> None:
    """Releases, promotions and a rollback, with everything that a session could show in another way."""
    make_channels(registry, prod=Policy(promote_from=("staging",)), staging=Policy())
    for number in range(2):
        made = make_release(registry, content("bot", f"größer ☃ \\ {number} {{{{name}}}}"), now=minutes(number))
        for channel in ("staging", "prod"):
            go_live(registry, f"bot@{made.version}", channel, now=minutes(12.000001 + number), reason=r"back\slash ☃ ÿ")
    go_back(registry, "bot", now=minutes(60 * 24 * 45))


def require_all_right(url: str) -> None:
    """Everything that was written by :func:`work_in` is read as what it was."""
    with closing(Registry.open(url)) as registry:
        assert live_version(registry) == "0.1.0"
        entries = ask(registry, lambda reader: reader.audit())
        assert {entry.reason for entry in entries if entry.action == "promote"} == {r"back\slash ☃ ÿ"}
        assert entries[0].at == minutes(60 * 24 * 45)
        assert entries[-1].at == CREATED
        assert check_store(registry) == ()


HOSTILE = {
    "German": ("datestyle = 'German'",),
    "elsewhere": ("timezone = 'Asia/Kathmandu'", "datestyle = 'SQL, DMY'", "intervalstyle = 'postgres_verbose'"),
    "old-fashioned": (
        "standard_conforming_strings = off",
        "backslash_quote = on",
        "escape_string_warning = off",
        "bytea_output = 'escape'",
        "client_encoding = 'latin1'",
        "extra_float_digits = -15",
        "array_nulls = off",
        "transform_null_equals = on",
        "quote_all_identifiers = on",
    ),
    "strict": (
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
        "session_replication_role = 'replica'",
        "row_security = off",
        "search_path = 'nowhere', 'public'",
        "check_function_bodies = off",
    ),
}


@pytest.mark.parametrize("settings", HOSTILE)
def test_a_registry_works_whatever_its_database_sets(postgresql_database: Make, settings: str) -> None:
    url = postgresql_database("template0")
    sql(url, *(f'ALTER DATABASE "{name_of(url)}" SET {setting}' for setting in HOSTILE[settings]))
    create(url, name="test", now=CREATED, actor=ACTOR)
    with closing(Registry.open(url)) as registry:
        work_in(registry)
    require_all_right(url)
    sql(url, f'ALTER DATABASE "{name_of(url)}" RESET ALL')
    require_all_right(url)


def test_a_registry_works_whatever_a_role_and_an_environment_set(
    postgresql_template: str,
    postgresql_database: Make,
    postgresql_admin: Admin,
    promptops: Promptops,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = postgresql_database(postgresql_template)
    role = f"{name_of(url)}_german"
    settings = [setting for group in HOSTILE.values() for setting in group if "search_path" not in setting]
    sql(url, f'CREATE ROLE "{role}" LOGIN SUPERUSER', *(f'ALTER ROLE "{role}" SET {each}' for each in settings))
    for variable, value in (
        ("PGDATESTYLE", "German"),
        ("PGTZ", "Asia/Tokyo"),
        ("PGCLIENTENCODING", "LATIN1"),
        ("PGOPTIONS", "-c standard_conforming_strings=off -c bytea_output=escape -c intervalstyle=sql_standard"),
    ):
        monkeypatch.setenv(variable, value)
    theirs = make_url(url).set(username=role).render_as_string(False)
    try:
        with closing(Registry.open(theirs)) as registry:
            work_in(registry)
        require_all_right(theirs)
        with closing(Registry.open(theirs)) as registry:
            go_live(registry, f"bot@{make_release(registry, content('bot', 'new')).version}", "staging")
        promptops("rollback", "bot", "--channel", "staging", "--reason", "größer", "--registry", theirs)
        assert "0.1.1" in promptops("status", "--registry", theirs).out
        assert "größer" in promptops("audit", "--registry", theirs).out
    finally:
        postgresql_admin.execute(f'DROP DATABASE "{name_of(url)}" WITH (FORCE)'.encode())
        postgresql_admin.execute(f'CREATE DATABASE "{name_of(url)}"'.encode())
        postgresql_admin.execute(f'DROP ROLE "{role}"'.encode())


def test_what_another_application_left_in_a_session_is_not_believed(
    postgresql_template: str, postgresql_database: Make
) -> None:
    """As in a pool: the session was used before, by others."""
    url = postgresql_database(postgresql_template)
    with closing(Registry.open(url)) as registry:
        work_in(registry)
        for spoil in (
            "SET search_path = ''",
            "SET datestyle = 'German'; SET timezone = 'Asia/Tokyo'; SET client_encoding = 'latin1'",
            "SET standard_conforming_strings = off; SET bytea_output = escape",
        ):
            raw = registry._reading.raw_connection()
            assert raw.driver_connection is not None
            raw.driver_connection.execute(spoil)
            raw.close()
        assert live_version(registry) == "0.1.0"
        go_back(registry, "bot", channel="staging", now=minutes(60 * 24 * 46), reason="größer ☃")
        assert ask(registry, lambda reader: reader.audit())[0].reason.endswith("größer ☃")
        assert check_store(registry) == ()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "WIN1252", "EUC_JP"])
def test_a_database_that_is_not_utf8_is_refused_by_name(
    postgresql_database: Make, postgresql_admin: Admin, promptops: Promptops, encoding: str
) -> None:
    url = postgresql_database("template0")
    postgresql_admin.execute(f'DROP DATABASE "{name_of(url)}"'.encode())
    options = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    postgresql_admin.execute(f'CREATE DATABASE "{name_of(url)}" {options}'.encode())

    said = promptops("init", "--registry", url, exits=6).err

    assert name_of(url) in said and encoding in said and "UTF8" in said
    assert "CREATE DATABASE" in said
    with psycopg.connect(plain(url)) as server:
        assert server.execute("SELECT count(*) FROM pg_class WHERE relname = 'registry'").fetchone() == (0,)


# --- a schema of one's own ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "schema"),
    [
        ({"schema": "promptops"}, "promptops"),
        ({"options": "-csearch_path=promptops"}, "promptops"),
        ({"options": "-c search_path=Promptops,public -c jit=off"}, "promptops"),
        ({"options": r'--search-path="We\ "",\ ird%"'}, 'We ", ird%'),
        ({"schema": 'We "ird 50% Schema'}, 'We "ird 50% Schema'),
        ({"schema": "größer"}, "größer"),
    ],
)
def test_a_registry_lives_in_a_schema_of_its_own(postgresql_database: Make, query: dict[str, str], schema: str) -> None:
    bare = postgresql_database("template0")
    sql(bare, "CREATE TABLE release (theirs int)", "CREATE TABLE client (theirs int)")
    url = make_url(bare).update_query_dict(query).render_as_string(False)
    create(url, name="test", now=CREATED, actor=ACTOR)
    create(url, name="test", now=CREATED, actor=ACTOR)
    with closing(Registry.open(url)) as registry:
        work_in(registry)
        assert watch(locate(url), registry._reading.dialect, replaced=lambda: None).connected
    require_all_right(url)
    upgrade(url)
    with psycopg.connect(plain(bare)) as server:
        tables = "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relname = 'audit'"
        assert server.execute(tables).fetchall() == [(schema,)]
    with pytest.raises(RegistryNotInitialised) as caught:
        Registry.open(bare)
    assert f"?schema={schema}" in caught.value.hint


def test_two_registries_in_one_database_know_nothing_of_each_other(postgresql_database: Make) -> None:
    bare = postgresql_database("template0")
    one, other = (f"{bare}{'&' if '?' in bare else '?'}schema={name}" for name in ("one", "other"))
    for url in (one, other):
        create(url, name="test", now=CREATED, actor=ACTOR)
    with closing(Registry.open(one)) as registry:
        work_in(registry)
    with closing(Registry.open(other)) as registry:
        assert ask(registry, lambda reader: reader.apps()) == ()


@pytest.mark.parametrize("query", ["schema=pg_catalog", "schema=a&schema=b", "options=-csearch_path%3D%22"])
def test_a_schema_that_cannot_be_is_refused(query: str) -> None:
    with pytest.raises(Invalid):
        locate(f"postgresql://db.example/promptops?{query}")


def test_a_url_shows_its_schema_and_keeps_other_options() -> None:
    place = locate("postgresql://db.example/p?options=-cjit%3Doff%20-csearch_path%3Dours%20-cx.y%3Da%5C%20b")
    assert place.schemas == ("ours",)
    assert place.url.query["options"] == r"-cjit=off -cx.y=a\ b"
    assert "schema=ours" in str(place)


def test_tables_of_another_application_are_not_mixed_with(postgresql_database: Make, promptops: Promptops) -> None:
    url = postgresql_database("template0")
    sql(url, "CREATE TABLE client (id int)", "CREATE VIEW token AS SELECT 1 AS id")
    with pytest.raises(Conflict, match="client, token"):
        create(url, name="test", now=CREATED, actor=ACTOR)
    assert "?schema=promptops" in promptops("init", "--registry", url, exits=4).err
    with psycopg.connect(plain(url)) as server:
        assert server.execute("SELECT count(*) FROM pg_class WHERE relname = 'audit'").fetchone() == (0,)


def test_a_database_without_a_schema_to_work_in_says_so(postgresql_database: Make) -> None:
    url = postgresql_database("template0")
    sql(url, f'ALTER DATABASE "{name_of(url)}" SET search_path = nowhere')
    with pytest.raises(RegistryUnavailable, match="no schema") as caught:
        create(url, name="test", now=CREATED, actor=ACTOR)
    assert "?schema=" in caught.value.hint


def test_nothing_is_prepared_in_a_session(postgresql_template: str, postgresql_database: Make, tmp_path: Path) -> None:
    with closing(Registry.open(postgresql_database(postgresql_template))) as registry:
        work_in(registry)
        for _ in range(10):
            live_version(registry)
        with registry.read() as reader:
            left = "SELECT (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors)"
            assert reader._connection.exec_driver_sql(left).one() == (0, 0)

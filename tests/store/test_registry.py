"""Opening a registry, reading one snapshot, writing one transaction."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from promptops.core.advice import Action
from promptops.core.errors import (
    ConcurrentDeployment,
    GuardsMissing,
    Invalid,
    PromptopsError,
    RegistryDamaged,
    RegistryNotInitialised,
    RegistryUnavailable,
    SchemaOutdated,
    SchemaTooNew,
)
from promptops.store import HEAD, Registry, Writer, create, current_schema, upgrade
from promptops.store.engine.database import connect, locate
from promptops.store.schema.revisions import require_known, require_newest
from tests.store.facts import ACTOR, START, ask, deployment, do, fill, minutes


def outside(url: str, *statements: str) -> None:
    """Run SQL behind promptops' back."""
    place = locate(url)
    if place.path is not None:
        file = sqlite3.connect(place.path, isolation_level=None)
        for statement in statements:
            file.execute(statement)
        file.close()
        return
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(False), autocommit=True) as server:
        for statement in statements:
            server.execute(statement.encode())


def test_a_registry_knows_its_name_and_its_lineage(empty_url: str) -> None:
    assert create(empty_url, name="shop", now=START, actor=ACTOR) is True
    first = Registry.open(empty_url)
    first.close()
    assert create(empty_url, name="shop", now=START, actor=ACTOR) is False
    again = Registry.open(empty_url)
    again.close()

    assert first.name == "shop"
    assert len(first.lineage) == 36
    assert again.lineage == first.lineage
    assert current_schema(empty_url) == (HEAD, HEAD)
    assert upgrade(empty_url) == (HEAD, HEAD)


def test_creating_a_registry_is_the_first_line_of_its_audit_log(registry: Registry) -> None:
    (entry,) = ask(registry, lambda reader: reader.audit())
    assert (entry.seq, entry.action, entry.actor) == (1, "init", ACTOR)


def test_a_database_in_which_nothing_was_made_is_not_a_registry(empty_url: str) -> None:
    with pytest.raises(RegistryNotInitialised) as caught:
        Registry.open(empty_url)
    assert [advice.action for advice in caught.value.advice] == [Action.INIT]
    with pytest.raises(RegistryNotInitialised):
        upgrade(empty_url)
    assert current_schema(empty_url) == (None, HEAD)


def test_opening_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(RegistryNotInitialised):
        Registry.open(str(tmp_path / "registry.db"))
    assert list(tmp_path.iterdir()) == []


def test_another_programs_sqlite_file_is_not_a_registry(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    outside(str(path), "CREATE TABLE song (title TEXT)")
    with pytest.raises(RegistryNotInitialised):
        Registry.open(str(path))


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    path.write_text("Dear diary, " * 1000)
    with pytest.raises(RegistryDamaged, match="damaged"):
        Registry.open(str(path))


def test_a_folder_and_a_path_with_odd_characters_are_made(tmp_path: Path) -> None:
    path = tmp_path / "Büro 50%?#" / "a" / "registry.db"
    assert create(str(path), name="test", now=START, actor=ACTOR)
    opened = Registry.open(str(path))
    opened.close()
    assert opened.name == "test"
    assert [file.name for file in path.parent.iterdir()] == ["registry.db"]


@pytest.mark.parametrize(
    "url", ["mysql://root@localhost/db", "sqlite://", "sqlite:///:memory:", "postgresql://host:port/x"]
)
def test_a_url_that_cannot_hold_a_registry_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        Registry.open(url)


def test_a_password_is_never_shown() -> None:
    assert "secret" not in str(locate("postgresql://ada:secret@db.example.org/registry"))


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailable):
        Registry.open(f"postgresql://ada:secret@/registry?host={tmp_path}")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_sqlite_connection_is_durable_and_strict(registry_url: str) -> None:
    engine, _ = connect(locate(registry_url))
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1, "trusted_schema": 0}
    with engine.connect() as connection:
        assert {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted} == wanted
    engine.dispose()


def test_only_a_change_that_says_so_does_not_wait_for_the_disk(registry: Registry) -> None:
    def waits(writer: Writer) -> bool:
        sqlite = writer._connection.dialect.name == "sqlite"
        setting = "PRAGMA synchronous" if sqlite else "SHOW synchronous_commit"
        return writer._connection.exec_driver_sql(setting).scalar() in (2, "on")

    assert [registry.write(waits, flush=flush) for flush in (True, False, False, True)] == [True, False, False, True]


def test_a_schema_from_the_future_is_refused(registry_url: str) -> None:
    outside(registry_url, "UPDATE promptops_version SET version_num = '9999'")
    for attempt in (Registry.open, upgrade, lambda url: create(url, name="test", now=START, actor=ACTOR)):
        with pytest.raises(SchemaTooNew, match="9999"):
            attempt(registry_url)


def test_a_schema_from_the_past_says_how_to_bring_it_up_to_date() -> None:
    with pytest.raises(SchemaOutdated) as caught:
        require_newest("0001", "here", revisions=("0001", "0002"))
    assert [advice.action for advice in caught.value.advice] == [Action.UPGRADE]
    assert require_known("0001", "here", revisions=("0001", "0002")) == "0001"


@pytest.mark.parametrize(
    ("database", "damage", "gone"),
    [
        ("sqlite", ["DROP TRIGGER release_no_update"], "release_no_update"),
        (
            "sqlite",
            [
                "DROP TRIGGER audit_no_delete",
                "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT 1; END",
            ],
            "audit_no_delete",
        ),
        ("postgresql", ["DROP TRIGGER deployment_no_truncate ON deployment"], "deployment_no_truncate"),
        ("postgresql", ["ALTER TABLE yank DISABLE TRIGGER yank_no_change"], "yank_no_change"),
        # Enabled, but not for a replication role.
        ("postgresql", ["ALTER TABLE yank ENABLE TRIGGER yank_no_change"], "yank_no_change"),
        (
            "postgresql",
            [
                "CREATE OR REPLACE FUNCTION promptops_refuse_change() RETURNS trigger LANGUAGE plpgsql"
                " AS 'BEGIN RETURN NEW; END'"
            ],
            "audit_no_change",
        ),
    ],
    indirect=["database"],
)
def test_a_registry_without_its_guards_is_not_opened_until_they_are_back(
    registry_url: str, damage: list[str], gone: str
) -> None:
    outside(registry_url, *damage)
    with pytest.raises(GuardsMissing) as caught:
        Registry.open(registry_url)
    assert gone in caught.value.missing

    upgrade(registry_url)

    Registry.open(registry_url).close()


def test_an_error_rolls_everything_back_and_comes_out_as_it_was(registry: Registry) -> None:
    fill(registry)

    def work(writer: Writer) -> None:
        writer.append(deployment(4, 1))
        writer.append(deployment(6, 2))

    with pytest.raises(ConcurrentDeployment) as caught:
        registry.write(work)

    assert (caught.value.expected, caught.value.actual) == (5, 4)
    live = ask(registry, lambda reader: reader.live("bot", "prod"))
    assert live is not None
    assert live.revision == 3


def test_a_reader_sees_one_moment_while_others_write(registry: Registry) -> None:
    fill(registry)
    with registry.read() as reader:
        before = reader.live("bot", "prod")
        writer = threading.Thread(target=do, args=(registry, lambda writer: writer.append(deployment(4, 1))))
        writer.start()
        writer.join()
        assert reader.live("bot", "prod") == before
    assert ask(registry, lambda reader: reader.live("bot", "prod")) == deployment(4, 1)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_text_that_the_databases_treat_differently_reaches_neither(registry: Registry, text: str) -> None:
    def record(writer: Writer) -> None:
        writer.raise_epoch(at=minutes(1), actor=ACTOR, action="restore", reason=text)

    def remember(writer: Writer) -> None:
        writer.remember(text, "request", b"", minutes(1))

    for change in (record, remember):
        with pytest.raises(Invalid):
            registry.write(change)
    with pytest.raises(Invalid):
        ask(registry, lambda reader: reader.live(text, "prod"))


def test_a_time_without_a_zone_is_refused(registry: Registry) -> None:
    with pytest.raises(Invalid, match="zone"):
        do(registry, lambda writer: writer.remember("key", "request", b"", minutes(1).replace(tzinfo=None)))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # one writer at a time: there is no race
def test_a_lost_race_for_a_key_is_run_again_and_finds_the_winners_answer(registry: Registry, registry_url: str) -> None:
    runs = []

    def work(writer: Writer) -> bytes:
        runs.append(1)
        if (answer := writer.answer("key")) is not None:
            return answer.body
        if len(runs) == 1:
            winner = Registry.open(registry_url)
            do(winner, lambda other: other.remember("key", "request", b"first", minutes(1)))
            winner.close()
        writer.remember("key", "request", b"second", minutes(1))
        return b"second"

    assert registry.write(work) == b"first"
    assert len(runs) == 2


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # there is nothing to cut
def test_a_connection_that_is_cut_in_the_middle_is_replaced(registry: Registry, registry_url: str) -> None:
    fill(registry)
    runs = []

    def work(writer: Writer) -> None:
        runs.append(1)
        writer.append(deployment(4, 1))
        if len(runs) == 1:
            outside(
                registry_url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()",
            )

    registry.write(work)

    assert len(runs) == 2
    assert len(ask(registry, lambda reader: reader.history("bot", "prod"))) == 4


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # the same, after 15 seconds
def test_a_lock_that_is_never_released_is_given_up_with_a_clear_error(registry: Registry, registry_url: str) -> None:
    fill(registry)
    hung = psycopg.connect(make_url(registry_url).set(drivername="postgresql").render_as_string(False))
    hung.execute("SELECT 1 FROM head FOR UPDATE")

    with pytest.raises(RegistryUnavailable, match="lock"):
        do(registry, lambda writer: writer.lock_heads([("bot", "prod")]))
    hung.close()


@pytest.mark.slow
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite waits for 15 seconds
def test_a_lock_that_is_held_for_longer_than_one_try_waits_is_waited_for(registry: Registry, registry_url: str) -> None:
    fill(registry)
    busy = psycopg.connect(make_url(registry_url).set(drivername="postgresql").render_as_string(False))
    busy.execute("SELECT 1 FROM head FOR UPDATE")
    ending = threading.Event()

    def end() -> None:
        ending.set()
        busy.close()

    timer = threading.Timer(6.0, end)
    timer.start()
    do(registry, lambda writer: writer.lock_heads([("bot", "prod")]))
    assert ending.is_set(), "nothing was in its way"
    timer.join()


def test_a_registry_that_cannot_be_written_says_so_and_can_still_be_read(database: str, registry_url: str) -> None:
    if database == "postgresql":
        name = make_url(registry_url).database
        outside(registry_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    registry = Registry.open(registry_url)

    def work(writer: Writer) -> None:
        if database == "sqlite":
            writer._connection.exec_driver_sql("PRAGMA query_only = ON")
        writer.lock_app("bot")

    with pytest.raises(RegistryUnavailable, match="read-only"):
        registry.write(work)
    assert ask(registry, lambda reader: reader.apps()) == ()
    registry.close()


def test_a_full_disk_says_so_and_loses_nothing(tmp_path: Path, sqlite_template: Path) -> None:
    path = tmp_path / "registry.db"
    path.write_bytes(sqlite_template.read_bytes())
    registry = Registry.open(str(path))
    do(registry, lambda writer: writer.remember("kept", "request", b"", START))

    def work(writer: Writer) -> None:
        pages = writer._connection.exec_driver_sql("PRAGMA page_count").scalar()
        writer._connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        writer.remember("lost", "request", b"x" * 1_000_000, START)

    with pytest.raises(RegistryUnavailable, match="full"):
        registry.write(work)
    assert ask(registry, lambda reader: reader.answer("kept")) is not None
    assert ask(registry, lambda reader: reader.answer("lost")) is None
    registry.close()


def test_every_error_of_a_database_is_one_of_ours(registry: Registry) -> None:
    with pytest.raises(PromptopsError):
        do(registry, lambda writer: writer._connection.exec_driver_sql("SELECT nothing FROM nowhere"))


@pytest.mark.parametrize("begun", ["before", "after"])
def test_a_read_that_outlasts_the_registry_leaves_no_connection_open(registry: Registry, begun: str) -> None:
    """A thread of a server that ends may still read then."""
    if begun == "after":
        registry.close()
    with registry.read() as reader:
        pooled = reader._connection.connection
        used: Any = pooled.dbapi_connection
        if begun == "before":
            registry.close()
        reader.history("bot", "prod")
    with pytest.raises((psycopg.OperationalError, sqlite3.ProgrammingError)):
        used.execute("SELECT 1")

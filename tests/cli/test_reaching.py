"""Registries whose file another program changed, and databases on several hosts: commands work as usual."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import make_url

from promptops.core.errors import Invalid
from promptops.core.model import Policy
from promptops.store import Registry
from promptops.store.engine.listening import Way
from promptops.store.engine.place import locate
from tests.cli.conftest import Promptops
from tests.support import factory

NOWHERE = "127.0.0.1:1"  # no server listens there
SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


def fill(url: str) -> None:
    with closing(Registry.open(url)) as registry:
        factory.make_channels(registry, prod=Policy())
        for release in factory.make_releases(registry, "bot", 2):
            factory.go_live(registry, f"bot@{release.version}")


def journal_mode(path: Path, *change: str) -> str:
    with closing(sqlite3.connect(path)) as connection:
        for statement in change:
            connection.execute(statement)
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


@SQLITE
@pytest.mark.parametrize("command", ["status", "rollback bot", "fsck", "db upgrade", "token list"])
def test_a_registry_whose_journal_mode_a_tool_changed_is_one_as_before(
    registry_url: str, promptops: Promptops, tmp_path: Path, command: str
) -> None:
    fill(registry_url)
    assert journal_mode(tmp_path / "registry.db", "PRAGMA journal_mode=DELETE") == "delete"
    promptops(*command.split(), "--registry", registry_url)
    assert journal_mode(tmp_path / "registry.db") == "wal"
    with closing(Registry.open(registry_url)) as registry:
        assert factory.live_version(registry) == ("0.1.0" if command == "rollback bot" else "0.1.1")


def test_the_journal_mode_of_another_application_stays(promptops: Promptops, tmp_path: Path) -> None:
    journal_mode(tmp_path / "songs.db", "CREATE TABLE registry (song TEXT)")
    refused = promptops("status", "--registry", "songs.db", exits=6)
    assert "is not a registry yet" in refused.err
    assert journal_mode(tmp_path / "songs.db") == "delete"


@POSTGRESQL
def test_of_several_hosts_the_first_that_answers_is_taken(
    registry_url: str, promptops: Promptops, postgresql_tools: Path
) -> None:
    fill(registry_url)
    url = make_url(registry_url)
    there = quote(str(url.query["host"]), safe="")
    for hosts in (f"{NOWHERE},{there}", f"{there},{NOWHERE}"):
        several = f"postgresql://{url.username}:{url.password or ''}@{hosts}/{url.database}"
        assert "bot" in promptops("status", "--registry", several).out
    promptops("rollback", "bot", "--registry", several)
    promptops("db", "backup", "taken", "--registry", several)
    with closing(Registry.open(several)) as registry:
        assert factory.live_version(registry) == "0.1.0"


@POSTGRESQL
def test_changes_are_seen_at_once_where_the_first_host_is_away(registry_url: str) -> None:
    url = make_url(registry_url)
    several = f"postgresql://{url.username}@{NOWHERE},{quote(str(url.query['host']), safe='')}/{url.database}"
    with closing(Registry.open(several)) as registry, registry.watch() as watched:
        assert watched.way is Way.NOTIFY
        factory.make_channels(registry, prod=Policy())
        assert watched.wait(60.0) is True


@pytest.mark.parametrize(
    ("url", "hosts", "shown"),
    [
        ("postgresql://u:pw@h1,h2/db", (("h1", "5432"), ("h2", "5432")), "u:***@h1:5432,h2:5432/db"),
        ("postgres://u@h1:1,h2:2/db?sslmode=require", (("h1", "1"), ("h2", "2")), "u@h1:1,h2:2/db?sslmode=require"),
        ("postgresql://[::1]:1,h2/db", (("::1", "1"), ("h2", "5432")), "//[::1]:1,h2:5432/db"),
        ("postgresql://u:p%40w@h1,h2:2/db", (("h1", "5432"), ("h2", "2")), "u:***@h1:5432,h2:2/db"),
        ("postgresql://u@/db?host=h1:1&host=h2:2", (("h1", "1"), ("h2", "2")), "u@h1:1,h2:2/db"),
        ("postgresql://u@h1:1/db", (), "u@h1:1/db"),
    ],
)
def test_several_hosts_are_read_and_shown_as_they_are_written(
    url: str, hosts: tuple[tuple[str, str], ...], shown: str
) -> None:
    place = locate(url)
    assert place.hosts == hosts
    assert shown in str(place)
    assert "pw" not in str(place)
    assert ("target_session_attrs" in place.url.query) is bool(hosts)  # a standby takes no changes


def test_who_names_a_standby_gets_it() -> None:
    url = locate("postgresql://h1,h2/db?target_session_attrs=any").url
    assert url.query["target_session_attrs"] == "any"


@pytest.mark.parametrize("url", ["postgresql://h1,,h2/db", "postgresql://h1:x,h2/db", "postgresql://[h1,h2/db"])
def test_hosts_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        locate(url)

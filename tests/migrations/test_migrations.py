"""Migrations make the tables of the code, leave the guards in place, and do all or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from promptops.core.errors import GuardsMissing
from promptops.store import HEAD, Registry
from promptops.store.engine.database import connect, locate
from promptops.store.schema import guards
from promptops.store.schema.revisions import REVISIONS, current
from promptops.store.schema.tables import metadata
from promptops.store.setup import migrations
from tests.store.facts import ask, fill


def configuration(scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    return config


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    _, writing = connect(locate(url))
    try:
        with writing.begin() as connection:
            yield connection
    finally:
        writing.dispose()


def scripts_with(folder: Path, body: str) -> Config:
    """The project's migrations, and after them one that does this."""
    scripts = folder / "migrations"
    shutil.copytree(migrations(), scripts, ignore=shutil.ignore_patterns("__pycache__"))
    head = f'''
        import sqlalchemy as sa
        from alembic import op
        from promptops.store.schema import guards
        revision, down_revision = "next", "{HEAD}"
        def upgrade():
    '''
    text = dedent(head).strip() + "\n" + "".join(f"    {line}\n" for line in dedent(body).strip().splitlines())
    (scripts / "versions" / "next.py").write_text(text)
    return configuration(scripts)


def migrate(config: Config, url: str) -> None:
    with connected(url) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def test_the_code_knows_every_migration_without_alembic() -> None:
    scripts = ScriptDirectory.from_config(configuration(migrations()))
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == REVISIONS
    assert scripts.get_current_head() == HEAD


def test_the_tables_of_the_migrations_are_the_tables_of_the_code(registry_url: str) -> None:
    config = configuration(migrations())
    with connected(registry_url) as connection:
        config.attributes["connection"] = connection
        command.check(config)
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "promptops_version"}


def test_alembics_own_command_line_takes_a_url(registry_url: str) -> None:
    config = configuration(migrations())
    config.set_main_option("sqlalchemy.url", registry_url.replace("%", "%%"))
    command.check(config)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_sqlite_tables_are_strict(registry_url: str) -> None:
    with connected(registry_url) as connection:
        rows = connection.exec_driver_sql("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").all()
    strict = {name for name, is_strict in rows if is_strict}
    assert strict == set(metadata.tables)


def test_a_migration_that_fails_half_way_leaves_nothing_behind(registry_url: str, tmp_path: Path) -> None:
    config = scripts_with(
        tmp_path,
        """
        op.create_table("song", sa.Column("title", sa.Text()))
        op.add_column("head", sa.Column("note", sa.Text()))
        raise RuntimeError("the lights went out")
        """,
    )
    with pytest.raises(RuntimeError, match="lights"):
        migrate(config, registry_url)

    with connected(registry_url) as connection:
        assert not inspect(connection).has_table("song")
        assert "note" not in {column["name"] for column in inspect(connection).get_columns("head")}
        assert current(connection) == HEAD
    Registry.open(registry_url).close()


def test_a_migration_that_loses_the_guards_does_not_happen(database: str, registry_url: str, tmp_path: Path) -> None:
    # Batch mode recreates the table on SQLite, and its triggers are gone with the old one.
    lose = {
        "sqlite": 'with op.batch_alter_table("yank", recreate="always") as t: t.add_column(sa.Column("x", sa.Text()))',
        "postgresql": 'op.execute("ALTER TABLE yank DISABLE TRIGGER ALL")',
    }
    with pytest.raises(GuardsMissing) as caught:
        migrate(scripts_with(tmp_path, lose[database]), registry_url)

    assert "yank_no_" in caught.value.missing[0]
    with connected(registry_url) as connection:
        assert current(connection) == HEAD
    Registry.open(registry_url).close()


def test_a_migration_that_recreates_a_table_and_puts_the_guards_back_is_fine(
    registry: Registry, registry_url: str, tmp_path: Path
) -> None:
    fill(registry)
    registry.close()
    config = scripts_with(
        tmp_path,
        """
        with op.batch_alter_table("yank", recreate="auto") as table:
            table.add_column(sa.Column("note", sa.Text()))
        guards.install(op.get_bind())
        """,
    )
    migrate(config, registry_url)

    with connected(registry_url) as connection:
        guards.require(connection)
        assert current(connection) == "next"
    assert len(ask(registry, lambda reader: reader.releases("bot"))) == 3


def test_a_registry_is_not_taken_back_to_an_older_schema(registry_url: str) -> None:
    config = configuration(migrations())
    with pytest.raises(RuntimeError, match="backup"), connected(registry_url) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    Registry.open(registry_url).close()

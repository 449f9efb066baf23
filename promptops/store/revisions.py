"""The schema's revisions, known without loading Alembic: every script of ``migrations/versions``, oldest first."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from promptops.core.errors import RegistryNotInitialised, SchemaOutdated, SchemaTooNew

REVISIONS = ("0001", "0002", "0003")
HEAD = REVISIONS[-1]


def current(connection: Connection) -> str | None:
    """The revision the database is at; None where no migration ever ran."""
    if connection.dialect.name == "sqlite":
        known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    else:
        known = "SELECT to_regclass('alembic_version')"
    if connection.exec_driver_sql(known).scalar() is None:
        return None
    version: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return version


def require_known(version: str | None, place: str, revisions: Sequence[str] = REVISIONS) -> str:
    """The revision, if this promptops knows it.

    Raises:
        RegistryNotInitialised: there is none. SchemaTooNew: it came after this promptops.
    """
    if version is None:
        raise RegistryNotInitialised(f"there is no registry at {place}", hint="Run `promptops init`.")
    if version not in revisions:
        raise SchemaTooNew(
            f"the registry's schema {version} is newer than this promptops, which knows {revisions[-1]}",
            hint="Upgrade promptops.",
        )
    return version


def require_newest(version: str | None, place: str, revisions: Sequence[str] = REVISIONS) -> None:
    """:func:`require_known`, and the newest.

    Raises:
        SchemaOutdated: there are migrations to run.
    """
    if require_known(version, place, revisions) != revisions[-1]:
        raise SchemaOutdated(
            f"the registry's schema is {version}, and this promptops needs {revisions[-1]}",
            hint="Run `promptops db upgrade`.",
        )

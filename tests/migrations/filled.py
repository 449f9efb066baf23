"""Registries of older schemas with every row that the promptops of that time wrote: ``0001.json``, ``0002.json``."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from alembic import command
from alembic.config import Config
from sqlalchemy import Boolean, Connection, LargeBinary, MetaData, Table

from promptops.core.audit import GENESIS, seal
from promptops.core.model import AuditEntry
from promptops.store.engine.database import connect, locate
from promptops.store.setup import make_wal, migrations

Rows: TypeAlias = "dict[str, list[dict[str, object]]]"


def fill_old(url: str, revision: str, commit: str = "") -> str:
    """Make a registry of this schema there, with its rows, and return the URL. Its releases were cut from this commit,
    or else from commits that no repository has.
    """
    place = locate(url)
    if place.path is not None:
        place.path.parent.mkdir(parents=True, exist_ok=True)
        make_wal(place.path)
    _, writing = connect(place)
    config = Config()
    config.set_main_option("script_location", str(migrations()).replace("%", "%%"))
    with writing.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        rows = Path(__file__).with_name(f"{revision}.json").read_text(encoding="utf-8")
        _fill(connection, _cut_from(commit, rows) if commit else json.loads(rows))
        write_shared_version(connection, revision)
    writing.dispose()
    return url


def write_shared_version(connection: Connection, revision: str) -> None:
    """Keep the revision as promptops 0.1 did: in Alembic's own table, and in no other."""
    connection.exec_driver_sql("DROP TABLE promptops_version")
    key = "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)"
    connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL, {key})")
    connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{revision}')")


def _cut_from(commit: str, text: str) -> Rows:
    """The rows with this commit in place of theirs; lines of the audit log name it too, and are sealed again."""
    rows: Rows = json.loads(re.sub(r"(?<![0-9a-f])0{39}[0-9](?![0-9a-f])", commit, text))
    previous = GENESIS
    for row in sorted(rows["audit"], key=lambda row: int(str(row["seq"]))):
        row["previous"] = previous
        fields: dict[str, Any] = {**row, "at": datetime.fromisoformat(str(row["at"]))}
        row["hash"] = previous = seal(AuditEntry(**fields))
    rows["audit_head"][0]["hash"] = previous
    return rows


def _fill(connection: Connection, rows: Rows) -> None:
    metadata = MetaData()
    metadata.reflect(connection)
    for name, values in rows.items():
        if values:
            connection.execute(metadata.tables[name].insert(), [_typed(metadata.tables[name], row) for row in values])


def _typed(table: Table, row: dict[str, object]) -> dict[str, object]:
    typed = dict(row)
    for name, value in row.items():
        if isinstance(table.c[name].type, Boolean):
            typed[name] = bool(value)
        elif isinstance(table.c[name].type, LargeBinary):
            typed[name] = str(value).encode()
    return typed

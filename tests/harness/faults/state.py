"""All that a registry and its git repository hold, as values that can be compared."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, inspect

from promptops.core.errors import RegistryNotInitialised
from promptops.store.engine.database import connect, locate
from tests.harness.faults.worlds import World

State = Mapping[str, tuple[str, ...]]
"""Each table's rows, each as text, in order."""

_NUMBERED = frozenset({"registry", "audit_head"})
"""Where ``id`` says something. Elsewhere it only counts, and PostgreSQL's counting skips numbers."""


def facts(url: str) -> State:
    """Every row of every table of a database; empty where there is none."""
    place = locate(url)
    if place.path is not None and not place.path.exists():
        return {}
    reading, _ = connect(place)
    try:
        with reading.connect() as connection, connection.begin():
            return {table: _rows(connection, table) for table in sorted(inspect(connection).get_table_names())}
    except RegistryNotInitialised:
        return {}
    finally:
        reading.dispose()


def _rows(connection: Connection, table: str) -> tuple[str, ...]:
    result = connection.exec_driver_sql(f'SELECT * FROM "{table}"')  # names the database gave
    kept = [name for name in result.keys() if name != "id" or table in _NUMBERED]  # noqa: SIM118 no mapping
    return tuple(sorted(repr([row[name] for name in kept]) for row in result.mappings()))


def integrity(url: str) -> str:
    """``ok``, or what the database itself says is wrong; what was never made cannot be wrong."""
    place = locate(url)
    if place.path is not None and not place.path.exists():
        return "ok"
    reading, _ = connect(place)
    try:
        with reading.connect() as connection:
            if connection.dialect.name != "sqlite":
                return "ok"
            found = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check")]
            found += [str(tuple(row)) for row in connection.exec_driver_sql("PRAGMA foreign_key_check")]
            return "ok" if found == ["ok"] else "; ".join(found)
    except RegistryNotInitialised:  # killed before it was more than an empty file
        return "ok"
    finally:
        reading.dispose()


def state(world: World) -> State:
    """The rows, ``refs``: what is in the repository, and the rows of the second registry."""
    refs = tuple(f"{name} {sha}" for name, sha in sorted(references(world.work).items()))
    second = facts(world.target) if world.target else {}
    return {**facts(world.url), "refs": refs, **{f"second {table}": rows for table, rows in second.items()}}


def references(root: Path) -> dict[str, str]:
    """Every tag and the journal of a repository, and the object that each names."""
    command = ["git", "for-each-ref", "--format=%(refname) %(objectname)", "refs/tags", "refs/heads/promptops"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def different(found: State, wanted: State) -> str:
    """Where two states differ, in a line."""
    tables = [name for name in sorted({*found, *wanted}) if found.get(name) != wanted.get(name)]
    said = []
    for name in tables:
        more, less = set(found.get(name, ())) - set(wanted.get(name, ())), set(wanted.get(name, ()))
        less -= set(found.get(name, ()))
        said.append(f"{name}: +{sorted(more)[:2]} -{sorted(less)[:2]}")
    return "; ".join(said)[:600]

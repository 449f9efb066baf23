"""Runs PostgreSQL's own tools: pg_dump writes the registry's tables to a file, pg_restore reads it; we load the rows.

They are found on the PATH and must not be older than the server. Passwords go to them by the environment, never by an
argument that others could read. pg_restore connects to no server: it prints COPY's text format
(https://www.postgresql.org/docs/current/sql-copy.html), which PostgreSQL takes as it is and SQLite field by field.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection

from promptops.core.errors import ExtraMissing, Invalid, RegistryUnavailable

_INSTALL = "Install PostgreSQL's client programs, of the server's version or newer."
_BY_HAND = f"{_INSTALL} Where they are: pg_dump --format=custom --serializable-deferrable --file=FILE URL"
_END = b"\\.\n"
_COPY = re.compile(rb'COPY .+\."?(\w+)"? \(([^()]*)\) FROM stdin;\n')
_ESCAPED = re.compile(rb"\\(?:([0-7]{3})|(.))", re.DOTALL)
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_AT_ONCE = 1 << 16  # bytes that are read from a pipe at a time


def dump(
    url: URL,
    target: Path,
    *,
    snapshot: str,
    tables: Sequence[tuple[str, str]],
    without_data: Sequence[tuple[str, str]] = (),
) -> None:
    """Write these tables, given with their schemas, as the exported snapshot sees them, in pg_dump's custom format.

    Raises:
        ExtraMissing: there is no pg_dump. RegistryUnavailable: what it says.
    """
    plain = url.set(drivername="postgresql")._replace(password=None).render_as_string(hide_password=False)
    options = [f"--table={_pattern(*each)}" for each in tables]
    options += [f"--exclude-table-data={_pattern(*each)}" for each in without_data]
    _run(
        _tool("pg_dump", _BY_HAND),
        *("--no-password", f"--dbname={plain}", "--format=custom", "--encoding=UTF8", "--strict-names"),
        *(*options, f"--snapshot={snapshot}", f"--file={target}"),
        password=str(url.password or ""),
    )


def load(connection: Connection, source: Path, tables: Sequence[str]) -> None:
    """Copy a dump's rows of these tables into the tables of the same names here, in this order.

    Raises:
        Invalid: it has no registry. ExtraMissing: there is no pg_restore. RegistryUnavailable: pg_restore's error.
    """
    program = _tool("pg_restore", _INSTALL)
    with tempfile.TemporaryDirectory(prefix="promptops-restore-") as folder:
        chosen = Path(folder) / "list"
        chosen.write_text("\n".join(_choose(_run(program, "--list", str(source)), tables)) + "\n", encoding="utf-8")
        wanted = ("--data-only", f"--use-list={chosen}", "--file=-", str(source))
        driver, dialect = connection.connection.driver_connection, connection.dialect
        assert dialect.loaded_dbapi is not None
        put = _put_sqlite if dialect.name == "sqlite" else _put_postgresql
        try:
            with _reading(program, *wanted) as lines:
                for table, columns, rows in _copies(lines):
                    put(driver, table, columns, rows)
        except (dialect.loaded_dbapi.Error, ValueError, KeyError) as error:
            raise RegistryUnavailable(f"the backup cannot be loaded: {' '.join(str(error).split())}") from error


def _pattern(schema: str, name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name))


def _choose(listed: str, tables: Sequence[str]) -> list[str]:
    """The lines of pg_restore's contents that are the rows of these tables, all of one schema, in this order."""
    names = "|".join(map(re.escape, tables))
    entry = re.compile(rf"\d+; \d+ \d+ TABLE DATA (?P<schema>.*?) (?P<table>{names}) .*")
    schemas: dict[str, dict[str, str]] = {}
    for line in listed.splitlines():
        if match := entry.fullmatch(line):
            schemas.setdefault(match["schema"], {})[match["table"]] = line
    registries = [tables for tables in schemas.values() if {"registry", "audit_head"} <= tables.keys()]
    if len(registries) != 1:
        raise Invalid(f"the backup holds {len(registries)} registries, and not one")
    return [registries[0][table] for table in tables if table in registries[0]]


def _copies(lines: Iterator[bytes]) -> Iterator[tuple[str, tuple[str, ...], Iterator[bytes]]]:
    """Each table with its columns and rows; the rows are to be read before the next one."""
    for line in lines:
        if match := _COPY.fullmatch(line):
            columns = tuple(name.strip().strip('"') for name in match[2].decode().split(","))
            yield match[1].decode(), columns, itertools.takewhile(_END.__ne__, lines)


def _put_postgresql(driver: Any, table: str, columns: Sequence[str], rows: Iterator[bytes]) -> None:
    named = ", ".join(f'"{column}"' for column in columns)
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table}" ({named}) FROM STDIN') as copy:
        for row in rows:
            copy.write(row)


def _put_sqlite(driver: Any, table: str, columns: Sequence[str], rows: Iterator[bytes]) -> None:
    kinds = {name: kind for _, name, kind, *_ in driver.execute(f'PRAGMA table_info("{table}")')}
    named, marks = ", ".join(f'"{column}"' for column in columns), ", ".join("?" * len(columns))
    values = (
        [
            _value(field, column, kinds[column])
            for field, column in zip(row.rstrip(b"\n").split(b"\t"), columns, strict=True)
        ]
        for row in rows
    )
    driver.executemany(f'INSERT INTO "{table}" ({named}) VALUES ({marks})', values)  # noqa: S608 names of ours


def _value(field: bytes, column: str, kind: str) -> object:
    """A field as SQLite keeps it: times as ISO 8601 in UTC, booleans as numbers."""
    if field == b"\\N":
        return None
    plain = _ESCAPED.sub(_plain, field)
    if kind == "BLOB":
        return bytes.fromhex(plain[2:].decode()) if plain.startswith(b"\\x") else _ESCAPED.sub(_plain, plain)
    text = plain.decode()
    if kind == "INTEGER":
        return {"t": 1, "f": 0}[text] if text in ("t", "f") else int(text)
    if column == "at" or column.endswith("_at"):
        return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="microseconds")
    return text


def _plain(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8)]) if match[1] else _LETTERS.get(match[2], match[2])


def _tool(name: str, hint: str) -> str:
    program = shutil.which(name)
    if program is None:
        raise ExtraMissing(f"{name} is not on the PATH", hint=hint)
    return program


def _run(program: str, *arguments: str, password: str = "") -> str:
    done = subprocess.run(
        [program, *arguments],
        env=_environment(password),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    _require_done(program, done.returncode, done.stderr)
    return done.stdout.decode("utf-8", "replace")


@contextmanager
def _reading(program: str, *arguments: str) -> Iterator[Iterator[bytes]]:
    """Yields the lines that a tool prints, and raises its error output as an error if it fails."""
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            [program, *arguments],
            env=_environment(""),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=_AT_ONCE,
        ) as running:
            assert running.stdout is not None
            try:
                yield iter(running.stdout)
            except BaseException:
                running.kill()
                raise
        errors.seek(0)
        _require_done(program, running.returncode, errors.read())


def _environment(password: str) -> dict[str, str]:
    environment = {**os.environ, "LC_ALL": "C"}  # its output is parsed below
    if password:
        environment["PGPASSWORD"] = password
    return environment


def _require_done(program: str, code: int, stderr: bytes) -> None:
    if code != 0:
        output = " ".join(stderr.decode("utf-8", "replace").split())
        hint = f"{program} must not be older than the server." if "version mismatch" in output else ""
        raise RegistryUnavailable(f"{Path(program).name} failed: {output}", hint=hint)

"""A registry's URL -> where it is: an SQLite file, or a PostgreSQL database and the schema in it.

``?schema=NAME`` names the registry's own schema, and so does libpq's ``?options=-csearch_path%3DNAME``. Both are
removed from the URL, since a pooler refuses ``options``; each transaction sets its schema itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from promptops.core.errors import Invalid

_NAME_BYTES = 63
_OPTION = re.compile(r"(?:-c ?|--)search[_-]path=(?P<value>.*)", re.DOTALL)
_LISTED = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^\s,"]+))\s*(?:,|\Z)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a registry is: an SQLite file (``path``), or a PostgreSQL database.

    ``schemas`` are searched for its tables, which are created in the first; without any, the role's own path applies.
    """

    url: URL
    path: Path | None = None
    schemas: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.path:
            return str(self.path)
        shown = self.url.update_query_dict({"schema": ",".join(self.schemas)}) if self.schemas else self.url
        return shown.render_as_string(hide_password=True)


def locate(url: str) -> Place:
    """Read a URL: ``sqlite:///path``, ``postgresql://…``, or the plain path of an SQLite file.

    Raises:
        Invalid: for any other database, and for one in memory, which no second process could read.
    """
    try:
        parsed = make_url(url) if "://" in url else URL.create("sqlite", database=url)
    except (ArgumentError, ValueError) as error:
        raise Invalid("the registry's URL cannot be read", hint="postgresql://user:password@host:5432/name") from error
    family = parsed.drivername.partition("+")[0]
    if family in ("postgresql", "postgres"):
        return _in_postgresql(parsed.set(drivername="postgresql+psycopg"))
    if family != "sqlite":
        raise Invalid(f"'{family}' is not a database promptops keeps a registry in", hint="Use SQLite or PostgreSQL.")
    if not parsed.database or parsed.database == ":memory:":
        raise Invalid("a registry in memory is gone when the process ends", hint="Name a file: sqlite:///registry.db")
    return Place(url=parsed, path=Path(parsed.database).expanduser().absolute())


def _in_postgresql(url: URL) -> Place:
    options, schemas = _split_options(_only(url, "options"))
    if "schema" in url.query:
        schemas = (_only(url, "schema"),)
    for name in schemas:
        if not name or name.startswith("pg_") or "\0" in name or len(name.encode()) > _NAME_BYTES:
            raise Invalid(f"'{name}' is not the name of a schema", hint="For example: ?schema=promptops")
    url = url.difference_update_query(["schema", "options"])
    return Place(url=url.update_query_dict({"options": options}) if options else url, schemas=schemas)


def _only(url: URL, key: str) -> str:
    value = url.query.get(key, "")
    if not isinstance(value, str):
        raise Invalid(f"the registry's URL has '{key}' more than once", hint="Name it once.")
    return value


def _split_options(options: str) -> tuple[str, tuple[str, ...]]:
    """Split the options of a session into the others and its search path, both as the server would read them."""
    words = re.findall(r"(?:\\.|\S)+", options, re.DOTALL)
    kept: list[str] = []
    schemas: tuple[str, ...] = ()
    while words:
        option = words.pop(0)
        if option == "-c" and words:
            option = f"-c {words.pop(0)}"
        if found := _OPTION.fullmatch(re.sub(r"\\(.)", r"\1", option, flags=re.DOTALL)):
            schemas = _listed(found["value"])
        else:
            kept.append(option)
    return " ".join(kept), schemas


def _listed(value: str) -> tuple[str, ...]:
    """The names in a search path: those without quotes are in lower case."""
    names, at = [], 0
    while at < len(value):
        found = _LISTED.match(value, at)
        if found is None:
            raise Invalid(f"the search path in the registry's URL cannot be read: {value}", hint="?schema=promptops")
        names.append(found[1].replace('""', '"') if found[1] else found[2].lower())
        at = found.end()
    return tuple(names)

"""A registry's URL -> where it is: an SQLite file, or a PostgreSQL database and the schema in it.

``?schema=NAME`` names the registry's own schema, and so does libpq's ``?options=-csearch_path%3DNAME``. Both are
removed from the URL, since a pooler refuses ``options``; each transaction sets its schema itself.

``postgresql://h1:5432,h2:5432/db`` names several hosts, as libpq reads it: they are tried in this order, and the first
that is a primary is taken, since a standby takes no changes. ``target_session_attrs`` says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from promptops.core.errors import Invalid

_NAME_BYTES = 63  # PostgreSQL cuts longer names
_OPTION = re.compile(r"(?:-c ?|--)search[_-]path=(?P<value>.*)", re.DOTALL)
_SEVERAL = re.compile(r"(?P<before>postgres[^:/]*://(?:[^/?#]*@)?)(?P<hosts>[^@/?#]*,[^@/?#]*)(?P<after>.*)", re.DOTALL)
_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.%]+)\]|(?P<name>[^\[\]:]*))(?::(?P<port>[0-9]{1,5})?)?")
_PORT = "5432"
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
        if not self.hosts:
            return shown.render_as_string(hide_password=True)
        listed = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        bare = shown.difference_update_query(["host", "port"]).render_as_string(hide_password=True)
        before, mark, after = bare.partition("@" if shown.username else "://")
        return f"{before}{mark}{listed}{after}"

    @property
    def hosts(self) -> tuple[tuple[str, str], ...]:
        """Each host with its port, where the URL names several; otherwise none."""
        listed, ports = self.url.query.get("host", ""), self.url.query.get("port", "")
        if not isinstance(listed, str) or not isinstance(ports, str) or "," not in listed:
            return ()
        names, numbers = listed.split(","), ports.split(",")
        return tuple(zip(names, numbers if len(numbers) == len(names) else numbers[:1] * len(names), strict=True))

    def at(self, host: str, port: str) -> URL:
        """The URL of the same database at one of its hosts."""
        return self.url.update_query_dict({"host": host, "port": port})


def locate(url: str) -> Place:
    """Read a URL: ``sqlite:///path``, ``postgresql://…``, or the plain path of an SQLite file.

    Raises:
        Invalid: for any other database, and for one in memory, which no second process could read.
    """
    try:
        parsed = _parse(url)
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


def _parse(url: str) -> URL:
    if "://" not in url:
        return URL.create("sqlite", database=url)
    if several := _SEVERAL.fullmatch(url):
        return _with_hosts(make_url(several["before"] + several["after"]), several["hosts"].split(","))
    parsed = make_url(url)
    listed = parsed.query.get("host", "")
    return parsed if isinstance(listed, str) else _with_hosts(parsed, listed)  # as SQLAlchemy writes several hosts


def _with_hosts(url: URL, listed: Sequence[str]) -> URL:
    """The URL with all hosts in its query, as libpq reads them there."""
    matches = [_HOST.fullmatch(text) for text in listed]
    if not all(match and (match["v6"] or match["name"]) for match in matches):
        raise ValueError(f"the hosts {listed} cannot be read")
    names = [unquote(match["v6"] or match["name"]) for match in matches if match]
    ports = [match["port"] or _PORT for match in matches if match]
    url = url.update_query_dict({"host": ",".join(names), "port": ",".join(ports)})
    return url if "target_session_attrs" in url.query else url.update_query_dict({"target_session_attrs": "primary"})


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
        if match := _OPTION.fullmatch(re.sub(r"\\(.)", r"\1", option, flags=re.DOTALL)):
            schemas = _listed(match["value"])
        else:
            kept.append(option)
    return " ".join(kept), schemas


def _listed(value: str) -> tuple[str, ...]:
    """The names in a search path: those without quotes are in lower case."""
    names, at = [], 0
    while at < len(value):
        match = _LISTED.match(value, at)
        if match is None:
            raise Invalid(f"the search path in the registry's URL cannot be read: {value}", hint="?schema=promptops")
        names.append(match[1].replace('""', '"') if match[1] else match[2].lower())
        at = match.end()
    return tuple(names)

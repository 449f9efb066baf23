"""What a backup says about itself: a JSON file beside it, written last and read first.

It says what a restored registry must hold again, and the size and SHA-256 of the file, so that one that was truncated
or changed is never restored. A file without a manifest is a backup that was not finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import Invalid, RegistryNotInitialised
from promptops.core.json_codec import from_json, to_json
from promptops.store.reader import Reader
from promptops.store.schema import tables

SCHEMA = "promptops.backup/1"
_MAX_BYTES = 1 << 20  # of a manifest, which has about 1 KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What a registry holds: enough to tell whether another database holds the same. ``counts`` are rows by table."""

    registry: str
    lineage: str
    epoch: int
    audit_seq: int
    audit_hash: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One backup: of what, made when and by which promptops, on which ``database``, at which ``revision`` of the
    schema, and the file it is in.
    """

    holdings: Holdings
    database: str
    revision: str
    promptops: str
    at: datetime
    file: str
    size: int
    sha256: str


def manifest_path(backup: Path) -> Path:
    """Where the manifest of a backup is."""
    return backup.with_name(f"{backup.name}.json")


def encode(manifest: Manifest) -> bytes:
    """The manifest as JSON that people can read too."""
    fields = to_json(manifest)
    assert isinstance(fields, Mapping)
    return json.dumps({"schema": SCHEMA, **fields}, indent=2, ensure_ascii=False).encode() + b"\n"


def read_manifest(backup: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        Invalid: there is no manifest, or :func:`encode` did not write it.
    """
    path = manifest_path(backup)
    for needed in (path, backup):
        if needed.exists() and not needed.is_file():  # a pipe would keep us for ever
            raise Invalid(
                f"{needed} is not a regular file",
                hint=Sentence("Give the file that ", Advice(Action.BACKUP, words="a backup"), " made."),
            )
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        hint = "A backup without one was not finished, or is no backup of promptops."
        raise Invalid(f"{backup} has no manifest beside it: {path.name}", hint=hint) from None
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error}") from error
    try:
        manifest = _decode(json.loads(data))
        if encode(manifest) != data:
            raise ValueError("it was changed")
    except (ValueError, OverflowError, RecursionError) as error:
        hint = "The file was changed, or a newer promptops wrote it."
        raise Invalid(f"{path} is not the manifest of a backup: {error}", hint=hint) from error
    return manifest


def _decode(value: object) -> Manifest:
    if not isinstance(value, dict) or value.pop("schema", None) != SCHEMA:
        raise ValueError(f"its schema is not {SCHEMA}")
    return from_json(Manifest, value, "manifest")


def holdings_of(connection: Connection) -> Holdings:
    """Describes what the registry behind this connection holds, for every version of the schema.

    Raises:
        RegistryNotInitialised: it has no name.
    """
    there = set(inspect(connection).get_table_names())
    known = [table for name, table in sorted(tables.metadata.tables.items()) if name in there]
    counts = {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in known}
    name = connection.execute(select(tables.registry.c.name, tables.registry.c.lineage)).first()
    if name is None:
        raise RegistryNotInitialised("the registry has no name yet")
    reader = Reader(connection)
    seq, sealed = reader.audit_head()
    epoch = reader.epoch() if tables.epoch.name in there else 1
    return Holdings(
        registry=name.name, lineage=name.lineage, epoch=epoch, audit_seq=seq, audit_hash=sealed, counts=counts
    )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

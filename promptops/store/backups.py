"""A registry -> a file and its manifest, while it is in use; and back, all or nothing, in a new epoch.

SQLite: ``VACUUM INTO``, which reads one consistent state while others write; a copy of the live file would lack what is
still in its write-ahead log. PostgreSQL: ``pg_dump`` of an exported snapshot, the same one the manifest is counted in.
Files are written beside their place, synced, and only then get their name, the manifest last; what exists is never
overwritten. A restored registry is checked against the manifest, and its epoch raised, before it can be seen (SQLite)
or before the command succeeds (PostgreSQL, where a restore that died in between is finished by repeating it).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import StatementError

import promptops
from promptops.core.errors import Conflict, Invalid, RegistryDamaged, RegistryNotInitialised, RegistryUnavailable
from promptops.store import manifest as manifests
from promptops.store.database import (
    BUSY_SECONDS,
    Place,
    address,
    connect,
    locate,
    refuse_network_file_system,
    refuse_stranger,
)
from promptops.store.dump import dump, load
from promptops.store.manifest import Holdings, Manifest, holdings_of, manifest_path, read_manifest, sha256_of
from promptops.store.registry import Registry
from promptops.store.retry import explain
from promptops.store.revisions import HEAD, current, require_known
from promptops.store.setup import turn_on_wal, upgrade
from promptops.store.writer import Writer

_TABLES = (
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname NOT LIKE 'pg\\_%%'"
    " AND n.nspname <> 'information_schema' AND c.relname <> 'promptops_restoring'"
)
_MARK = "SELECT sha256 FROM promptops_restoring"


def backup(url: str, target: Path, *, now: datetime) -> Manifest:
    """Copy the registry to the file ``target``, or into that folder under a name of its own, with a manifest beside it.

    Raises:
        Conflict: the file exists. Invalid: its name is no text, and the manifest names it.
        ExtraMissing: PostgreSQL's own tools are not here.
        RegistryNotInitialised, RegistryDamaged, RegistryUnavailable: it cannot be read, or the file not be written.
    """
    place = locate(url)
    if place.path is not None and not place.path.exists():
        raise RegistryNotInitialised(f"there is no registry at {place}", hint="Run `promptops init`.")
    target = target / f"promptops-{now:%Y%m%dT%H%M%SZ}.backup" if target.is_dir() else target
    _require_text(target.name)
    _refuse_existing(target, manifest_path(target))
    with _saying("the backup cannot be written"), _scratch(target.parent) as folder:
        part = folder / target.name
        revision, holdings = _copy(place.path, part) if place.path else _dump(place, part)
        manifest = Manifest(
            holdings=holdings,
            database=place.url.get_backend_name(),
            revision=revision,
            promptops=promptops.__version__,
            at=now,
            file=target.name,
            size=part.stat().st_size,
            sha256=sha256_of(part),
        )
        manifest_path(part).write_bytes(manifests.encode(manifest))
        for file in (part, manifest_path(part)):
            file.chmod(0o600)  # until now their folder is closed to others
        _put(part, target)
        with _taken_back(target):
            _put(manifest_path(part), manifest_path(target))
    return manifest


def restore(
    source: Path,
    url: str,
    *,
    actor: str,
    now: datetime,
    epoch: int = 0,
    reason: str = "",
    allow_network_fs: bool = False,
) -> Manifest:
    """Make a registry of a backup where there is none, and begin a new epoch in it, the one after the backup's or
    ``epoch``, whichever is later. Check it with fsck afterwards.

    Raises:
        Invalid: the backup is not what its manifest says, or is of the other kind of database. Nothing was touched.
        Conflict: there is something already. SchemaTooNew: a newer promptops made the backup.
        ExtraMissing, GuardsMissing, RegistryUnavailable
    """
    manifest = read_manifest(source)
    place = locate(url)
    if (kind := place.url.get_backend_name()) != manifest.database:
        raise Invalid(
            f"{source} is a backup of {manifest.database}, and the registry is to be in {kind}",
            hint="promptops rebuild --from-git makes a registry in either from git.",
        )
    require_known(manifest.revision, str(source))
    _require_whole(source, manifest)

    def finish(there: str) -> None:
        why = reason or f"backup of {manifest.at.isoformat()}"
        _finish(there, manifest, actor=actor, now=now, epoch=epoch, reason=why)

    if place.path is None:
        if _claim(place, manifest.sha256):
            load(place.url, source)
        finish(url)
        return manifest
    with _saying("the registry cannot be restored"):
        place.path.parent.mkdir(parents=True, exist_ok=True)
        if not allow_network_fs:
            refuse_network_file_system(place.path.parent)
        _refuse_existing(*(place.path.with_name(place.path.name + end) for end in ("", "-wal", "-shm", "-journal")))
        with _scratch(place.path.parent) as folder:
            part = folder / place.path.name
            part.touch(mode=0o600)
            shutil.copyfile(source, part)
            _require_whole(part, manifest)  # the source may have changed since
            turn_on_wal(part)
            finish(str(part))
            _settle(part)
            _put(part, place.path)
    return manifest


def _require_whole(file: Path, manifest: Manifest) -> None:
    try:
        size = file.stat().st_size
        problem = f"it has {size:,} bytes, and had {manifest.size:,}" if size != manifest.size else ""
        if not problem and sha256_of(file) != manifest.sha256:
            problem = "its SHA-256 is another one"
    except OSError as error:
        problem = str(error)
    if problem:
        raise Invalid(f"{file} is not the backup its manifest describes: {problem}", hint="Take another backup.")


def _finish(url: str, manifest: Manifest, *, actor: str, now: datetime, epoch: int, reason: str) -> None:
    """Bring what was restored to the newest schema, see that it holds what it should, begin the next epoch."""
    found = _holdings(locate(url))
    if found != manifest.holdings:
        raise RegistryDamaged(f"what was restored is not what the manifest says: {found} and {manifest.holdings}")
    if manifest.revision != HEAD:
        upgrade(url)
    # Where it is being made, the file system was looked at already.
    with closing(Registry.open(url, allow_network_fs=True)) as registry:
        registry.write(lambda writer: _begin_epoch(writer, actor=actor, now=now, epoch=epoch, reason=reason))


def _begin_epoch(writer: Writer, *, actor: str, now: datetime, epoch: int, reason: str) -> None:
    to = max(writer.epoch() + 1, epoch)
    writer.raise_epoch(at=now, actor=actor, action="restore", reason=reason, to=to)
    if writer._connection.dialect.name == "postgresql":
        writer._connection.exec_driver_sql("DROP TABLE promptops_restoring")


# --- SQLite --------------------------------------------------------------------------------------


def _copy(path: Path, part: Path) -> tuple[str, Holdings]:
    refuse_stranger(path)
    with closing(sqlite3.connect(address(path), uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("VACUUM INTO CAST(? AS TEXT)", (os.fsencode(part),))  # a name need not be UTF-8
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(address(part, "ro"), uri=True))
    try:
        with engine.connect() as copy:
            said = copy.exec_driver_sql("PRAGMA integrity_check").scalar()
            if said != "ok":
                raise RegistryDamaged(f"the registry is damaged: {said}", hint="Look closer: promptops fsck")
            return _described(copy, str(path))
    except StatementError as error:
        raise explain(error) from error
    finally:
        engine.dispose()


def _settle(part: Path) -> None:
    """Everything into the one file: what is moved must not leave a write-ahead log behind."""
    with closing(sqlite3.connect(part, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# --- PostgreSQL ----------------------------------------------------------------------------------


def _dump(place: Place, part: Path) -> tuple[str, Holdings]:
    with _reading(place) as connection:
        described = _described(connection, str(place))
        snapshot = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
        dump(place.url, part, snapshot=snapshot)
        return described


def _claim(place: Place, sha256: str) -> bool:
    """Mark an empty database as being restored, until its new epoch begins; False where it only lacks that.

    Raises:
        Conflict: there is something else in it.
    """
    _, writing = connect(place)
    try:
        with writing.begin() as connection:
            filled = connection.exec_driver_sql(_TABLES).scalar_one() > 0
            marked = connection.exec_driver_sql("SELECT to_regclass('promptops_restoring')").scalar() is not None
            if marked and connection.exec_driver_sql(_MARK).scalar() == sha256:
                return not filled
            if filled:
                hint = "Restore into a new, empty database."
                raise Conflict(f"there is something in the database {place} already", hint=hint)
            connection.exec_driver_sql("DROP TABLE IF EXISTS promptops_restoring")
            connection.exec_driver_sql("CREATE TABLE promptops_restoring (sha256 TEXT NOT NULL)")
            connection.exec_driver_sql("INSERT INTO promptops_restoring VALUES (%(sha256)s)", {"sha256": sha256})
            return True
    except StatementError as error:
        raise explain(error) from error
    finally:
        writing.dispose()


def _holdings(place: Place) -> Holdings:
    with _reading(place) as connection:
        return holdings_of(connection)


@contextmanager
def _reading(place: Place) -> Iterator[Connection]:
    reading, _ = connect(place)
    try:
        with reading.connect() as connection, connection.begin():
            yield connection
    except StatementError as error:
        raise explain(error) from error
    finally:
        reading.dispose()


# --- both ----------------------------------------------------------------------------------------


def _described(connection: Connection, place: str) -> tuple[str, Holdings]:
    return require_known(current(connection), place), holdings_of(connection)


def _require_text(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise Invalid(
            f"the name {name!a} is not UTF-8, and the manifest has to name it", hint="Choose another name."
        ) from error


def _refuse_existing(*paths: Path) -> None:
    for path in paths:
        if path.exists() or path.is_symlink():
            raise Conflict(f"{path} exists already", hint="It is not overwritten: name another, or move it away.")


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder beside the place where files are to go, on the same disk; what is left in it is thrown away."""
    with tempfile.TemporaryDirectory(prefix=".promptops-", dir=folder) as name:
        yield Path(name)


def _put(part: Path, target: Path) -> None:
    """Give a finished file its name, so that after a power cut it is there whole or not at all."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.link(part, target)  # unlike a rename, it never overwrites what appeared meanwhile
    except FileExistsError:
        raise Conflict(f"{target} exists already", hint="It is not overwritten: name another.") from None
    except OSError:  # a file system without hard links
        _refuse_existing(target)
        part.replace(target)
    if os.name == "posix":
        with _taken_back(target):
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


@contextmanager
def _taken_back(target: Path) -> Iterator[None]:
    """What is told as failed is not there, so the same command can be said again."""
    try:
        yield
    except BaseException:
        target.unlink(missing_ok=True)
        raise


@contextmanager
def _saying(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise RegistryUnavailable(f"{what}: {error}") from error

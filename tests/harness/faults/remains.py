"""All that a death left behind, as one value: where it is equal, whoever comes next finds the same world.

Of a database on SQLite it is the image that a reader gets, byte for byte: the file, with what is committed in the log
beside it. On PostgreSQL it is all that ``pg_dump`` writes: every table, rule, guard, sequence and row. Of everything
else below the world's folder, the repository with its refs, objects and locks above all, it is each name with its
permissions and its bytes. Left out is what nobody who comes next can tell apart: when a file was written, the salt that
SQLite draws for its log, and what PostgreSQL keeps of transactions that never were.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import URL

from promptops.store.engine.database import locate
from tests.harness.faults.worlds import World


def remains(world: World) -> str:
    """One value for everything of a world in which nobody is at work."""
    databases = [locate(url) for url in (world.url, world.target) if url]
    sum_ = hashlib.sha256()
    for place in databases:
        image = _image(place.path) if place.path else _dump(place.url.set(drivername="postgresql"))
        sum_.update(hashlib.sha256(image).digest())
    for line in _files(world.root, [place.path for place in databases if place.path]):
        sum_.update(line)
    return sum_.hexdigest()


def _image(path: Path) -> bytes:
    """A SQLite database as the next reader finds it. Read from a copy: a reader would put the log into the file."""
    with TemporaryDirectory(dir=path.parent.parent) as folder:
        for ending in ("", "-wal", "-journal"):
            if (file := path.with_name(path.name + ending)).exists():
                shutil.copy(file, folder)
        copy = Path(folder) / path.name
        if not copy.exists() or not copy.stat().st_size:
            return b""
        with closing(sqlite3.connect(copy)) as connection:
            return connection.serialize()


def _dump(url: URL) -> bytes:
    command = ["pg_dump", "--no-sync", "--restrict-key=faults", url.render_as_string(hide_password=False)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def _files(root: Path, databases: Collection[Path]) -> Iterator[bytes]:
    """A line for each file and folder. Of a database's own files, which are in its image, whether they are empty."""
    own = {f"{path}{ending}" for path in databases for ending in ("", "-wal", "-shm", "-journal")}
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted((*folders, *files)):
            path = os.path.join(folder, name)
            about = os.lstat(path)
            if stat.S_ISLNK(about.st_mode):
                held = os.readlink(path).encode()
            elif stat.S_ISDIR(about.st_mode):
                held = b""
            else:
                held = str(about.st_size > 0).encode() if path in own else Path(path).read_bytes()
            yield repr((os.path.relpath(path, root), about.st_mode, hashlib.sha256(held).digest())).encode()

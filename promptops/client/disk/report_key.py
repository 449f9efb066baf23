"""The secret of reporting clients, kept for the next process: its first calls have units before any answer came.

The file is for this user alone (0600), and is read only if no other user can have written it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from promptops.client.disk.regular_file import read_regular, require_ours
from promptops.core.digest import parse_canonical
from promptops.core.errors import Invalid
from promptops.files import replace_file

if TYPE_CHECKING:
    from promptops.core.outcomes.report_key import ReportKey

SCHEMA: Final = "promptops.report-key/1"
_MOST: Final = 4 << 10
_SECRET: Final = re.compile(r"(?:[0-9a-f]{2}){16,64}")


def key_path(folder: Path, *, registry: str) -> Path:
    """Returns the file for a registry's address; its name does not show the address."""
    return folder / f"report-{hashlib.sha256(registry.encode()).hexdigest()[:32]}.key"


def decode(data: bytes) -> ReportKey:
    """Read a key: the answer of a server, and the file, are the same. Members that are not known are ignored.

    Raises:
        Invalid: it is not a key. The message has nothing of it.
    """
    document = parse_canonical(data, limit=_MOST)
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        raise Invalid(f"it is not {SCHEMA!r}")
    registry, lineage, secret = (document.get(name) for name in ("registry", "lineage", "secret"))
    if not isinstance(registry, str) or not isinstance(lineage, str):
        raise Invalid("it names no registry with its lineage")
    if not isinstance(secret, str) or not _SECRET.fullmatch(secret):
        raise Invalid("it has no secret of 32 to 128 hex digits")
    from promptops.core.outcomes.report_key import ReportKey  # which a client without a key has no use for

    return ReportKey(registry=registry, lineage=lineage, secret=bytes.fromhex(secret))


def read(path: Path) -> ReportKey | None:
    """Returns the kept key; None if no key is there, or another user could have written it."""
    try:
        require_ours(os.lstat(path.parent), folder=True)
        return decode(read_regular(path, _MOST, require=require_ours, links=False))
    except (OSError, Invalid, ValueError):
        return None


def keep(path: Path, key: ReportKey) -> str:
    """Keep a key for the next process; returns why that failed, or an empty text. A key that is kept already is not
    written again.
    """
    if read(path) == key:
        return ""
    document = {"schema": SCHEMA, "registry": key.registry, "lineage": key.lineage, "secret": key.secret.hex()}
    try:
        os.makedirs(path.parent, mode=0o700, exist_ok=True)
        require_ours(os.lstat(path.parent), folder=True)
        replace_file(path, json.dumps(document).encode(), prefix=".lkg-")
    except OSError as error:
        return str(error)
    return ""

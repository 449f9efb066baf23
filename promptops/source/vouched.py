"""What this machine has verified of registries: one file for each lineage, in the user's cache folder.

It is never in the registry or its git, where a person who changes the one could change the other. It is only a memory:
a file that is damaged, or that another user could have written, counts as empty, and a disk that refuses is no error.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from promptops.client.disk.regular_file import read_trusted, require_ours
from promptops.core.digest import MAX_NUMBER
from promptops.core.errors import Invalid
from promptops.core.json_codec import from_json, to_json
from promptops.files import cache_folder, locked_folder, replace_file

_LIMIT = 1 << 20
"""Bytes of a file; a key is a hundred, and a registry has a few."""

_PLACES = 20
"""Places of a lineage that are remembered: clones of CI jobs come and go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """How far a registry's rows and git were checked without damage, and when the first of that was.

    ``place`` stands for a database and a repository, of which there may be copies elsewhere, ``epoch`` says how often
    the database came back from a backup by then, and ``rows`` are the numbers of rows by table at that time. Another
    ``version`` of promptops may have looked for less.
    """

    seq: int
    hash: str
    sha: str
    at: datetime
    place: str
    epoch: int
    version: str
    rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """The newest line of a lineage that this machine verified: its number, its hash, and the id of its commit; 0 and
    empty before the first. ``epoch`` is that of the registry then, 0 if it is not known, and ``database`` stands for
    where that was. ``keys`` are the public keys that the user trusts for it; of the places that were checked last,
    ``checked`` has one each.
    """

    seq: int = 0
    hash: str = ""
    sha: str = ""
    epoch: int = 0
    database: str = ""
    keys: tuple[str, ...] = ()
    checked: tuple[Checked, ...] = ()

    def with_check(self, *checked: Checked) -> Vouched:
        """Returns the same with these checks, each instead of the one before of its place."""
        places = {each.place for each in checked}
        others = (each for each in self.checked if each.place not in places)
        return replace(self, checked=(*others, *checked)[-_PLACES:])


def read(lineage: str) -> Vouched:
    """Returns what this machine has verified of a lineage; that is nothing if it cannot be read."""
    try:
        return _read(file_of(lineage))
    except OSError:
        return Vouched()


def update(lineage: str, change: Callable[[Vouched], Vouched]) -> None:
    """Keeps what ``change`` makes of what is known of a lineage. No other process changes it in between."""
    with suppress(OSError):
        file = file_of(lineage)
        os.makedirs(file.parent, mode=0o700, exist_ok=True)
        require_ours(os.lstat(file.parent), folder=True)
        with locked_folder(file.parent):
            known = _read(file)
            changed = change(known)
            if changed != known:
                replace_file(file, json.dumps(to_json(changed), indent=1).encode() + b"\n")


def file_of(lineage: str) -> Path:
    """Returns the file of a lineage. Its name is the same kind of text for any, also for one that a foreign repository
    says.

    Raises:
        FileNotFoundError: the environment names no home.
    """
    folder = cache_folder()
    if folder is None:
        raise FileNotFoundError("the environment names no home")
    return folder / "vouched" / f"{hashlib.sha256(lineage.encode()).hexdigest()[:32]}.json"


def _read(file: Path) -> Vouched:
    try:
        vouched = from_json(Vouched, json.loads(read_trusted(file, _LIMIT)), "vouched")
    except (OSError, Invalid, ValueError, TypeError, OverflowError, RecursionError):
        return Vouched()
    numbers = [
        vouched.seq,
        vouched.epoch,
        *(n for each in vouched.checked for n in (each.seq, each.epoch, *each.rows.values())),
    ]
    sane = min(numbers) >= 0 and max(numbers) < MAX_NUMBER and all(each.at.tzinfo for each in vouched.checked)
    return vouched if sane else Vouched()

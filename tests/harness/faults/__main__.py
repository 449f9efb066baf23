"""``make faults``: break everything, on both databases at once, and print the table.

It fails where anything was lost or bad. ``--short`` does a little of each with the same fixed seeds, as continuous
integration does.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tests.harness.faults import (
    archives,
    canaries,
    clones,
    counting,
    disks,
    enumerating,
    killing,
    neighbours,
    outages,
    restarting,
)
from tests.harness.faults.report import Row, table
from tests.harness.faults.worlds import Databases, PostgreSQL, SQLite, Worlds
from tests.support.checkout import memory

DATABASES = ("sqlite", "postgresql")
_IN_MEMORY = ("points", "clones", "outcomes", "canaries")
"""Parts in which only processes die, and not the machine: what they wrote is as safe in memory as on a disk."""

PARTS = (*_IN_MEMORY, "kills", "disks", "git", "server", "serving", "neighbours")
_ROOM = 4 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much of each part: points an operation (None: all), kills, the k of k-th calls that fail, server faults,
    for how many seconds the server dies again and again, the contents of strangers with the batches they come in, and
    rounds of clones, of outcomes, and of canaries.
    """

    points: int | None
    kills: int
    ks: Sequence[int]
    faults: int
    outages: float
    contents: tuple[int, int]
    clones: int
    outcomes: int
    canaries: int
    operations: tuple[str, ...] = ()


FULL = Amount(
    points=None,
    kills=200,
    ks=range(1, 26),
    faults=80,
    outages=60.0,
    contents=(500, 25),
    clones=200,
    outcomes=200,
    canaries=200,
)
SHORT = Amount(
    points=5, kills=8, ks=(1, 4, 11), faults=4, outages=4.0, contents=(50, 4), clones=10, outcomes=10, canaries=10
)
SMOKE = Amount(
    points=1,
    kills=1,
    ks=(),
    faults=1,
    outages=1.0,
    contents=(4, 1),
    clones=1,
    outcomes=1,
    canaries=1,
    operations=("rollback", "sync"),
)


def main(arguments: list[str]) -> int:
    """Run and print; 1 where a row failed."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a little of everything, in minutes")
    parser.add_argument("--smoke", action="store_true", help="one of everything: does the harness itself work?")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, separated by commas: {', '.join(PARTS)}")
    parser.add_argument("--on", default=",".join(DATABASES), help="sqlite, postgresql or both")
    parser.add_argument("--what", default="", help="only this operation of the points")
    parser.add_argument("--rows", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if unknown := set(asked.only.split(",")) - set(PARTS) | set(asked.on.split(",")) - set(DATABASES):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, _leave)
    if asked.rows:
        _work(asked, Path(asked.rows))
        return 0
    rows = _side_by_side(arguments, asked.on.split(","))
    print(table(rows))
    return int(not rows or not all(row.ok for row in rows))


def _leave(_signal: int, _frame: object) -> NoReturn:
    """End, but stop the server and remove the worlds before."""
    sys.exit(128 + signal.SIGTERM)


def _side_by_side(arguments: list[str], databases: Sequence[str]) -> list[Row]:
    """Each database in a process of its own, which forks: this one stays as small as that needs."""
    with tempfile.TemporaryDirectory(prefix="promptops-faults-") as folder:
        files = {database: Path(folder) / database for database in databases}
        running = {
            database: subprocess.Popen(
                [sys.executable, "-m", "tests.harness.faults", *arguments, "--on", database, "--rows", str(file)]
            )
            for database, file in files.items()
        }
        rows = []
        try:
            for database, process in running.items():
                code = process.wait()
                lines = files[database].read_text().splitlines() if files[database].exists() else []
                rows += [Row(**json.loads(line)) for line in lines]
                if code:
                    rows.append(Row(part="harness", what=f"ended with {code}", database=database, bad=1))
        finally:
            for process in running.values():
                process.terminate()
                process.wait()
    return rows


def _work(asked: argparse.Namespace, file: Path) -> None:
    """The parts that were asked for: those with the most worlds in memory, the others on a disk."""
    for place, parts in ((memory(_ROOM), _IN_MEMORY), (None, PARTS[len(_IN_MEMORY) :])):
        if some := [part for part in parts if part in asked.only.split(",")]:
            _work_in(place, asked, some, file)


def _work_in(place: Path | None, asked: argparse.Namespace, parts: Sequence[str], file: Path) -> None:
    amount = SHORT if asked.short else SMOKE if asked.smoke else FULL
    with tempfile.TemporaryDirectory(prefix="promptops-faults-", dir=place, ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)  # PostgreSQL runs as another user where this is root
        room = Path(folder) / "worlds"
        room.mkdir()
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
        try:
            databases = _databases(asked.on, Path(folder))
        except ImportError as error:
            if os.environ.get("CI") == "true":
                raise
            _note(file, Row(part="all", what="", database=asked.on, skipped=f"{error.name} is not installed"))
            return
        worlds = Worlds(databases, room)
        try:
            for part in parts:
                begun = time.monotonic()
                for row in _parts(worlds, amount, asked.what)[part]():
                    begun, row.seconds = time.monotonic(), time.monotonic() - begun
                    _note(file, row)
        finally:
            databases.stop()


def _parts(worlds: Worlds, amount: Amount, what: str) -> dict[str, Callable[[], Iterator[Row]]]:
    return {
        "points": lambda: enumerating.rows(worlds, most=amount.points, only=(what,) if what else amount.operations),
        "kills": lambda: killing.rows(worlds, kills=amount.kills),
        "disks": lambda: disks.rows(worlds, ks=amount.ks),
        "git": lambda: archives.rows(worlds, ks=amount.ks),
        "server": lambda: restarting.rows(worlds, faults=amount.faults),
        "serving": lambda: outages.rows(worlds, seconds=amount.outages, poll=min(5.0, amount.outages)),
        "neighbours": lambda: neighbours.rows(worlds, contents=amount.contents[0], batches=amount.contents[1]),
        "clones": lambda: clones.rows(worlds, rounds=amount.clones),
        "outcomes": lambda: counting.rows(worlds, rounds=amount.outcomes),
        "canaries": lambda: canaries.rows(worlds, rounds=amount.canaries),
    }


def _databases(name: str, folder: Path) -> Databases:
    return SQLite() if name == "sqlite" else PostgreSQL(folder)


def _note(file: Path, row: Row) -> None:
    print(f"  {row.part}, {row.what}, {row.database}: {'ok' if row.ok else 'FAILED'}", file=sys.stderr, flush=True)
    with file.open("a") as out:
        out.write(json.dumps(row.as_json()) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

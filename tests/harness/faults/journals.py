"""The journal at its home against the database, read with plain git: is every line there that the outbox let go?"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptops.core.errors import PromptopsError
from promptops.core.faults import Condition
from promptops.operations.fsck import FsckReport, RegistryLocation, check
from promptops.operations.rebuild import rebuild
from promptops.projection.loss import Loss
from tests.harness.faults.report import Row
from tests.harness.faults.worlds import World
from tests.support.factory import ACTOR, NAME, minutes
from tests.support.journal import REF

BARE = "home.git"
"""The folder, below a world's, of the repository that is the home by its address."""

_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Log:
    """The hashes of the lines of the audit log in order, and the numbers of those that are in the outbox."""

    hashes: Sequence[str]
    waiting: frozenset[int]


def log(world: World) -> Log:
    """The audit log as the database has it."""
    with world.registry() as registry, registry.read() as reader:
        return Log([entry.hash for entry in reader.audit_trail()], frozenset(reader.pending()))


def home(world: World) -> Path:
    """The repository that the registry names as the home of its journal."""
    with world.registry() as registry, registry.read() as reader:
        named = reader.home()
    assert named is not None
    return Path(named.address) if named.address else world.work


def lines(repository: Path) -> list[str]:
    """The hash of each line that the journal of a repository has, the first line's first."""
    listed = ["git", "rev-list", "--first-parent", "--reverse", REF, "--"]
    shas = subprocess.run(listed, cwd=repository, capture_output=True, text=True, check=False).stdout.split()
    wanted = "".join(f"{sha}:record.json\n" for sha in shas)
    read = ["git", "cat-file", "--batch"]
    data = subprocess.run(read, cwd=repository, input=wanted.encode(), capture_output=True, check=True).stdout
    hashes = []
    while data:
        head, _, data = data.partition(b"\n")
        size = int(head.split()[-1])
        hashes.append(str(json.loads(data[:size])["audit"]["hash"]))
        data = data[size + 1 :]
    return hashes


def judge(row: Row, where: str, world: World, roots: Sequence[Path]) -> None:
    """What left the outbox is at the home; fsck tells the truth in each of these folders, and a rebuild has it or says
    which lines it lacks, all of which the outbox has."""
    told, there = log(world), lines(home(world))
    for seq, hash_ in enumerate(told.hashes, 1):
        if seq not in told.waiting and there[seq - 1 : seq] != [hash_]:
            row.gone(where, f"line {seq} of {len(told.hashes)}: it left the outbox, and the home does not have it")
    if there != told.hashes[: len(there)]:
        row.wrong(where, f"the home has {len(there)} lines, and not those of the database, {len(told.hashes)}")
    for root in roots:
        place = RegistryLocation(url=world.url, root=root, name=NAME)
        begun, report = check(place, everything=False, now=minutes(95)), check(place)
        _judge_report(row, f"{where}, fsck in {root.name}", report, whole=there == told.hashes)
        if (some := _codes(begun)) != (all_ := _codes(report)):
            row.wrong(where, f"fsck in {root.name} from line {begun.extent and begun.extent.first}: {some}, not {all_}")
    _judge_rebuilt(row, where, world, there, told.waiting)


def _codes(report: FsckReport) -> set[str]:
    return {fault.code for fault in report.faults} - {"lock-stale"}  # a lock grows old meanwhile


def _judge_report(row: Row, where: str, report: FsckReport, *, whole: bool) -> None:
    row.pending += bool(report.faults)
    for fault in report.faults:
        if fault.severity is Condition.DAMAGE or fault.code.startswith("journal-"):
            row.wrong(where, f"fsck: {fault}")
    if not report.faults and not report.notes and not whole:
        row.wrong(where, "fsck says that all is well, and the home lacks lines")


def _judge_rebuilt(row: Row, where: str, world: World, there: Sequence[str], waiting: Collection[int]) -> None:
    place = world.root / f"rebuilt-{time.monotonic_ns()}.db"
    try:
        made = rebuild(str(home(world)), f"sqlite:///{place}", actor=ACTOR, now=minutes(90))
    except PromptopsError as error:
        # A home that moved while lines reached the old one: the new one lacks lines that this machine has verified.
        lacking = (str(Loss(first=len(there) + 1, last=seq, why="")) for seq in waiting if seq > len(there))
        if any(f"would be lost, {lines};" in error.message for lines in lacking):
            row.pending += 1
        else:
            row.wrong(where, f"rebuild: {error}")
        return
    if (made.seq, made.hash, made.ignored) != (len(there), there[-1], ()):
        row.wrong(where, f"rebuild gave {made.seq} of {len(there)} lines, and ignored {made.ignored}")


def wait_for(pids: Sequence[int]) -> None:
    """Wait until processes have ended that nobody else waits for: git may live on for a moment after its writer."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(0.01)


def unlock(repository: Path) -> int:
    """Remove the locks of dead gits, as who keeps a repository on a server does; returns how many there were."""
    locks = [*repository.rglob("*.lock")]
    for lock in locks:
        lock.unlink()
    return len(locks)

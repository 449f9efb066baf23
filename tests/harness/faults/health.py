"""What fsck says of a world, and the world after its repair, as the experiments judge them."""

from __future__ import annotations

import subprocess
import time

from promptops.core.errors import GitUnavailable, RegistryNotInitialised, SchemaOutdated
from promptops.core.faults import Condition
from promptops.operations.fsck import RegistryLocation, check
from promptops.store import Registry
from tests.harness.faults.report import Row
from tests.harness.faults.state import integrity
from tests.harness.faults.worlds import World
from tests.support.factory import NAME
from tests.support.journal import REF, sync

_TRIES = 3


def examine(row: Row, where: str, world: World) -> bool:
    """After a fault: the database is sound, and fsck finds no more than work not done yet; True where it does."""
    if (said := integrity(world.url)) != "ok":
        row.wrong(where, f"integrity: {said}")
    for missing in _promised(world):
        row.wrong(where, f"the outbox says that {missing} is in git, and it is not")
    try:
        report = check(_place(world))
    except (RegistryNotInitialised, SchemaOutdated):
        return False
    row.pending += bool(report.faults)
    for fault in report.faults:
        if fault.severity is Condition.DAMAGE:
            row.wrong(where, f"fsck: {fault}")
    return bool(report.faults)


def mend(row: Row, where: str, world: World) -> None:
    """``fsck --repair``, and then there is nothing to find. A git that outlived its writer may take a moment to end. A
    registry that died before it had a home gets one from a sync."""
    for number in range(_TRIES):
        report = check(_place(world), repair=True)
        if not report.faults:
            return
        if number == 0 and {fault.code for fault in report.faults} == {"outbox-pending"}:
            with world.registry() as registry:
                drain(world, registry)
        time.sleep(1)
    for fault in report.faults:
        row.wrong(where, f"after fsck --repair: {fault}")


def _place(world: World) -> RegistryLocation:
    return RegistryLocation(url=world.url, root=world.work, name=NAME)


def _promised(world: World) -> list[str]:
    """Facts that the journal has and neither the outbox nor the branch in git, which has one commit for each."""
    try:
        with world.registry() as registry, registry.read() as reader:
            waiting, entries = set(reader.pending()), reader.journal()
    except (RegistryNotInitialised, SchemaOutdated):
        return []
    count = ["git", "rev-list", "--count", "--first-parent", REF, "--"]
    done = subprocess.run(count, cwd=world.work, capture_output=True, text=True, check=False)
    there = int(done.stdout) if done.returncode == 0 else 0
    return [entry.ref for entry in entries if entry.seq not in waiting and entry.seq > there]


def drain(world: World, registry: Registry) -> None:
    """Take the outbox to git, as a writer does after its commit. Git may be in somebody's way: then it waits."""
    try:
        sync(registry, world.work)
    except GitUnavailable:
        return

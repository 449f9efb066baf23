"""What fsck says of a world, and the world after its repair, as the experiments judge them."""

from __future__ import annotations

import time

from promptops.core.errors import GitUnavailable, RegistryNotInitialised, SchemaOutdated
from promptops.core.faults import Condition
from promptops.operations.fsck import RegistryLocation, check
from promptops.operations.git_sync import sync
from promptops.store import Registry
from tests.harness.faults.report import Row
from tests.harness.faults.state import integrity, references
from tests.harness.faults.worlds import World
from tests.support.factory import NAME

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
    """``fsck --repair``, and then there is nothing to find. A git that outlived its writer may take a moment to end."""
    for _ in range(_TRIES):
        report = check(_place(world), repair=True)
        if not report.faults:
            return
        time.sleep(1)
    for fault in report.faults:
        row.wrong(where, f"after fsck --repair: {fault}")


def _place(world: World) -> RegistryLocation:
    return RegistryLocation(url=world.url, root=world.work, name=NAME)


def _promised(world: World) -> list[str]:
    """Refs that the journal has and neither the outbox nor git."""
    there = references(world.work)
    try:
        with world.registry() as registry, registry.read() as reader:
            waiting = set(reader.pending())
            return [e.ref for e in reader.journal() if e.seq not in waiting and f"refs/promptops/{e.ref}" not in there]
    except (RegistryNotInitialised, SchemaOutdated):
        return []


def drain(world: World, registry: Registry) -> None:
    """Take the outbox to git, as a writer does after its commit. Git may be in somebody's way: then it waits."""
    try:
        sync(registry, world.work, name=NAME)
    except GitUnavailable:
        return

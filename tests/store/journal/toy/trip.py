"""The trip of a stamp through everything that works with facts: run in a copy of promptops that has stamps.

Prints what each stop says, as JSON.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import promptops
from promptops.core.errors import RegistryUnavailable
from promptops.core.faults import Fault
from promptops.operations.rebuild import rebuild
from promptops.projection.fsck import check
from promptops.projection.homes import Here
from promptops.source.git.repository import Repository
from promptops.store import Registry, Writer, backup, check_store, create, restore
from promptops.store.facts.kind import kinds
from promptops.store.facts.record import Record, decode
from tests.store.facts import ACTOR, minutes, release
from tests.store.vandal import vandalise
from tests.store.world import all_records
from tests.support.factory import git, make_workspace
from tests.support.journal import REF, commit_of, drain

NOW = minutes(10)


def main(url: str, restored_url: str, rebuilt_url: str, folder: str) -> dict[str, object]:
    create(url, name="test", now=minutes(0), actor=ACTOR)
    stamp = kinds()["stamps"].noun(app="bot", number=1, colour="größer ☃", actor=ACTOR, at=minutes(5))

    def work(writer: Writer) -> None:
        writer.lock_app("bot")
        writer.record(release(1, dirty=True))
        writer.record(stamp, key="a key")

    root = make_workspace(Path(folder) / "repo")
    with closing(Registry.open(url)) as registry, closing(Repository.open(root)) as repository:
        registry.write(work)
        with registry.read() as reader:
            audit, names = reader.audit(limit=1)[0], [entry.ref for entry in reader.journal()]
        drained = drain(registry, repository)
        in_git = decode(git(root, "show", f"{commit_of(root, 'stamps/bot/1')}:record.json").encode())
        written = all_records(registry)
        healthy = [*check_store(registry), *check(registry, repository, Here(repository, REF))]
    saved = Path(folder) / "saved.backup"
    backup(url, saved, now=NOW)
    restore(saved, restored_url, actor=ACTOR, now=NOW)
    rebuild(str(root), rebuilt_url, actor=ACTOR, now=NOW)
    return {
        "promptops": promptops.__file__,
        "audit": {name: value for name, value in asdict(audit).items() if name not in ("at", "previous", "hash")},
        "journal": names[-2:],
        "pending": drained.pending,
        "title": git(root, "log", "-1", "--format=%s", commit_of(root, "stamps/bot/1")),
        "git": in_git == written[-1] and in_git.fact == stamp,
        "healthy": _brief(healthy),
        "restored": _came_back(restored_url, written),
        "rebuilt": _came_back(rebuilt_url, written),
        "refused": _refused(url, "UPDATE stamp SET colour = 'red'"),
        "tampered": {
            statement: _after(url, statement)
            for statement in (
                "UPDATE stamp SET colour = 'red'",
                "UPDATE stamp SET number = 2",
                "DELETE FROM stamp",
            )
        },
    }


def _came_back(url: str, written: tuple[Record, ...]) -> list[str]:
    with closing(Registry.open(url)) as registry:
        assert all_records(registry)[: len(written)] == written
        return _brief(check_store(registry))


def _refused(url: str, statement: str) -> str:
    with closing(Registry.open(url)) as registry:
        try:
            registry.write(lambda writer: writer._connection.exec_driver_sql(statement))
        except RegistryUnavailable as error:
            return error.message
    return ""


def _after(url: str, statement: str) -> list[str]:
    vandalise(url, statement)
    return _brief(check_store(url))


def _brief(faults: tuple[Fault, ...] | list[Fault]) -> list[str]:
    return [f"{fault.code} {fault.where}" for fault in faults]


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))

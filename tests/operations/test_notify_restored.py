"""Notifications after a rebuild from git and after a restore: what may not have arrived comes, and nothing is lost."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from promptops.operations.notify import ask_test
from promptops.store import Registry
from tests.support import factory
from tests.support.factory import START
from tests.support.receivers import URL, Clock, Memory, declare, sender

DEPLOYMENTS: dict[str, object] = {"url": URL, "events": ["deployment"]}


def world(registry: Registry) -> None:
    """Two releases of an app; nothing is live yet."""
    factory.make_channels(registry)
    factory.make_releases(registry, "bot", 2)


def test_a_registry_whose_receivers_are_known_and_whose_progress_is_not_sends_no_old_history(
    registry: Registry,
) -> None:
    """As after a rebuild from git: the facts are there, and how far each receiver was is not."""
    world(registry)
    declare(registry, ops=DEPLOYMENTS)
    for day, version in ((0, "0.1.0"), (10, "0.1.1"), (11, "0.1.0")):
        factory.go_live(registry, f"bot@{version}", now=START + timedelta(days=day))
    before = Memory()
    sender(registry, before, Clock()).send_all()
    registry.write(lambda writer: writer.deliveries().end("ops"))
    memory, clock = Memory(), Clock(START + timedelta(days=12))
    sending = sender(registry, memory, clock)
    sending.due()
    sending.send_all()
    assert memory.tried == before.tried[1:], "what may not have arrived, with the ids that it had"


def test_a_receiver_is_tested_right_after_a_rebuild(registry: Registry) -> None:
    world(registry)
    declare(registry, ops=DEPLOYMENTS)
    registry.write(lambda writer: writer.deliveries().end("ops"))
    memory, clock = Memory(), Clock(START + timedelta(days=12))
    assert ask_test(registry, "ops", now=clock()).number == 1
    sender(registry, memory, clock).send_all()
    assert memory.kinds == ["notify.test"]


def test_a_registry_that_comes_back_from_a_backup_under_a_sender_loses_nothing(
    sqlite_template: Path, tmp_path: Path
) -> None:
    class Place:
        """Where the registry is: another file comes there, and the sender goes on."""

        def __init__(self) -> None:
            self.registry = Registry.open(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'registry.db')}")

        def __getattr__(self, name: str) -> Any:
            return getattr(self.registry, name)

    place, clock, memory = Place(), Clock(), Memory()
    world(place.registry)
    declare(place.registry, ops=DEPLOYMENTS)
    factory.go_live(place.registry, "bot@0.1.0")
    sending = sender(cast("Registry", place), memory, clock)
    sending.send_all()
    place.registry.close()
    backup = shutil.copy(tmp_path / "registry.db", tmp_path / "backup.db")
    place.registry = Registry.open(f"sqlite:///{tmp_path / 'registry.db'}")
    factory.go_live(place.registry, "bot@0.1.1")
    factory.go_back(place.registry, "bot")
    sending.send_all()
    place.registry.close()
    place.registry = Registry.open(f"sqlite:///{backup}")
    factory.go_live(place.registry, "bot@0.1.1", reason="again")
    memory.taken.clear()
    sending.send_all()
    place.registry.close()
    assert [body["data"]["reason"] for _, body in memory.taken] == ["again"]

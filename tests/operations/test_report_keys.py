"""The secret of reporting clients: one for a registry, made once, and nowhere but in the database and its backups."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.errors import ChannelNotFound
from promptops.core.model import Policy
from promptops.gateway.local import Direct
from promptops.operations.backup import backup, restore
from promptops.operations.export_snapshot import export
from promptops.operations.fsck import RegistryLocation, check
from promptops.operations.outcomes import report_key
from promptops.store import Registry
from promptops.store.queries.report_keys import keep_secret
from tests.support import factory
from tests.support.journal import sync


@pytest.fixture
def told(registry: Registry) -> Iterator[Registry]:
    factory.make_channels(registry, prod=Policy(), staging=Policy())
    for release in factory.make_releases(registry):
        factory.go_live(registry, f"bot@{release.version}")
    yield registry


def test_every_process_and_channel_gets_the_same_secret(told: Registry, registry_url: str) -> None:
    key = report_key(told, "prod")
    assert (key.registry, key.lineage, len(key.secret)) == (told.name, told.lineage, 32)
    with closing(Registry.open(registry_url)) as other:
        assert report_key(other, "staging") == key
    assert key.secret.hex() not in repr(key)
    with pytest.raises(ChannelNotFound):
        report_key(told, "nowhere")


def test_of_processes_that_make_it_at_once_one_does(told: Registry, registry_url: str) -> None:
    ready, found = threading.Barrier(4), []

    def ask() -> None:
        with closing(Registry.open(registry_url)) as registry:
            ready.wait()
            found.append(report_key(registry).secret)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_one_that_is_there_stays(told: Registry) -> None:
    secret = report_key(told).secret.hex()
    kept = told.write(lambda writer: keep_secret(writer._connection, told.lineage, "0" * 64))
    assert kept == secret != "0" * 64


def test_it_is_in_a_backup_and_in_nothing_else(
    told: Registry, registry_url: str, restored_url: str, tmp_path: Path
) -> None:
    key = report_key(told)
    root = factory.make_workspace(tmp_path / "prompts")
    sync(told, root)
    export(Direct(told, now=factory.minutes(1)), "prod", tmp_path / "bundle")
    report = check(RegistryLocation(url=registry_url, root=root))
    assert report.faults == ()
    with told.read() as reader:
        assert key.secret.hex() not in repr((report, reader.audit()))
    secret = key.secret.hex().encode()
    command = ["git", "cat-file", "--batch-all-objects", "--batch", "--unordered"]
    objects = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    assert b"record.json" in objects
    assert secret not in objects
    exported = [file.read_bytes() for file in (tmp_path / "bundle").rglob("*") if file.is_file()]
    assert exported
    assert not any(secret in data or key.secret in data for data in exported)

    backup(registry_url, tmp_path / "b", now=factory.minutes(2))
    restore(tmp_path / "b", RegistryLocation(url=restored_url), actor=factory.ACTOR, now=factory.minutes(3))
    with closing(Registry.open(restored_url)) as again:
        assert report_key(again) == key

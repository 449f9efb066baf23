"""0002 on a registry that promptops 0.1 filled: every change gets its name and waits for git."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.errors import SchemaOutdated
from promptops.store import HEAD, Registry, backup, check_store, current_schema, restore, upgrade
from promptops.store.facts.record import decode, encode
from tests.migrations.filled import fill_old
from tests.store.facts import ask
from tests.store.world import KINDS, all_records, name_of
from tests.support.factory import ACTOR, go_back, go_live, live_version, minutes


@pytest.fixture
def old_url(empty_url: str) -> str:
    """A registry at schema 0001 in which promptops 0.1 did all it can do."""
    return fill_old(empty_url, "0001")


def test_every_change_of_an_old_registry_is_named_and_waits_for_git(old_url: str) -> None:
    assert current_schema(old_url) == ("0001", HEAD)
    with pytest.raises(SchemaOutdated):
        Registry.open(old_url)

    assert upgrade(old_url) == ("0001", HEAD)

    with closing(Registry.open(old_url)) as registry:
        audit = ask(registry, lambda reader: reader.audit())[::-1]
        records = all_records(registry)
        assert [record.audit for record in records] == list(audit)
        assert [record.ref for record in records] == list(map(name_of, records))
        later = {"epochs", "tokens", "revocations", "transfers", "homes", "registry-keys", "approvals", "waivers"}
        later |= {"runs", "evidence", "suites", "declarations", "erasures", "rollouts", "canary-decisions"}
        later |= {"receivers", "archivals", "removals"}
        kinds = KINDS - later | {"bindings"}
        assert {record.ref.partition("/")[0] for record in records} == kinds
        assert [decode(encode(record), record.content) for record in records] == list(records)
        assert ask(registry, lambda reader: reader.pending()) == tuple(entry.seq for entry in audit)
        assert ask(registry, lambda reader: reader.epoch()) == 1
        assert check_store(registry) == ()


def test_work_goes_on_after_the_upgrade(old_url: str) -> None:
    upgrade(old_url)
    upgrade(old_url)
    with closing(Registry.open(old_url)) as registry:
        before = live_version(registry)
        go_back(registry, "bot", now=minutes(200))
        go_live(registry, "faq@0.1.2", "staging", now=minutes(201))
        assert live_version(registry) != before
        assert check_store(registry) == ()


def test_an_old_registry_can_be_backed_up_before_it_is_upgraded(
    old_url: str, restored_url: str, tmp_path: Path
) -> None:
    manifest = backup(old_url, tmp_path / "old.backup", now=minutes(200))
    assert (manifest.revision, manifest.holdings.epoch) == ("0001", 1)
    restore(tmp_path / "old.backup", restored_url, actor=ACTOR, now=minutes(201))

    with closing(Registry.open(restored_url)) as registry:
        assert all_records(registry)[-1].ref == "epochs/2"
        assert check_store(registry) == ()
    assert current_schema(old_url) == ("0001", HEAD)

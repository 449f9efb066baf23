"""Records made into a registry again: it answers as the one they came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from promptops.core.errors import Conflict, Invalid, RegistryNotInitialised
from promptops.store import Registry
from promptops.store.checks.checks import check_store
from promptops.store.facts.record import Record, decode, encode
from promptops.store.importing import import_records
from tests.store.facts import ACTOR, ask
from tests.store.world import all_records, answers
from tests.support.factory import go_back, go_live, live_version, make_release, minutes

SECRETS_ARE_GONE = {"secret-changed"}
"""Where nothing in the log says that the registry was rebuilt, tokens have to have secrets."""


@pytest.fixture
def records(world: Registry) -> tuple[Record, ...]:
    """What git would give back: bytes that were read."""
    return tuple(decode(encode(record), record.content) for record in all_records(world))


def test_a_registry_from_records_answers_as_the_original(
    world: Registry, records: tuple[Record, ...], empty_url: str
) -> None:
    count = import_records(empty_url, iter(records), epoch=2, actor=ACTOR, now=minutes(200))

    again = Registry.open(empty_url)
    assert count == len(records)
    assert (again.name, again.lineage) == (world.name, world.lineage)
    assert ask(again, answers) == ask(world, answers)
    assert ask(again, lambda reader: reader.pending()) == ()
    assert all_records(again) == records
    assert {fault.code for fault in check_store(again)} == SECRETS_ARE_GONE
    again.close()


def test_work_goes_on_in_it(records: tuple[Record, ...], empty_url: str) -> None:
    import_records(empty_url, records, epoch=2, actor=ACTOR, now=minutes(200))
    again = Registry.open(empty_url)
    release = make_release(again, now=minutes(201))
    go_live(again, f"bot@{release.version}", "staging", now=minutes(202))
    go_back(again, "bot", channel="staging", now=minutes(203))
    assert live_version(again, "bot", "staging") == "0.1.3"
    assert {fault.code for fault in check_store(again)} == SECRETS_ARE_GONE
    again.close()


def test_another_epoch_is_a_change_of_its_own(world: Registry, records: tuple[Record, ...], empty_url: str) -> None:
    import_records(empty_url, records, epoch=3, actor=ACTOR, now=minutes(200), reason="the disk died")

    again = Registry.open(empty_url)
    assert ask(again, lambda reader: reader.epoch()) == 3
    assert ask(again, lambda reader: reader.audit()[1:]) == ask(world, lambda reader: reader.audit())
    newest = all_records(again)[-1]
    assert (newest.ref, newest.audit.action, newest.audit.reason) == ("epochs/3", "rebuild", "the disk died")
    assert ask(again, lambda reader: reader.pending()) == (newest.audit.seq,)
    assert check_store(again) == ()
    again.close()


def test_a_registry_that_exists_is_not_touched(records: tuple[Record, ...], registry_url: str) -> None:
    with pytest.raises(Conflict, match="registry at"):
        import_records(registry_url, records, epoch=1, actor=ACTOR, now=minutes(200))
    with_nothing = Registry.open(registry_url)
    assert ask(with_nothing, lambda reader: reader.apps()) == ()
    with_nothing.close()


def _forged(records: tuple[Record, ...]) -> tuple[Record, ...]:
    forged = records[-2]
    return (*records[:-2], replace(forged, audit=replace(forged.audit, actor="Eve")), records[-1])


@pytest.mark.parametrize(
    "broken",
    [
        lambda records: (),
        lambda records: records[1:],
        lambda records: (*records[:5], *records[6:]),
        lambda records: records[::-1],
        lambda records: (*records, replace(records[0], audit=replace(records[0].audit, seq=len(records) + 1))),
        _forged,
    ],
    ids=["none", "no beginning", "a gap", "backwards", "two beginnings", "forged"],
)
def test_records_that_are_no_whole_history_make_no_registry(
    records: tuple[Record, ...], empty_url: str, broken: Callable[[tuple[Record, ...]], tuple[Record, ...]]
) -> None:
    with pytest.raises(Invalid):
        import_records(empty_url, broken(records), epoch=1, actor=ACTOR, now=minutes(200))
    with pytest.raises(RegistryNotInitialised):
        Registry.open(empty_url)
    import_records(empty_url, records, epoch=2, actor=ACTOR, now=minutes(200))  # and a whole one still can be made


def test_the_folder_is_made_with_the_file(records: tuple[Record, ...], tmp_path: Path) -> None:
    import_records(str(tmp_path / "deep" / "er" / "registry.db"), records, epoch=2, actor=ACTOR, now=minutes(200))
    made = Registry.open(str(tmp_path / "deep" / "er" / "registry.db"))
    assert ask(made, lambda reader: reader.apps())
    made.close()

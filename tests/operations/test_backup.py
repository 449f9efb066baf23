"""Backup and restore as an operator sees them, on both databases: what comes back, in which epoch, checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from promptops.core.outcomes.kept_call import Kept, KeptCall
from promptops.core.outcomes.report import BadUnit, Feedback
from promptops.core.outcomes.units import EVERY, Unit
from promptops.operations.audit import verify
from promptops.operations.backup import backup, restore
from promptops.operations.fsck import RegistryLocation
from promptops.operations.outcomes import Document, Reported, report_key, take
from promptops.source.git.repository import Repository
from promptops.store import Registry
from tests.support.factory import (
    ACTOR,
    NAME,
    START,
    go_back,
    go_live,
    live_version,
    make_channels,
    make_releases,
    make_workspace,
    minutes,
)
from tests.support.journal import drain
from tests.support.reports import MINUTE, assignment, call_id, report


@pytest.fixture(autouse=True)
def tools(database: str, request: pytest.FixtureRequest) -> None:
    if database == "postgresql":
        request.getfixturevalue("postgresql_tools")


@pytest.fixture
def filled(registry: Registry) -> Iterator[Registry]:
    make_channels(registry)
    for release in make_releases(registry):
        go_live(registry, f"bot@{release.version}")
    yield registry


def test_what_comes_back_is_sound_and_goes_on_counting(
    filled: Registry, registry_url: str, empty_url: str, tmp_path: Path
) -> None:
    backup(registry_url, tmp_path / "b", now=minutes(1))
    go_back(filled, "bot", now=minutes(2))  # after the backup
    done = restore(tmp_path / "b", RegistryLocation(url=empty_url), actor=ACTOR, now=minutes(3))
    assert (done.epoch, done.report.faults) == (2, ())
    with closing(Registry.open(empty_url)) as again:
        assert live_version(again) == "0.1.2"
        assert go_back(again, "bot", now=minutes(4)).served[0].revision == 4
        assert verify(again).faults == ()


def test_a_backup_without_outcomes_has_all_but_what_clients_reported(
    filled: Registry, registry_url: str, empty_url: str, tmp_path: Path
) -> None:
    key = report_key(filled)
    bad = BadUnit(assignment=assignment(), unit=Unit(id="0" * 16), minute=MINUTE, guardrails=("error",))
    made_call = call_id(filled.lineage)
    kept = KeptCall(call=made_call, prompt="answer", at=60 * MINUTE, kept=Kept.BAD)
    document = report(filled.lineage, bad=(bad,), feedback=(Feedback(call=made_call, name="resolved"),))
    document = replace(document, calls=(kept,))
    take(filled, [Document(report=document)], now=START)
    whole = backup(registry_url, tmp_path / "whole", now=minutes(1)).holdings.counts
    made = backup(registry_url, tmp_path / "b", now=minutes(1), outcomes=False)
    assert all(whole[name] for name in ("outcome", "bad_unit", "feedback", "outcome_client", "report_key"))
    assert whole["kept_call"] == 0  # it may have what was captured, which a backup never has
    measured = dict.fromkeys(("outcome", "bad_unit", "sample_unit", "feedback", "outcome_client", "kept_call"), 0)
    measured |= {"rollout_state": 0, "rollout_unit": 0}
    assert made.holdings.counts == {**whole, **measured}
    assert restore(tmp_path / "b", RegistryLocation(url=empty_url), actor=ACTOR, now=minutes(3)).report.faults == ()
    with closing(Registry.open(empty_url)) as again:
        assert report_key(again) == key
        assert live_version(again) == "0.1.2"
        assert take(again, [Document(report=document)], now=minutes(4)).answers[0] == Reported(
            number=1, counted=True, sample={"bot": EVERY}, left_out={}
        )


def test_what_git_has_more_than_the_backup_comes_back_too_and_its_epochs_are_left_behind(
    filled: Registry, registry_url: str, empty_url: str, tmp_path: Path
) -> None:
    root = make_workspace(tmp_path / "prompts")
    backup(registry_url, tmp_path / "b", now=minutes(1))
    filled.write(lambda writer: writer.raise_epoch(at=minutes(2), actor=ACTOR, action="restore", to=7))
    with closing(Repository.open(root)) as repository:
        drain(filled, repository)
    place = RegistryLocation(url=empty_url, root=root, name=NAME)
    done = restore(tmp_path / "b", place, actor=ACTOR, now=minutes(3))
    assert done.epoch == 8
    with closing(Registry.open(empty_url)) as again, again.read() as reader:
        assert (reader.epoch(), done.taken) == (8, 1)
    assert [fault.code for fault in done.report.faults] == ["outbox-pending"]

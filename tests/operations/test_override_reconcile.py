"""Overrides on both databases: what a file carries, and how it becomes one entry of the log and never two."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from promptops.core.advice import Action, Advice
from promptops.core.errors import (
    ChannelNotFound,
    ConcurrentDeployment,
    Conflict,
    Invalid,
    NotFound,
    NothingToRollBackTo,
    OverrideExpired,
    OverrideInvalid,
    OverrideOvertaken,
    Quarantined,
    RegistryMismatch,
    ReleaseNotFound,
    Yanked,
)
from promptops.core.model import Deployment, Kind
from promptops.core.override import Override
from promptops.core.reference import parse_reference
from promptops.operations.deploy import Deployed
from promptops.operations.override import OverrideRequest, create, load, save
from promptops.operations.override_reconcile import reconcile
from promptops.operations.quarantine import WithholdRequest, quarantine, yank
from promptops.store import Registry
from tests.support.factory import (
    ACTOR,
    go_back,
    go_live,
    key,
    live_version,
    make_channels,
    make_release,
    make_releases,
    minutes,
)

OPS = "Grace <grace@example.org>"


def request(reference: str = "bot@0.1.1", *, channel: str = "prod", hours: float = 24) -> OverrideRequest:
    lifetime = timedelta(hours=hours)
    return OverrideRequest(reference=parse_reference(reference), channel=channel, reason="it burns", lifetime=lifetime)


def overriding(registry: Registry, reference: str = "bot@0.1.1", *, at: float = 10) -> Override:
    return create(registry, request(reference), actor=OPS, now=minutes(at))


def record(registry: Registry, override: Override, *, at: float = 20, expect_revision: int | None = None) -> Deployed:
    return reconcile(registry, override, expect_revision=expect_revision, actor=ACTOR, now=minutes(at))


def log(registry: Registry) -> list[Deployment]:
    with registry.read() as reader:
        return list(reversed(reader.history("bot", "prod")))


@pytest.fixture
def three(registry: Registry) -> Registry:
    """0.1.0, 0.1.1 and 0.1.2 live on prod, one after the other."""
    make_channels(registry)
    for release in make_releases(registry):
        go_live(registry, f"bot@{release.version}")
    return registry


# --- create --------------------------------------------------------------------------------------


def test_an_override_carries_all_that_is_needed_to_serve_it(three: Registry) -> None:
    override = overriding(three)
    with three.read() as reader:
        release = reader.find_release("bot", version="0.1.1")
    assert (override.version, override.digest, override.content) == ("0.1.1", release.digest, release.content)
    assert (override.registry, override.lineage) == (three.name, three.lineage)
    assert override.expires_at - override.created_at == timedelta(hours=24)
    assert len(log(three)) == 3  # nothing was changed


def test_an_override_is_refused_for_what_may_not_be_served(three: Registry) -> None:
    go_back(three, "bot", now=minutes(1))
    with pytest.raises(Quarantined):
        overriding(three, "bot@0.1.2")
    yank(
        three,
        WithholdRequest(reference=parse_reference("bot@0.1.2"), reason="it lies", key=key()),
        actor=ACTOR,
        now=minutes(2),
    )
    with pytest.raises(Yanked):
        overriding(three, "bot@0.1.2")
    with pytest.raises(ReleaseNotFound):
        overriding(three, "bot@9.9.9")
    with pytest.raises(ChannelNotFound):
        create(three, request(channel="dev"), actor=OPS, now=minutes(3))
    with pytest.raises(Invalid, match="which release"):
        overriding(three, "bot")


@pytest.mark.parametrize("hours", [0, -1, 7 * 24 + 0.001])
def test_an_override_lives_for_up_to_seven_days(hours: float) -> None:
    with pytest.raises(Invalid, match="7 days"):
        request(hours=hours)


# --- the file ------------------------------------------------------------------------------------


def test_the_file_is_private_and_whole(three: Registry, tmp_path: Path) -> None:
    path = tmp_path / "override.json"
    override = overriding(three)
    assert save(override, path) is False
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load(path) == override
    another = overriding(three, "bot@0.1.0")
    assert save(another, path) is True
    assert load(path) == another
    assert [file.name for file in tmp_path.iterdir() if "override" in file.name] == ["override.json"]


def test_only_an_override_is_ever_replaced(three: Registry, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(Conflict, match="not an override file"):
        save(overriding(three), path)
    assert path.read_text() == "mine"
    with pytest.raises(Invalid, match="cannot be written"):
        save(overriding(three), tmp_path / "no" / "folder" / "override.json")
    with pytest.raises(NotFound):
        load(tmp_path / "nothing.json")
    with pytest.raises(OverrideInvalid):
        load(path)
    with pytest.raises(OverrideInvalid):
        load(tmp_path)


# --- reconcile -----------------------------------------------------------------------------------


def test_an_override_becomes_one_deployment_however_often_it_is_reconciled(three: Registry) -> None:
    override = overriding(three)
    first = record(three, override)
    assert [served.version for served in first.served] == ["0.1.1"]
    (made,) = first.deployments
    assert (made.kind, made.revision, made.before and made.before.version) == (Kind.BREAK_GLASS, 4, "0.1.2")
    assert made.reason.startswith("it burns (pinned by Grace")
    again = record(three, override, at=30)
    assert again.replayed
    assert again.deployments == first.deployments
    assert [deployment.kind for deployment in log(three)] == [Kind.PROMOTE] * 3 + [Kind.BREAK_GLASS]
    with three.read() as reader:
        assert [entry.action for entry in reader.audit(limit=2)] == ["break-glass", "promote"]


def test_what_is_live_already_needs_no_entry(three: Registry) -> None:
    deployed = record(three, overriding(three, "bot@0.1.2"))
    assert deployed.deployments == ()
    assert [deployment.revision for deployment in deployed.unchanged] == [3]
    assert len(log(three)) == 3


def test_the_next_rollback_walks_further_back_and_never_to_what_the_override_replaced(three: Registry) -> None:
    record(three, overriding(three))
    assert go_back(three, "bot", now=minutes(30)).served[0].version == "0.1.0"
    with pytest.raises(NothingToRollBackTo):
        go_back(three, "bot", now=minutes(31))


def test_an_overriding_release_that_was_never_live_there_stands_at_its_own_place(three: Registry) -> None:
    make_release(three, version="0.2.0")
    record(three, overriding(three, "bot@0.2.0"))
    assert log(three)[-1].restores is None
    assert go_back(three, "bot", now=minutes(30)).served[0].version == "0.1.2"
    assert go_live(three, "bot@0.1.1", now=minutes(31)).served[0].version == "0.1.1"


def test_a_rollback_can_go_to_what_was_live_by_an_override_alone(three: Registry) -> None:
    make_release(three, version="0.2.0")
    record(three, overriding(three, "bot@0.2.0"))
    go_live(three, "bot@0.1.2", now=minutes(30))
    assert go_back(three, "bot", to="0.2.0", now=minutes(31)).served[0].version == "0.2.0"


def test_a_later_change_after_the_override_is_not_undone_unseen(three: Registry) -> None:
    override = overriding(three, at=10)
    go_back(three, "bot", to="0.1.0", now=minutes(15))
    with pytest.raises(OverrideOvertaken) as caught:
        record(three, override)
    assert [advice.arguments for advice in caught.value.advice] == [{"name": "expect_revision", "value": "4"}]
    with pytest.raises(ConcurrentDeployment):
        record(three, override, expect_revision=3)
    assert live_version(three) == "0.1.0"
    record(three, override, expect_revision=4)
    assert live_version(three) == "0.1.1"


def test_an_override_that_has_ended_is_not_made_live(three: Registry) -> None:
    override = overriding(three)
    with pytest.raises(OverrideExpired) as caught:
        record(three, override, at=10 + 24 * 60)
    assert caught.value.advice == (Advice(Action.PROMOTE, release="bot@0.1.1", channel="prod", reason="…"),)
    assert live_version(three) == "0.1.2"


def test_an_override_recorded_in_time_is_answered_for_ever(three: Registry) -> None:
    override = overriding(three)
    record(three, override)
    assert record(three, override, at=100 * 24 * 60).replayed


def test_what_was_withheld_meanwhile_stays_out(three: Registry) -> None:
    override = overriding(three)
    held = WithholdRequest(reference=parse_reference("bot@0.1.1"), channel="prod", reason="it lies", key=key())
    quarantine(three, held, actor=ACTOR, now=minutes(11))
    with pytest.raises(Quarantined) as caught:
        record(three, override)
    assert caught.value.advice == (Advice(Action.UNQUARANTINE, release="bot@0.1.1", channel="prod", reason="…"),)
    yank(three, replace(held, channel="", key=key()), actor=ACTOR, now=minutes(12))
    with pytest.raises(Yanked):
        record(three, override)
    assert live_version(three) == "0.1.2"


def test_an_override_of_another_registry_is_refused(three: Registry) -> None:
    with pytest.raises(RegistryMismatch, match="shop"):
        record(three, replace(overriding(three), registry="shop", lineage="another"))


def test_an_override_whose_version_is_another_content_here_is_refused(three: Registry) -> None:
    override = replace(overriding(three), version="0.1.0")
    with pytest.raises(Conflict, match="in this registry it is"):
        record(three, override)
    with pytest.raises(ReleaseNotFound):
        record(three, replace(override, version="7.0.0"))


def test_a_dry_run_records_nothing(three: Registry) -> None:
    deployed = reconcile(three, overriding(three), dry_run=True, actor=ACTOR, now=minutes(20))
    assert [made.version for made in deployed.deployments] == ["0.1.1"]
    assert len(log(three)) == 3


def test_the_first_deployment_of_a_channel_may_be_an_override(registry: Registry) -> None:
    make_channels(registry)
    make_release(registry)
    record(registry, overriding(registry, "bot@0.1.0"))
    assert [(d.revision, d.kind, d.before) for d in log(registry)] == [(1, Kind.BREAK_GLASS, None)]

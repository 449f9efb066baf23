"""Promoting what a channel serves: every app in one transaction, or none."""

from __future__ import annotations

import pytest

from promptops.core.errors import (
    AppArchived,
    Invalid,
    KeyReused,
    NothingDeployed,
    PolicyRefused,
    PromotionsRefused,
    Quarantined,
)
from promptops.core.model import Policy
from promptops.core.reference import parse_reference
from promptops.operations.archive import ArchiveRequest, archive
from promptops.operations.deploy import Deployed
from promptops.operations.promote_all import PromoteAllRequest, promote_all
from promptops.operations.quarantine import WithholdRequest, quarantine
from promptops.store import Registry
from tests.support import factory
from tests.support.factory import ACTOR, key, minutes

APPS = ("bot", "faq", "triage")


@pytest.fixture
def staged(registry: Registry) -> Registry:
    """Three apps whose 0.1.1 is live on staging. 0.1.0 is live on prod, and `triage` is new there."""
    factory.make_channels(registry, staging=Policy(), prod=Policy(promote_from=("staging",)))
    for app in APPS:
        first, second = factory.make_releases(registry, app, 2)
        factory.go_live(registry, f"{app}@{first.version}", channel="staging")
        if app != "triage":
            factory.go_live(registry, f"{app}@{first.version}", now=minutes(1))
        factory.go_live(registry, f"{app}@{second.version}", channel="staging", now=minutes(2))
    return registry


def together(registry: Registry, *apps: str, minute: int = 5, **more: object) -> Deployed:
    given = {"channel": "prod", "source": "staging", "key": key(), "apps": apps, "every": not apps, **more}
    return promote_all(registry, PromoteAllRequest(**given), actor=ACTOR, now=minutes(minute))  # type: ignore[arg-type]


def versions(registry: Registry, channel: str = "prod") -> dict[str, str]:
    with registry.read() as reader:
        return {live.app: live.version for live in reader.live_on(channel)}


def test_all_apps_of_a_channel_go_live_in_one_transaction(staged: Registry) -> None:
    done = together(staged, reason="the release of Tuesday")
    assert versions(staged) == dict.fromkeys(APPS, "0.1.1")
    assert [(made.app, made.reason) for made in done.deployments] == [(app, "the release of Tuesday") for app in APPS]
    assert {made.app: made.before.version for made in done.deployments if made.before} == {
        "bot": "0.1.0",
        "faq": "0.1.0",
    }
    assert [each.app for each in done.contract] == ["bot", "faq"]


def test_an_app_that_serves_the_same_already_stays(staged: Registry) -> None:
    together(staged, "bot")
    done = together(staged)
    assert [made.app for made in done.unchanged] == ["bot"]
    assert [made.app for made in done.deployments] == ["faq", "triage"]
    again = together(staged)
    assert (again.deployments, len(again.unchanged)) == ((), 3)


def test_one_app_that_is_refused_keeps_all_of_them_out(staged: Registry) -> None:
    with staged.read() as reader:
        bad = reader.live("faq", "staging")
    assert bad is not None
    request = WithholdRequest(
        reference=parse_reference(f"faq@{bad.version}"), channel="prod", reason="it lies", key=key()
    )
    quarantine(staged, request, actor=ACTOR, now=minutes(3))
    with pytest.raises(PromotionsRefused, match=r"no app was promoted\. faq: .*it lies") as refused:
        together(staged)
    assert refused.value.others == ("bot", "triage")
    assert isinstance(refused.value.errors["faq"], Quarantined)
    assert versions(staged) == {"bot": "0.1.0", "faq": "0.1.0"}
    together(staged, *refused.value.others)
    assert versions(staged) == {"bot": "0.1.1", "faq": "0.1.0", "triage": "0.1.1"}
    with pytest.raises(Quarantined):  # of one app, its own error
        together(staged, "faq")


def test_an_archived_app_that_is_served_until_it_is_retired_keeps_no_other_out(staged: Registry) -> None:
    for app in ("faq", "bot", "triage"):
        rename = ArchiveRequest(app=app, successor=f"{app}-desk", reason="a new name", key=key())
        archive(staged, rename, actor=ACTOR, now=minutes(3))
        if app == "faq":
            assert [made.app for made in together(staged).deployments] == ["bot", "triage"]
    assert versions(staged) == {"bot": "0.1.1", "faq": "0.1.0", "triage": "0.1.1"}
    with pytest.raises(AppArchived, match="faq was renamed to faq-desk"):
        together(staged, "faq")
    with pytest.raises(NothingDeployed, match="no app that is not archived is live on staging"):
        together(staged)


def test_every_reason_is_named(staged: Registry) -> None:
    factory.make_channels(staged, prod=Policy(promote_from=("desk",)), desk=Policy())
    with pytest.raises(PromotionsRefused) as refused:
        together(staged)
    assert set(refused.value.errors) == set(APPS)
    assert all(isinstance(error, PolicyRefused) for error in refused.value.errors.values())
    assert all(f"{app}: " in refused.value.message for app in APPS)
    assert refused.value.others == ()


def test_a_dry_run_changes_nothing_and_a_retry_does_it_once(staged: Registry) -> None:
    assert [made.app for made in together(staged, dry_run=True).deployments] == list(APPS)
    assert versions(staged) == {"bot": "0.1.0", "faq": "0.1.0"}
    same = key()
    first = together(staged, key=same)
    factory.go_live(staged, "bot@0.1.0", now=minutes(6))
    again = together(staged, key=same)
    assert again.replayed
    assert [made.revision for made in again.deployments] == [made.revision for made in first.deployments]
    assert versions(staged)["bot"] == "0.1.0"
    with pytest.raises(KeyReused):
        together(staged, "bot", key=same)


def test_what_makes_no_sense_is_refused(staged: Registry) -> None:
    with pytest.raises(Invalid, match="not both"):
        together(staged, "bot", every=True)
    with pytest.raises(Invalid, match="live there already"):
        together(staged, source="prod")
    factory.make_channels(staged, empty=Policy())
    with pytest.raises(NothingDeployed, match="no app is live on empty"):
        together(staged, source="empty")

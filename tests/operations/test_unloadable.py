"""What no client could load is refused when it is made, is never promoted, and stops nothing else where it is old."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from promptops.core.advice import Action
from promptops.core.errors import NothingToRollBackTo, Unloadable
from promptops.core.model import Content
from promptops.core.reference import parse_reference
from promptops.gateway.local import Direct
from promptops.operations import fsck
from promptops.operations.export_snapshot import export
from promptops.operations.fsck import RegistryLocation
from promptops.operations.override import OverrideRequest, create
from promptops.operations.unloadable import live_faults, unloadable
from promptops.store import Registry
from tests.support import factory
from tests.support.factory import ACTOR, go_back, go_live, live_version, minutes

BROKEN = factory.jinja("fine\n{% set x = 1 %}")
WHY = "prompt 'bot/answer', messages[0], line 2: set is not allowed"


def test_what_no_client_could_load_is_not_released(registry: Registry) -> None:
    with pytest.raises(Unloadable) as caught:
        factory.make_release(registry, BROKEN)
    assert WHY in caught.value.message
    assert caught.value.kind == "Invalid"
    with registry.read() as reader:
        assert reader.apps() == ()


def test_what_0_1_0_released_and_no_client_can_load_is_not_promoted(registry: Registry) -> None:
    factory.make_channels(registry)
    old = factory.make_old_release(registry, BROKEN)
    for dry_run in (True, False):
        with pytest.raises(Unloadable, match=r"no client can load bot@0\.1\.0: .*nothing was changed") as caught:
            go_live(registry, f"bot@{old.version}", dry_run=dry_run)
        assert WHY in caught.value.message
    assert live_version(registry) is None


def _bad_in_the_middle(registry: Registry) -> None:
    """0.1.0 is good, 0.2.0 and 0.3.0 cannot be loaded, and 0.4.0 is live."""
    factory.make_channels(registry)
    good = factory.make_release(registry, factory.content())
    bad = [factory.make_old_release(registry, factory.jinja(f"{{{{ {text} }}}}")) for text in ("a()", "b()")]
    for place, release in enumerate((good, *bad)):
        factory.go_live_as_before(registry, release, now=minutes(place))
    go_live(registry, f"bot@{factory.make_release(registry, factory.content(text='new')).version}", now=minutes(5))


def test_a_rollback_passes_over_what_no_client_could_load(registry: Registry) -> None:
    _bad_in_the_middle(registry)
    assert [deployment.version for deployment in go_back(registry, "bot").deployments] == ["0.1.0"]


def test_a_rollback_goes_where_it_is_told_to(registry: Registry) -> None:
    _bad_in_the_middle(registry)
    with registry.read() as reader:
        named = next(reader.past("bot", "prod", before=4)).deployment.version
    assert named != "0.1.0"
    assert go_back(registry, "bot", to=named).deployments[0].version == named


def test_a_rollback_with_nothing_loadable_behind_it_says_what_is_there(registry: Registry) -> None:
    factory.make_channels(registry)
    factory.go_live_as_before(registry, factory.make_old_release(registry, BROKEN))
    go_live(registry, f"bot@{factory.make_release(registry, factory.content()).version}", now=minutes(1))
    with pytest.raises(NothingToRollBackTo, match="was passed over, because no client could load it") as caught:
        go_back(registry, "bot", now=minutes(2))
    [advice] = caught.value.advice
    assert (advice.action, advice.arguments["version"]) == (Action.ROLLBACK, "0.1.0")
    assert go_back(registry, "bot", to="0.1.0", now=minutes(2)).deployments[0].version == "0.1.0"


def test_a_rollback_of_all_apps_does_not_wait_for_one_that_cannot_be_loaded(registry: Registry) -> None:
    _bad_in_the_middle(registry)
    for number in range(2):
        release = factory.make_release(registry, factory.content("other", f"take {number}"))
        go_live(registry, f"other@{release.version}", now=minutes(6 + number))
    done = go_back(registry, every=True, now=minutes(9))
    assert {deployment.app: deployment.version for deployment in done.deployments} == {
        "bot": "0.1.0",
        "other": "0.1.0",
    }


def test_what_is_live_and_cannot_be_loaded_is_named_by_fsck(registry: Registry, registry_url: str) -> None:
    factory.make_channels(registry)
    go_live(registry, f"other@{factory.make_release(registry, factory.content('other')).version}")
    assert live_faults(registry) == ()
    factory.go_live_as_before(registry, factory.make_old_release(registry, BROKEN))
    report = fsck.check(RegistryLocation(url=registry_url))
    (fault,) = [fault for fault in report.faults if fault.code == "release-unloadable"]
    assert (fault.where, report.exit_code) == ("bot:prod", 1)
    assert WHY in fault.what
    assert [str(each).partition(":")[0] for each in unloadable(registry)] == ["bot@0.1.0"]


def test_a_release_that_cannot_be_loaded_makes_no_override(registry: Registry) -> None:
    factory.make_channels(registry)
    factory.make_old_release(registry, BROKEN)
    request = OverrideRequest(
        reference=parse_reference("bot@0.1.0"), channel="prod", reason="x", lifetime=timedelta(hours=1)
    )
    with pytest.raises(Unloadable, match="no client can load"):
        create(registry, request, actor=ACTOR, now=minutes(1))


def test_an_export_leaves_out_only_the_app_that_cannot_be_loaded(registry: Registry, tmp_path: Path) -> None:
    factory.make_channels(registry)
    go_live(registry, f"other@{factory.make_release(registry, factory.content('other')).version}")
    bad = factory.make_old_release(registry, BROKEN)
    factory.go_live_as_before(registry, bad)
    done = export(Direct(registry, now=minutes(9)), "prod", tmp_path)
    assert sorted(done.snapshot.apps) == ["other"]
    assert WHY in done.unloadable["bot"]


def test_an_export_stays_at_what_could_be_loaded(registry: Registry, tmp_path: Path) -> None:
    factory.make_channels(registry)
    go_live(registry, f"bot@{factory.make_release(registry, factory.content()).version}")
    before = export(Direct(registry, now=minutes(9)), "prod", tmp_path).snapshot.apps["bot"]
    factory.go_live_as_before(registry, factory.make_old_release(registry, BROKEN), now=minutes(1))
    done = export(Direct(registry, now=minutes(9)), "prod", tmp_path)
    assert done.snapshot.apps["bot"] == before
    assert not export(Direct(registry, now=minutes(9)), "prod", tmp_path).changed


def test_all_of_it_holds_for_any_reason(registry: Registry) -> None:
    for content in CANNOT_BE_LOADED:
        with pytest.raises(Unloadable):
            factory.make_release(registry, content)


CANNOT_BE_LOADED: list[Content] = [
    factory.jinja("{% autoescape %}"),
    factory.jinja("{% autoescape true %}{{ a }}{% endautoescape %}"),
    factory.jinja("{{ a"),
    factory.jinja("{{ '\\ud800' }}"),
    factory.jinja("{{ 'a\\0b' }}"),
    factory.jinja("{{ a }}", inputs={"a": {"type": "nope"}}),
    factory.jinja("{{ a }}", inputs={"a": {"pattern": "(("}}),
    factory.jinja("{{ a }}", inputs={"a": {"pattern": "(?=a)"}}),
    factory.jinja("{{ a }}" * 3_000),
]

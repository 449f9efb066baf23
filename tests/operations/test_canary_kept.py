"""Decisions about canaries are facts: checked, brought to git and back, in every backup. Measurements may be gone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.model import Deployment
from promptops.operations.canary import Step
from promptops.operations.fsck import RegistryLocation, check
from promptops.operations.rebuild import rebuild
from promptops.store import Registry, backup, restore
from promptops.store.checks.checks import check_store
from tests.operations.canaries import Crowd, begin, begin_again, by_hand, live, look_once
from tests.operations.counting import stored
from tests.store.vandal import vandalise
from tests.support import factory
from tests.support.factory import ACTOR, minutes
from tests.support.journal import sync


@pytest.fixture
def running(registry: Registry) -> Deployment:
    """One canary was aborted by the policy, and another one runs, of whose keys something is known."""
    first = begin(registry)
    abort(registry, first)
    factory.make_release(registry, factory.content(text="Hello {{name}}, take 9"), now=minutes(3))
    second = begin_again(registry, "0.1.2", now=minutes(4))
    Crowd(registry, second, client=1).report(second, minutes(5), bad={"error": range(20)}, seen=range(200))
    return second


def abort(registry: Registry, begun: Deployment) -> None:
    crowd = Crowd(registry, begun)
    crowd.report(begun, minutes(1), bad={"error": crowd.keys(30, 2_000, canary=True)})
    done = look_once(registry, minutes(2))
    assert done is not None and done.verb == "abort"


def facts(registry: Registry) -> list[object]:
    return [stored(registry, table) for table in ("rollout", "canary_decision")]


def test_a_rebuilt_registry_has_the_decisions_and_pauses_what_it_cannot_judge(
    registry: Registry, registry_url: str, running: Deployment, tmp_path: Path
) -> None:
    work = factory.make_workspace(tmp_path / "work")
    sync(registry, work, at=minutes(10))
    url = f"sqlite:///{tmp_path}/rebuilt.db"
    rebuild(str(work), url, actor=ACTOR, now=minutes(20))
    with closing(Registry.open(url)) as rebuilt:
        assert facts(rebuilt) == facts(registry)
        assert live(rebuilt).canary == running.canary
        assert stored(rebuilt, "rollout_state") == []
        done = look_once(rebuilt, minutes(21))
        assert done is not None and (done.verb, done.why) == ("pause", "measurements_lost")
        by_hand(rebuilt, Step.RESUME, minutes(22))
        assert look_once(rebuilt, minutes(23)).verb == "hold"  # type: ignore[union-attr]
        assert check_store(rebuilt) == ()
    assert check(RegistryLocation(url=registry_url, root=work, name="test")).faults == ()


@pytest.fixture
def tools(database: str, request: pytest.FixtureRequest) -> None:
    """PostgreSQL's tools, of the version of the tests' own server."""
    if database == "postgresql":
        request.getfixturevalue("postgresql_tools")


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("outcomes", [True, False])
def test_a_backup_has_the_decisions_and_what_is_restored_pauses(
    registry: Registry, registry_url: str, running: Deployment, tmp_path: Path, empty_url: str, *, outcomes: bool
) -> None:
    copy = tmp_path / "copy"
    backup(registry_url, copy, now=minutes(10), verify=False, outcomes=outcomes)
    restore(copy, empty_url, actor=ACTOR, now=minutes(20))
    with closing(Registry.open(empty_url)) as restored:
        assert facts(restored) == facts(registry)
        assert bool(stored(restored, "rollout_state")) == outcomes
        done = look_once(restored, minutes(21))
        assert done is not None and done.verb == "pause"
        assert done.why == ("epoch_raised" if outcomes else "measurements_lost")
        assert check_store(restored) == ()


@pytest.mark.parametrize(
    ("statement", "code", "where"),
    [
        ("UPDATE canary_decision SET guardrail = 'refusal'", "fact-changed", "canary-decisions/prod/bot/3"),
        ("UPDATE canary_decision SET numbers = '{}'", "fact-changed", "canary-decisions/prod/bot/3"),
        ("DELETE FROM canary_decision", "fact-missing", "canary-decisions/prod/bot/3"),
        ("UPDATE rollout SET settings = '{}' WHERE rollout = '1.2'", "fact-changed", "rollouts/prod/bot/1.2"),
        ("DELETE FROM rollout WHERE rollout = '1.4'", "fact-missing", "rollouts/prod/bot/1.4"),
    ],
)  # fmt: skip
def test_fsck_names_what_was_done_to_a_rollout_and_to_a_decision(
    registry_url: str, running: Deployment, statement: str, code: str, where: str
) -> None:
    assert check_store(registry_url) == ()
    vandalise(registry_url, statement)
    assert (code, where) in {(fault.code, fault.where) for fault in check_store(registry_url)}

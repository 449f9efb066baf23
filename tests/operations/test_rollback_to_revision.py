"""A rollback to a revision of the log."""

from __future__ import annotations

from datetime import datetime

import pytest

from promptops.core.errors import Invalid, NeverDeployed, NothingToRollBackTo, PromptopsError, Quarantined
from promptops.core.model import Policy
from promptops.operations.deploy import Deployed
from promptops.operations.rollback import RollbackRequest, rollback
from promptops.store import Registry
from tests.support.factory import ACTOR, START, go_live, key, make_channels, make_releases


@pytest.fixture
def told(registry: Registry) -> Registry:
    """`bot` with 0.1.0, 0.1.1, 0.1.2 live on prod one after the other: revisions 1 to 3."""
    make_channels(registry, prod=Policy())
    for release in make_releases(registry):
        go_live(registry, f"bot@{release.version}")
    return registry


def go(registry: Registry, revision: int, *, same_key: str = "", to: str = "", at: datetime | None = None) -> Deployed:
    request = RollbackRequest(apps=("bot",), channel="prod", key=same_key or key(), to=to, to_revision=revision, at=at)
    return rollback(registry, request, actor=ACTOR, now=START)


def test_it_goes_to_what_was_live_at_the_revision(told: Registry) -> None:
    [deployment] = go(told, 1, same_key="once").deployments
    assert (deployment.version, deployment.revision, deployment.restores) == ("0.1.0", 4, 1)
    assert go(told, 1, same_key="once").deployments == (deployment,)
    with pytest.raises(PromptopsError, match="key"):
        go(told, 2, same_key="once")
    [back] = go(told, 2).deployments
    assert (back.version, back.restores) == ("0.1.1", 2)


def test_where_no_release_can_be_put_back_it_says_why(told: Registry) -> None:
    for revision in (4, 2**53 - 1):
        with pytest.raises(NeverDeployed, match=f"no revision {revision} on prod"):
            go(told, revision)
    with pytest.raises(NothingToRollBackTo, match=r"already serves 0\.1\.2"):
        go(told, 3)
    go(told, 1)
    with pytest.raises(Quarantined):
        go(told, 3)
    with pytest.raises(Invalid, match="two different targets"):
        go(told, 1, to="0.1.0")
    with pytest.raises(Invalid, match="two different targets"):
        go(told, 1, at=START)
    with pytest.raises(Invalid, match="about one app"):
        RollbackRequest(every=True, channel="prod", key=key(), to_revision=1)

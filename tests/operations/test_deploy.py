"""Promote and roll back, case by case, on both databases."""

from __future__ import annotations

import contextlib
import itertools
import threading
from dataclasses import replace
from typing import Any

import pytest

from promptops.core.advice import Action, Advice
from promptops.core.errors import (
    AppNotFound,
    ChannelNotFound,
    ConcurrentDeployment,
    Invalid,
    KeyReused,
    NeverDeployed,
    NothingDeployed,
    NothingToRollBackTo,
    PolicyRefused,
    Quarantined,
    ReleaseNotFound,
)
from promptops.core.model import Deployment, Kind, Policy
from promptops.core.reference import parse_reference
from promptops.operations import queries
from promptops.operations.idempotency import Once
from promptops.operations.quarantine import WithholdRequest, quarantine
from promptops.operations.rollback import RollbackRequest
from promptops.store import Registry
from tests.support.factory import (
    START,
    content,
    go_back,
    go_live,
    key,
    live_version,
    make_channels,
    make_release,
    make_releases,
    minutes,
)


@pytest.fixture
def three(registry: Registry) -> Registry:
    """0.1.0, 0.1.1 and 0.1.2 were promoted to prod one after the other, ten minutes apart."""
    make_channels(registry)
    for place, release in enumerate(make_releases(registry)):
        go_live(registry, f"bot@{release.version}", now=minutes(10 * place))
    return registry


def test_a_promotion_is_read_back(registry: Registry) -> None:
    make_channels(registry)
    release = make_release(registry)
    deployed = go_live(registry, "bot@0.1.0", reason="first")
    assert deployed.served == deployed.deployments
    [deployment] = deployed.served
    assert (deployment.revision, deployment.kind, deployment.before) == (1, Kind.PROMOTE, None)
    assert deployment.stable == release.ref
    assert deployment.reason == "first"


def test_promoting_what_is_live_makes_no_revision(three: Registry) -> None:
    deployed = go_live(three, "bot@0.1.2")
    assert deployed.deployments == ()
    assert deployed.unchanged[0].revision == 3


def test_a_channel_can_be_promoted_to_another(three: Registry) -> None:
    make_channels(three, prod=Policy(), mirror=Policy())
    assert go_live(three, "bot:prod", "mirror").served[0].version == "0.1.2"


@pytest.mark.parametrize(
    ("reference", "channel", "error", "hint"),
    [
        ("bot@9.9.9", "prod", ReleaseNotFound, "0.1.2"),  # lists what exists
        ("nobody@1.0.0", "prod", AppNotFound, "bot"),
        ("bot@0.1.0", "nowhere", ChannelNotFound, "prod"),
        ("bot", "prod", Invalid, "bot@0.1.2"),  # a bare name would be "latest", which nobody should mean
    ],
)
def test_a_promotion_of_nothing_says_what_there_is(
    three: Registry, reference: str, channel: str, error: type[Exception], hint: str
) -> None:
    with pytest.raises(error) as caught:
        go_live(three, reference, channel)
    assert hint in caught.value.hint  # type: ignore[attr-defined]
    assert live_version(three) == "0.1.2"


def test_rollback_walks_back_and_never_toggles(three: Registry) -> None:
    assert go_back(three, "bot").served[0].version == "0.1.1"
    assert go_back(three, "bot").served[0].version == "0.1.0"
    with pytest.raises(NothingToRollBackTo):
        go_back(three, "bot")
    assert live_version(three) == "0.1.0"


def test_the_release_rolled_back_from_is_quarantined(three: Registry) -> None:
    go_back(three, "bot", reason="wrong answers")
    with pytest.raises(Quarantined, match="wrong answers"):
        go_live(three, "bot@0.1.2")


def test_after_a_rollback_to_an_older_release_the_next_one_does_not_go_forward(three: Registry) -> None:
    go_back(three, "bot", to="0.1.0")
    # 0.1.1 is still good, but it came after 0.1.0: whoever skipped it had a reason.
    with pytest.raises(NothingToRollBackTo, match="no good release was live there before"):
        go_back(three, "bot")
    assert go_back(three, "bot", to="0.1.1").served[0].version == "0.1.1"


def test_rollback_to_what_was_never_live_is_a_promotion(three: Registry) -> None:
    make_release(three, content(text="never live {{name}}"))
    with pytest.raises(NeverDeployed) as caught:
        go_back(three, "bot", to="0.1.3")
    assert caught.value.advice == (Advice(Action.PROMOTE, release="bot@0.1.3", channel="prod"),)


def test_rollback_at_goes_to_what_was_live_then(three: Registry) -> None:
    assert go_back(three, "bot", at=minutes(15), now=minutes(60)).served[0].version == "0.1.1"


def test_rollback_before_the_first_deployment_is_refused(three: Registry) -> None:
    with pytest.raises(NothingToRollBackTo, match="not deployed on prod yet"):
        go_back(three, "bot", at=minutes(-1))


def test_a_rollback_of_what_was_never_deployed_names_where_it_is(three: Registry) -> None:
    make_channels(three, prod=Policy(), dev=Policy())
    with pytest.raises(NothingDeployed) as caught:
        go_back(three, "bot", channel="dev")
    assert "prod" in caught.value.hint
    with pytest.raises(AppNotFound):
        go_back(three, "nobody")


def test_a_dry_run_changes_nothing_and_names_the_target(three: Registry) -> None:
    deployed = go_back(three, "bot", dry_run=True)
    assert deployed.dry_run
    assert deployed.deployments[0].version == "0.1.1"
    assert live_version(three) == "0.1.2"
    assert go_live(three, "bot@0.1.0", dry_run=True).deployments[0].revision == 4
    assert live_version(three) == "0.1.2"


def test_an_expected_revision_that_is_not_there_changes_nothing(three: Registry) -> None:
    with pytest.raises(ConcurrentDeployment) as caught:
        go_back(three, "bot", expect_revision=2)
    assert (caught.value.expected, caught.value.actual) == (2, 3)
    go_back(three, "bot", expect_revision=3)
    with pytest.raises(ConcurrentDeployment):
        go_live(three, "bot@0.1.0", expect_revision=0)


def test_all_apps_go_back_in_one_transaction_or_none(three: Registry) -> None:
    for release in make_releases(three, "faq", 2):
        go_live(three, f"faq@{release.version}")
    deployed = go_back(three, every=True)
    assert {d.app: d.version for d in deployed.served} == {"bot": "0.1.1", "faq": "0.1.0"}
    # faq has nothing left; bot could still go back, and must not do so alone
    with pytest.raises(NothingToRollBackTo) as caught:
        go_back(three, every=True)
    assert "faq" in caught.value.message
    assert caught.value.advice == (Advice(Action.ROLLBACK, app=("bot",), channel="prod"),)
    assert live_version(three, "bot") == "0.1.1"


def test_all_apps_go_back_to_one_moment(three: Registry) -> None:
    for place, release in enumerate(make_releases(three, "faq", 2)):
        go_live(three, f"faq@{release.version}", now=minutes(5 + 20 * place))
    deployed = go_back(three, every=True, at=minutes(21), now=minutes(60))
    assert {d.app: d.version for d in deployed.deployments} == {"faq": "0.1.0"}
    assert {d.app: d.version for d in deployed.unchanged} == {"bot": "0.1.2"}
    with pytest.raises(NothingToRollBackTo, match="already serves"):
        go_back(three, every=True, at=minutes(60), now=minutes(61))


def test_the_same_key_gets_the_first_answer(three: Registry) -> None:
    name = key()
    first = go_back(three, "bot", key=name)
    again = go_back(three, "bot", key=name)
    assert again.deployments == first.deployments
    assert again.replayed
    assert live_version(three) == "0.1.1"
    with pytest.raises(KeyReused):
        go_back(three, "bot", key=name, to="0.1.0")


@pytest.mark.parametrize(
    "more",
    [{"reason": "another"}, {"reason": ""}, {"to": "0.1.0"}, {"at": minutes(1)}, {"expect_revision": 3}],
    ids=str,
)
def test_a_key_with_another_request_is_refused_and_nothing_is_lost_silently(
    three: Registry, more: dict[str, Any]
) -> None:
    name = key()
    go_back(three, "bot", key=name, reason="wrong refunds")
    with pytest.raises(KeyReused, match=name) as caught:
        go_back(three, "bot", key=name, **{"reason": "wrong refunds", **more})
    assert ("another reason" in caught.value.message) == ("reason" in more)
    assert live_version(three) == "0.1.1"


def test_a_key_of_another_operation_with_the_same_arguments_is_another_request(three: Registry) -> None:
    """Only the operation's name tells these two apart: what they withhold, where and why is the same."""
    name, withheld = key(), {"app": "bot", "version": "0.1.0", "channel": "prod"}
    once = Once(key=name, token="", operation="quarantine", arguments=withheld, words="wrong refunds")
    three.write(lambda writer: once.remember(writer, [("bot", "prod", 1, True)], START))
    with three.read() as reader:
        assert once.answered(reader) == (["bot", "prod", 1, True],)
        with pytest.raises(KeyReused, match="a different request"):
            replace(once, operation="unquarantine").answered(reader)


def test_a_key_belongs_to_its_token(three: Registry) -> None:
    make_channels(three, prod=Policy(), dev=Policy())
    name, tokens = "ci-run-4711", ("", "taaaaaaaaaaa", "tbbbbbbbbbbb")
    for token, version in zip(tokens, ("0.1.0", "0.1.1", "0.1.2"), strict=True):
        done = go_live(three, f"bot@{version}", "dev", key=name, token=token)
        assert not done.replayed
    for token, version in zip(tokens, ("0.1.0", "0.1.1", "0.1.2"), strict=True):
        again = go_live(three, f"bot@{version}", "dev", key=name, token=token)
        assert (again.replayed, again.deployments[0].version) == (True, version)


def test_a_key_from_before_keys_belonged_to_a_token_counts_for_its_own_request(three: Registry) -> None:
    make_channels(three, prod=Policy(), dev=Policy())
    deed = Once(
        key="old",
        token="",
        operation="promote",
        arguments={"reference": "bot@0.1.0", "channel": "dev", "expect": None},
        words="",
    )._deed()
    go_live(three, "bot@0.1.1", "dev")
    three.write(lambda writer: writer.remember("old", deed, b'[["bot","dev",1,true]]', START, token="*"))
    assert go_live(three, "bot@0.1.0", "dev", key="old", token="taaaaaaaaaaa", reason="was not kept then").replayed
    assert not go_live(three, "bot@0.1.2", "dev", key="old").replayed, "another request: it is new"


def test_one_key_used_at_once_is_one_change(three: Registry) -> None:
    name, answers = key(), []
    threads = [threading.Thread(target=lambda: answers.append(go_back(three, "bot", key=name))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.deployments[0].revision for answer in answers] == [4, 4, 4, 4]
    assert live_version(three) == "0.1.1"


def test_a_rollback_racing_promotions_is_never_lost(registry: Registry) -> None:
    """Whoever comes second sees the first: every rollback leaves what was live when it had the lock."""
    make_channels(registry)
    releases = make_releases(registry, count=14)
    for release in releases[:2]:
        go_live(registry, f"bot@{release.version}")

    def promotions() -> None:
        for release in releases[2:]:
            go_live(registry, f"bot@{release.version}")

    back: list[Deployment] = []
    promoter = threading.Thread(target=promotions)
    promoter.start()
    while promoter.is_alive() and len(back) < 6:
        with contextlib.suppress(NothingToRollBackTo):  # it was quicker than the promotions
            back.append(go_back(registry, "bot").deployments[0])
    promoter.join()
    log = queries.history(registry, "bot", "prod").deployments[::-1]
    assert [d.revision for d in log] == list(range(1, len(log) + 1))
    assert [d for d in log if d.kind is Kind.ROLLBACK] == back
    for earlier, later in itertools.pairwise(log):
        assert later.before == earlier.stable, "each deployment knows what it replaced"


def test_two_targets_at_once_are_refused() -> None:
    with pytest.raises(Invalid):
        RollbackRequest(channel="prod", key="k", apps=("bot",), to="0.1.0", at=minutes(1))
    with pytest.raises(Invalid):
        RollbackRequest(channel="prod", key="k")
    with pytest.raises(Invalid):
        RollbackRequest(channel="prod", key="k", apps=("bot", "faq"), to="0.1.0")


# --- policies ------------------------------------------------------------------------------------


def test_promote_from_asks_for_a_release_that_was_live_there_and_is_good(registry: Registry) -> None:
    make_channels(registry, staging=Policy(), prod=Policy(promote_from=("staging",)))
    make_releases(registry, count=2)
    with pytest.raises(PolicyRefused) as caught:
        go_live(registry, "bot@0.1.0")
    assert caught.value.rule == "promote_from"
    assert caught.value.advice == (Advice(Action.PROMOTE, release="bot@0.1.0", channel="staging"),)
    go_live(registry, "bot@0.1.0", "staging")
    go_live(registry, "bot@0.1.1", "staging")
    go_live(registry, "bot@0.1.0")  # it was live on staging, which is enough
    go_back(registry, "bot", channel="staging")
    with pytest.raises(PolicyRefused, match="no longer good"):
        go_live(registry, "bot@0.1.1")


def test_a_dirty_release_goes_only_where_it_is_welcome_until_a_commit_confirms_it(registry: Registry) -> None:
    make_channels(registry, dev=Policy(allow_dirty=True), prod=Policy())
    make_release(registry, dirty=True)
    go_live(registry, "bot@0.1.0", "dev")
    with pytest.raises(PolicyRefused, match="uncommitted"):
        go_live(registry, "bot@0.1.0")
    make_release(registry)  # the same content, from a commit
    go_live(registry, "bot@0.1.0")
    assert live_version(registry) == "0.1.0"


def test_a_protected_channel_takes_no_floating_model(registry: Registry) -> None:
    make_channels(registry, dev=Policy(), prod=Policy(protected=True))
    make_release(registry, content(model="openai/gpt-4o"))
    go_live(registry, "bot@0.1.0", "dev")
    with pytest.raises(PolicyRefused, match="openai/gpt-4o"):
        go_live(registry, "bot@0.1.0")
    make_release(registry, content(model="openai/gpt-4o-2024-08-06"))
    go_live(registry, "bot@0.2.0")


def test_a_rollback_asks_no_policy(registry: Registry) -> None:
    make_channels(registry, prod=Policy())
    make_releases(registry, count=2)
    go_live(registry, "bot@0.1.0")
    go_live(registry, "bot@0.1.1")
    make_channels(registry, staging=Policy(), prod=Policy(promote_from=("staging",), protected=True))
    assert go_back(registry, "bot").served[0].version == "0.1.0"


# --- reading -------------------------------------------------------------------------------------


def test_status_names_the_target_a_rollback_would_take(three: Registry) -> None:
    [standing] = queries.status(three).standings
    assert standing.target is not None
    assert standing.target.release.version == "0.1.1"
    go_back(three, "bot")
    go_back(three, "bot")
    [standing] = queries.status(three).standings
    assert standing.target is None


def test_status_finds_a_target_far_back_in_the_log(registry: Registry) -> None:
    make_channels(registry)
    make_releases(registry, count=12)
    for n in range(12):
        go_live(registry, f"bot@0.1.{n}")
    for n in range(1, 11):
        request = WithholdRequest(
            reference=parse_reference(f"bot@0.1.{n}"), channel="prod", reason="bad week", key=key()
        )
        quarantine(registry, request, actor="a", now=minutes(1))
    [standing] = queries.status(registry).standings
    assert standing.target is not None
    assert standing.target.release.version == "0.1.0"
    assert go_back(registry, "bot").served[0].version == "0.1.0"


def test_history_says_what_was_live_at_a_moment(three: Registry) -> None:
    then = queries.history(three, "bot", "prod", at=minutes(12))
    assert then.live is not None
    assert then.live.version == "0.1.1"
    assert [d.revision for d in then.deployments] == [2, 1]


def test_status_lists_apps_that_are_live_nowhere(three: Registry) -> None:
    make_release(three, content("faq"))
    assert queries.status(three).idle == ("faq",)
    with pytest.raises(AppNotFound):
        queries.status(three, apps=["nobody"])

"""What a change of a channel changes for callers is in its answer, and keeps a protected channel closed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptops.core.advice import Action
from promptops.core.deployment_parts import Kind
from promptops.core.errors import Invalid, PolicyRefused
from promptops.core.model import Bump, Content, Input, Message, Policy, Role
from promptops.core.reference import parse_reference
from promptops.operations.canary import StartRequest, Step, StepRequest, start, step
from promptops.operations.promote import PromoteRequest
from promptops.store import Registry
from tests.support.factory import (
    ACTOR,
    START,
    content,
    go_back,
    go_live,
    key,
    live_version,
    make_channels,
    make_release,
    minutes,
)


def asking(*names: str, text: str = "Hello {{name}}", app: str = "bot") -> Content:
    """The prompt `answer` with more required inputs, each of them in its text."""
    [prompt] = content().prompts
    words = " ".join([text, *(f"{{{{{name}}}}}" for name in names)])
    messages = (Message(role=Role.USER, content=words),)
    inputs = (*prompt.inputs, *(Input(name=name) for name in names))
    return Content(app=app, prompts=(replace(prompt, messages=messages, inputs=inputs),))


@pytest.fixture
def prod(registry: Registry) -> Registry:
    """0.1.0 is live on `dev` and a protected `prod`; 0.2.0 needs one more variable, 0.2.1 has other words than that."""
    make_channels(registry, dev=Policy(), prod=Policy(protected=True))
    make_release(registry)
    make_release(registry, asking("customer_name"))
    make_release(registry, asking("customer_name", text="Dear {{name}}"))
    for channel in ("dev", "prod"):
        go_live(registry, "bot@0.1.0", channel)
    return registry


def summaries(contract: object) -> list[str]:
    return [str(change) for change in contract.changes]  # type: ignore[attr-defined]


def audited(registry: Registry) -> list[tuple[str, str, str]]:
    with registry.read() as reader:
        return [(each.action, each.channel, each.reason) for each in reader.audit_trail() if each.action == "waive"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_promotion_shows_what_changes_for_callers_of_what_is_live_there(prod: Registry, dry_run: bool) -> None:
    [contract] = go_live(prod, "bot@0.2.0", "dev", dry_run=dry_run).contract
    assert (contract.app, contract.channel, contract.old, contract.new) == ("bot", "dev", "0.1.0", "0.2.0")
    assert contract.bump is Bump.MAJOR
    assert summaries(contract) == [
        "answer: required input 'customer_name' added",
        "answer: wording of the user message",
    ]
    assert all(change.before is None and change.after is None for change in contract.changes)


def test_the_comparison_is_with_the_channel_and_not_with_the_release_before(prod: Registry) -> None:
    go_live(prod, "bot@0.2.0", "dev")
    assert go_live(prod, "bot@0.2.1", "dev").contract[0].bump is Bump.PATCH
    with pytest.raises(PolicyRefused, match="customer_name"):
        go_live(prod, "bot@0.2.1")


def test_a_first_promotion_and_one_that_changes_nothing_compare_nothing(prod: Registry) -> None:
    assert go_live(prod, "bot@0.1.0").contract == ()
    make_channels(prod, dev=Policy(), prod=Policy(protected=True), new=Policy(protected=True))
    assert go_live(prod, "bot@0.2.0", "new").contract == ()


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_protected_channel_refuses_what_callers_have_to_change_for(prod: Registry, dry_run: bool) -> None:
    with pytest.raises(PolicyRefused) as caught:
        go_live(prod, "bot@0.2.0", dry_run=dry_run)
    assert caught.value.rule == "protected"
    assert caught.value.message == (
        "prod is protected, and bot@0.2.0 changes what callers of 0.1.0 rely on: "
        "answer: required input 'customer_name' added"
    )
    options = [advice.arguments["name"] for advice in caught.value.advice if advice.action is Action.OPTION]
    assert options == ["callers_are_ready", "reason"]
    assert live_version(prod) == "0.1.0"


def test_a_person_says_that_callers_are_ready_and_the_log_has_it(prod: Registry) -> None:
    done = go_live(prod, "bot@0.2.0", callers_are_ready=True, reason="checkout 4.2 is out")
    assert done.contract[0].bump is Bump.MAJOR
    assert live_version(prod) == "0.2.0"
    assert audited(prod) == [("waive", "prod", "checkout 4.2 is out")]
    with prod.read() as reader:
        assert reader.waivers(minutes(1), "bot", "prod") == ()  # it held for this promotion alone


def test_a_word_that_is_not_needed_is_not_recorded(prod: Registry) -> None:
    go_live(prod, "bot@0.2.0", "dev", callers_are_ready=True, reason="not asked here")
    go_live(prod, "bot@0.2.0", callers_are_ready=True, reason="checkout 4.2 is out")
    go_live(prod, "bot@0.2.1", callers_are_ready=True, reason="wording alone")
    assert audited(prod) == [("waive", "prod", "checkout 4.2 is out")]


def test_that_callers_are_ready_has_a_reason() -> None:
    with pytest.raises(Invalid, match="has a reason"):
        PromoteRequest(reference=parse_reference("bot@0.2.0"), channel="prod", key=key(), callers_are_ready=True)


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_rollback_shows_the_same_and_is_never_refused(prod: Registry, dry_run: bool) -> None:
    go_live(prod, "bot@0.2.0", callers_are_ready=True, reason="checkout 4.2 is out", now=minutes(1))
    done = go_back(prod, "bot", now=minutes(2), dry_run=dry_run)
    [contract] = done.contract
    assert (contract.old, contract.new, contract.bump) == ("0.2.0", "0.1.0", Bump.MAJOR)
    assert summaries(contract)[0] == "answer: input 'customer_name' removed"
    assert live_version(prod) == ("0.2.0" if dry_run else "0.1.0")


def test_a_canary_is_asked_when_it_starts_and_not_when_it_finishes(prod: Registry) -> None:
    request = StartRequest(reference=parse_reference("bot@0.2.0"), channel="prod", key=key(), weight=500)
    with pytest.raises(PolicyRefused, match="customer_name"):
        start(prod, request, actor=ACTOR, now=START)
    said = replace(request, key=key(), callers_are_ready=True, reason="checkout 4.2 is out")
    [started] = start(prod, said, actor=ACTOR, now=START).contract
    assert (started.old, started.new, started.bump) == ("0.1.0", "0.2.0", Bump.MAJOR)
    finish = StepRequest(app="bot", channel="prod", step=Step.FINISH, key=key())
    finished = step(prod, finish, actor=ACTOR, now=minutes(1))
    assert finished.deployments[0].kind is Kind.PROMOTE
    assert finished.contract[0].bump is Bump.MAJOR
    assert len(audited(prod)) == 1


def test_a_request_that_is_repeated_with_another_word_is_another_request(prod: Registry) -> None:
    once = key()
    go_live(prod, "bot@0.2.0", "dev", key=once, reason="a")
    with pytest.raises(Invalid, match="key"):
        go_live(prod, "bot@0.2.0", "dev", key=once, reason="a", callers_are_ready=True)

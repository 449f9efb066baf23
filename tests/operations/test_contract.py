"""What a change of a channel changes for callers is in its answer, and keeps a protected channel closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from promptops.core.advice import Action
from promptops.core.asked import Passed
from promptops.core.callers import Unready
from promptops.core.deployment_parts import Kind
from promptops.core.errors import Invalid, PolicyRefused
from promptops.core.model import Bump, Content, Input, Message, Policy, Role
from promptops.core.reference import parse_reference
from promptops.operations import contract as comparing
from promptops.operations.canary import StartRequest, Step, StepRequest, start, step
from promptops.operations.heartbeats import record_beats
from promptops.operations.promote import PromoteRequest
from promptops.store import Registry
from tests.operations.test_not_following import beat
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
@pytest.mark.parametrize("quick", [0, 64 << 10], ids=["before the lock", "under the lock"])
def test_a_promotion_shows_what_changes_for_callers_of_what_is_live_there(
    prod: Registry, dry_run: bool, quick: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "_QUICK", quick)
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
        "answer: required input 'customer_name' added. Not ready: no live process has used answer"
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


def test_a_rollback_that_is_done_is_answered_though_it_cannot_be_compared(
    prod: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("a content that this version does not expect")

    go_live(prod, "bot@0.2.0", "dev")
    monkeypatch.setattr(comparing, "_compared", fail)
    done = go_back(prod, "bot", channel="dev")
    assert (done.contract, live_version(prod, channel="dev")) == ((), "0.1.0")


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


# --- what live processes say ---------------------------------------------------------------------------


def running(
    registry: Registry, name: str, *always: str, app: str = "bot", channel: str = "prod", ago: float = 1, **more: object
) -> None:
    """A live process whose calls of `answer` pass these names; without any, one that does not say what it passes."""
    asks = {f"{app}/answer": Passed(always=always)} if always else None
    said = replace(beat(name, apps=(app,), channel=channel), id=f"{name:0>32}".encode().hex()[-32:], asks=asks)
    record_beats(registry, [replace(said, **more)], START - timedelta(seconds=ago))  # type: ignore[arg-type]


def test_a_process_that_does_not_pass_a_new_variable_keeps_the_promotion_out(prod: Registry) -> None:
    for number in range(3):
        running(prod, f"checkout-web:{number}", "name")
    with pytest.raises(PolicyRefused) as caught:
        go_live(prod, "bot@0.2.0")
    assert caught.value.message.endswith(
        "Not ready: checkout-web (3 processes) does not pass 'customer_name' to answer"
    )


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_promotion_goes_through_where_all_live_processes_pass_it(prod: Registry, dry_run: bool) -> None:
    running(prod, "checkout-web:1", "name", "customer_name")
    running(prod, "gone:1", "name", ago=100)
    running(prod, "left:1", "name", leaving=True)
    running(prod, "elsewhere:1", "name", channel="dev")
    running(prod, "other:1", "name", app="faq")
    [contract] = go_live(prod, "bot@0.2.0", dry_run=dry_run).contract
    assert contract.ready and not contract.unready
    assert audited(prod) == []
    assert live_version(prod) == ("0.1.0" if dry_run else "0.2.0")


def test_one_that_does_not_say_what_it_passes_is_named(prod: Registry) -> None:
    running(prod, "checkout-web:1", "name", "customer_name")
    running(prod, "old:1")
    with pytest.raises(PolicyRefused, match=r"Not ready: old \(1 process\) does not say what it passes"):
        go_live(prod, "bot@0.2.0")
    [contract] = go_live(prod, "bot@0.2.0", callers_are_ready=True, reason="old is shut down today").contract
    assert contract.unready == (Unready(client="old", processes=1, reasons=("does not say what it passes",)),)
    assert len(audited(prod)) == 1


def test_an_unprotected_channel_and_a_rollback_name_them_and_go_through(prod: Registry) -> None:
    running(prod, "checkout-web:1", "name", channel="dev")
    [contract] = go_live(prod, "bot@0.2.0", "dev").contract
    reasons = ("does not pass 'customer_name' to answer",)
    assert contract.unready == (Unready(client="checkout-web", processes=1, reasons=reasons),)
    running(prod, "checkout-web:1", "name", "customer_name", channel="dev", ago=0)
    [contract] = go_back(prod, "bot", channel="dev").contract
    assert contract.unready[0].reasons == ("passes 'customer_name' to answer, which goes away",)


def test_a_list_of_clients_is_read_without_what_they_ask_for(prod: Registry) -> None:
    running(prod, "checkout-web:1", "name")
    with prod.read() as reader:
        [(listed, _)] = reader.clients_since(START - timedelta(seconds=90), "prod")
        [asking_one] = reader.clients_asking(START - timedelta(seconds=90), "prod")
    assert listed.asks is None
    assert asking_one.asks == {"bot/answer": Passed(always=("name",))}

"""An app belongs to the repository and path that released it first, until it is transferred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from promptops.core.advice import Action
from promptops.core.errors import AppNotFound, AppOwnedElsewhere, Invalid, KeyReused
from promptops.core.model import Profile, Provenance
from promptops.core.origin import Origin, Ownership
from promptops.operations.build import Built, BuiltWorkspace
from promptops.operations.release import Released, ReleaseRequest, release
from promptops.operations.transfer import TransferRequest, transfer
from promptops.store import Registry, Writer
from tests.store import facts
from tests.support.factory import ACTOR, NAME, built, content, key, minutes

SHOP: dict[str, Any] = {"repository": "git@github.com:acme/shop.git", "path": "bots/bot"}
OTHER: dict[str, Any] = {"repository": "https://github.com/acme/other.git", "path": "bot"}


def made(app: str = "bot", text: str = "Hello {{name}}", **place: Any) -> Built:
    """A content as it is built there; only what is given of its place is another than a test's usual one."""
    one = built(content(app, text))
    return replace(one, provenance=replace(one.provenance, **place))


def publish(registry: Registry, *apps: Built, key_: str = "", minute: float = 0) -> Sequence[Released]:
    workspace = BuiltWorkspace(registry=NAME, built=apps)
    return release(registry, workspace, ReleaseRequest(key=key_ or key()), actor=ACTOR, now=minutes(minute))


def move(registry: Registry, app: str = "bot", *, minute: float = 1, **more: Any) -> Ownership:
    given: dict[str, Any] = {"reason": "a new team", "key": key(), **more}
    return transfer(registry, TransferRequest(app=app, **given), actor=ACTOR, now=minutes(minute))


def refusal(registry: Registry, *apps: Built) -> AppOwnedElsewhere:
    with registry.read() as reader:
        before = reader.audit_head()
    with pytest.raises(AppOwnedElsewhere) as refused:
        publish(registry, *apps)
    with registry.read() as reader:
        assert reader.audit_head() == before, "nothing is recorded, not even a profile"
    return refused.value


def test_a_release_from_another_repository_is_refused_and_says_who_owns_the_app(registry: Registry) -> None:
    publish(registry, made(**SHOP))
    refused = refusal(registry, made(text="Hi {{name}}", **OTHER))
    assert (refused.code, refused.kind, refused.apps) == ("app-owned-elsewhere", "Refused", ("bot",))
    assert str(refused) == (
        "the app 'bot' belongs to github.com/acme/shop, path bots/bot (since release 0.1.0),"
        " and this is github.com/acme/other, path bot; nothing was released"
    )
    assert [(advice.action, advice.arguments["app"]) for advice in refused.advice] == [(Action.TRANSFER_APP, "bot")]


def test_the_same_content_from_elsewhere_is_refused_too(registry: Registry) -> None:
    """It would change the profile, and confirm a release that was cut from uncommitted files."""
    publish(registry, made(dirty=True, **SHOP))
    refusal(registry, replace(made(**OTHER), profile=Profile(owner="eve")))


def test_another_path_of_the_same_repository_is_elsewhere(registry: Registry) -> None:
    publish(registry, made(**SHOP))
    refusal(registry, made(**{**SHOP, "path": "old/bot"}))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (SHOP, {**SHOP, "repository": "https://ci:token@GitHub.com/acme/shop"}),
        ({"repository": "shop", "root": "a" * 40}, {"repository": "clone", "root": "a" * 40}),
        ({"repository": "shop", "root": "a" * 40}, {"repository": "git@h.org:shop.git", "root": "a" * 40}),
        ({"repository": "git@h.org:shop.git", "root": "a" * 40}, {"repository": "/srv/shop.git", "root": "a" * 40}),
        ({"repository": "shop"}, {"repository": "git@h.org:shop.git", "root": "a" * 40}),  # of an earlier version
        ({"repository": "shop", "dirty": True, "root": "a" * 40}, {"repository": "clone", "root": "a" * 40}),
    ],
)
def test_the_same_repository_goes_on_however_it_is_named(
    registry: Registry, first: dict[str, Any], then: dict[str, Any]
) -> None:
    publish(registry, made(**first))
    [done] = publish(registry, made(text="Hi {{name}}", **then))
    assert done.created


def test_a_fork_is_elsewhere_once_the_owner_has_released_with_an_address(registry: Registry) -> None:
    publish(registry, made(repository="shop", root="a" * 40))
    publish(registry, made(text="two {{name}}", repository="git@h.org:shop.git", root="a" * 40))
    refusal(registry, made(text="three {{name}}", repository="git@h.org:fork/shop.git", root="a" * 40))
    [done] = publish(registry, made(text="three {{name}}", repository="https://h.org/shop"))  # CI, in a shallow clone
    assert done.created


def test_a_shallow_clone_of_a_repository_without_an_address_hears_how_to_deepen_it(registry: Registry) -> None:
    publish(registry, made(repository="shop", root="a" * 40))
    refused = refusal(registry, made(text="Hi {{name}}", repository="git@h.org:shop.git"))
    assert "git fetch --unshallow" in refused.hint


def test_a_registry_of_an_earlier_version_belongs_to_the_first_that_releases_after_it(registry: Registry) -> None:
    for number in range(3):
        publish(registry, made(text=f"{number} {{{{name}}}}", repository=f"folder-{number}"))
    publish(registry, made(text="new {{name}}", **SHOP))
    assert "since release 0.1.3" in str(refusal(registry, made(text="newer {{name}}", **OTHER)))


def test_the_owner_is_found_behind_many_releases_that_do_not_say_it(registry: Registry) -> None:
    def work(writer: Writer) -> None:
        writer.lock_app("bot")
        for number in range(101):
            writer.record(facts.release(number))

    registry.write(work)
    publish(registry, made(text="new {{name}}", **SHOP))
    refusal(registry, made(text="newer {{name}}", **OTHER))


def test_of_several_apps_all_are_released_or_none_and_each_is_named(registry: Registry) -> None:
    publish(registry, made("bot", **SHOP), made("faq", **{**SHOP, "path": "faq"}))
    here = [made(app, text="Hi {{name}}", **OTHER) for app in ("bot", "faq", "own")]
    refused = refusal(registry, *here)
    assert refused.apps == ("bot", "faq")
    assert [advice.arguments["app"] for advice in refused.advice] == ["bot", "faq"]
    with registry.read() as reader:
        assert reader.apps() == ("bot", "faq")


def test_a_refusal_of_many_apps_stays_short(registry: Registry) -> None:
    names = [f"bot-{number:02}" for number in range(12)]
    publish(registry, *(made(app, **{**SHOP, "path": app}) for app in names))
    refused = refusal(registry, *(made(app, text="Hi {{name}}", **OTHER) for app in names))
    assert refused.apps == tuple(names)
    assert "4 more apps belong elsewhere" in str(refused)
    assert len(refused.advice) == 8


def test_a_retry_of_a_release_gets_its_answer_also_after_a_transfer(registry: Registry) -> None:
    [first] = publish(registry, made(**SHOP), key_="once")
    move(registry, **OTHER)
    [again] = publish(registry, made(**SHOP), key_="once")
    assert (again.release.digest, again.created) == (first.release.digest, True)
    refusal(registry, made(**SHOP))


# --- transfers ---


def test_a_transferred_app_is_released_from_its_new_place_alone(registry: Registry) -> None:
    publish(registry, made(**SHOP))
    moved = move(registry, **OTHER)
    assert moved == Ownership(app="bot", origin=Origin(**OTHER), before=Origin(**SHOP))
    assert moved.changed
    [done] = publish(registry, made(text="Hi {{name}}", **OTHER))
    assert done.release.version == "0.1.1"
    refused = refusal(registry, made(text="Hey {{name}}", **SHOP))
    assert "github.com/acme/other, path bot (since its transfer on 2026-03-01)" in str(refused)


def test_a_transfer_is_a_line_of_the_audit_log(registry: Registry) -> None:
    publish(registry, made(**SHOP))
    move(registry, **OTHER, key="k")
    with registry.read() as reader:
        [line, *_] = reader.audit()
        [entry] = [entry for entry in reader.journal() if entry.seq == line.seq]
    assert (line.action, line.app, line.actor, line.reason, line.key) == ("transfer", "bot", ACTOR, "a new team", "k")
    assert line.before == "git@github.com:acme/shop.git bots/bot"
    assert line.after == "https://github.com/acme/other.git bot"
    assert entry.ref == "transfers/bot/1"


def test_an_app_can_come_back_and_a_transfer_to_where_it_is_records_nothing(registry: Registry) -> None:
    publish(registry, made(**SHOP))
    assert not move(registry, **{**SHOP, "repository": "https://github.com/acme/shop"}).changed
    move(registry, **OTHER)
    move(registry, **SHOP, minute=2)
    publish(registry, made(text="Hi {{name}}", **SHOP))
    with registry.read() as reader:
        assert [entry.ref for entry in reader.journal() if entry.ref.startswith("transfers/")] == [
            "transfers/bot/1",
            "transfers/bot/2",
        ]


def test_a_retry_of_a_transfer_gets_the_first_answer(registry: Registry) -> None:
    publish(registry, made(**SHOP))
    first = move(registry, **OTHER, key="k")
    move(registry, **SHOP, minute=2)
    assert move(registry, **OTHER, key="k", minute=3) == first
    with registry.read() as reader:
        owner = reader.owner("bot")
    assert owner is not None and owner.origin == Origin(**SHOP)
    with pytest.raises(KeyReused):
        move(registry, **OTHER, key="k", reason="another")


def test_an_app_of_an_earlier_version_can_be_claimed(registry: Registry) -> None:
    publish(registry, made())
    assert move(registry, **SHOP).before is None
    refusal(registry, made(text="Hi {{name}}", **OTHER))


def test_a_transfer_to_a_repository_without_a_remote_takes_its_address_once_it_has_one(registry: Registry) -> None:
    publish(registry, made(**SHOP))
    move(registry, repository="new", path="bot", root="b" * 40, minute=1)
    publish(registry, made(text="2 {{name}}", repository="git@h.org:new.git", path="bot", root="b" * 40), minute=2)
    publish(registry, made(text="3 {{name}}", repository="https://h.org/new", path="bot"), minute=3)
    refusal(registry, made(text="4 {{name}}", repository="https://h.org/newer", path="bot"))


def test_what_was_never_released_is_not_transferred(registry: Registry) -> None:
    with pytest.raises(AppNotFound):
        move(registry, **SHOP)
    with registry.read() as reader:
        assert reader.apps() == ()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"reason": " "}, "a reason is needed"),
        ({"repository": "folder"}, "no address, and its first commit is not known"),
        ({"path": "a\nb"}, "several lines"),
    ],
)
def test_a_transfer_needs_a_reason_and_a_place_that_can_be_recognised(wrong: dict[str, str], says: str) -> None:
    given: dict[str, Any] = {"app": "bot", "reason": "a new team", "key": "k", **SHOP, **wrong}
    with pytest.raises(Invalid, match=says):
        TransferRequest(**given)


def test_a_provenance_without_a_first_commit_is_what_it_was() -> None:
    old = Provenance(repository="r", commit="c", path="p", author="a", builder="b")
    assert old.root == ""

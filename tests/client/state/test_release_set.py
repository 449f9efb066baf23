"""Nothing becomes current of which not every byte was proven and every prompt compiled; no app stops another."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from promptops.client.state import release_set as module
from promptops.client.state.release_set import Rejected, Rejection, Required, build, lacking, needed, with_version
from promptops.core.digest import digest
from promptops.core.model import Content, Engine, Input, Message, Prompt, ReleaseRef, Role
from promptops.core.snapshot import Snapshot
from tests.client.made import CONTENTS, held, pointer, prompt, release, served, shelve, snapshot

ONE, TWO, THREE = (release("bot", version) for version in ("1.0.0", "2.0.0", "3.0.0"))
OTHER = release("other", "1.0.0")


def test_what_is_served_is_asked_for_first_and_then_where_a_rollback_would_go() -> None:
    what = snapshot({"bot": pointer(5, TWO, canary=THREE, weight=1, last_good=ONE), "other": pointer(2, OTHER)})
    assert needed(what, None) == (TWO.digest, THREE.digest, OTHER.digest, ONE.digest)
    assert needed(what, held(served(4, "1.0.0"))) == (TWO.digest, THREE.digest, OTHER.digest)
    assert needed(what, held(what)) == ()


def test_following_a_rollback_needs_no_bytes_and_no_compiling() -> None:
    holding = held(snapshot({"bot": pointer(5, TWO, last_good=ONE)}))
    compiled = holding.release("bot", ONE.digest)
    back = build(snapshot({"bot": pointer(6, ONE)}), {}, older=holding)
    assert back.release("bot", ONE.digest) is compiled


def test_a_release_that_stays_is_not_compiled_again() -> None:
    holding = held(snapshot({"bot": pointer(5, TWO), "other": pointer(2, OTHER)}))
    after = held(snapshot({"bot": pointer(6, THREE), "other": pointer(2, OTHER)}), holding)
    assert after.release("other", OTHER.digest) is holding.release("other", OTHER.digest)


def test_what_nobody_names_any_more_is_let_go() -> None:
    after = held(snapshot({"bot": pointer(6, THREE)}), held(served(5, "2.0.0")))
    assert set(after.contents) == {THREE.digest}


def _broken(text: str) -> ReleaseRef:
    data = text.encode()
    CONTENTS[digest(data)] = data
    return ReleaseRef(version="9.0.0", digest=digest(data))


_SCHEMA = "promptops.release/1"
_JINJA = Prompt(name="answer", messages=(Message(role=Role.USER, content="{% if %}"),), engine=Engine.JINJA2)


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        (ReleaseRef(version="9.0.0", digest="sha256:" + "0" * 64), Rejection.MISSING),
        (_broken("<html>Service unavailable</html>"), Rejection.CONTENT),
        (_broken("{}"), Rejection.CONTENT),
        (_broken("[]"), Rejection.CONTENT),
        (_broken('{"schema":"promptops.release/2","app":"bot","prompts":{}}'), Rejection.CONTENT),  # the future's
        (_broken(f'{{"schema":"{_SCHEMA}","app":"bot","prompts":{{"answer":null}}}}'), Rejection.CONTENT),
        (_broken(f'{{"schema":"{_SCHEMA}","app":"bot","prompts":{{}},"seen":NaN}}'), Rejection.CONTENT),
        (release("other", "9.0.0"), Rejection.CONTENT),  # another app's
        (shelve("9.0.0", Content(app="bot", prompts=(_JINJA,))), Rejection.CONTENT),
    ],
    ids=["absent", "html", "empty", "list", "future", "null prompt", "NaN", "another app's", "does not compile"],
)
@pytest.mark.parametrize("place", ["stable", "canary"])
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_release_that_is_no_good_leaves_its_app_as_it_was_and_stops_no_other(
    ref: ReleaseRef, reason: Rejection, place: str, epoch: int
) -> None:
    holding = held(snapshot({"bot": pointer(1, ONE), "other": pointer(1, OTHER)}))
    before = deepcopy(holding)
    bad = pointer(2, ref) if place == "stable" else pointer(2, TWO, canary=ref, weight=1)
    after = held(snapshot({"bot": bad, "other": pointer(2, OTHER)}, epoch=epoch), holding)
    assert after.apps == {"bot": pointer(1, ONE), "other": pointer(2, OTHER)}
    assert after.release("bot", ONE.digest) is holding.release("bot", ONE.digest)
    assert {app: (each.reason, each.pointer) for app, each in after.unloaded.items()} == {"bot": (reason, bad)}
    assert holding == before
    alone = held(snapshot({"bot": bad, "other": pointer(2, OTHER)}))
    assert (list(alone.apps), list(alone.unloaded)) == (["other"], ["bot"])


def test_bytes_that_are_not_those_of_their_digest_are_refused() -> None:
    built = build(snapshot({"bot": pointer(2, TWO)}), {TWO.digest: CONTENTS[ONE.digest]})
    assert (built.apps, built.unloaded["bot"].reason) == ({}, Rejection.DIGEST)


def test_whatever_happens_while_an_app_is_loaded_is_trouble_of_that_app(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_release = module.compile_release

    def fail(app: str, digest: str, data: bytes) -> module.CompiledRelease:
        if app == "bot":
            raise MemoryError("nobody thought of it")
        return compile_release(app, digest, data)

    monkeypatch.setattr(module, "compile_release", fail)
    built = held(snapshot({"bot": pointer(2, TWO), "other": pointer(2, OTHER)}))
    assert list(built.apps) == ["other"]
    assert "MemoryError" in built.unloaded["bot"].message


@pytest.mark.parametrize("contents", [{}, {ONE.digest: b"damaged"}])
def test_where_a_rollback_would_go_may_be_missing(contents: dict[str, bytes]) -> None:
    what = snapshot({"bot": pointer(2, TWO, last_good=ONE)})
    holding = build(what, {TWO.digest: CONTENTS[TWO.digest], **contents})
    assert set(holding.contents) == {TWO.digest}
    assert needed(what, holding) == (ONE.digest,)
    with pytest.raises(Rejected):
        holding.release("bot", ONE.digest)


def test_a_release_of_one_app_is_never_served_for_another() -> None:
    holding = held(snapshot({"bot": pointer(1, ONE)}))
    built = build(snapshot({"bot": pointer(1, ONE), "other": pointer(1, ONE)}), {}, older=holding)
    assert (list(built.apps), built.unloaded["other"].reason) == (["bot"], Rejection.CONTENT)


def _asking(version: str, text: str, *inputs: Input) -> Snapshot:
    made = shelve(version, Content(app="bot", prompts=(prompt("answer", text, inputs=inputs),)))
    return snapshot({"bot": pointer(2, made)})


@pytest.mark.parametrize(
    ("what", "required"),
    [
        (_asking("2.0.0", "{{question}}"), ["bot/answer"]),
        (_asking("2.0.0", "{{question}}"), {"bot/answer": ["question"]}),
        (
            _asking("2.1.0", "{{question}} {{tone}}", Input(name="tone", schema={"default": "warm"})),
            {"bot/answer": ["question"]},
        ),  # an optional one more
    ],
)
def test_a_required_prompt_that_is_there_and_takes_what_it_is_given_is_fine(what: Snapshot, required: Required) -> None:
    assert build(what, CONTENTS, required=required).snapshot == what


@pytest.mark.parametrize(
    ("what", "required", "told"),
    [
        (_asking("2.0.0", "{{question}}"), ["bot/summary"], "no prompt 'summary'"),
        (_asking("2.0.0", "{{query}}"), {"bot/answer": ["question"]}, "takes no variable 'question'"),
        (_asking("2.0.0", "{{question}} {{tone}}"), {"bot/answer": ["question"]}, "needs the variable 'tone'"),
    ],
)
@pytest.mark.parametrize("place", ["stable", "canary"])
def test_a_required_prompt_that_vanishes_or_asks_for_something_else_keeps_its_app_as_it_was(
    what: Snapshot, required: Required, told: str, place: str
) -> None:
    stable = what.apps["bot"].stable
    if place == "canary":
        good = shelve("1.0.0", Content(app="bot", prompts=(prompt("answer", "{{question}}"), prompt("summary", "x"))))
        what = snapshot({"bot": pointer(3, good, canary=stable, weight=1)})
    before = held(snapshot({"bot": pointer(1, ONE), "other": pointer(1, OTHER)}))
    after = build(
        replace(what, apps={**what.apps, "other": pointer(2, OTHER)}), CONTENTS, older=before, required=required
    )
    assert after.apps == {"bot": pointer(1, ONE), "other": pointer(2, OTHER)}
    assert after.unloaded["bot"].reason is Rejection.REQUIRED
    assert told in after.unloaded["bot"].message


def test_a_required_app_that_is_not_there_is_named() -> None:
    assert lacking(["bot"], ["bot/answer", "helper/answer"]).keys() == {"helper"}
    assert "no app 'helper'" in lacking([], {"helper/answer": []})["helper"].message


def test_a_release_held_by_name_stays_through_changes() -> None:
    holding = with_version(held(served(5, "2.0.0")), "bot", THREE, CONTENTS[THREE.digest])
    after = build(snapshot({"bot": pointer(6, ONE)}), CONTENTS, older=holding)
    assert after.versions("bot") == {"1.0.0": ONE.digest, "3.0.0": THREE.digest}
    assert after.release("bot", THREE.digest) is holding.release("bot", THREE.digest)


@pytest.mark.parametrize(
    ("app", "data"), [("other", CONTENTS[THREE.digest]), ("bot", CONTENTS[ONE.digest]), ("bot", b"<html>")]
)
def test_a_release_held_by_name_is_proven_like_any_other(app: str, data: bytes) -> None:
    with pytest.raises(Rejected):
        with_version(held(served(5, "2.0.0")), app, THREE, data)

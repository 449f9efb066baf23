"""Questions to what is held: which prompt it is, for whom, and what is said where there is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from promptops.client.prompt import Reason, Source, Variant
from promptops.client.state.lookup_view import OverrideFile, View
from promptops.client.state.release_set import Held, with_version
from promptops.core.bucketing import bucket, is_canary
from promptops.core.errors import (
    AppNotFound,
    ChannelNotFound,
    Invalid,
    NotFound,
    PromptNotFound,
    PromptUnavailable,
    ReleaseNotFound,
)
from promptops.core.override import Override
from promptops.core.snapshot import Snapshot
from tests.client.made import CONTENTS, held, pointer, release, served, snapshot
from tests.support.checkout import run_python

ONE, TWO, THREE = (release("bot", version) for version in ("1.0.0", "2.0.0", "3.0.0"))
OTHER = release("other", "1.0.0", {"answer": "hi", "nested/deep": "{{x}}"})
START = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = [f"user-{number}" for number in range(4_000)]


def view(what: Snapshot | Held | None, **more: object) -> View:
    holding = held(what) if isinstance(what, Snapshot) else what
    return View.make(holding, channel="prod", **more)  # type: ignore[arg-type]


def test_a_prompt_comes_with_all_that_says_where_it_is_from() -> None:
    found = view(snapshot({"bot": pointer(7, TWO)})).resolve("bot/answer", "anybody")
    assert (found.app, found.name) == ("bot", "bot/answer")
    assert (found.version, found.digest, found.channel, found.revision) == ("2.0.0", TWO.digest, "prod", 7)
    assert (found.variant, found.source, found.reason) == (Variant.STABLE, Source.SERVER, Reason.STATIC)
    assert (found.model, found.inputs) == ("openai/gpt-4o-2024-08-06", ("question",))
    assert found.render(question="why?") == [{"role": "user", "content": "bot 2.0.0: why?"}]


def test_the_same_question_has_the_same_answer_without_making_it_again() -> None:
    asked = view(served(1, "1.0.0"))
    assert asked.resolve("bot/answer") is asked.resolve("bot/answer") is asked.plain["bot/answer"]


def test_source_and_reason_are_those_that_the_client_gives() -> None:
    found = view(served(1, "1.0.0"), source=Source.DISK, reason=Reason.CACHED).resolve("bot/answer")
    assert (found.source, found.reason) == (Source.DISK, Reason.CACHED)


@pytest.mark.parametrize("weight", [1, 100, 2_500, 9_999, 10_000])
def test_a_key_is_on_the_side_that_the_published_assignment_says(weight: int) -> None:
    where = pointer(3, ONE, canary=TWO, weight=weight)
    asked = view(snapshot({"bot": where}))
    for key in KEYS:
        found = asked.resolve("bot/answer", key)
        assert found.version == ("2.0.0" if is_canary(where.salt, key, weight) else "1.0.0")
        assert found.variant is (Variant.CANARY if found.version == "2.0.0" else Variant.STABLE)
        assert found.reason is Reason.SPLIT
        assert asked.release("bot", key).version == found.version
    assert "bot/answer" not in asked.plain


def test_a_key_whose_bucket_is_the_weight_is_the_first_that_is_not_on_the_canary() -> None:
    for key in KEYS[:50]:
        edge = bucket("salt#3", key)
        for weight, version in ((edge, "1.0.0"), (edge + 1, "2.0.0")):
            asked = view(snapshot({"bot": pointer(3, ONE, canary=TWO, weight=weight)}))
            assert asked.resolve("bot/answer", key).version == version
            assert asked.release("bot", key).version == version


def test_without_a_key_it_is_by_chance_at_the_weight() -> None:
    asked = view(snapshot({"bot": pointer(3, ONE, canary=TWO, weight=2_500)}))
    canaries = sum(asked.resolve("bot/answer").version == "2.0.0" for _ in range(4_000))
    assert 700 < canaries < 1_300  # 1,000 is expected; ten standard deviations are 274
    assert asked.resolve("bot/answer").reason is Reason.SPLIT


def test_a_prompt_is_sticky_but_for_a_call_without_a_key_beside_a_canary() -> None:
    split = view(snapshot({"bot": pointer(3, ONE, canary=TWO, weight=5_000)}))
    drawn = [split.resolve("bot/answer") for _ in range(50)]
    assert {found.version for found in drawn} == {"1.0.0", "2.0.0"}
    assert not any(found.sticky for found in drawn)
    assert all(split.resolve("bot/answer", key).sticky for key in KEYS)
    assert view(snapshot({"bot": pointer(3, ONE)})).resolve("bot/answer").sticky


def test_a_canary_of_weight_nothing_is_nobodys() -> None:
    found = view(snapshot({"bot": pointer(3, ONE, canary=TWO, weight=0)})).resolve("bot/answer")
    assert (found.version, found.reason) == ("1.0.0", Reason.STATIC)


def test_a_prompt_that_the_canary_lost_is_still_everybodys_and_one_it_brings_is_only_its_own() -> None:
    old, new = release("bot", "1.0.0", {"answer": "old"}), release("bot", "2.0.0", {"reply": "new"})
    where = pointer(3, old, canary=new, weight=5_000)
    asked = view(snapshot({"bot": where}))
    inside = next(key for key in KEYS if is_canary(where.salt, key, 5_000))
    outside = next(key for key in KEYS if not is_canary(where.salt, key, 5_000))
    assert asked.resolve("bot/answer", inside).version == asked.resolve("bot/answer", outside).version == "1.0.0"
    assert asked.resolve("bot/reply", inside).version == "2.0.0"
    with pytest.raises(PromptNotFound) as raised:
        asked.resolve("bot/reply", outside)
    assert raised.value.known == ("bot/answer",)


def test_one_release_answers_for_all_of_its_prompts() -> None:
    with view(snapshot({"other": pointer(1, OTHER)})).release("other") as chosen:
        assert chosen.names == ("answer", "nested/deep")
        assert chosen.prompt("nested/deep") is chosen["other/nested/deep"]
        assert (chosen.version, chosen.variant, chosen.revision) == ("1.0.0", Variant.STABLE, 1)
        with pytest.raises(PromptNotFound, match="no prompt 'greeting'"):
            chosen.prompt("greeting")


def test_a_held_version_is_served_by_its_name_or_digest() -> None:
    holding = with_version(
        held(snapshot({"bot": pointer(3, TWO, last_good=ONE)})), "bot", THREE, CONTENTS[THREE.digest]
    )
    asked = view(holding)
    assert asked.resolve("bot/answer", version="1.0.0").render(question="?")[0]["content"] == "bot 1.0.0: ?"
    assert asked.resolve("bot/answer", version="v3.0.0").variant is Variant.FIXED
    assert asked.resolve("bot/answer", version="2.0.0").variant is Variant.STABLE
    assert asked.resolve("bot/answer@3.0.0") is asked.resolve(f"bot/answer@{THREE.digest[:20]}")
    assert asked.resolve("bot/answer:prod") is asked.resolve("bot/answer")
    assert asked.release("bot", version="1.0.0").version == "1.0.0"


@pytest.mark.parametrize(
    ("name", "version", "error", "known"),
    [
        ("nobody/answer", None, AppNotFound, ("bot", "other")),
        ("nobody/answer", "1.0.0", AppNotFound, ("bot", "other")),
        ("other/answr", None, PromptNotFound, ("other/answer", "other/nested/deep")),
        ("other", None, PromptNotFound, ("other/answer", "other/nested/deep")),
        ("bot/answer", "9.9.9", ReleaseNotFound, ("bot@2.0.0", "bot@1.0.0")),
        ("bot/answer@9.9.9", None, ReleaseNotFound, ("bot@2.0.0", "bot@1.0.0")),
        ("bot/answer:staging", None, ChannelNotFound, ("prod",)),
    ],
)
def test_what_is_not_there_is_said_with_what_is(
    name: str, version: str | None, error: type[NotFound], known: tuple[str, ...]
) -> None:
    asked = view(snapshot({"bot": pointer(3, TWO, last_good=ONE), "other": pointer(1, OTHER)}))
    with pytest.raises(error) as raised:
        asked.resolve(name, version=version)
    assert set(raised.value.known) == set(known)
    assert all(item in raised.value.hint for item in known)


@pytest.mark.parametrize("name", ["", "Bot/answer", "bot/", "bot/../x", "bot/answer@", "bot/answer@latest"])
def test_what_is_no_name_is_said_to_be_none(name: str) -> None:
    with pytest.raises(Invalid):
        view(served(1, "1.0.0")).resolve(name)


def test_two_versions_in_one_question_are_a_mistake() -> None:
    with pytest.raises(Invalid, match="two different things"):
        view(served(1, "1.0.0")).resolve("bot/answer@1.0.0", version="2.0.0")


def test_with_nothing_held_everything_is_unavailable_and_nothing_unknown() -> None:
    for version in (None, "1.0.0"):
        with pytest.raises(PromptUnavailable, match="nothing yet"):
            view(None).resolve("bot/answer", version=version)
    with pytest.raises(PromptUnavailable):
        view(None).release("bot")


def test_only_the_apps_that_are_wanted_are_there() -> None:
    asked = view(snapshot({"bot": pointer(3, TWO), "other": pointer(1, OTHER)}), apps={"other"})
    assert asked.resolve("other/answer").version == "1.0.0"
    with pytest.raises(AppNotFound) as raised:
        asked.resolve("bot/answer")
    assert raised.value.known == ("other",)


def test_a_fixed_version_goes_before_the_channel_and_its_canary() -> None:
    what = snapshot({"bot": pointer(3, TWO, canary=THREE, weight=10_000, last_good=ONE), "other": pointer(1, OTHER)})
    asked = view(what, fixed={"bot": "1.0.0"})
    found = asked.resolve("bot/answer", "anybody")
    assert (found.version, found.variant, found.reason) == ("1.0.0", Variant.FIXED, Reason.STATIC)
    assert asked.resolve("other/answer").version == "1.0.0"


def test_a_fixed_version_that_is_not_held_is_never_answered_with_another_version() -> None:
    asked = view(snapshot({"bot": pointer(3, TWO), "other": pointer(1, OTHER)}), fixed={"bot": "9.0.0"})
    with pytest.raises(PromptUnavailable, match=r"fixed at 9\.0\.0"):
        asked.resolve("bot/answer")
    assert asked.resolve("bot/answer", version="2.0.0").version == "2.0.0"
    assert asked.resolve("other/answer").version == "1.0.0"


def _override(version: str = "3.0.0", *, lives: timedelta = timedelta(hours=24)) -> OverrideFile:
    holding = with_version(held(served(1, "1.0.0")), "bot", THREE, CONTENTS[THREE.digest])
    override = Override(
        registry="test",
        lineage="one",
        app="bot",
        channel="prod",
        version=version,
        digest=THREE.digest,
        content=CONTENTS[THREE.digest],
        reason="the database is gone",
        actor="Ada",
        created_at=START,
        expires_at=START + lives,
    )
    return OverrideFile(path=Path("x"), override=override, release=holding.release("bot", THREE.digest))


def test_an_override_goes_before_everything() -> None:
    what = snapshot({"bot": pointer(3, TWO, canary=ONE, weight=10_000), "other": pointer(1, OTHER)})
    asked = view(what, overrides={"bot": _override()}, fixed={"bot": "1.0.0"})
    found = asked.resolve("bot/answer", "anybody")
    assert (found.version, found.source, found.revision) == ("3.0.0", Source.OVERRIDE, 3)
    assert asked.resolve("bot/answer@3.0.0") is found
    assert asked.resolve("other/answer").source is Source.SERVER
    assert asked.overrides_end == START + timedelta(hours=24)


def test_an_override_is_served_with_nothing_else_held() -> None:
    asked = view(None, overrides={"bot": _override()})
    assert asked.resolve("bot/answer").version == "3.0.0"
    with pytest.raises(PromptUnavailable):
        asked.resolve("other/answer")


def test_making_a_view_loads_nothing_that_is_heavy() -> None:
    heavy = "rfc8785 mmh3 jinja2 jsonschema httpx sqlalchemy click yaml git asyncio"
    code = "import sys, promptops.client.state.lookup_view, promptops.client.disk.cache\n"
    code += "import promptops.core.provider_arguments\n"
    assert run_python(f"{code}print([name for name in {heavy!r}.split() if name in sys.modules])").strip() == "[]"


# --- an app that is off ------------------------------------------------------------------------------


def test_an_app_that_is_off_is_not_there_and_its_neighbours_are() -> None:
    asked = view(snapshot({"bot": pointer(7, None, last_good=ONE), "other": pointer(1, OTHER)}))
    for question in (lambda: asked.resolve("bot/answer", "user"), lambda: asked.release("bot")):
        with pytest.raises(AppNotFound) as caught:
            question()
        assert caught.value.message == (
            "'bot' is off on channel 'prod': it was taken off at revision 7, and nothing of it is served"
        )
        assert caught.value.known == ("other",)
    assert asked.resolve("other/answer").version == "1.0.0"
    assert "bot/answer" not in asked.plain


def test_what_was_asked_for_by_its_version_is_served_where_an_app_is_off() -> None:
    off = held(snapshot({"bot": pointer(7, None, last_good=ONE)}))
    asked = view(with_version(off, "bot", TWO, CONTENTS[TWO.digest]))
    assert asked.resolve("bot/answer", version="2.0.0").version == "2.0.0"
    with pytest.raises(ReleaseNotFound):
        asked.resolve("bot/answer", version="3.0.0")
    assert view(off, fixed={"bot": "1.0.0"}).resolve("bot/answer").version == "1.0.0"

"""Conversations that stay on a release: through what, not through what, and what a hold that holds nothing changes."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from promptops.client.calls.call import Call
from promptops.client.calls.desk import CallDesk
from promptops.client.prompt import Prompt, Reason, Variant
from promptops.client.state.conversations import AGAIN, MOST, Conversations
from promptops.client.state.lookup_view import View
from promptops.client.state.release_set import Held, build
from promptops.core.bucketing import bucket
from promptops.core.errors import AppNotFound, PromptNotFound
from promptops.core.hold import DAYS, Hold, read_hold
from promptops.core.model import ReleaseRef
from promptops.core.outcomes.units import Unit
from promptops.core.snapshot import Pointer, Snapshot
from tests.client.made import CONTENTS, pointer, release, snapshot

ONE, TWO, THREE, FOUR = (release("bot", f"{number}.0.0") for number in (1, 2, 3, 4))
SECRET = bytes(range(32))
KEYS = [f"user-{number}" for number in range(2_000)]


class World:
    """A client's state without its threads: it follows snapshots, and keeps what conversations are on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.book = Conversations(lambda: self.now)
        self.desk = CallDesk("prod")
        self.desk.take_key("one", SECRET)
        self.held: Held | None = None
        self.view = View.make(None, channel="prod", conversations=self.book)

    def follow(self, what: Snapshot | Pointer, **more: object) -> View:
        found = snapshot({"bot": what}) if isinstance(what, Pointer) else what
        self.held = build(found, CONTENTS, older=self.held, kept=self.book.digests)
        if self.held.spare and not more.pop("keeps", True):
            self.held = build(found, CONTENTS)
        self.view = View.make(
            self.held,
            channel="prod",
            desk=self.desk,
            conversations=self.book,
            **more,  # type: ignore[arg-type]
        )
        return self.view

    def ask(self, hold: object, key: str | None = None, name: str = "bot/answer") -> Prompt:
        return self.view.resolve(name, key, hold=hold)


@pytest.fixture
def world() -> World:
    return World()


def begun(world: World, where: Pointer, key: str | None = None) -> str:
    """The hold of a conversation that begins."""
    return world.follow(where).resolve("bot/answer", key).hold


def said(hold: str) -> Hold:
    found = read_hold(hold)
    assert found is not None
    return found


def on_side(where: Pointer, canary: bool) -> str:
    return next(key for key in KEYS if (bucket(where.salt, key) < where.weight) is canary)


def test_a_conversation_stays_on_its_release_through_promotions(world: World) -> None:
    hold = begun(world, pointer(1, ONE))
    for revision, ref, last in ((2, TWO, ONE), (3, THREE, TWO), (4, FOUR, THREE)):
        world.follow(pointer(revision, ref, last_good=last))
        found = world.ask(hold)
        assert (found.version, found.reason, found.variant) == ("1.0.0", Reason.HELD, Variant.STABLE)
        assert found.render(question="?")[0]["content"] == "bot 1.0.0: ?"
        assert (found.revision, found.hold) == (1, hold)
        assert world.view.resolve("bot/answer").digest == ref.digest


def test_without_a_hold_a_conversation_follows(world: World) -> None:
    begun(world, pointer(1, ONE))
    world.follow(pointer(2, TWO, last_good=ONE))
    for hold in (None, ""):
        assert (world.ask(hold).version, world.ask(hold).reason) == ("2.0.0", Reason.STATIC)


def test_it_stays_through_the_steps_of_a_canary_on_either_side(world: World) -> None:
    start = replace(pointer(2, ONE, canary=TWO, weight=500), salt="salt")
    inside, outside = on_side(start, canary=True), on_side(start, canary=False)
    holds = {key: begun(world, start, key) for key in (inside, outside)}
    for revision, weight in ((3, 2_500), (4, 9_999)):
        world.follow(replace(pointer(revision, ONE, canary=TWO, weight=weight), salt="salt"))
        for key, version, variant in ((inside, "2.0.0", Variant.CANARY), (outside, "1.0.0", Variant.STABLE)):
            found = world.ask(holds[key], key)
            assert (found.version, found.variant, found.reason) == (version, variant, Reason.HELD)
            assert found.revision == 2


def test_a_conversation_on_stable_meets_no_canary_that_starts(world: World) -> None:
    hold = begun(world, pointer(1, ONE))
    canary = pointer(2, ONE, canary=TWO, weight=9_999)
    world.follow(canary)
    found = world.ask(hold, on_side(canary, canary=True))
    assert (found.version, found.reason, found.revision) == ("1.0.0", Reason.HELD, 1)


@pytest.mark.parametrize("last", [None, ONE])
def test_it_does_not_stay_through_a_withdrawal_though_the_release_is_here(
    world: World, last: ReleaseRef | None
) -> None:
    hold = begun(world, pointer(1, ONE))
    world.follow(replace(pointer(2, TWO, last_good=last), withdrawn=(ONE.digest,)))
    found = world.ask(hold)
    assert (found.version, found.reason) == ("2.0.0", Reason.STATIC)
    assert said(found.hold).digest == TWO.digest
    assert said(found.hold).revision == 2


def test_a_withdrawal_that_ends_gives_the_conversation_its_release_back(world: World) -> None:
    hold = begun(world, pointer(1, ONE))
    world.follow(replace(pointer(2, TWO, last_good=ONE), withdrawn=(ONE.digest,)))
    world.follow(pointer(2, TWO, last_good=ONE))
    assert world.ask(hold).version == "1.0.0"


def test_what_was_assigned_before_the_withdrawals_that_are_named_holds_nothing(world: World) -> None:
    holds = [begun(world, pointer(1, ONE)), begun(world, pointer(2, TWO, last_good=ONE))]
    world.follow(replace(pointer(3, THREE, last_good=TWO), held_from=2))
    assert [world.ask(hold).version for hold in holds] == ["3.0.0", "2.0.0"]


def test_a_hold_is_over_after_thirty_days(world: World) -> None:
    hold = said(begun(world, pointer(1, ONE)))
    world.follow(pointer(2, TWO, last_good=ONE))
    assert world.ask(str(replace(hold, day=hold.day - DAYS + 1))).version == "1.0.0"
    assert world.ask(str(replace(hold, day=hold.day - DAYS - 1))).version == "2.0.0"


def test_it_is_over_in_a_process_that_nothing_changes_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hold, now = begun(world, pointer(1, ONE)), time.time()
    assert world.ask(hold).reason is Reason.HELD
    monkeypatch.setattr(time, "time", lambda: now + 86_400 * (DAYS + 1))
    assert world.ask(hold).reason is Reason.STATIC


@pytest.mark.parametrize(
    "change",
    [
        {"app": "other"},
        {"channel": "staging"},
        {"lineage": "00000000"},
        {"epoch": 2},
        {"revision": 3},
        {"day": 999_999},
    ],
)
def test_a_hold_of_something_else_holds_nothing(world: World, change: dict[str, object]) -> None:
    hold = said(begun(world, pointer(1, ONE)))
    world.follow(pointer(2, TWO, last_good=ONE))
    assert world.ask(str(hold)).version == "1.0.0"
    found = world.ask(str(replace(hold, **change)))  # type: ignore[arg-type]
    assert (found.version, found.reason) == ("2.0.0", Reason.STATIC)


@pytest.mark.parametrize(
    "hold", ["nonsense", "ph1:", 7, b"bytes", ["list"], {"a": 1}, object(), "x" * 100_000, "\ud800"]
)
def test_no_hold_breaks_a_call(world: World, hold: object) -> None:
    world.follow(pointer(2, TWO))
    found = world.ask(hold)
    assert (found.version, found.reason) == ("2.0.0", Reason.STATIC)
    assert world.view.release("bot", hold=hold).version == "2.0.0"


def test_what_does_not_exist_is_not_there_with_a_hold_either(world: World) -> None:
    hold = begun(world, pointer(1, ONE))
    with pytest.raises(PromptNotFound):
        world.ask(hold, name="bot/other")
    with pytest.raises(AppNotFound):
        world.ask(hold, name="else/answer")


def test_an_app_that_was_taken_off_serves_nothing_to_conversations(world: World) -> None:
    hold = begun(world, pointer(1, ONE))
    world.follow(pointer(2, None, last_good=ONE))
    with pytest.raises(AppNotFound, match="is off"):
        world.ask(hold)


def test_a_version_goes_before_a_hold(world: World) -> None:
    hold = begun(world, pointer(1, ONE))
    world.follow(pointer(2, TWO, last_good=ONE))
    assert world.view.resolve("bot/answer", version="2.0.0", hold=hold).version == "2.0.0"
    named = world.view.resolve("bot/answer@2.0.0", hold=hold)
    assert (named.version, named.reason) == ("2.0.0", Reason.STATIC)
    assert world.view.resolve("bot/answer:prod", hold=hold).version == "1.0.0"
    assert world.view.resolve("bot/answer", version="2.0.0").hold == ""


def test_a_process_at_a_fixed_version_stays_there(world: World) -> None:
    hold = begun(world, pointer(1, ONE))
    world.follow(pointer(2, TWO, last_good=ONE), fixed={"bot": "2.0.0"})
    found = world.ask(hold)
    assert (found.version, found.hold) == ("2.0.0", "")


# --- a release that is not here -----------------------------------------------------------------------


def test_a_release_that_is_not_here_is_wanted_and_the_channel_serves_meanwhile(world: World) -> None:
    hold = begun(World(), pointer(1, ONE))
    world.follow(pointer(3, THREE))
    found = world.ask(hold)
    assert (found.version, found.reason, found.hold) == ("3.0.0", Reason.HELD_MISSING, hold)
    chosen = world.view.release("bot", hold=hold)
    assert (chosen.version, chosen.reason, chosen.hold) == ("3.0.0", Reason.HELD_MISSING, hold)
    assert chosen.prompt("answer").reason is Reason.HELD_MISSING
    assert world.book.is_waiting
    assert world.book.claim() == {ONE.digest: "bot"}
    world.book.use(ONE.digest)
    world.follow(pointer(3, THREE))
    assert (world.ask(hold).version, world.ask(hold).reason) == ("1.0.0", Reason.HELD)


def test_a_release_that_could_not_be_had_is_requested_again_after_a_while(world: World) -> None:
    hold = begun(World(), pointer(1, ONE))
    world.follow(pointer(3, THREE))
    nudges: list[int] = []
    world.book.nudge_with(lambda: nudges.append(1))
    world.ask(hold)
    assert world.book.claim()
    world.ask(hold)
    assert not world.book.is_waiting
    world.now = AGAIN
    world.ask(hold)
    assert world.book.claim() == {ONE.digest: "bot"}
    assert len(nudges) == 2


def test_made_up_holds_ask_for_few_releases_and_push_none_out(world: World) -> None:
    hold = said(begun(world, pointer(1, ONE)))
    world.follow(pointer(2, TWO, last_good=ONE))
    for number in range(3_000):
        made_up = replace(hold, digest=f"sha256:{number:064x}")
        assert world.ask(str(made_up)).reason is Reason.HELD_MISSING
    assert len(world.book.claim()) == MOST
    world.follow(pointer(3, THREE, last_good=TWO))
    assert world.ask(str(hold)).version == "1.0.0"


def test_the_releases_that_are_kept_are_few_and_those_used_last(world: World) -> None:
    for number in range(3 * MOST):
        world.book.use(f"sha256:{number:064x}")
        world.book.use("sha256:" + "f" * 64)
    assert len(world.book.digests) == MOST
    assert "sha256:" + "f" * 64 in world.book.digests


def test_a_prompt_that_the_release_does_not_have_is_the_channels_and_the_conversation_keeps_its_hold(
    world: World,
) -> None:
    hold = begun(world, pointer(1, ONE))
    world.follow(pointer(2, release("bot", "2.0.0", {"answer": "hi", "more": "ho"}), last_good=ONE))
    found = world.ask(hold, name="bot/more")
    assert (found.version, found.reason, found.hold) == ("2.0.0", Reason.HELD_MISSING, hold)


def test_all_prompts_of_a_release_are_held_together(world: World) -> None:
    begin = release("bot", "1.0.0", {"answer": "a", "summary": "b"})
    hold = world.follow(pointer(1, begin)).release("bot").hold
    world.follow(pointer(2, release("bot", "2.0.0", {"answer": "c", "summary": "d"})))
    with world.view.release("bot", hold=hold) as chosen:
        assert (chosen.version, chosen.reason, chosen.hold, chosen.revision) == ("1.0.0", Reason.HELD, hold, 1)
    assert world.ask(hold, name="bot/summary").version == "1.0.0"


# --- what a call of a conversation counts for ---------------------------------------------------------


def line_of(prompt: Prompt, key: str | None) -> tuple[str, int, Unit | None]:
    """The arm, the revision and the unit of a call."""
    line = Call(prompt, key=key)._line
    assert line is not None
    return line.assignment.arm.value, line.assignment.revision, None if key is None else line.unit(key)


def test_a_call_counts_with_the_step_that_it_was_assigned_at(world: World) -> None:
    start = replace(pointer(2, ONE, canary=TWO, weight=500), salt="salt")
    inside, outside = on_side(start, canary=True), on_side(start, canary=False)
    holds = {key: begun(world, start, key) for key in (inside, outside)}
    world.follow(replace(pointer(3, ONE, canary=TWO, weight=9_999), salt="salt"))
    for key, arm in ((inside, "canary"), (outside, "stable")):
        unit = Unit.of(SECRET, "bot", key, salt="salt")
        assert line_of(world.ask(holds[key], key), key) == (arm, 2, unit)


def test_a_conversation_from_before_the_canary_takes_no_part_in_it(world: World) -> None:
    hold = begun(world, pointer(1, ONE))
    world.follow(pointer(2, ONE, canary=TWO, weight=5_000))
    arm, revision, unit = line_of(world.ask(hold, "ada"), "ada")
    assert (arm, revision) == ("stable", 1)
    assert unit is not None
    assert unit.bucket is None


@pytest.mark.parametrize("key", [None, "another"])
def test_a_call_without_the_key_of_the_conversation_is_compared_with_nobody(world: World, key: str | None) -> None:
    start = replace(pointer(2, ONE, canary=TWO, weight=500), salt="salt")
    hold = begun(world, start, on_side(start, canary=True))
    given = None if key is None else on_side(start, canary=False)
    arm, revision, unit = line_of(world.ask(hold, given), given)
    assert (arm, revision) == ("fixed", 2)
    assert unit is None or unit.bucket is None


def test_a_waiting_conversation_counts_as_what_it_is_served(world: World) -> None:
    hold = begun(World(), pointer(1, ONE))
    where = pointer(3, THREE, canary=FOUR, weight=5_000)
    world.follow(where)
    inside = on_side(where, canary=True)
    assert line_of(world.ask(hold, inside), inside) == ("canary", 3, Unit.of(SECRET, "bot", inside, salt=where.salt))

"""The rule of a rollback, on logs written by hand: one row a law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from promptops.core import rollout
from promptops.core.advice import Action, Advice, option
from promptops.core.errors import (
    ConcurrentDeployment,
    NothingToRollBackTo,
    OverrideOvertaken,
    PolicyRefused,
    PromptopsError,
    Quarantined,
    Yanked,
)
from promptops.core.model import (
    Bump,
    Deployment,
    Kind,
    Past,
    Policy,
    Provenance,
    Quarantine,
    Release,
    ReleaseRef,
    Yank,
)
from promptops.core.policy import Candidate
from promptops.core.rollout import Intent

NOW = datetime(2026, 3, 1, tzinfo=UTC)
INTENT = Intent(app="bot", channel="prod", actor="a", reason="", now=NOW)


def log(text: str, bad: str = "") -> tuple[Deployment, list[Past]]:
    """``"A B C<1"``: A and B promoted, then a rollback that restored revision 1. The last one is live.

    Gives the live deployment and the whole past newest first, with the releases in ``bad`` not good.
    """
    deployments: list[Deployment] = []
    for revision, word in enumerate(text.split(), 1):
        name, back, restores = word.partition("<")
        deployments.append(
            Deployment(
                app="bot",
                channel="prod",
                revision=revision,
                kind=Kind.ROLLBACK if back else Kind.PROMOTE,
                stable=ReleaseRef(version=name, digest=name),
                before=deployments[-1].stable if deployments else None,
                restores=int(restores) if back else None,
                actor="a",
                reason="",
                at=NOW,
            )
        )
    *past, live = deployments
    return live, [Past(deployment=d, flaw="quarantined" if d.version in bad else "") for d in reversed(past)]


@pytest.mark.parametrize(
    ("text", "bad", "target", "place"),
    [
        ("A B", "", "A", 1),  # the plain case
        ("A B C", "", "B", 2),
        ("A B C", "B", "A", 1),  # passes over what is not good
        ("A B C B<2", "C", "A", 1),  # a second rollback walks further back
        ("A B A", "", "B", 2),  # promoted again: its place is the new one
        ("A B C A<1 D", "BC", "A", 1),  # the place restored is the promotion's
        ("A B B<2 C C", "", "B", 2),  # never to the same release
    ],
)
def test_the_target_is_the_newest_good_release_before_its_place(text: str, bad: str, target: str, place: int) -> None:
    live, past = log(text, bad)
    back = rollout.rollback(INTENT, live, past)
    assert (back.version, back.restores, back.before) == (target, place, live.stable)
    assert back.revision == live.revision + 1


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("A", ""),  # the first release
        ("A B", "A"),  # nothing good before
        ("A B A<1", "B"),  # back at the beginning: never toggles
        ("A B C A<1", ""),  # B was skipped on purpose and came later than A
        ("A B A<1", ""),  # B let out of quarantine: still a promotion, not a rollback
    ],
)
def test_no_target_is_an_error(text: str, bad: str) -> None:
    live, past = log(text, bad)
    with pytest.raises(NothingToRollBackTo):
        rollout.rollback(INTENT, live, past)


def test_the_release_that_was_left_goes_into_quarantine() -> None:
    live, past = log("A B")
    [left] = rollout.abandoned(rollout.rollback(INTENT, live, past), live)
    assert left.release.version == "B"
    assert rollout.abandoned(live, past[0].deployment) == (), "a promotion quarantines nothing"


# --- what is refused, in exactly these words ---------------------------------------------------------


def off(live: Deployment) -> Deployment:
    return replace(live, kind=Kind.OFF, stable=None)


HISTORY = Advice(Action.HISTORY, app="bot", channel="prod")


HINTS = {
    "serves B, and no good": "Take it off: {}; or promote a good release: {}; what was live and why it is not good: {}",
    "is off, and no good": "Promote a good release: {}; what was live and why it is not good: {}",
    "already serves": "What was live when: {}",
    "was off on": "What was live when: {}",
    "is not good: yanked": "A yanked release is never served again. Choose another.",
    "is not good on": "Choose another, or first: {}",
    "was yanked by": "A yanked release is never promoted again. Release a corrected content and promote that.",
    "is in quarantine": "If it is safe after all: {}",
    "was changed after": "To make A live all the same: {}. If not, delete the file wherever it was put.",
}
"""The hint of each message, with its advice as ``{}``."""


def refused(error: type[PromptopsError], act: Callable[[], object], message: str, *advice: Advice) -> None:
    with pytest.raises(error) as caught:
        act()
    assert caught.value.message == message
    assert caught.value.advice == advice
    hint = next(hint for part, hint in HINTS.items() if part in message)
    assert caught.value.hint == hint.format(*(each.words for each in advice))


def test_a_rollback_without_a_target_says_what_is_served_and_what_to_look_at() -> None:
    live, past = log("A B", "A")
    promote = Advice(Action.PROMOTE, release="bot@VERSION", channel="prod")
    nothing = "and no good release was live there before it; nothing was changed"
    retire = Advice(Action.RETIRE, app="bot", channel="prod", reason="…")
    for current, state, first in ((live, "serves B", (retire,)), (off(live), "is off", ())):
        act = partial(rollout.rollback, INTENT, current, past)
        refused(NothingToRollBackTo, act, f"bot:prod {state}, {nothing}", *first, promote, HISTORY)


def test_a_chosen_release_that_may_not_be_put_back_says_why() -> None:
    live, past = log("A B C")
    chosen = past[1]
    unquarantine = Advice(Action.UNQUARANTINE, release="bot@A", channel="prod", reason="…")
    for error, entry, message, advice in (
        (NothingToRollBackTo, Past(deployment=live), "bot:prod already serves C; nothing was changed", (HISTORY,)),
        (
            NothingToRollBackTo,
            Past(deployment=off(chosen.deployment)),
            "bot was off on prod at revision 1, so there is no release to put back; nothing was changed",
            (HISTORY,),
        ),
        (Yanked, replace(chosen, flaw="yanked by b: leak", yanked=True), "bot@A is not good: yanked by b: leak", ()),
        (Quarantined, replace(chosen, flaw="slow"), "bot@A is not good on prod: slow", (unquarantine,)),
    ):
        refused(error, partial(rollout.restore, INTENT, live, entry), message, *advice)


def test_a_chosen_release_is_put_back_at_its_place() -> None:
    live, past = log("A B C")
    back = rollout.restore(replace(INTENT, reason="wrong", expect_revision=3), live, past[1])
    assert back == Deployment(
        app="bot",
        channel="prod",
        revision=4,
        kind=Kind.ROLLBACK,
        stable=ReleaseRef(version="A", digest="A"),
        before=live.stable,
        restores=1,
        actor="a",
        reason="wrong",
        at=NOW,
    )
    left = Quarantine(
        app="bot",
        channel="prod",
        release=ReleaseRef(version="C", digest="C"),
        reason="rolled back at revision 4: wrong",
        actor="a",
        at=NOW,
    )
    assert rollout.abandoned(back, live) == (left,)
    assert rollout.abandoned(replace(back, reason=""), live) == (replace(left, reason="rolled back at revision 4"),)


@pytest.mark.parametrize("change", [rollout.rollback, rollout.restore])
def test_another_revision_than_the_expected_one_is_refused_first(change: Callable[..., Deployment]) -> None:
    live, past = log("A B")
    with pytest.raises(ConcurrentDeployment) as caught:
        change(replace(INTENT, expect_revision=1), live, past if change is rollout.rollback else past[0])
    assert (caught.value.expected, caught.value.actual) == (1, 2)


def candidate(*, yank: Yank | None = None, reason: str = "") -> Candidate:
    """The release A of the app, yanked or kept out of the channel."""
    ref = ReleaseRef(version="A", digest="A")
    origin = Provenance(repository="r", commit="c", path="p", author="a", builder="b")
    release = Release(
        app="bot",
        version=ref.version,
        digest=ref.digest,
        created_at=NOW,
        created_by="a",
        bump=Bump.NONE,
        changes=(),
        notes="",
        provenance=origin,
        yank=yank,
    )
    held = Quarantine(app="bot", channel="prod", release=ref, reason=reason, actor="b", at=NOW) if reason else None
    return Candidate(release=release, quarantine=held)


def test_a_release_that_is_kept_out_goes_nowhere_under_any_policy() -> None:
    unquarantine = Advice(Action.UNQUARANTINE, release="bot@A", channel="prod", reason="…")
    yanked = candidate(yank=Yank(reason="a name is in it", actor="b", at=NOW))
    held = candidate(reason="slow")
    for one, error, message, advice in (
        (yanked, Yanked, "bot@A was yanked by b: a name is in it", ()),
        (held, Quarantined, "bot@A is in quarantine on prod: slow", (unquarantine,)),
    ):
        refused(error, partial(rollout.promote, INTENT, one, Policy(), None), message, *advice)
        recording = partial(rollout.reconcile, INTENT, one, None, overridden=NOW, earlier=None)
        refused(error, recording, message, *advice)


def test_a_release_that_the_policy_does_not_admit_is_refused_by_name() -> None:
    with pytest.raises(PolicyRefused, match=r"^prod takes releases that were live on dev, and bot@A was not"):
        rollout.promote(INTENT, candidate(), Policy(promote_from=("dev",)), None)


def test_a_first_promotion_and_a_second_one() -> None:
    first = rollout.promote(replace(INTENT, expect_revision=0), candidate(), Policy(), None)
    assert (first.revision, first.kind, first.before, first.restores) == (1, Kind.PROMOTE, None, None)
    live, _ = log("B C")
    second = rollout.promote(replace(INTENT, expect_revision=2), candidate(), Policy(), live)
    assert (second.revision, second.before) == (3, live.stable)


def test_the_record_of_an_override_takes_the_place_of_the_promotion_and_overtakes_no_change() -> None:
    live, past = log("A B")
    record = rollout.reconcile(INTENT, candidate(), live, overridden=NOW, earlier=past[0].deployment)
    assert (record.kind, record.restores, record.revision) == (Kind.BREAK_GLASS, 1, 3)
    assert rollout.reconcile(INTENT, candidate(), live, overridden=NOW, earlier=None).restores is None
    earlier = NOW - timedelta(microseconds=1)
    advice = option("expect_revision", "expect revision 2", value="2")
    refused(
        OverrideOvertaken,
        lambda: rollout.reconcile(INTENT, candidate(), live, overridden=earlier, earlier=None),
        "bot:prod was changed after this override was made: revision 2 serves B, by a; nothing was changed",
        advice,
    )
    known = replace(INTENT, expect_revision=2)
    assert rollout.reconcile(known, candidate(), live, overridden=earlier, earlier=None).revision == 3

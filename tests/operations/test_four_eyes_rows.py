"""Four eyes where a hand writes rows, such as steps of a canary, between an approval and the promotion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from promptops.core.deployment_parts import Action, Kind
from promptops.core.token import Token
from promptops.store import Registry
from tests.operations.test_four_eyes import ADA, CLEO, ROOT, approves, bob, gated, made, opens
from tests.support.factory import by_hand, canary_of, minutes

__all__ = ["bob", "gated"]


def test_the_steps_of_a_canary_void_nothing(gated: Registry, bob: Token) -> None:
    new = made(gated, "two")
    approves(gated, new, "x", bob)
    for step in (1, 2):
        by_hand(gated, kind=Kind.CANARY, canary=canary_of(new, step=step), now=minutes(1))
    assert opens(gated, new)


def test_a_step_by_hand_that_changes_what_is_stable_voids_it(gated: Registry, bob: Token) -> None:
    new, other = made(gated, "two"), made(gated, "three")
    approves(gated, new, "x", bob)
    by_hand(gated, kind=Kind.OFF, now=minutes(1))
    assert not opens(gated, new)
    approves(gated, new, "x", bob)

    def forge(writer: Any) -> None:
        writer.lock_heads([("bot", "prod")])
        live = writer.live("bot", "prod")
        forged = replace(live, revision=live.revision + 1, kind=Kind.CANARY, stable=other.ref, canary=canary_of(new))
        writer.append(forged)

    gated.write(forge)
    assert not opens(gated, new)


def test_a_canary_of_another_release_neither_lends_nor_takes_an_approval(gated: Registry, bob: Token) -> None:
    new, other = made(gated, "two"), made(gated, "three")
    approves(gated, new, "x", bob)
    by_hand(gated, kind=Kind.CANARY, canary=canary_of(other), now=minutes(1))
    assert not opens(gated, other), "what runs as a canary has no approval by that"
    by_hand(gated, kind=Kind.CANARY, canary=canary_of(other, step=2, weight=10_000), now=minutes(1))
    assert not opens(gated, other), "nor at its full weight"
    assert opens(gated, new), "and the release beside it keeps its own"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A deployment that is written by hand: its stable release and canary, by what they are to the approved one."""

    kind: str = "canary"
    stable: str = "live"
    canary: str = "new"
    action: Action = Action.START
    weight: int = 1_000
    step: int = 1
    actor: str = ADA


STEP = Row()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # Steps of a canary leave what is stable as it is.
        ([STEP], "opens"),
        ([STEP, Row(action=Action.ADVANCE, weight=10_000, step=2)], "opens"),
        ([STEP, Row(action=Action.PAUSE), Row(action=Action.RESUME)], "opens"),
        ([Row(canary="other")], "opens"),
        ([STEP, Row(canary="")], "opens"),  # the canary ended
        ([Row(actor=CLEO), Row(actor=ROOT, step=2)], "opens"),  # who took the steps does not matter
        # Everything else is another position.
        ([Row(stable="other")], "closed"),
        ([Row(stable="other"), STEP], "closed"),  # there and back
        ([Row(stable="other", canary=""), Row(canary="")], "closed"),
        ([STEP, Row(kind="promote", canary="")], "closed"),
        ([STEP, Row(kind="promote")], "closed"),  # with the canary beside it
        ([STEP, Row(kind="promote", stable="other", canary="")], "closed"),
        ([STEP, Row(kind="rollback", canary="")], "closed"),
        ([STEP, Row(kind="break-glass", canary="")], "closed"),
        ([Row(kind="off", stable="", canary="")], "closed"),
        ([STEP, Row(kind="off", stable="", canary=""), Row(kind="promote", canary="")], "closed"),
        ([STEP, Row(kind="finish", canary="")], "closed"),  # a word of a later version
        # What is live by a row alone is not promoted again.
        ([STEP, Row(kind="promote", stable="new", canary="")], "closed"),
        ([Row(stable="new", canary="")], "closed"),
    ],
)
def test_rows_by_hand_between_an_approval_and_the_promotion(
    gated: Registry, bob: Token, rows: list[Row], expected: str
) -> None:
    releases = {"new": made(gated, "two"), "other": made(gated, "three")}
    approves(gated, releases["new"], "x", bob)
    with gated.read() as reader:
        first = reader.live("bot", "prod")
    assert first is not None

    def write(writer: Any) -> None:
        writer.lock_heads([("bot", "prod")])
        for row in rows:
            before = writer.live("bot", "prod")
            canary = None
            if row.canary:
                canary = canary_of(releases[row.canary], weight=row.weight, step=row.step, action=row.action)
            stable = first.stable if row.stable == "live" else releases[row.stable].ref if row.stable else None
            writer.append(
                replace(
                    before, revision=before.revision + 1, kind=Kind(row.kind), stable=stable, before=before.stable,
                    restores=before.position if stable else None, actor=row.actor, at=minutes(1), canary=canary,
                )
            )  # fmt: skip

    gated.write(write)
    assert ("opens" if opens(gated, releases["new"]) else "closed") == expected

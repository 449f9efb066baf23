"""The rule of a rollback, on logs written by hand: one row a law."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from promptops.core import rollout
from promptops.core.errors import NothingToRollBackTo
from promptops.core.model import Deployment, Kind, Past, ReleaseRef
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
    left = rollout.abandoned(rollout.rollback(INTENT, live, past))
    assert left is not None
    assert left.release.version == "B"
    assert rollout.abandoned(live) is None, "a promotion quarantines nothing"

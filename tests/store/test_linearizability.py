"""The checker itself: what it must accept, and what it must not."""

from __future__ import annotations

import threading

import pytest

from tests.store.linearizability import Operation, is_linearizable


def promote(called: int, returned: int, revision: int, stable: str, before: str = "") -> Operation:
    return Operation(kind="promote", called=called, returned=returned, revision=revision, stable=stable, before=before)


def rollback(called: int, returned: int, revision: int, stable: str, before: str) -> Operation:
    return Operation(kind="rollback", called=called, returned=returned, revision=revision, stable=stable, before=before)


def read(called: int, returned: int, revision: int, stable: str) -> Operation:
    return Operation(kind="read", called=called, returned=returned, revision=revision, stable=stable)


@pytest.mark.parametrize(
    "history",
    [
        [],
        [promote(0, 1, 1, "a"), promote(2, 3, 2, "b", "a"), rollback(4, 5, 3, "a", "b"), read(6, 7, 3, "a")],
        # Two at once: the answers say which was first.
        [promote(0, 9, 2, "b", "a"), promote(1, 8, 1, "a")],
        # A read during a promotion may see either side of it.
        [promote(0, 1, 1, "a"), promote(2, 9, 2, "b", "a"), read(3, 4, 1, "a"), read(5, 6, 2, "b")],
        # A rollback walks past what was already rolled back.
        [
            promote(0, 1, 1, "a"),
            promote(2, 3, 2, "b", "a"),
            promote(4, 5, 3, "c", "b"),
            rollback(6, 7, 4, "b", "c"),
            rollback(8, 9, 5, "a", "b"),
        ],
    ],
)
def test_a_history_with_an_order_is_accepted(history: list[Operation]) -> None:
    assert is_linearizable(history)


@pytest.mark.parametrize(
    "history",
    [
        # A lost update: both came after nothing.
        [promote(0, 9, 1, "a"), promote(1, 8, 1, "b")],
        # Against real time: the second was called after the first returned, and yet came first.
        [promote(0, 1, 2, "b", "a"), promote(2, 3, 1, "a")],
        # A stale read: the promotion had returned.
        [promote(0, 1, 1, "a"), promote(2, 3, 2, "b", "a"), read(4, 5, 1, "a")],
        # Two reads that see time run backwards.
        [promote(0, 1, 1, "a"), promote(2, 9, 2, "b", "a"), read(3, 4, 2, "b"), read(5, 6, 1, "a")],
        # A rollback that toggles.
        [
            promote(0, 1, 1, "a"),
            promote(2, 3, 2, "b", "a"),
            rollback(4, 5, 3, "a", "b"),
            rollback(6, 7, 4, "b", "a"),
        ],
        # A revision that was skipped.
        [promote(0, 1, 1, "a"), promote(2, 3, 3, "b", "a")],
    ],
)
def test_a_history_without_one_is_rejected(history: list[Operation]) -> None:
    assert not is_linearizable(history)


class BrokenChannel:
    """Checks, and then acts on what it saw: the store everybody writes first."""

    def __init__(self, writers: int) -> None:
        self.revision, self.stable = 0, ""
        self._both_have_looked = threading.Barrier(writers)

    def promote(self, stable: str, called: int) -> Operation:
        revision, before = self.revision, self.stable
        self._both_have_looked.wait(timeout=30)
        self.revision, self.stable = revision + 1, stable
        return promote(called, called + 9, revision + 1, stable, before)


def test_the_history_of_a_store_that_checks_and_then_acts_is_rejected() -> None:
    channel, history = BrokenChannel(writers=2), list[Operation]()
    writers = [
        threading.Thread(target=lambda name=name: history.append(channel.promote(name, called=0))) for name in "ab"
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(history) == 2
    assert not is_linearizable(history)

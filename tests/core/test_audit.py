"""The audit chain: whatever was done to a log is found, and what is done is named."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from promptops.core.audit import (
    GENESIS,
    AuditFault,
    Tampering,
    seal,
    verify,
    verify_anchor,
    verify_anchors,
    verify_head,
)
from promptops.core.model import AuditEntry

START = datetime(2026, 3, 1, tzinfo=UTC)
Log = list[AuditEntry]


def sealed(entry: AuditEntry, previous: str) -> AuditEntry:
    unsealed = replace(entry, previous=previous)
    return replace(unsealed, hash=seal(unsealed))


def line(seq: int) -> AuditEntry:
    return AuditEntry(
        seq=seq,
        at=START + timedelta(minutes=seq),
        actor="Ada",
        action="promote",
        app="bot",
        channel="prod",
        before="",
        after=f"0.1.{seq}",
        reason="größer ☃",
        key=f"key-{seq}",
        previous="",
        hash="",
    )


def chained(entries: Log, previous: str = GENESIS) -> Log:
    """Each entry sealed onto the one before."""
    log: Log = []
    for entry in entries:
        log.append(sealed(entry, log[-1].hash if log else previous))
    return log


LOG = chained([line(seq) for seq in range(1, 9)])


def said(log: Log) -> list[tuple[str, int]]:
    return [(fault.tampering.value, fault.seq) for fault in verify(log)]


def swapped(log: Log, one: int, other: int) -> Log:
    """Two lines change places: each gets the other's number."""
    log = list(log)
    a, b = log[one - 1], log[other - 1]
    log[one - 1], log[other - 1] = replace(b, seq=a.seq), replace(a, seq=b.seq)
    return log


def test_a_whole_log_has_no_faults() -> None:
    assert verify(LOG) == ()
    assert verify([]) == ()
    assert verify(LOG[3:], start_previous=LOG[2].hash, start_seq=3) == ()


@pytest.mark.parametrize("field", ["actor", "action", "app", "channel", "before", "after", "reason", "key"])
def test_an_edited_line_is_named(field: str) -> None:
    log = [*LOG[:3], replace(LOG[3], **{field: "forged"}), *LOG[4:]]  # type: ignore[arg-type]
    assert said(log) == [("edited", 4)]


def test_an_edited_time_is_named() -> None:
    log = [*LOG[:3], replace(LOG[3], at=START), *LOG[4:]]
    assert said(log) == [("edited", 4)]


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (LOG[1:], [("removed", 1)]),
        ([*LOG[:2], *LOG[3:]], [("removed", 3)]),
        ([*LOG[:2], *LOG[5:]], [("removed", 3)]),
        # numbers moved up to close the gap
        ([*LOG[:2], *(replace(e, seq=e.seq - 1) for e in LOG[3:4])], [("edited", 3), ("unlinked", 3)]),
        # two lines change places
        (swapped(LOG, 3, 6), [*(("unlinked", seq) for seq in (3, 4, 6, 7)), ("reordered", 3), ("reordered", 6)]),
        # in another order than their numbers
        ([LOG[1], LOG[0]], [("removed", 1), ("reordered", 1)]),
        ([*LOG[:3], LOG[2]], [("reordered", 3)]),
        # one line edited and sealed anew: the next one gives it away
        ([*LOG[:3], sealed(replace(LOG[3], actor="Eve"), LOG[2].hash), *LOG[4:]], [("unlinked", 5)]),
        # a log of another registry
        (chained([line(seq) for seq in range(1, 3)], "f" * 64), [("unlinked", 1)]),
    ],
)  # fmt: skip
def test_what_was_done_is_named(log: Log, expected: list[tuple[str, int]]) -> None:
    assert sorted(said(log)) == sorted(expected)


def test_the_first_of_several_lines_that_are_gone_is_named_and_how_many_there_are() -> None:
    """The exact words of every finding; other tests assert what was done and where."""

    def words(log: Log) -> list[str]:
        return [fault.what for fault in verify(log)]

    assert words([*LOG[:2], *LOG[3:]]) == ["line 3 was removed"]
    assert words([*LOG[:2], *LOG[5:]]) == ["lines 3 to 5 were removed"]
    assert words([*LOG[:3], LOG[2]]) == ["line 3 comes after line 3"]
    assert words([replace(LOG[0], actor="Eve")]) == ["line 1 is not what was sealed"]
    assert words(chained([line(1)], "f" * 64)) == [
        "line 1 does not follow the line before it, which was replaced or sealed anew"
    ]
    assert [what for what in words(swapped(LOG, 3, 6)) if " was line " in what] == [
        "line 3 was line 6",
        "line 6 was line 3",
    ]


def test_two_edited_lines_are_two_edits() -> None:
    log = [*LOG[:3], *(replace(entry, actor="Eve") for entry in LOG[3:5]), *LOG[5:]]
    assert said(log) == [("edited", 4), ("edited", 5)]


def test_the_digest_of_a_fact_is_sealed_under_its_name() -> None:
    with_fact = replace(line(1), record="d" * 64, previous=GENESIS)
    assert seal(with_fact) == "d0a80306a9a1249afc965499e333567a7da80ae16ef5076e91e8fa6d981bd05a"
    assert said([replace(sealed(with_fact, GENESIS), record="e" * 64)]) == [("edited", 1)]


def test_a_seal_is_the_same_in_every_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert verify(LOG) == ()
    finally:
        monkeypatch.undo()
        time.tzset()


REWRITTEN = [*LOG[:3], *chained([replace(LOG[3], actor="Eve"), *LOG[4:]], LOG[2].hash)]


@pytest.mark.parametrize("text", ["\0", "\ud800", "x" * (1 << 20)])
def test_text_that_never_could_be_sealed_is_an_edit(text: str) -> None:
    assert said([replace(LOG[0], reason=text)]) == [("edited", 1)]
    assert ("edited", 1) in said([replace(LOG[0], previous=text)])


def test_a_log_that_was_rewritten_to_its_end_is_only_seen_from_outside() -> None:
    assert verify(REWRITTEN) == ()
    assert verify_anchor(REWRITTEN, LOG[2].hash) is None
    assert verify_anchor(REWRITTEN, LOG[5].hash) == AuditFault(
        tampering=Tampering.REWRITTEN,
        seq=0,
        what=f"no line has the hash {LOG[5].hash[:12]}…: the log was cut before it, or rewritten",
    )
    faults = verify_anchors(REWRITTEN, {entry.seq: entry.hash for entry in LOG})
    assert [(fault.tampering.value, fault.seq) for fault in faults] == [("rewritten", seq) for seq in range(4, 9)]
    assert faults[0].what == (
        f"line 4 has the hash {REWRITTEN[3].hash[:12]}… and was {LOG[3].hash[:12]}… when it was anchored"
    )


def test_a_tail_that_was_cut_is_seen_by_head_and_anchors() -> None:
    assert verify(LOG[:5]) == ()
    fault = verify_head(LOG[4], seq=8, hash=LOG[7].hash)
    assert fault == AuditFault(tampering=Tampering.CUT, seq=6, what="lines 6 to 8 were removed off the end")
    gone = AuditFault(tampering=Tampering.CUT, seq=7, what="line 7 was anchored and is gone: the log ends at 5")
    assert verify_anchors(LOG[:5], {3: LOG[2].hash, 7: LOG[6].hash}) == (gone,)
    (nothing_left,) = verify_anchors([], {1: LOG[0].hash})
    assert (nothing_left.tampering, nothing_left.seq) == (Tampering.CUT, 1)
    assert verify_anchor(LOG[:5], LOG[6].hash) is not None


def test_the_head_is_the_newest_line() -> None:
    assert verify_head(LOG[7], seq=8, hash=LOG[7].hash) is None
    assert verify_head(None, seq=0, hash=GENESIS) is None
    cut = verify_head(None, seq=8, hash=LOG[7].hash)
    assert cut is not None and cut.tampering is Tampering.CUT
    for seq, hash in ((7, LOG[6].hash), (8, LOG[6].hash)):
        what = f"the newest line is 8 ({LOG[7].hash[:12]}…), and the head says {seq} ({hash[:12]}…)"
        wrong = AuditFault(tampering=Tampering.REWRITTEN, seq=8, what=what)
        assert verify_head(LOG[7], seq=seq, hash=hash) == wrong


def test_an_anchor_that_was_removed_from_the_middle_is_named() -> None:
    gone = AuditFault(tampering=Tampering.REMOVED, seq=3, what="line 3 was anchored and is gone")
    assert verify_anchors([*LOG[:2], *LOG[3:]], {3: LOG[2].hash}) == (gone,)


def test_the_beginning_is_an_anchor_of_every_log() -> None:
    assert verify_anchor([], GENESIS) is None
    assert verify_anchor(LOG, GENESIS) is None


@given(st.data())
def test_no_single_change_goes_unseen(data: st.DataObject) -> None:
    """Against the kept head, whatever is done to one line."""
    at = data.draw(st.integers(0, len(LOG) - 1))
    what = data.draw(st.sampled_from(["edit", "remove", "swap", "cut", "double"]))
    log = list(LOG)
    if what == "edit":
        field = data.draw(st.sampled_from(["actor", "after", "reason", "previous", "hash"]))
        log[at] = replace(log[at], **{field: data.draw(st.text(max_size=5))})  # type: ignore[arg-type]
    elif what == "remove":
        del log[at]
    elif what == "swap":
        other = data.draw(st.integers(0, len(LOG) - 1).filter(lambda index: index != at))
        log[at], log[other] = log[other], log[at]
    elif what == "cut":
        del log[at:]
    else:
        log.insert(at, log[at])
    assume(log != LOG)
    assert verify(log) or verify_head(log[-1] if log else None, seq=8, hash=LOG[7].hash)

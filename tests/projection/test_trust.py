"""Who vouches for a line, and which lines count: keys are letters, and a journal is who signed each of its lines."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from promptops.projection.trust import Change, Trust, judge

# A journal is written as a word: the letter of the key that signed each line, `.` for none. Keys are set at lines.
A1 = {3: Change(key="a")}
REQUIRED = {3: Change(key="a", required=True)}
A_THEN_B = {**A1, 6: Change(key="b", endorser="a")}
A_LOST_B = {**A1, 6: Change(key="b")}
ENDED = {**A1, 6: Change(key="", endorser="a")}


def walk(journal: str, changes: Mapping[int, Change], trusted: str = "", verified: int = 0) -> Trust:
    return judge(len(journal), lambda seq: journal[seq - 1].strip("."), changes, trusted, verified)


@pytest.mark.parametrize(
    ("what", "journal", "changes", "trusted", "vouched", "taken"),
    [
        ("no key", ".....", {}, "", 0, 5),
        ("no key in it, and one that is trusted", ".....", {}, "a", 0, 5),
        ("a trusted key vouches for all before", "..aaaa", A1, "a", 6, 6),
        ("an unknown key vouches for nothing", "..aaaa", A1, "", 0, 6),
        ("the line that sets the key is cut off", "aaaa", {}, "a", 4, 4),
        ("the same, and more is unsigned", "aaaa.", {}, "a", 4, 5),
        ("another key is trusted", "..aaaa", A1, "x", 0, 6),
        ("lines written late, before the key was set", "aaaaaa", A1, "a", 6, 6),
        ("unsigned lines after it are left out", "..aaaa..", A1, "a", 6, 6),
        ("unsigned lines, and nothing is trusted", "..aaaa..", A1, "", 0, 8),
        ("the same, and signatures are required", "..aaaa..", REQUIRED, "", 0, 6),
        ("the same, and they are signed with another key", "..aaaaxx", A1, "", 0, 6),
        ("one unsigned line among signed ones is vouched for", "..aa.a", A1, "a", 6, 6),
        ("one unsigned line among signed ones, nothing is trusted", "..aa.a", REQUIRED, "", 0, 4),
        ("signed with a key of the forger's own", "..aaaaxx", A1, "a", 6, 6),
        ("the next key was endorsed", "..aaabbb", A_THEN_B, "a", 8, 8),
        ("only the next key is trusted", "..aaabbb", A_THEN_B, "b", 8, 8),
        ("both keys are trusted", "..aaabbb", A_THEN_B, "ab", 8, 8),
        ("a line before the next key that git got late", "..aabbbb", A_THEN_B, "a", 8, 8),
        ("the key before signs after it was replaced", "..aaabbbaa", A_THEN_B, "ab", 8, 8),
        ("the same, and only the old key is trusted", "..aaabbbaa", A_THEN_B, "a", 8, 8),
        ("the same, and nothing is trusted", "..aaabbbaa", A_THEN_B, "", 0, 8),
        ("the next key without an endorsement", "..aaabbb", A_LOST_B, "a", 5, 5),
        ("the next key without an endorsement, and it is trusted", "..aaabbb", A_LOST_B, "b", 8, 8),
        ("the next key without an endorsement, nothing is trusted", "..aaabbb", A_LOST_B, "", 0, 5),
        ("a lost key long ago", "..aaabbbcc", {**A_LOST_B, 9: Change(key="c", endorser="b")}, "c", 10, 10),
        ("a forger sets a key", "..aaaaxx", {**A1, 7: Change(key="x")}, "a", 6, 6),
        ("a forger endorses a key with his own", "..aaaaxx", {**A1, 7: Change(key="x", endorser="x")}, "a", 6, 6),
        ("a forger ends signing", "..aaaa..", {**A1, 7: Change(key="")}, "a", 6, 6),
        (
            "a stolen old key sets itself again",
            "..aaabbbaa",
            {**A_THEN_B, 9: Change(key="a")},
            "ab",
            8,
            8,
        ),
        (
            "a stolen old key endorses another one",
            "..aaabbbxx",
            {**A_THEN_B, 9: Change(key="x", endorser="a")},
            "ab",
            8,
            8,
        ),
        ("a stolen old key forks before it was replaced", "..aaaaaa", A1, "b", 0, 8),
        ("signing ended", "..aaa...", ENDED, "a", 5, 8),
        ("signing ended and began again", "..aaa..cc", {**ENDED, 8: Change(key="c")}, "a", 5, 9),
        ("signing ended and began again, with a trusted key", "..aaa..cc", {**ENDED, 8: Change(key="c")}, "c", 9, 9),
        ("lines between the last vouched one and its end", "..aa....", ENDED, "a", 4, 4),
        ("the mode changed", "..aaaa", {**A1, 5: Change(key="a", endorser="a")}, "a", 6, 6),
    ],
)
def test_who_vouches_and_what_is_taken(
    what: str, journal: str, changes: Mapping[int, Change], trusted: str, vouched: int, taken: int
) -> None:
    judged = walk(journal, changes, trusted)
    assert (judged.vouched, judged.taken) == (vouched, taken), what
    assert bool(judged.why) == (taken < len(journal)), what


@pytest.mark.parametrize(
    ("journal", "changes", "trusted", "why"),
    [
        ("..aaaa.", A1, "a", "it is not signed with a"),
        ("..aaaax", A1, "a", "it is signed with x, and not with a"),
        ("..aaabb", A_LOST_B, "a", "it sets b, and the key before, a, did not sign for that"),
        ("..aaa..", {**A1, 6: Change(key="")}, "a", "it sets no key, and the key before, a, did not sign for that"),
        ("..aaaa", A1, "a", ""),
    ],
)
def test_why_a_line_does_not_count(journal: str, changes: Mapping[int, Change], trusted: str, why: str) -> None:
    assert walk(journal, changes, trusted).why == why


def test_what_was_verified_is_vouched_for_and_its_key_is_trusted() -> None:
    assert walk("..aaaa", A1, verified=4) == Trust(vouched=6, taken=6, key="a", trusted=True)
    assert walk("..aa..", A1, verified=4) == Trust(
        vouched=4, taken=4, key="a", trusted=True, why="it is not signed with a"
    )
    assert walk("..aabb", A_LOST_B, verified=6) == Trust(vouched=6, taken=6, key="b", trusted=True)
    assert walk("....", {}, verified=3) == Trust(vouched=3, taken=4)


def test_the_key_at_the_end_is_named_and_whether_it_is_trusted() -> None:
    assert walk("..aaaa", A1) == Trust(vouched=0, taken=6, key="a")
    assert walk("..aaabbb", A_THEN_B, "a").key == "b"
    assert walk("..xxxx", A1) == Trust(vouched=0, taken=2, why="it is signed with x, and not with a", key="a")
    assert walk("......", REQUIRED).key == "a"
    assert walk("..aaa...", ENDED, "a").ended
    assert not walk("..aaa...", ENDED).ended


def test_only_the_newest_line_is_asked_for_its_signature_where_a_trusted_key_signed_it() -> None:
    asked: list[int] = []

    def signer(seq: int) -> str:
        asked.append(seq)
        return "a"

    assert judge(1000, signer, {1: Change(key="a")}, "a").vouched == 1000
    assert asked == [1000]

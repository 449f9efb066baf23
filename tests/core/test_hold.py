"""Holds: what they say, the texts that are none, and the golden vectors that others can rely on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.hold import DAYS, LONGEST, Hold, day_of, mark, read_hold
from tests.support.checkout import ROOT

HOLD = Hold(
    lineage=mark("0b0e11aa-1d2f-4c3b-9a8e-7f6d5c4b3a21"),
    app="support-bot",
    channel="prod",
    epoch=1,
    revision=12,
    arm="canary",
    weight=500,
    salt=mark("support-bot#prod#1.12#00112233445566ff"),
    day=20_422,
    version="1.4.0",
    digest="sha256:" + "9f86d081" * 8,
)


def vectors() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((ROOT / "tests/vectors/hold.json").read_text(encoding="utf-8"))["vectors"]
    return found


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_a_golden_vector(vector: dict[str, Any]) -> None:
    said = dict(vector["hold"])
    lineage, salt = mark(said.pop("lineage")), said.pop("salt")
    hold = Hold(lineage=lineage, salt=mark(salt) if salt else "-", **said)
    assert str(hold) == vector["text"]
    assert read_hold(vector["text"]) == hold


@given(
    st.integers(1, 1_000_000),
    st.integers(1, 1_000_000_000),
    st.sampled_from(["stable", "canary", "fixed"]),
    st.integers(0, 10_000),
    st.integers(0, 99_999),
    st.binary(min_size=32, max_size=32),
)
def test_what_is_written_is_read(epoch: int, revision: int, arm: str, weight: int, day: int, digest: bytes) -> None:
    hold = replace(
        HOLD, epoch=epoch, revision=revision, arm=arm, weight=weight, day=day, digest=f"sha256:{digest.hex()}"
    )
    assert read_hold(str(hold)) == hold


def test_the_longest_hold_is_within_its_bound() -> None:
    longest = replace(
        HOLD, app="a" * 63, channel="b" * 63, epoch=1_000_000, revision=1_000_000_000, weight=10_000, day=9_999_999,
        version="1.0.0-" + "a" * 122,
    )  # fmt: skip
    assert read_hold(str(longest)) == longest
    assert len(str(longest)) <= LONGEST


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        7,
        b"ph1:",
        ["ph1"],
        "ph1",
        "pc1:0b0e11aa:support-bot:prod:3.17s:0db52f40:akVfAJqcaBn_MQ:AAECAwQFAqGlXrJQ",
        str(HOLD).upper(),
        str(HOLD) + "\n",
        str(HOLD)[:-1],
        str(HOLD) + "A",
        str(HOLD)[:-1] + "B",  # bits that no digest has
        str(HOLD).replace("1.12c", "1.12x"),
        str(HOLD).replace("1.12c", "1.012c"),
        str(HOLD).replace("1.4.0", "latest"),
        str(HOLD).replace("support-bot", "Support"),
        str(HOLD).replace("prod", "a/../b"),
        str(HOLD).replace("12c", "\u0661\u0662c"),
        "x" * 1_000_000,
    ],
)
def test_what_is_no_hold_is_none(text: object) -> None:
    assert read_hold(text) is None


@given(st.text())
def test_no_text_raises(text: str) -> None:
    assert read_hold(text) is None


def test_it_holds_on_its_day_and_on_thirty_whole_days_after_it() -> None:
    assert not HOLD.is_over(HOLD.day)
    assert not HOLD.is_over(HOLD.day + DAYS)
    assert HOLD.is_over(HOLD.day + DAYS + 1)


def test_a_clock_that_goes_a_little_wrong_ends_none_and_one_from_far_ahead_holds_nothing() -> None:
    assert not HOLD.is_over(HOLD.day - 1)
    assert HOLD.is_over(HOLD.day - 2)


def test_a_day_begins_at_midnight_in_utc() -> None:
    assert day_of(20_422 * 86_400) == 20_422
    assert day_of(20_422 * 86_400 - 0.5) == 20_421

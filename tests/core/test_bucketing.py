"""Buckets: the same in every language for ever, sticky, monotone, and as many keys as the weight says.

tests/vectors/bucket-v1.json and the table of docs/bucketing.md are a promise to implementations in other languages.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import secrets
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.bucketing import WHOLE, bucket, is_canary, key_hash, require_weight, rollout_salt
from promptops.core.errors import Invalid
from tests.support.checkout import ROOT

SALT = "support-bot#prod#1"


class Vector(NamedTuple):
    name: str
    salt: str
    key: str
    hash: int
    bucket: int


def vectors() -> list[Vector]:
    document = json.loads((ROOT / "tests" / "vectors" / "bucket-v1.json").read_text(encoding="utf-8"))
    assert document["algorithm"] == "promptops/bucket-v1"
    return [Vector(**row) for row in document["vectors"]]


def murmur3(data: bytes) -> int:
    """murmur3_x86_32 with seed 0 as the page describes it, in nothing but integers."""

    def rotated(value: int, count: int) -> int:
        return (value << count | value >> 32 - count) & 0xFFFFFFFF

    found = 0
    for start in range(0, len(data), 4):
        block = data[start : start + 4]
        mixed = rotated(int.from_bytes(block, "little") * 0xCC9E2D51 & 0xFFFFFFFF, 15) * 0x1B873593 & 0xFFFFFFFF
        found ^= mixed
        if len(block) == 4:
            found = (rotated(found, 13) * 5 + 0xE6546B64) & 0xFFFFFFFF
    found ^= len(data)
    found = (found ^ found >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    found = (found ^ found >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return found ^ found >> 16


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector.name)
def test_a_golden_vector(vector: Vector) -> None:
    assert bucket(vector.salt, vector.key) == vector.bucket
    assert murmur3(f"{vector.salt}:{vector.key}".encode()) == vector.hash
    assert vector.hash * 10_000 // 2**32 == vector.bucket


def test_twenty_thousand_keys_of_several_forms() -> None:
    document = json.loads((ROOT / "tests" / "vectors" / "bucket-v1-keys.json").read_text(encoding="utf-8"))
    assert document["algorithm"] == "promptops/bucket-v1"
    salt, buckets = document["salt"], document["buckets"]

    def key(number: int) -> str:
        digits = hashlib.sha256(str(number).encode()).hexdigest()[:32]
        return (f"user-{number}", digits, f"n\u00e4me.{number}@example.org", str(number))[number % 4]

    assert [bucket(salt, key(number)) for number in range(20_000)] == buckets
    assert [murmur3(f"{salt}:{key(number)}".encode()) * WHOLE >> 32 for number in range(2_000)] == buckets[:2_000]
    counted = {
        str(weight): sum(is_canary(salt, key(number), weight) for number in range(20_000)) for weight in (1, 500)
    }
    assert counted.items() <= document["canaries"].items()
    assert document["canaries"] == {
        weight: sum(each < int(weight) for each in buckets) for weight in document["canaries"]
    }


def test_the_vectors_reach_both_ends_and_the_sign_bit() -> None:
    hashes = {vector.hash for vector in vectors()}
    assert {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF} <= hashes
    assert len({vector.name for vector in vectors()}) == len(vectors()) >= 40


def test_the_page_has_the_same_vectors() -> None:
    page = (ROOT / "docs" / "bucketing.md").read_text(encoding="utf-8")
    row = re.compile(r'^\| `("[^`]*")` \| `("[^`]*")` \| `0x([0-9a-f]{8})` \| (\d+) \| (.+) \|$', re.MULTILINE)
    shown = [
        Vector(match[5], json.loads(match[1]), json.loads(match[2]), int(match[3], 16), int(match[4]))
        for match in row.finditer(page)
    ]
    assert shown == vectors()


def test_the_code_of_the_page_gives_them_too() -> None:
    page = (ROOT / "docs" / "bucketing.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.+?)^```$", page, re.MULTILINE | re.DOTALL)
    defined: dict[str, Callable[[str, str], int]] = {}
    exec(code, defined)
    assert [defined["bucket"](each.salt, each.key) for each in vectors()] == [each.bucket for each in vectors()]


@given(st.text(), st.text())
def test_it_is_the_bucket_of_murmur3(salt: str, key: str) -> None:
    found = bucket(salt, key)
    assert found == murmur3(f"{salt}:{key}".encode()) * WHOLE >> 32
    assert 0 <= found < WHOLE


ANYTHING = st.lists(st.integers(0, 0x10FFFF) | st.integers(0xD800, 0xDFFF)).map(lambda codes: "".join(map(chr, codes)))


@given(ANYTHING, st.integers(0, WHOLE))
def test_it_never_fails_whatever_the_key_is(key: str, weight: int) -> None:
    assert is_canary(SALT, key, weight) is (bucket(SALT, key) < weight)


def test_a_lone_surrogate_counts_as_the_replacement_character() -> None:
    assert bucket(SALT, "a\ud800b") == bucket(SALT, "a\ufffdb")
    assert bucket(SALT, "\udfff\ud83e") == bucket(SALT, "\ufffd\ufffd")
    assert bucket(SALT, "\ud800 \U0001f98a") == bucket(SALT, "\ufffd \U0001f98a")


@given(st.text(), st.integers(0, WHOLE), st.integers(0, WHOLE))
def test_raising_the_weight_only_adds_keys(key: str, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert not is_canary(SALT, key, low) or is_canary(SALT, key, high)


def test_a_ramp_of_many_keys_only_grows() -> None:
    keys = [f"user-{number}" for number in range(2_000)]
    before: set[str] = set()
    for weight in (0, 1, 100, 500, 2_500, 5_000, 9_999, WHOLE):
        now = {key for key in keys if is_canary(SALT, key, weight)}
        assert before <= now
        before = now
    assert before == set(keys)


@pytest.mark.parametrize("weight", [0, 1, 100, 1_000, 2_500, 5_000, 9_000, 9_999, WHOLE])
def test_as_many_keys_get_it_as_the_weight_says(weight: int) -> None:
    count = 100_000
    found = sum(is_canary(SALT, f"user-{number}", weight) for number in range(count))
    assert abs(found / count - weight / WHOLE) <= 0.005
    if weight in (0, WHOLE):
        assert found == count * weight // WHOLE


def test_another_rollout_another_app_or_channel_asks_other_users_first() -> None:
    keys = [f"user-{number}" for number in range(20_000)]
    salts = [rollout_salt(*each) for each in (("a", "p", "1"), ("a", "p", "2"), ("b", "p", "1"), ("a", "q", "1"))]
    assert salts[0] == "a#p#1"
    first, *others = ([is_canary(salt, key, 1_000) for key in keys] for salt in salts)
    for other in others:
        both = sum(one and two for one, two in zip(first, other, strict=True))
        assert 100 < both < 300, "of 20,000 keys 10 % of 10 % are on both sides by chance: 200"


def test_rollouts_of_one_app_are_fair_monotone_and_independent_of_each_other() -> None:
    """With salts as a start draws them: the same app and channel, and 8 random bytes."""
    keys = [f"user-{number}" for number in range(100_000)]
    drawn = [secrets.token_hex(8) for _ in range(3)]
    rollouts = [
        [bucket(rollout_salt("bot", "prod", f"1.{number}#{digits}"), key) for key in keys]
        for number, digits in enumerate(drawn)
    ]
    for buckets in rollouts:
        for weight in (100, 500, 2_500, 5_000):
            assert abs(sum(each < weight for each in buckets) / len(keys) - weight / WHOLE) <= 0.005, drawn
    for one, other in itertools.combinations(rollouts, 2):
        both = sum(a < 5_000 and b < 5_000 for a, b in zip(one, other, strict=True))
        assert abs(both / len(keys) - 0.25) <= 0.01, drawn


@given(st.text(), st.text())
def test_a_bucket_is_the_upper_end_of_the_hash(salt: str, key: str) -> None:
    assert bucket(salt, key) == key_hash(salt, key) * WHOLE >> 32
    assert 0 <= key_hash(salt, key) < 2**32


@pytest.mark.parametrize("weight", [0, 1, 5_000, WHOLE])
def test_a_weight_is_in_basis_points(weight: int) -> None:
    assert require_weight(weight) == weight


@pytest.mark.parametrize("weight", [-1, WHOLE + 1])
def test_what_is_no_weight_is_refused(weight: int) -> None:
    with pytest.raises(Invalid, match="0 to 10,000 basis points"):
        require_weight(weight)

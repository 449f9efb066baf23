"""Units: no key without the secret, the same id in every language, and a sample as large as its thresholds say."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.bucketing import WHOLE, bucket
from promptops.core.errors import Invalid
from promptops.core.outcomes.units import EVERY, Sample, Unit
from tests.core.outcomes.nouns import SECRET, UNITS
from tests.support.checkout import ROOT

SALT = "support-bot#prod#3.17#0123456789abcdef"


def vectors() -> list[dict[str, Any]]:
    document = json.loads((ROOT / "tests" / "vectors" / "unit.json").read_text(encoding="utf-8"))
    return document["vectors"]  # type: ignore[no-any-return]


def sha256_hmac(secret: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 by its definition in RFC 2104, without the module that is tested."""
    block = hashlib.sha256(secret).digest() if len(secret) > 64 else secret
    block = block.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_a_golden_vector(vector: dict[str, Any]) -> None:
    secret, app, key = bytes.fromhex(vector["secret"]), vector["app"], vector["key"]
    made = Unit.of(secret, app, key, salt=vector["salt"])
    assert (made.id, made.bucket) == (vector["id"], vector["bucket"])
    text = key.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert sha256_hmac(secret, f"promptops/unit-v1\0{app}\0{text}".encode())[:8].hex() == vector["id"]


@given(st.text())
def test_the_bucket_is_that_of_the_key(key: str) -> None:
    assert Unit.of(SECRET, "support-bot", key, salt=SALT).bucket == bucket(SALT, key)
    assert Unit.of(SECRET, "support-bot", key).bucket is None


def test_another_secret_or_app_makes_an_unrelated_id() -> None:
    made = {
        Unit.of(secret, app, "ada@example.com").id
        for secret in (SECRET, SECRET[::-1])
        for app in ("support-bot", "faq")
    }
    assert len(made) == 4


def test_an_id_is_no_hash_of_the_key_alone() -> None:
    key = "ada@example.com"
    made = Unit.of(SECRET, "support-bot", key, salt=SALT).id
    for name in ("md5", "sha1", "sha256", "sha512", "blake2b"):
        for text in (key, f"support-bot\0{key}", f"{SALT}:{key}", f"promptops/unit-v1\0support-bot\0{key}"):
            assert made not in hashlib.new(name, text.encode()).hexdigest()
            assert made not in hmac.digest(SALT.encode(), text.encode(), "sha256").hex()


@pytest.mark.parametrize("secret", [b"", b"x" * 15])
def test_a_secret_that_can_be_guessed_is_refused(secret: bytes) -> None:
    with pytest.raises(Invalid, match="can be guessed"):
        Unit.of(secret, "support-bot", "key")


@pytest.mark.parametrize(
    ("id", "bucket"), [("", 0), ("9F86D081884C7D65", 0), ("9f86d081884c7d6", 0), ("0" * 16, -1), ("0" * 16, WHOLE)]
)
def test_a_unit_that_cannot_be_is_refused(id: str, bucket: int) -> None:
    with pytest.raises(Invalid):
        Unit(id=id, bucket=bucket)


# --- the sample --------------------------------------------------------------------------------------


@given(UNITS, st.integers(0, WHOLE))
def test_a_threshold_of_all_takes_all_and_one_of_zero_none(unit: Unit, weight: int) -> None:
    assert Sample(canary=EVERY, stable=EVERY).has(unit, weight)
    assert not Sample(canary=0, stable=0).has(unit, weight)


@given(UNITS, st.integers(0, WHOLE), st.integers(0, EVERY), st.integers(0, EVERY))
def test_the_bucket_decides_which_threshold_holds(unit: Unit, weight: int, canary: int, stable: int) -> None:
    below = unit.bucket is not None and unit.bucket < weight
    threshold = canary if below else stable
    assert Sample(canary=canary, stable=stable).has(unit, weight) == (int(unit.id, 16) < threshold << 32)


@given(UNITS, st.integers(0, EVERY), st.integers(0, EVERY))
def test_a_unit_is_in_a_sample_either_way_if_its_bucket_does_not_decide_it(
    unit: Unit, canary: int, stable: int
) -> None:
    sample = Sample(canary=canary, stable=stable)
    sides = [sample.has(Unit(id=unit.id, bucket=0), weight) for weight in (1, 0)]
    assert sample.has_either_way(unit) == all(sides)


def test_the_first_bucket_at_the_weight_is_a_stable_one() -> None:
    sample = Sample(canary=EVERY, stable=0)
    assert [sample.has(Unit(id="0" * 16, bucket=number), 500) for number in (0, 499, 500, None)] == [
        True,
        True,
        *[False] * 2,
    ]


@given(UNITS, st.integers(0, EVERY - 1))
def test_a_higher_threshold_only_adds_units(unit: Unit, threshold: int) -> None:
    lower, higher = Sample(canary=0, stable=threshold), Sample(canary=0, stable=threshold + 1)
    assert lower.has(unit, 0) <= higher.has(unit, 0)


def test_each_arm_gives_as_many_keys_as_wanted() -> None:
    sample = Sample.giving(40_000, weight=500, wanted=1_000)
    units = [Unit.of(SECRET, "support-bot", f"user-{number}", salt=SALT) for number in range(40_000)]
    taken = [unit for unit in units if sample.has(unit, 500)]
    canary = sum(unit.bucket is not None and unit.bucket < 500 for unit in taken)
    assert 880 <= canary <= 1_120  # of 1,000, four standard deviations of a binomial
    assert 880 <= len(taken) - canary <= 1_120
    keys = sum(unit.bucket is not None and unit.bucket < 500 for unit in units)
    estimated = sample.estimate(canary, len(taken) - canary)
    assert abs(estimated[0] - keys) <= 0.1 * keys and abs(estimated[1] - (40_000 - keys)) <= 0.13 * 40_000
    assert sample.quotient == sample.canary / sample.stable > 18


def test_an_arm_that_has_fewer_keys_gives_all() -> None:
    assert Sample.giving(100_000, weight=500) == Sample(canary=EVERY, stable=-(-EVERY * 10_000 // 95_000))
    assert Sample.giving(0) == Sample(canary=EVERY, stable=EVERY)
    assert Sample.giving(5_000, weight=500).estimate(251, 4_749) == (251, 4_749)


def test_a_side_that_gives_no_keys_has_none() -> None:
    assert Sample(canary=0, stable=EVERY // 4).estimate(0, 25) == (0, 100)
    with pytest.raises(Invalid, match="not from the sample"):
        Sample(canary=0, stable=EVERY).estimate(1, 25)


@pytest.mark.parametrize(("canary", "stable"), [(-1, 0), (0, EVERY + 1)])
def test_a_threshold_out_of_range_is_refused(canary: int, stable: int) -> None:
    with pytest.raises(Invalid):
        Sample(canary=canary, stable=stable)


def test_a_sample_that_compares_nothing_has_no_quotient() -> None:
    with pytest.raises(Invalid, match="compares nothing"):
        _ = Sample(canary=1, stable=0).quotient
    with pytest.raises(Invalid, match="at least 0 keys"):
        Sample.giving(-1)

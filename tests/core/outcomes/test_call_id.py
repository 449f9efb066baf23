"""Call ids: readable without a look-up, not made up without the secret, and silent about the key."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.bucketing import bucket
from promptops.core.errors import Invalid, RegistryMismatch
from promptops.core.outcomes.call_id import LONGEST, CallId, Standing, call_head, has_seal, make_call_id, read_call_id
from promptops.core.outcomes.series import Arm, Assignment
from promptops.core.outcomes.units import Unit
from promptops.core.snapshot import MAX_EPOCH, MAX_REVISION
from tests.core.outcomes.nouns import ANSWER, ASSIGNMENTS, LINEAGE, SECRET, UNIT, UNITS
from tests.support.checkout import ROOT

RANDOM = st.binary(min_size=6, max_size=6)
HEAD = call_head(ANSWER.assignment, "answer", lineage=LINEAGE)
SEALED = make_call_id(HEAD, random=b"random", secret=SECRET, unit=UNIT)


def vectors() -> list[dict[str, Any]]:
    document = json.loads((ROOT / "tests" / "vectors" / "call-id.json").read_text(encoding="utf-8"))
    return document["vectors"]  # type: ignore[no-any-return]


def by_the_page(vector: dict[str, Any]) -> str:
    """The id as the page describes it for other languages."""

    def base64url(data: bytes) -> str:
        return urlsafe_b64encode(data).decode().rstrip("=")

    def keyed(text: str) -> bytes:
        return hmac.new(bytes.fromhex(vector["secret"]), text.encode(), hashlib.sha256).digest()

    digits = hashlib.sha256(vector["prompt"].encode()).hexdigest()[:8]
    revision = f"{vector['epoch']}.{vector['revision']}{vector['arm'][0]}"
    head = ":".join(["pc1", vector["lineage"][:8], vector["app"], vector["channel"], revision, digits])
    random = base64url(bytes.fromhex(vector["random"]))
    if not vector["secret"]:
        return f"{head}:-:{random}-"
    encrypted = "-"
    if vector["unit"] is not None:
        number = 65_535 if vector["bucket"] is None else vector["bucket"]
        plain = bytes.fromhex(vector["unit"]) + number.to_bytes(2, "big")
        mask = keyed(f"promptops/call-unit-v1\0{head}:{random}")
        encrypted = base64url(bytes(one ^ other for one, other in zip(plain, mask, strict=False)))
    before = f"{head}:{encrypted}:{random}"
    return before + base64url(keyed(f"promptops/call-v1\0{before}")[:6])


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_a_golden_vector(vector: dict[str, Any]) -> None:
    assignment = Assignment(
        app=vector["app"],
        channel=vector["channel"],
        epoch=vector["epoch"],
        revision=vector["revision"],
        arm=Arm(vector["arm"]),
    )
    unit = Unit(id=vector["unit"], bucket=vector["bucket"]) if vector["unit"] is not None else None
    secret, head = bytes.fromhex(vector["secret"]), call_head(assignment, vector["prompt"], lineage=vector["lineage"])
    made = make_call_id(head, random=bytes.fromhex(vector["random"]), secret=secret, unit=unit)
    assert made == vector["id"] == by_the_page(vector)
    read = read_call_id(made, lineage=vector["lineage"])
    assert read.assignment == assignment and read.is_of(vector["prompt"])
    assert read.standing(secret or SECRET) is (Standing.SEALED if secret else Standing.UNSEALED)
    if secret:
        assert read.unit(secret) == unit


@given(ASSIGNMENTS, st.none() | UNITS, RANDOM, st.binary(min_size=16, max_size=80))
def test_an_id_comes_back_as_it_was(assignment: Assignment, unit: Unit | None, random: bytes, secret: bytes) -> None:
    head = call_head(assignment, "writing/summary", lineage=LINEAGE)
    text = make_call_id(head, random=random, secret=secret, unit=unit)
    assert len(text) <= LONGEST
    read = read_call_id(text, lineage=LINEAGE)
    assert (read.text, read.assignment, read.lineage) == (text, assignment, "0b0e11aa")
    assert read.is_of("writing/summary") and not read.is_of("answer")
    assert (read.standing(secret), read.unit(secret)) == (Standing.SEALED, unit)


def test_the_longest_id_is_as_long_as_the_page_says() -> None:
    longest = Assignment(app="a" * 63, channel="c" * 63, epoch=MAX_EPOCH, revision=MAX_REVISION, arm=Arm.STABLE)
    text = make_call_id(call_head(longest, "p", lineage=LINEAGE), random=b"random", secret=SECRET, unit=UNIT)
    assert len(text) == 201 <= LONGEST
    assert read_call_id(text, lineage=LINEAGE).unit(SECRET) == UNIT


@given(st.data())
def test_an_id_with_one_other_character_is_never_believed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(SEALED) - 1))
    other = data.draw(st.sampled_from("abcxyzABC0189-_.:").filter(lambda letter: letter != SEALED[place]))
    try:
        read = read_call_id(SEALED[:place] + other + SEALED[place + 1 :], lineage=LINEAGE)
    except (Invalid, RegistryMismatch):
        return
    assert read.standing(SECRET) is Standing.FORGED
    with pytest.raises(Invalid, match="forged, so its unit is not known"):
        read.unit(SECRET)


def test_an_id_of_another_secret_is_forged() -> None:
    assert read_call_id(SEALED, lineage=LINEAGE).standing(SECRET[::-1]) is Standing.FORGED


@given(RANDOM, UNITS)
def test_without_the_secret_an_id_has_no_unit_and_ends_in_a_dash(random: bytes, unit: Unit) -> None:
    text = make_call_id(HEAD, random=random, unit=unit)
    assert text.split(":")[-2] == "-" and text.endswith("-") and len(text.split(":")[-1]) == 9
    read = read_call_id(text, lineage=LINEAGE)
    assert (read.assignment, read.standing(SECRET)) == (ANSWER.assignment, Standing.UNSEALED)
    with pytest.raises(Invalid, match="unsealed"):
        read.unit(SECRET)


def test_the_seal_of_a_sealed_id_cannot_be_cut_off_to_keep_its_unit() -> None:
    with pytest.raises(Invalid, match="not a call id"):
        read_call_id(SEALED[:-8] + "-", lineage=LINEAGE)


def test_another_lineage_is_refused_by_name() -> None:
    other = "ffffffff-0000-4000-8000-000000000000"
    with pytest.raises(RegistryMismatch, match=f"lineage begins with 0b0e11aa, and this one has {other}"):
        read_call_id(SEALED, lineage=other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pc1",
        "pc2" + SEALED[3:],
        SEALED.upper(),
        SEALED + "a",
        SEALED[:-1],
        SEALED + "\n",
        SEALED.replace("3.17s", "3.17x"),
        SEALED.replace("3.17s", "3.017s"),
        SEALED.replace("3.17s", "9999999.17s"),
        SEALED.replace("support-bot", "Support Bot"),
        SEALED.replace("prod", ""),
        SEALED.replace("prod", "p" * 300),
    ],
)
def test_what_is_no_call_id_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_call_id(text, lineage=LINEAGE)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"random": b"short"}, "6 random bytes"),
        ({"random": b"random", "secret": b"short"}, "can be guessed"),
    ],
)
def test_what_makes_no_id_is_refused(parts: dict[str, bytes], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        make_call_id(HEAD, **parts)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="not the lineage of a registry"):
        call_head(ANSWER.assignment, "answer", lineage="one")


# --- what an id tells those without the secret -------------------------------------------------------

SALT = "support-bot#prod#3.17#0123456789abcdef"


def ids(secret: bytes, count: int) -> list[str]:
    """Ids of calls of one user."""
    unit = Unit.of(secret, "support-bot", "ada@example.com", salt=SALT)
    return [make_call_id(HEAD, random=number.to_bytes(6, "big"), secret=secret, unit=unit) for number in range(count)]


def test_two_ids_of_one_user_have_nothing_in_common() -> None:
    encrypted = [text.split(":")[-2] for text in ids(SECRET, 200)]
    assert len(set(encrypted)) == 200
    for place in range(13):  # the last character has two bits only
        assert len({text[place] for text in encrypted}) > 40  # of 64 letters, in 200 draws


def shown(text: str) -> tuple[str, int]:
    """The unit and the bucket as they would be if they were not encrypted."""
    data = urlsafe_b64decode(text.split(":")[-2] + "==")
    return data[:8].hex(), int.from_bytes(data[8:], "big")


def test_guesses_at_the_key_find_nothing_in_an_id() -> None:
    """A reader of snapshots has the salt, and compares the bucket of each guess with what the ids show."""
    unit, secret_bucket = Unit.of(SECRET, "support-bot", "ada@example.com").id, bucket(SALT, "ada@example.com")
    seen = [shown(text) for text in ids(SECRET, 4_000)]
    assert unit not in {found for found, _ in seen}
    assert sum(number == secret_bucket for _, number in seen) <= 2  # by chance, 4,000 of 65,536
    tenths = [sum(low <= number < low + 6_554 for _, number in seen) for low in range(0, 65_536, 6_554)]
    assert all(300 <= count <= 500 for count in tenths)  # of 400 each, five standard deviations


def test_a_call_id_says_what_it_is_of() -> None:
    read = read_call_id(SEALED, lineage=LINEAGE)
    assert read == CallId(text=SEALED, lineage="0b0e11aa", assignment=ANSWER.assignment, prompt=read.prompt)


@given(RANDOM, st.none() | UNITS)
def test_whether_an_id_has_a_seal_does_not_hang_on_its_last_character(random: bytes, unit: Unit | None) -> None:
    assert has_seal(make_call_id(HEAD, random=random, secret=SECRET, unit=unit))
    assert not has_seal(make_call_id(HEAD, random=random, unit=unit))

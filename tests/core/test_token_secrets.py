"""The secrets of tokens: how they are made, written, recognised and refused."""

from __future__ import annotations

import random
import re
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.errors import NotAuthenticated
from promptops.core.token import (
    TokenKind,
    commit,
    is_token_id,
    mint,
    new_id,
    parse_token,
    prefix_of,
    secret_digest,
)

BASE62 = string.digits + string.ascii_letters


def draw(seed: int = 1) -> random.Random:
    return random.Random(seed)


@given(st.sampled_from(list(TokenKind)), st.integers(0))
def test_what_is_minted_is_read(kind: TokenKind, seed: int) -> None:
    text = mint(kind, draw(seed).randrange)
    assert parse_token(text) == text
    assert re.fullmatch(rf"pops_{kind}_[0-9A-Za-z]{{38}}", text)


def test_the_text_of_a_secret_does_not_change() -> None:
    """A vector: the last six characters are the CRC-32 of what is before them, most significant digit first."""
    text = mint(TokenKind.RUNTIME, draw(62).randrange)
    assert text == VECTOR
    number = 0
    for digit in text[-6:]:
        number = number * 62 + (string.digits + string.ascii_uppercase + string.ascii_lowercase).index(digit)
    assert number == zlib.crc32(text[:-6].encode())
    assert prefix_of(text) == text[:12]
    assert secret_digest(text) == VECTOR_DIGEST


VECTOR = "pops_rt_" + "xaB4qFvTJvgMAWBA0zGeAt71UUX1ntLy0IIDGH"
VECTOR_DIGEST = "41ac088ca744814b6c315cd37809335c2e2909bea5129f3fdcc15db0b64074f4"


def test_no_two_secrets_and_no_two_ids_are_alike() -> None:
    source = draw().randrange
    assert len({mint(TokenKind.ADMIN, source) for _ in range(1000)}) == 1000
    ids = {new_id(source) for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"t[0-9A-Za-z]{11}", id) for id in ids)


def test_every_character_is_drawn_as_often_as_every_other() -> None:
    bounds: set[int] = set()

    def lowest(bound: int) -> int:
        bounds.add(bound)
        return 0

    assert mint(TokenKind.RUNTIME, lowest).startswith("pops_rt_" + "0" * 32)
    assert bounds == {62}


@given(st.integers(0), st.integers(0, 45), st.sampled_from(BASE62 + "_-. "))
def test_one_wrong_character_is_always_found(seed: int, place: int, character: str) -> None:
    text = mint(TokenKind.OPERATOR, draw(seed).randrange)
    wrong = text[:place] + character + text[place + 1 :]
    if wrong != text:
        with pytest.raises(NotAuthenticated):
            parse_token(wrong)


@given(st.integers(0), st.integers(0, 44))
def test_two_neighbours_in_the_wrong_order_are_always_found(seed: int, place: int) -> None:
    text = mint(TokenKind.PIPELINE, draw(seed).randrange)
    wrong = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    if wrong != text:
        with pytest.raises(NotAuthenticated):
            parse_token(wrong)


GOOD = mint(TokenKind.RUNTIME, draw().randrange)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pops_",
        GOOD[:-1],
        GOOD + "a",
        GOOD + "\n",
        " " + GOOD[:-1],
        GOOD[:-1] + "\0",
        GOOD.replace("pops", "PoPs"),
        GOOD.replace("_rt_", "_ad_"),
        GOOD.replace("_rt_", "_xx_"),
        GOOD[:20] + "é" + GOOD[21:],
        GOOD[:20] + "٣" + GOOD[21:],  # a digit, elsewhere
        GOOD[:20] + "\ud800" + GOOD[21:],
        "é" * 46,
        "x" * 1_000_000,
        GOOD * 20_000,
        "' OR 1=1; DROP TABLE token; --" + "x" * 16,
    ],
    ids=range(17),
)
def test_anything_else_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(NotAuthenticated) as caught:
        parse_token(text)
    assert caught.value.message == "this is not a token: it is incomplete, has a typing error, or is something else"
    assert GOOD[8:20] not in caught.value.hint
    assert caught.value.__cause__ is None


@given(st.text(max_size=60))
def test_no_text_makes_it_fail_in_another_way(text: str) -> None:
    with pytest.raises(NotAuthenticated):
        parse_token(text)


def test_the_text_of_a_commitment_does_not_change() -> None:
    """A vector: audit logs and git hold commitments for ever."""
    assert commit("tAbcdefghij0", VECTOR_DIGEST) == "1543ef3c9ad8efe28b9ca6ce48d0489a2628f51c5ec05b81bb04da166fdce3dd"


@pytest.mark.parametrize(
    ("text", "fits"),
    [("tAbcdefghij0", True), ("tAbcdefghij", False), ("tAbcdefghij00", False), ("xAbcdefghij0", False), ("", False)],
)
def test_an_id_has_a_form(text: str, fits: bool) -> None:
    assert is_token_id(text) is fits

"""Canonical bytes and digests. tests/vectors/digest.json is a promise: changing a line of it breaks every registry."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.digest import MAX_BYTES, MAX_NUMBER, canonical, check_text, digest, parse_canonical
from promptops.core.errors import Invalid
from promptops.core.model import Json

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "digest.json").read_text(encoding="utf-8"))

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
NUMBERS = st.integers(1 - MAX_NUMBER, MAX_NUMBER - 1) | st.floats(
    -MAX_NUMBER, MAX_NUMBER, allow_nan=False, exclude_min=True, exclude_max=True
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("vector", VECTORS["canonical"], ids=lambda vector: vector["name"])
def test_the_golden_vectors_hold(vector: dict[str, str]) -> None:
    # Fault case 44.
    data = canonical(parse_canonical(vector["json"].encode()))
    assert data.decode() == vector["canonical"]
    assert digest(data) == vector["digest"]


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["name"])
def test_what_the_profile_refuses_is_refused_with_its_path(vector: dict[str, str]) -> None:
    # Fault cases 45 and 46.
    with pytest.raises(Invalid) as caught:
        parse_canonical(vector["json"].encode())
    assert vector["problem"] in caught.value.message


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"a": [1, float("nan")]}, "$.a[1]: nan is not a finite number"),
        ({"a": float("-inf")}, "$.a: -inf is not a finite number"),
        ({"a": 2**53}, "$.a: the integer is not a finite number below 2^53"),
        ({"a": float(2**53)}, "$.a: 9007199254740992.0 is not a finite number below 2^53"),
        ({"a": 10**5_000}, "$.a: the integer is not a finite number below 2^53"),
        ({"a": {"b": "x\0"}}, "$.a.b: NUL characters are not allowed"),
        ({"a": "\ud800"}, "$.a: a lone surrogate is not a character"),
        ({"\udfff": 1}, "a lone surrogate is not a character"),
        ({1: 2}, "the key 1 is not text"),
        ({"a": b"bytes"}, "$.a: bytes is not a JSON value"),
        ({"a": {1, 2}}, "$.a: set is not a JSON value"),
        ({"a": object()}, "$.a: object is not a JSON value"),
    ],
)
def test_values_from_python_are_refused_with_their_path(value: Any, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        canonical(value)
    assert problem in caught.value.message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b'\xef\xbb\xbf{"a":1}',
        b"[" * 100_000,
        b"1" * 5_000,
        b" " * (MAX_BYTES + 1),
        b"[" * 40 + b"]" * 40,
    ],
    ids=["nothing", "cut", "not UTF-8", "BOM", "deep", "long number", "too large", "40 levels"],
)
def test_bytes_that_are_no_strict_json_are_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        parse_canonical(data)


def test_content_over_the_limit_is_refused() -> None:
    assert len(canonical("x" * (MAX_BYTES - 2))) == MAX_BYTES
    with pytest.raises(Invalid, match="over the limit of 1,048,576"):
        canonical("x" * (MAX_BYTES - 1))


def test_nesting_ends_at_32_levels() -> None:
    def nested(levels: int) -> Json:
        return [nested(levels - 1)] if levels else 1

    assert canonical(nested(32)) == b"[" * 32 + b"1" + b"]" * 32
    assert canonical([nested(30), [{}]]).endswith(b",[{}]]")
    deep: Json = {}
    for _ in range(32):
        deep = [deep]
    assert canonical(deep) == b"[" * 32 + b"{}" + b"]" * 32  # nothing is in it
    with pytest.raises(Invalid, match="nested deeper than 32 levels"):
        canonical([deep])
    with pytest.raises(Invalid, match="nested deeper than 32 levels"):
        canonical(nested(33))


def test_a_digest_is_the_sha256_of_the_bytes() -> None:
    assert digest(b"abc") == "sha256:" + hashlib.sha256(b"abc").hexdigest()


@given(VALUES | st.lists(st.sampled_from([0.1, -0.25, 1e-4, 9.99e-5, 1e15 + 0.5, 1.0, -0.0, 5e-324])))
def test_the_bytes_are_those_of_the_library_whichever_way_they_were_written(value: Json) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(VALUES)
def test_reading_canonical_bytes_and_writing_them_gives_the_same_bytes(value: Json) -> None:
    data = canonical(value)
    assert canonical(parse_canonical(data)) == data


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_change_the_bytes(value: Json, order: random.Random) -> None:
    assert canonical(_shuffled(value, order)) == canonical(value)


def _shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, dict):
        items = [(key, _shuffled(item, order)) for key, item in value.items()]
        order.shuffle(items)
        return dict(items)
    return [_shuffled(item, order) for item in value] if isinstance(value, list) else value


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:0123456789.eE+-\\u truefalsnNaI', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = parse_canonical(data)
    except Invalid:
        return
    assert canonical(parse_canonical(canonical(value))) == canonical(value)


def test_text_with_characters_the_databases_treat_differently_is_refused() -> None:
    check_text("é 🏴󠁧󠁢󠁳󠁣󠁴󠁿 \r\n\t\x1b", "$")
    for text in ("\0", "a\0b", "\ud83d", "\udc00x"):
        with pytest.raises(Invalid, match="here: "):
            check_text(text, "here")

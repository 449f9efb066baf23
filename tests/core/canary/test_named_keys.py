"""The file of keys that get a canary first, and what is kept of it."""

from __future__ import annotations

import pytest

from promptops.core.bucketing import bucket
from promptops.core.canary.named_keys import LONGEST_KEY, hashes_in, hashes_of, keys_of, require_keys
from promptops.core.errors import Invalid
from promptops.core.trial import MAX_KEYS

SALT = "bot#prod#1.4#00112233445566ff"


def test_a_key_a_line_is_taken_as_it_is() -> None:
    assert keys_of("\ufeffada\r\n Ben \n\nCYN\nada\nzo\u00eb".encode()) == ("ada", " Ben ", "CYN", "zo\u00eb")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "has none"),
        (b"\n\n", "has none"),
        (b"\xff\xfe", "not UTF-8"),
        ("\n".join(map(str, range(MAX_KEYS + 1))).encode(), "1,001 keys, and at most 1,000"),
        (b"x" * (LONGEST_KEY + 1), "1 to 500 characters"),
    ],
)
def test_a_file_that_is_none_is_refused_without_a_key_in_the_message(data: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says) as raised:
        keys_of(data)
    assert "xx" not in raised.value.message


def test_as_many_keys_as_may_be() -> None:
    assert len(keys_of("\n".join(map(str, range(MAX_KEYS))).encode())) == MAX_KEYS
    with pytest.raises(Invalid):
        require_keys(["", "ada"])


def test_they_are_kept_as_hashes_that_their_bucket_follows_from() -> None:
    text = hashes_of(["ben", "ada", "ben"], SALT)
    assert len(text) == 16
    hashes = hashes_in(text)
    assert {number * 10_000 >> 32 for number in hashes} == {bucket(SALT, "ada"), bucket(SALT, "ben")}
    assert text == "".join(f"{number:08x}" for number in sorted(hashes))
    assert hashes_in(hashes_of([], SALT)) == frozenset()
    assert hashes_of(["ada"], SALT) != hashes_of(["ada"], SALT + "0")

"""Where a text stands in its file: whatever the style of the scalar, the same word is found at its place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.source.text.strict_yaml import parse
from promptops.source.text.suppression import without


@pytest.mark.parametrize(
    ("source", "offset", "found"),
    [
        ('a: "\\u202e\\n WORD"', 3, "WORD"),
        ('a: "one\\\n   two WORD"', 7, "WORD"),
        ('a: "one\n\n\n  WORD"', 5, "WORD"),
        ('a: "\\x41\\U0001F600\\"WORD"', 3, "WORD"),
        ("a: 'it''s ''WORD'''", 6, "WORD"),
        ("a: one\n  two WORD WORD\n", 13, "WORD\n"),
        ("a: |\n  WORD\n   WORD2\n# WORD\n", 6, "WORD2"),
        ("a: >-\n  one\n  two\n\n  WORD\n\nb: 1\n", 8, "WORD"),
    ],
)
def test_a_word_is_found_where_it_stands(source: str, offset: int, found: str) -> None:
    document = parse(source)
    assert isinstance(document.value, dict)
    assert isinstance(document.value["a"], str)
    assert document.value["a"][offset:].startswith(found.rstrip())
    assert source[document.inside(("a",), offset) :].startswith(found)


@given(st.text("ab \n\t\"\\é😀\u202e{'", max_size=30))
def test_every_character_of_a_quoted_text_is_found(value: str) -> None:
    source = f"a: {json.dumps(value, ensure_ascii=False)}\n".replace("\\n", "\\n")
    document = parse(source)
    if document.value == {"a": value}:
        for offset, char in enumerate(value):
            place = document.inside(("a",), offset)
            assert source[place] in (char, "\\")


@given(st.lists(st.sampled_from(["one\n", "two ", "\n", "<!-- promptops: ignore[secret] w -->", " x", "{{ a }}"])))
def test_what_is_left_of_a_markdown_text_stands_where_it_stood(parts: list[str]) -> None:
    raw = "".join(parts)
    text, places = without(raw)
    assert [raw[places.at(offset)] for offset in range(len(text))] == list(text)
    assert "promptops" not in text

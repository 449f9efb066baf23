"""What cannot be seen is written out: fault cases 79 and 80 for everything that reaches a terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.cli.output.escape import visible, visible_json

SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Grüße, 東京 · “so”", "Grüße, 東京 · “so”"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),  # clears the screen, renames the window
        ("a\rb", "a\\rb"),  # overwrites what stood there
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x9b31m", "\\x9b31m"),  # the C1 twin of ESC [
        ("safe\u202egnp.exe", "safe\\u202egnp.exe"),  # reads backwards
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("line\u2028separator", "line\\u2028separator"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("selector\U000e0101", "selector\\U000e0101"),  # carries a hidden byte
        ("lone \ud800", "lone \\ud800"),
        (SCOTLAND, SCOTLAND),
        (FAMILY, FAMILY),
        (SCOTLAND + "\U000e0041", SCOTLAND + "\\U000e0041"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_line_breaks_stay_where_they_are_wanted() -> None:
    assert visible("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    shown = visible(text)
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_json_stays_the_same_value(text: str) -> None:
    encoded = visible_json(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(encoded) == {"text": text}
    assert "\x1b" not in encoded
    assert "\u202e" not in encoded
    assert "\x9b" not in encoded

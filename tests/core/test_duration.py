"""Lengths of time, as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from promptops.core.duration import duration_text, is_duration, parse_duration, parse_seconds
from promptops.core.errors import Invalid


@pytest.mark.parametrize(
    ("typed", "hours"),
    [
        ("24h", 24),
        ("90m", 1.5),
        ("1d 12h", 36),
        (" 7 Days ", 168),
        ("1w", 168),
        ("30s", 1 / 120),
        ("1h30m", 1.5),
        ("1.5h", 1.5),
        (".5d", 12),
    ],
)
def test_a_length_of_time_is_read_as_people_write_it(typed: str, hours: float) -> None:
    assert parse_duration(typed) == timedelta(hours=hours)


@pytest.mark.parametrize(
    "typed", ["", "0h", "soon", "24", "-1h", "1h ago", "999999w", "1 fortnight", "1.5", "1h!", "h", "1h" * 51]
)
def test_what_is_no_length_of_time_is_refused(typed: str) -> None:
    with pytest.raises(Invalid, match="not a length of time"):
        parse_duration(typed)


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("90", 90), (".5", 0.5), ("0", 0), ("1e3", 1000), ("1m30s", 90), ("1h", 3600), ("2 min", 120)],
)
def test_where_seconds_are_meant_a_number_needs_no_unit(typed: str, seconds: float) -> None:
    assert parse_seconds(typed) == seconds


@pytest.mark.parametrize("typed", ["", "-1", "soon", "1e999", "nan", "inf", "٣", "9" * 50])
def test_what_is_no_number_of_seconds_is_refused(typed: str) -> None:
    with pytest.raises(Invalid, match="not a length of time"):
        parse_seconds(typed)


@pytest.mark.parametrize(
    ("typed", "is_one"), [("1h", True), ("90", True), ("99999w", True), ("bot", False), ("", False)]
)
def test_a_duration_is_known_by_its_form(typed: str, is_one: bool) -> None:
    assert is_duration(typed) is is_one


@pytest.mark.parametrize(("typed", "shown"), [("7d", "7d"), ("36h", "1d 12h"), ("90s", "1m 30s"), ("1h 1s", "1h 1s")])
def test_a_length_is_shown_as_it_can_be_typed(typed: str, shown: str) -> None:
    assert duration_text(parse_duration(typed)) == shown
    assert parse_duration(shown) == parse_duration(typed)

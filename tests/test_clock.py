"""What people type as a time, and what they are shown: one table a rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from promptops import clock
from promptops.core.errors import Invalid
from promptops.core.timestamp import timestamp

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 20, 15, 30, 500_000, tzinfo=UTC)  # 21:15:30 in Berlin


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("now", "2026-11-21T20:15:30.5Z"),
        ("2h ago", "2026-11-21T18:15:30.5Z"),
        ("90 minutes ago", "2026-11-21T18:45:30.5Z"),
        ("1h30m ago", "2026-11-21T18:45:30.5Z"),
        ("1d 2h ago", "2026-11-20T18:15:30.5Z"),
        ("3 weeks ago", "2026-10-31T20:15:30.5Z"),
        ("18:30", "2026-11-21T17:30:00Z"),  # today in Berlin
        ("9:05", "2026-11-21T08:05:00Z"),
        ("22:00", "2026-11-20T21:00:00Z"),  # not yet today, so yesterday
        ("18:30:15", "2026-11-21T17:30:15Z"),
        ("18:30 UTC", "2026-11-21T18:30:00Z"),
        ("18:30Z", "2026-11-21T18:30:00Z"),
        ("yesterday 18:30", "2026-11-20T17:30:00Z"),
        ("today at 08:00", "2026-11-21T07:00:00Z"),
        ("2026-11-20", "2026-11-19T23:00:00Z"),  # the day's beginning in Berlin
        ("2026-11-20 18:30", "2026-11-20T17:30:00Z"),
        ("2026-11-20T18:30:00Z", "2026-11-20T18:30:00Z"),
        ("2026-11-20T18:30:00.25+05:30", "2026-11-20T13:00:00.25Z"),
        ("2026-11-20 18:30:05 +01:00", "2026-11-20T17:30:05Z"),  # as it is shown
        ("2026-11-20 18:30:05 UTC", "2026-11-20T18:30:05Z"),
        ("2026-07-01 12:00", "2026-07-01T10:00:00Z"),  # summer time then, not today's offset
        ("  2H   AGO ", "2026-11-21T18:15:30.5Z"),
    ],
)
def test_a_time_is_read_as_people_mean_it(typed: str, meant: str) -> None:
    assert clock.parse_when(typed, NOW, BERLIN) == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    "typed", ["", "soon", "25:00", "18:60", "2h", "ago", "2026-13-01", "2026-11-20T18", "18.30", "1e9 hours ago", "12"]
)
def test_what_is_no_time_is_refused_with_the_forms_that_are(typed: str) -> None:
    with pytest.raises(Invalid, match="is not a time") as refusal:
        clock.parse_when(typed, NOW, BERLIN)
    assert "18:30" in refusal.value.hint


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2h", "2026-11-21T18:15:30.5Z"),
        (" 1H30m", "2026-11-21T18:45:30.5Z"),
        ("7d", "2026-11-14T20:15:30.5Z"),
        ("today", "2026-11-20T23:00:00Z"),  # midnight in Berlin
        ("Yesterday", "2026-11-19T23:00:00Z"),
        ("yesterday 18:30", "2026-11-20T17:30:00Z"),
        ("2h ago", "2026-11-21T18:15:30.5Z"),
    ],
)
def test_a_span_begins_with_a_length_of_time_or_a_day(typed: str, meant: str) -> None:
    assert clock.parse_since(typed, NOW, BERLIN) == datetime.fromisoformat(meant)


@pytest.mark.parametrize("typed", ["", "12", "2h 2h ago ago", "tomorrow", "99999999999d", "h" * 200])
def test_where_a_span_begins_is_refused_like_any_time(typed: str) -> None:
    with pytest.raises(Invalid, match="is not a time"):
        clock.parse_since(typed, NOW, BERLIN)


@pytest.mark.parametrize("typed", ["today", "yesterday", "2h"])
def test_one_moment_is_not_a_day_or_a_length_of_time(typed: str) -> None:
    with pytest.raises(Invalid, match="is not a time"):
        clock.parse_as_of(typed, NOW, BERLIN)


def test_a_moment_of_the_future_is_refused() -> None:
    with pytest.raises(Invalid, match="in the future"):
        clock.parse_when("2026-11-22 08:00", NOW, BERLIN)


def test_the_hour_that_exists_twice_is_the_most_recent_one() -> None:
    after_the_change = datetime(2026, 10, 25, 2, 0, tzinfo=UTC)  # 03:00 in Berlin; 02:30 was at 00:30 and at 01:30 UTC
    assert clock.parse_when("02:30", after_the_change, BERLIN) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    between = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
    assert clock.parse_when("02:30", between, BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_deployment_is_found_by_the_time_it_is_shown_with() -> None:
    deployed = datetime(2026, 11, 21, 18, 30, 5, 123_456, tzinfo=UTC)
    shown = clock.format_moment(deployed, BERLIN)
    assert shown == "2026-11-21 19:30:05 +01:00"
    assert clock.parse_as_of(shown, NOW, BERLIN) >= deployed
    assert clock.parse_when(shown, NOW, BERLIN) <= deployed
    assert clock.parse_as_of(timestamp(deployed), NOW, BERLIN) == deployed


def test_a_second_that_is_not_over_ends_now() -> None:
    assert clock.parse_as_of("2026-11-21T20:15:30Z", NOW, UTC) == NOW


@pytest.mark.parametrize(
    ("ago", "shown"),
    [
        (timedelta(seconds=-3), "just now"),  # the other machine's clock is ahead
        (timedelta(seconds=4), "just now"),
        (timedelta(seconds=59), "59s ago"),
        (timedelta(minutes=14), "14m ago"),
        (timedelta(minutes=119), "1h ago"),
        (timedelta(hours=47), "47h ago"),
        (timedelta(days=12), "12d ago"),
    ],
)
def test_ages_are_short(ago: timedelta, shown: str) -> None:
    assert clock.format_age(NOW - ago, NOW) == shown


def test_every_shown_time_carries_its_zone() -> None:
    moment = datetime(2026, 11, 19, 18, 30, 5, tzinfo=UTC)
    assert clock.format_moment(moment, UTC) == "2026-11-19 18:30:05 UTC"
    assert clock.format_short(moment, NOW, UTC) == "Nov 19 18:30 UTC"
    assert clock.format_short(NOW, NOW, BERLIN) == "21:15 +01:00"
    assert clock.format_short(moment.replace(year=2024), NOW, UTC) == "2024-11-19 18:30 UTC"
    assert clock.format_when(moment, NOW, UTC) == "2d ago (2026-11-19 18:30:05 UTC)"


def test_the_local_zone_knows_summer_from_winter(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        zone = clock.LocalZone()
        assert datetime(2026, 7, 1, 10, tzinfo=UTC).astimezone(zone).hour == 12
        assert datetime(2026, 12, 1, 10, tzinfo=UTC).astimezone(zone).hour == 11
        assert clock.parse_when("2026-07-01 12:00", NOW, zone) == datetime(2026, 7, 1, 10, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_now_is_aware_and_in_utc() -> None:
    assert clock.now().utcoffset() == timedelta(0)

"""The clock: the only module that reads the present time, and the one that reads and writes times for people.

In: a typed time ("2h ago", "18:30", ISO 8601). Out: aware UTC moments, and texts that always carry their zone.
The rule it keeps: what is shown can be pasted back. A time shown to the second means that whole second.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from promptops.core.duration import UNITS, amounts
from promptops.core.errors import Invalid

_HINT = "Write 2h ago, 18:30, yesterday 18:30, 2026-11-21 18:30, or ISO 8601 with a zone: 2026-11-21T18:30:00Z."
_CLOCK = re.compile(r"(?:(today|yesterday)[ ,]+(?:at )?)?(\d{1,2}:\d{2}(?::\d{2})?)(?:\s*(utc|z))?", re.ASCII)
_DATED = re.compile(
    r"(\d{4}-\d{2}-\d{2}(?:[t ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)?)\s*(utc|z|[+-]\d{2}:?\d{2})?", re.ASCII
)
_DAYS = ("today", "yesterday")
_MAX_TYPED = 100
"""Characters of a typed time: longer than every form, and short enough for an error to repeat."""
_WHOLE_SECOND = re.compile(r"\d{1,2}:\d{2}:\d{2}(?![.,\d])", re.ASCII)


def now() -> datetime:
    """Returns the present moment, aware, in UTC."""
    return datetime.now(UTC)


class LocalZone(tzinfo):
    """The machine's own zone with its rules for the whole year, not only today's offset."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return _system(dt).utcoffset()

    def dst(self, dt: datetime | None) -> timedelta | None:
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        return _system(dt).tzname()

    def fromutc(self, dt: datetime) -> datetime:
        return dt.replace(tzinfo=UTC).astimezone().replace(tzinfo=self)


def _system(local: datetime | None) -> datetime:
    """A local time with the offset that the operating system gives it on that day."""
    return (local.replace(tzinfo=None) if local else datetime.now(UTC)).astimezone()


def parse_when(text: str, now: datetime, zone: tzinfo) -> datetime:
    """Read a moment of the past; a time without a zone is in ``zone``, and a bare ``18:30`` is the most recent one.

    Raises:
        Invalid: the text is not a time in one of the forms, or is after ``now``.
    """
    typed = " ".join(text[: _MAX_TYPED + 1].strip().lower().split())
    if len(text) > _MAX_TYPED:
        raise Invalid(f"'{typed[:20]}…' is not a time", hint=_HINT)
    moment = _present(typed, now) or _ago(typed, now) or _clock(typed, now, zone) or _dated(typed, zone)
    if moment is None:
        meant = f"Did you mean '{typed} ago'? " if _ago(f"{typed} ago", now) else ""
        raise Invalid(f"'{text}' is not a time", hint=meant + _HINT)
    if moment > now:
        shown = format_moment(moment, zone)
        raise Invalid(f"'{text}' is in the future ({shown})", hint="Only the past is known. " + _HINT)
    return moment


def parse_since(text: str, now: datetime, zone: tzinfo) -> datetime:
    """Like :func:`parse_when`, for where a span begins: ``2h`` is two hours ago, and a day is its first moment.

    Options for one moment refuse both: a day has many moments, and ``2h`` may be a mistyped ``2:00``.
    """
    typed = text.strip().lower()
    if typed in _DAYS:
        return _at(now.astimezone(zone).date() - timedelta(days=_DAYS.index(typed)), time.min, zone)
    span = _ago(f"{typed} ago", now) if len(typed) <= _MAX_TYPED else None
    return parse_when(text, now, zone) if span is None else span


def parse_as_of(text: str, now: datetime, zone: tzinfo) -> datetime:
    """Like :func:`parse_when`, but a time typed to the second covers all of that second, up to ``now``.

    Deployments are shown to the second, so the pasted time of one must find it.
    """
    moment = parse_when(text, now, zone)
    return min(now, moment.replace(microsecond=999_999)) if _WHOLE_SECOND.search(text) else moment


def _present(typed: str, now: datetime) -> datetime | None:
    return now if typed == "now" else None


def _ago(typed: str, now: datetime) -> datetime | None:
    seconds = amounts(typed.removesuffix("ago")) if typed.endswith("ago") else None
    try:
        return now - timedelta(seconds=seconds) if seconds is not None else None
    except OverflowError:
        return None


def _clock(typed: str, now: datetime, zone: tzinfo) -> datetime | None:
    match = _CLOCK.fullmatch(typed)
    if not match:
        return None
    day, hand, utc = match.groups()
    try:
        at = time.fromisoformat(hand.zfill(len(hand) + 1) if hand.index(":") == 1 else hand)
    except ValueError:
        return None
    used = UTC if utc else zone
    today = now.astimezone(used).date()
    if day:
        return _at(today - timedelta(days=day == "yesterday"), at, used)
    # Where clocks go back an hour exists twice: the later one, if it is over, is the most recent.
    candidates = (_at(today - timedelta(days=back), at, used, fold) for back in (0, 1) for fold in (1, 0))
    return next((moment for moment in candidates if moment <= now), None)


def _dated(typed: str, zone: tzinfo) -> datetime | None:
    match = _DATED.fullmatch(typed)
    if not match:
        return None
    moment, offset = match.groups()
    offset = "+00:00" if offset in ("utc", "z") else offset or ""
    try:
        parsed = datetime.fromisoformat(moment.upper() + offset if offset and ":" in moment else moment.upper())
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _at(day: date, at: time, zone: tzinfo, fold: int = 0) -> datetime:
    return datetime.combine(day, at.replace(fold=fold), tzinfo=zone).astimezone(UTC)


def format_moment(moment: datetime, zone: tzinfo) -> str:
    """``2026-11-21 18:30:05 +01:00``, or ``… UTC``: absolute, to the second, with its zone."""
    local = moment.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S} {_zone(local)}"


def format_short(moment: datetime, now: datetime, zone: tzinfo) -> str:
    """``18:30 UTC`` for today, ``Nov 19 18:30 UTC`` for this year's other days, else the date in full."""
    local, today = moment.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M} {_zone(local)}"
    day = f"{local:%b} {local.day}" if local.year == today.year else f"{local:%Y-%m-%d}"
    return f"{day} {local:%H:%M} {_zone(local)}"


def format_age(moment: datetime, now: datetime) -> str:
    """``just now``, ``14m ago``, ``3h ago``, ``12d ago``.

    The clocks of two machines may differ, so a negative age counts as 0.
    """
    seconds = max(0, int((now - moment).total_seconds()))
    if seconds < 5:
        return "just now"
    for size, unit in ((172_800, "d"), (5_400, "h"), (90, "m")):
        if seconds >= size:
            return f"{seconds // UNITS[unit]}{unit} ago"
    return f"{seconds}s ago"


def format_when(moment: datetime, now: datetime, zone: tzinfo) -> str:
    """Relative and absolute: ``14m ago (2026-11-21 18:30:05 UTC)``."""
    return f"{format_age(moment, now)} ({format_moment(moment, zone)})"


def _zone(local: datetime) -> str:
    offset = local.utcoffset() or timedelta()
    return f"{local:%z}"[:3] + ":" + f"{local:%z}"[3:5] if offset else "UTC"

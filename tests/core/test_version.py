"""The next version, as a table."""

from __future__ import annotations

import pytest

from promptops.core.errors import VersionInvalid
from promptops.core.model import Bump
from promptops.core.version import FIRST, next_version

MAJOR, MINOR, PATCH, NONE = Bump.MAJOR, Bump.MINOR, Bump.PATCH, Bump.NONE


@pytest.mark.parametrize(
    ("current", "bump", "raised", "expected"),
    [
        # the first one
        (None, NONE, None, FIRST),
        (None, NONE, MINOR, FIRST),
        (None, NONE, MAJOR, "1.0.0"),
        # the contract decides
        ("1.4.2", PATCH, None, "1.4.3"),
        ("1.4.2", MINOR, None, "1.5.0"),
        ("1.4.2", MAJOR, None, "2.0.0"),
        # below 1.0.0 a breaking change raises the minor number
        ("0.1.0", PATCH, None, "0.1.1"),
        ("0.1.0", MINOR, None, "0.2.0"),
        ("0.1.0", MAJOR, None, "0.2.0"),
        ("0.0.3", MAJOR, None, "0.1.0"),
        # a person raises, and never lowers
        ("1.4.2", PATCH, MINOR, "1.5.0"),
        ("1.4.2", MAJOR, PATCH, "2.0.0"),
        ("1.4.2", MINOR, NONE, "1.5.0"),
        ("0.1.0", PATCH, MAJOR, "1.0.0"),
        ("0.1.0", MAJOR, MAJOR, "1.0.0"),
        ("0.1.0", MAJOR, MINOR, "0.2.0"),
        # a pre-release is finished where it covers the bump
        ("1.2.0-rc.1", PATCH, None, "1.2.0"),
        ("1.2.0-rc.1", MINOR, None, "1.2.0"),
        ("1.2.0-rc.1", MAJOR, None, "2.0.0"),
        ("1.2.3-rc.1", MINOR, None, "1.3.0"),
        ("2.0.0-alpha.2", MAJOR, None, "2.0.0"),
        ("0.2.0-rc.1", MAJOR, None, "0.2.0"),
        ("0.2.0-rc.1", PATCH, MAJOR, "1.0.0"),
        # numbers, not text
        ("1.9.9", MINOR, None, "1.10.0"),
        ("9.0.0", MAJOR, None, "10.0.0"),
    ],
)
def test_the_next_version_follows_semver(current: str | None, bump: Bump, raised: Bump | None, expected: str) -> None:
    assert next_version(current, bump, raised=raised) == expected


@pytest.mark.parametrize(
    ("current", "bump", "explicit"),
    [
        (None, NONE, "1.0.0"),
        (None, NONE, "0.0.1-alpha"),
        ("1.4.2", PATCH, "1.4.3"),
        ("1.4.2", PATCH, "3.0.0"),
        ("1.4.2", MAJOR, "2.0.0-rc.1"),
        ("2.0.0-rc.1", MINOR, "2.0.0-rc.2"),
        ("2.0.0-rc.9", MINOR, "2.0.0-rc.10"),
        ("0.3.0", MAJOR, "0.4.0"),
        ("0.3.0", MAJOR, "1.0.0"),
    ],
)
def test_an_explicit_version_that_is_high_enough_is_taken(current: str | None, bump: Bump, explicit: str) -> None:
    assert next_version(current, bump, explicit=explicit) == explicit


@pytest.mark.parametrize(
    ("current", "bump", "explicit", "problem", "hint"),
    [
        (None, NONE, "1.0", "'1.0' is not a version", "MAJOR.MINOR.PATCH"),
        (None, NONE, "v1.0.0", "not a version", "without the v: 1.0.0"),
        (None, NONE, "1.0.0-x.lock", "not a version", "2.0.0-rc.1"),  # no ref in git may end so
        (None, NONE, "1.0.0+build.5", "not a version", "Build metadata"),
        (None, NONE, "01.0.0", "not a version", "MAJOR"),
        (None, NONE, "1.0.0-01", "not a version", "MAJOR"),
        (None, NONE, "1.0.0\n", "not a version", "MAJOR"),
        ("1.4.2", PATCH, "1.4.2", "1.4.2 is not above 1.4.2", "would be 1.4.3"),
        ("1.4.2", PATCH, "1.4.2-rc.1", "is not above 1.4.2", "would be 1.4.3"),
        ("1.4.2", PATCH, "1.3.9", "is not above 1.4.2", "would be 1.4.3"),
        ("1.4.2", MINOR, "1.4.3", "1.5.0", "use 1.5.0"),
        ("1.4.2", MAJOR, "1.5.0", "2.0.0", "use 2.0.0"),
        ("1.4.2", MAJOR, "1.99.0-rc.1", "2.0.0", "use 2.0.0"),
        ("2.0.0-rc.2", PATCH, "2.0.0-rc.1", "is not above 2.0.0-rc.2", "would be 2.0.0"),
        ("0.3.0", MAJOR, "0.3.1", "0.4.0", "use 0.4.0"),
    ],
)
def test_an_explicit_version_that_is_wrong_or_low_is_refused(
    current: str | None, bump: Bump, explicit: str, problem: str, hint: str
) -> None:
    with pytest.raises(VersionInvalid) as caught:
        next_version(current, bump, explicit=explicit)
    assert problem in caught.value.message
    assert hint in caught.value.hint


def test_a_raised_bump_holds_for_an_explicit_version_too() -> None:
    with pytest.raises(VersionInvalid, match=r"2\.0\.0"):
        next_version("1.4.2", PATCH, raised=MAJOR, explicit="1.5.0")

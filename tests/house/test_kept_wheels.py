"""The wheels of earlier versions that tests run: 0.1.0 and the last two minor versions, each of at most 1.2 MB."""

from __future__ import annotations

from semver import Version

from promptops import __version__
from tests.support.old import VERSIONS, wheel

MAX_WHEELS = 3
MAX_BYTES = 1_200_000


def test_the_wheels_of_the_first_and_the_last_versions_are_kept() -> None:
    kept = sorted(wheel(VERSIONS[0]).parent.iterdir())
    assert kept == sorted(map(wheel, VERSIONS))
    first, *last = (Version.parse(version) for version in VERSIONS)
    assert (str(first), len(VERSIONS) <= MAX_WHEELS) == ("0.1.0", True)
    now = Version.parse(__version__)
    minors = [version.minor for version in last]
    newest = now.minor if __version__ in VERSIONS else now.minor - 1
    assert minors == [minor for minor in (newest - 1, newest) if minor > first.minor]


def test_a_wheel_is_small() -> None:
    for version in VERSIONS:
        assert wheel(version).stat().st_size <= MAX_BYTES

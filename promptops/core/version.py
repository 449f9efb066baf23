"""Computes the next version from the newest one and how much the contract changed.

SemVer 2.0.0 (https://semver.org). Below 1.0.0 SemVer promises nothing (item 4), so a breaking change raises the minor
number there. Only a person goes to 1.0.0, by a major bump or by naming the version. A person can raise a version, never
lower it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import VersionInvalid
from promptops.core.model import Bump, is_segment
from promptops.core.reference import VERSION

if TYPE_CHECKING:
    from semver import Version

FIRST = "0.1.0"
"""The first version of an app, unless a person names one."""


def next_version(current: str | None, bump: Bump, *, raised: Bump | None = None, explicit: str | None = None) -> str:
    """Returns the version of the release that follows ``current`` (None before the first release).

    ``bump`` comes from the changes of the contract; ``raised`` is the bump and ``explicit`` the version that a person
    chose. A pre-release becomes its own final version if that covers the bump: ``1.2.0-rc.1`` becomes ``1.2.0``.

    Raises:
        VersionInvalid: for an explicit version that is not SemVer, has build metadata, or is too low.
    """
    # A version becomes part of a git ref, which has further rules: 1.0.0-x.lock is valid SemVer but not a valid ref.
    if explicit is not None and not (VERSION.fullmatch(explicit) and is_segment(explicit)):
        raise VersionInvalid(f"'{explicit}' is not a version", hint=_hint_of(explicit))
    if current is None:
        return explicit or ("1.0.0" if raised is Bump.MAJOR else FIRST)
    automatic = _following(current, bump, raised)
    return str(automatic) if explicit is None else _accepted(explicit, current, automatic)


def _following(current: str, bump: Bump, raised: Bump | None) -> Version:
    from semver import Version

    version = Version.parse(current)
    wanted = max(bump, raised or Bump.NONE, key=lambda candidate: candidate.rank)
    if wanted is Bump.MAJOR and (version.major > 0 or raised is Bump.MAJOR):
        return version.next_version("major")
    return version.next_version("minor" if wanted in (Bump.MAJOR, Bump.MINOR) else "patch")


def _accepted(explicit: str, current: str, automatic: Version) -> str:
    from semver import Version

    version = Version.parse(explicit)
    if version <= Version.parse(current):
        raise VersionInvalid(
            f"{explicit} is not above {current}, the newest version", hint=f"The next one would be {automatic}."
        )
    if version.to_tuple()[:3] < automatic.to_tuple()[:3]:
        raise VersionInvalid(
            f"{explicit} is too low: the changes since {current} need {automatic} or above",
            hint=Sentence(
                f"Leave the version out, or use {automatic}; ",
                Advice(Action.DIFF, words="a comparison with the newest release"),
                " lists the changes.",
            ),
        )
    return explicit


def _hint_of(text: str) -> str:
    if "+" in text:
        return "Build metadata (`+…`) has no precedence, so it cannot tell two releases apart. Leave it out."
    bare = text.removeprefix("v")
    return (
        f"Write it without the v: {bare}"
        if bare != text and VERSION.fullmatch(bare)
        else "Write MAJOR.MINOR.PATCH, 1.4.0 or 2.0.0-rc.1."
    )

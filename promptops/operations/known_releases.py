"""What a registry's process remembers of releases between reports, so that not every one of them asks the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from promptops.core.errors import NotFound
from promptops.core.model import ReleaseRef
from promptops.core.outcomes.series import Arm, Assignment
from promptops.core.release_bytes import content_from_bytes
from promptops.operations.feedback import Prompts
from promptops.operations.rollout_feed import Trials

if TYPE_CHECKING:
    from promptops.store import Reader

MOST_RELEASES: Final = 10_000
"""Assignments of which a server remembers the release."""

THRESHOLD_MINUTES: Final = 10
"""How long a server goes by what it knows of the keys of an app: a day's traffic changes more slowly."""


class Known:
    """What a server remembers of what it takes, so that not every document asks: of samples, releases, canaries."""

    def __init__(self) -> None:
        self.prompts = Prompts()
        self.trials = Trials()
        self.releases: dict[Assignment, str] = {}
        self._pins: dict[Assignment, Mapping[str, str]] = {}
        self._thresholds: dict[tuple[str, str], tuple[datetime, int]] = {}

    def release(self, reader: Reader, place: Assignment) -> str:
        """Returns the version of the release that an assignment means, as :func:`version_of`. For several threads."""
        version = self.releases.get(place)
        if version is None:
            version = version_of(reader, place)
            if len(self.releases) >= MOST_RELEASES:
                self.releases.clear()
            self.releases[place] = version
        return version

    def pin(self, reader: Reader, place: Assignment, prompt: str) -> str:
        """Returns the model that a prompt of an assignment's release pins; empty where that is not known."""
        pins = self._pins.get(place)
        if pins is None:
            release = release_of(reader, place)
            pins = pins_of(reader, release.digest) if release is not None else {}
            if len(self._pins) >= MOST_RELEASES:
                self._pins.clear()
            self._pins[place] = pins
        return pins.get(prompt, "")

    def threshold(self, app: str, channel: str, now: datetime) -> int | None:
        """Returns the threshold of an app's sample, if it was worked out lately."""
        at, threshold = self._thresholds.get((app, channel), (now, None))
        return threshold if abs((now - at).total_seconds()) < 60 * THRESHOLD_MINUTES else None

    def keep_threshold(self, app: str, channel: str, now: datetime, threshold: int) -> int:
        """Remembers a threshold, and returns it."""
        self._thresholds[app, channel] = (now, threshold)
        return threshold


def version_of(reader: Reader, place: Assignment) -> str:
    """Returns the version of the release that an assignment means, empty where that is not known."""
    release = release_of(reader, place)
    return release.version if release is not None else ""


def release_of(reader: Reader, place: Assignment) -> ReleaseRef | None:
    """Returns the release that an assignment means.

    None where that is not known: for a call that takes no part in a canary, and for a revision of an earlier epoch.
    """
    if place.arm is Arm.FIXED or place.epoch != reader.epoch():
        return None
    try:
        then = reader.deployment(place.app, place.channel, place.revision)
    except NotFound:
        return None
    if place.arm in (Arm.CANARY, Arm.NAMED):
        return then.canary.release if then.canary else None
    return then.stable


def pins_of(reader: Reader, digest: str) -> Mapping[str, str]:
    """Returns the models that a release pins, by the names of its prompts."""
    contents = reader.contents([digest])
    return {
        prompt.name: prompt.model
        for stored in contents
        for prompt in content_from_bytes(stored.content).prompts
        if prompt.model
    }

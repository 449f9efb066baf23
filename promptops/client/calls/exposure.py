"""What a call of a served release counts for. Made with the view of a channel, so it says what was served then."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptops.client.calls.desk import CallDesk

FIXED = "fixed"
"""The arm of a call that takes no part in a canary."""


class Exposure:
    """The side of a release that its calls count for: the app's revision on the channel, and the arm.

    ``salt`` and ``weight`` are those of the app's canary, empty and 0 without one. ``tags`` are the declared ones with
    their values, and ``captures`` is True where the variables of bad and sampled calls are kept. ``lines`` keeps
    what a prompt's calls have in common, by the prompt's name within the app.
    """

    __slots__ = (
        *("app", "arm", "captures", "channel", "desk", "epoch", "lineage", "lines", "revision", "salt", "tags"),
        "weight",
    )

    def __init__(
        self,
        desk: CallDesk,
        *,
        app: str,
        lineage: str = "",
        epoch: int = 0,
        revision: int = 0,
        arm: str = FIXED,
        salt: str = "",
        weight: int = 0,
        tags: Mapping[str, Set[str]] | None = None,
        captures: bool = False,
    ) -> None:
        self.desk = desk
        self.app = app
        self.channel = desk.channel
        self.lineage = lineage
        self.epoch = epoch
        self.revision = revision
        self.arm = arm
        self.salt = salt
        self.weight = weight
        self.tags = tags or {}
        self.captures = captures
        self.lines: dict[str, object] = {}

    def apart(self) -> Exposure:
        """Returns the same for calls that take no part in the canary."""
        return Exposure(
            self.desk,
            app=self.app,
            lineage=self.lineage,
            epoch=self.epoch,
            revision=self.revision,
            tags=self.tags,
            captures=self.captures,
        )

    def tags_of(self, given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Returns the given tags that are declared with their value, in order. The others are left out."""
        try:
            return tuple(sorted((name, value) for name, value in given.items() if value in self.tags.get(name, ())))
        except (AttributeError, TypeError):  # no mapping, or values that no set can have
            return ()

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        """A copied prompt counts for nothing: another process has another desk."""
        return type(None), ()

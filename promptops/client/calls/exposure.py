"""What a call of a served release counts for. Made with the view of a channel, so it says what was served then."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Set
from copy import copy
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from promptops.client.calls.desk import CallDesk
    from promptops.core.trial import Trial

FIXED = "fixed"
"""The arm of a call that takes no part in a canary."""
CANARY = "canary"
NAMED = "named"
"""The arm of a call of a key that gets the canary first, which no comparison counts."""
_APART, _MISMATCHED = "\0apart", "\0mismatched"
"""Where the lines of an exposure keep the same one for other keys: no prompt has such a name."""


class Exposure:
    """The side of a release that its calls count for: the app's revision on the channel, and the arm.

    ``salt`` and ``weight`` are those of the app's canary, empty and 0 without one. ``tags`` are the declared ones with
    their values, and ``captures`` is True where the variables of bad and sampled calls are kept. ``lines`` keeps
    what a prompt's calls have in common, by the prompt's name within the app. ``hold`` is the text by which a
    conversation stays on the release, empty while none was made; ``keep`` is called with the digest when one is made,
    and is None where a release cannot be held. ``is_held`` is True where a hold chose the release. ``trial`` is what
    the start of the canary froze. ``lacks_canary`` is True where this process cannot load the canary and serves stable
    to all, and ``is_mismatched`` where a call is of a key that gets the canary elsewhere.
    """

    __slots__ = (
        *("app", "arm", "captures", "channel", "desk", "epoch", "hold", "is_held", "is_mismatched", "keep"),
        *("lacks_canary", "lineage", "lines", "revision", "salt", "tags", "trial", "weight"),
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
        keep: Callable[[str], object] | None = None,
        trial: Trial | None = None,
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
        self.keep = keep
        self.trial = trial
        self.hold = ""
        self.is_held = self.lacks_canary = self.is_mismatched = False
        self.lines: dict[str, object] = {}

    def apart(self) -> Self:
        """Returns the same for calls that take no part in the canary."""
        found = copy(self)
        found.arm, found.salt, found.weight, found.trial, found.lines = FIXED, "", 0, None, {}
        found.lacks_canary = False
        return found

    def mismatched(self) -> Self:
        """Returns the same for calls of keys on the side of a canary that cannot be loaded here."""
        found = copy(self)
        found.is_mismatched, found.lines = True, {}
        return found

    def with_hold(self, text: str) -> Self:
        """Returns the same for a conversation that has this hold, of a release that cannot be served now."""
        found = copy(self)
        found.hold = text
        return found

    def for_key(self, key: str | None) -> Self:
        """Returns what a call of this key counts for.

        Of a conversation that is held on a side of the canary that still runs, only the key that it was drawn for is
        on that side by chance. No comparison counts any other, nor a key that gets the canary first everywhere.
        """
        if not (self.is_held or self.lacks_canary) or not self.salt or self.arm == NAMED:
            return self
        from promptops.core.bucketing import bucket, key_hash

        below = key is not None and bucket(self.salt, key) < self.weight
        if self.lacks_canary:
            if key is not None and self.trial is not None and key_hash(self.salt, key) in self.trial.keys:
                return self._other(_APART, self.apart)
            return self._other(_MISMATCHED, self.mismatched) if below else self
        fits = key is not None and below == (self.arm == CANARY)
        return self if fits else self._other(_APART, self.apart)

    def _other(self, name: str, make: Callable[[], Self]) -> Self:
        found = self.lines.get(name)
        return found if isinstance(found, type(self)) else self.lines.setdefault(name, make())  # type: ignore[return-value]

    def hold_of(self, version: str, digest: str) -> str:
        """Returns the text by which a conversation stays on this release; empty where it cannot."""
        if self.hold or self.keep is None:
            return self.hold
        from promptops.core.hold import Hold, day_of, mark

        self.keep(digest)
        hold = Hold(
            lineage=mark(self.lineage),
            app=self.app,
            channel=self.channel,
            epoch=self.epoch,
            revision=self.revision,
            arm=self.arm,
            weight=self.weight,
            salt=mark(self.salt) if self.salt else "-",
            day=day_of(time.time()),
            version=version,
            digest=digest,
        )
        return str(hold)

    def tags_of(self, given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Returns the given tags that are declared with their value, in order. The others are left out."""
        try:
            return tuple(sorted((name, value) for name, value in given.items() if value in self.tags.get(name, ())))
        except (AttributeError, TypeError):  # no mapping, or values that no set can have
            return ()

    def __copy__(self) -> Self:
        found = object.__new__(type(self))
        for name in self.__slots__:
            setattr(found, name, getattr(self, name))
        return found

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        """A copied prompt counts for nothing: another process has another desk."""
        return type(None), ()

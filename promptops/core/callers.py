"""What a change of a channel changes for the code that calls: how much it bumps, and each change in words.

It is about what the channel served before, whatever was released in between: that is what callers are written for.
"""

from __future__ import annotations

from dataclasses import dataclass

from promptops.core.model import Bump, Change
from promptops.core.names import AppName, ChannelName

_SHOWN = 5
"""Changes that a refusal names in words; more do not fit on a screen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractChange:
    """What is different for users and callers of an app on a channel once ``new`` takes the place of ``old``.

    ``old`` and ``new`` are versions. ``changes`` are in words, without their texts, and the biggest come first.
    """

    app: AppName
    channel: ChannelName
    old: str
    new: str
    changes: tuple[Change, ...] = ()

    @property
    def bump(self) -> Bump:
        """How much it changes the contract with the calling code; NONE where the contents are the same."""
        return self.changes[0].bump if self.changes else Bump.NONE

    @property
    def breaking(self) -> tuple[Change, ...]:
        """The changes for which callers have to change."""
        return tuple(change for change in self.changes if change.bump is Bump.MAJOR)

    @property
    def said(self) -> str:
        """What callers relied on, in one line."""
        shown = "; ".join(map(str, self.breaking[:_SHOWN]))
        more = len(self.breaking) - _SHOWN
        return f"{shown}; and {more} more" if more > 0 else shown

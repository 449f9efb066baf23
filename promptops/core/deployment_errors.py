"""The errors of changes of a channel. Imported from :mod:`promptops.core.errors`, as every error is."""

from __future__ import annotations

from collections.abc import Iterable

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.kinds import Conflict


class ConcurrentDeployment(Conflict):
    """The channel is at revision ``actual``, not at ``expected``: another change came first."""

    def __init__(self, app: str, channel: str, *, expected: int, actual: int) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"{app}:{channel} is at revision {actual}, expected {expected}; nothing was changed",
            hint=Sentence("Look first: ", Advice(Action.HISTORY, app=app, channel=channel)),
        )


class NothingToRollBackTo(Conflict):
    """No good release is left to go back to."""


class NothingDeployed(Conflict):
    """The app was never deployed on this channel, so there is nothing to roll back."""


class NeverDeployed(Conflict):
    """A rollback goes to what was live before; anything else is a promotion."""


class CanaryInProgress(Conflict):
    """The app has a canary on the channel, which this change would leave without a word."""


class NoCanary(Conflict):
    """The app has no canary on the channel, so there is no step to take."""


class NothingReported(Conflict):
    """No client reported in the last days what the calls of the app did, so a canary would show nothing."""


class StillServed(Conflict):
    """The release is what a channel serves now; ``channels`` names them."""

    def __init__(self, message: str, *, channels: Iterable[str], hint: str = "") -> None:
        self.channels = tuple(channels)
        super().__init__(message, hint=hint)


class ChannelInUse(Conflict):
    """Something is live on the channel, or another channel takes its releases from it."""

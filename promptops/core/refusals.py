"""Refusals that carry facts. Imported from :mod:`promptops.core.errors`, as every error is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.kinds import PromptopsError, Refused

if TYPE_CHECKING:
    from promptops.core.origin import Origin, Owner
    from promptops.core.verdict import Verdict

_SHOWN = 8
"""Apps of a refusal that are named in words; more do not fit on a screen."""


class PolicyRefused(Refused):
    """The channel's policy does not let this release in; ``rule`` is the check with the worst verdict.

    ``verdicts`` are those of all its checks, where they are known: an error that came over HTTP has none.
    """

    verdicts: tuple[Verdict, ...] = ()

    def __init__(self, message: str, *, rule: str, verdicts: Iterable[Verdict] = (), hint: str = "") -> None:
        self.rule = rule
        if verdicts:
            self.verdicts = tuple(verdicts)
        super().__init__(message, hint=hint)


class PromotionsRefused(Refused):
    """Of several apps, some are not let into a channel: ``apps`` names them. Nothing was changed."""

    errors: Mapping[str, PromptopsError] = {}

    def __init__(self, errors: Mapping[str, PromptopsError], *, others: Iterable[str] = (), hint: str = "") -> None:
        """``errors`` has the reason of each app; ``others`` are those that could be promoted."""
        self.apps = tuple(errors)
        self.errors = errors
        self.others = tuple(others)
        shown = [f"{app}: {error.message.removesuffix('; nothing was changed')}" for app, error in errors.items()]
        more = [f"{len(shown) - _SHOWN} more apps are refused"] if len(shown) > _SHOWN else []
        super().__init__("no app was promoted. " + "; ".join(shown[:_SHOWN] + more), hint=hint)


class NotAllowed(Refused):
    """The token is valid but lacks the right; ``scope`` is the one that it needs."""

    def __init__(self, message: str, *, scope: str, hint: str = "") -> None:
        self.scope = scope
        super().__init__(message, hint=hint)


class AppOwnedElsewhere(Refused):
    """Apps belong to another repository, or to another path of it: ``apps`` names them. Nothing was released."""

    def __init__(self, elsewhere: Mapping[str, tuple[Owner, Origin]]) -> None:
        """``elsewhere`` has, by the name of each app, its owner and where it was to be released from."""
        self.apps = tuple(elsewhere)
        shown = list(elsewhere.items())[:_SHOWN]
        belongs = [
            f"the app '{app}' belongs to {owner.origin} ({owner.since}), and this is {here}"
            for app, (owner, here) in shown
        ]
        more = [f"{len(elsewhere) - _SHOWN} more apps belong elsewhere"] if len(elsewhere) > _SHOWN else []
        steps: list[str | Advice] = ["If its owners agree that it comes from here from now on"]
        for place, (app, _) in enumerate(shown):
            steps += ["; " if place else ": ", Advice(Action.TRANSFER_APP, app=app, reason="…")]
        if any(not owner.origin.address and not here.root for owner, here in elsewhere.values()):
            steps.append("; first, if this clone is shallow, so that its first commit is known: git fetch --unshallow")
        super().__init__(f"{'; '.join(belongs + more)}; nothing was released", hint=Sentence(*steps))


class PolicyOwnedElsewhere(Refused):
    """Policies belong to the workspace that applied them before: ``channels`` names theirs. Nothing was applied."""

    def __init__(self, message: str, *, channels: Iterable[str], hint: str = "") -> None:
        self.channels = tuple(channels)
        super().__init__(message, hint=hint)


class PolicyLoosened(Refused):
    """Policies of ``channels`` would admit releases that they refuse now, and the request does not allow that."""

    def __init__(self, message: str, *, channels: Iterable[str], hint: str = "") -> None:
        self.channels = tuple(channels)
        super().__init__(message, hint=hint)


class OriginRefused(Refused):
    """A page of another site sent a request to a server that requires no token."""


class AppArchived(Refused):
    """The app was archived, or renamed to ``successor``, so it gets no release and goes live nowhere."""

    def __init__(self, app: str, successor: str, *, actor: str, reason: str) -> None:
        self.app = app
        self.successor = successor
        self.actor = actor
        self.reason = reason
        done = f"was renamed to {successor}" if successor else "is archived"
        back = Sentence("bring it back: ", Advice(Action.UNARCHIVE_APP, app=app, reason="…"))
        super().__init__(
            f"{app} {done}, by {actor}: {reason}; nothing was changed",
            hint=Sentence(f"Work with {successor}; or ", back) if successor else Sentence("First ", back),
        )

    def limited(self, sees: Callable[[str], bool]) -> AppArchived:
        """The refusal for a caller; without a successor that it may not know of, by ``sees``."""
        if not self.successor or sees(self.successor):
            return self
        return AppArchived(self.app, "", actor=self.actor, reason=self.reason)

"""Apps that are archived, channels that were removed, and apps that a workspace has no more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedDocument:
    """Whether an app is archived; ``changed`` is false if it was so already.

    ``successor`` is the name that it has now, empty for none. ``at`` is null for an app that was never archived.
    """

    app: str
    archived: bool
    successor: str
    changed: bool
    reason: str
    actor: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedChannelDocument:
    """A channel that was removed, with the last ``version`` of its policy."""

    channel: str
    version: int
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VanishedAppDocument:
    """An app that its workspace does not have any more, with its newest version.

    ``renamed_to`` is an app of the workspace that has the same content; empty for none.
    """

    app: str
    version: str
    renamed_to: str

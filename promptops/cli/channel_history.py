"""The logs of all apps of a channel as one, newest first, from as few questions as it takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.use_cases.documents import written
from promptops.use_cases.status import HISTORY, HistoryRequest

if TYPE_CHECKING:
    from promptops.core.model import Deployment, Json
    from promptops.gateway import Gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which deployments are shown: of a kind, of actors with a text in their name, from a moment on, so many."""

    kind: str = ""
    by: str = ""
    since: datetime | None = None
    limit: int | None = None

    @property
    def narrows(self) -> bool:
        """True if more has to be read than is shown."""
        return bool(self.kind or self.by or self.since)

    def takes(self, deployment: Deployment) -> bool:
        """Returns whether the deployment is one of these, however many there are."""
        if self.kind and deployment.kind.value != self.kind:
            return False
        if self.by.lower() not in deployment.actor.lower():
            return False
        return self.since is None or deployment.at >= self.since

    def of(self, deployments: Iterable[Deployment]) -> list[Deployment]:
        """Returns those of the deployments, newest first, that are shown."""
        return list(filter(self.takes, deployments))[: self.limit]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelHistory:
    """Deployments of a channel with what is wrong with the release of each now, and whether there are ``more``."""

    entries: tuple[tuple[Deployment, str], ...]
    more: bool

    def written(self) -> list[Json]:
        """Returns the documents of the deployments."""
        from promptops.operations.queries import History

        logs = [
            written(
                History(
                    app=each.app, channel=each.channel, deployments=(each,), live=None,
                    flaws={each.digest: flaw} if flaw else {},
                )
            )["deployments"]
            for each, flaw in self.entries
        ]  # fmt: skip
        return [entry for log in logs if isinstance(log, list) for entry in log]


def channel_history(
    gateway: Gateway, live: Iterable[Deployment], chosen: Filter, at: datetime | None
) -> ChannelHistory:
    """Returns the newest deployments, up to a moment, of a channel on which these are live.

    The apps that changed last are asked first, and the rest is not asked once it cannot be among those that are shown.
    """
    found: list[tuple[Deployment, str]] = []
    more = False
    for newest in sorted(live, key=lambda deployment: deployment.at, reverse=True):
        is_full = chosen.limit is not None and len(found) >= chosen.limit
        if (chosen.since and newest.at < chosen.since) or (is_full and newest.at < found[-1][0].at):
            more = more or is_full
            break
        limit = None if chosen.narrows or chosen.limit is None else chosen.limit + 1
        log = gateway.run(HISTORY, HistoryRequest(app=newest.app, channel=newest.channel, at=at, limit=limit))
        found += [(each, log.flaws.get(each.digest, "")) for each in log.deployments if chosen.takes(each)]
        found.sort(key=lambda entry: entry[0].at, reverse=True)
        if chosen.limit is not None and len(found) > chosen.limit:
            more, found = True, found[: chosen.limit]
    return ChannelHistory(entries=tuple(found), more=more)

"""Finds what is live, and the target of a rollback: for `status`, and for the snapshots that clients follow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core import rollout
from promptops.core.model import Deployment, Past, ReleaseRef

if TYPE_CHECKING:
    from promptops.store import Reader

_DEPTH = 2
"""Entries of each log that are read first: the one before the live release is nearly always the target."""

_DEEPER = 16
"""How many times deeper each further query reads, so that even a long log takes few of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The release that a rollback would put back, and the deployment that made it live."""

    release: ReleaseRef
    revision: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What an app serves on a channel, and the target of a rollback, if there is one."""

    deployment: Deployment
    target: Target | None


def standings(reader: Reader, *, channel: str = "") -> tuple[Standing, ...]:
    """Returns all that is live, on one channel or on all, in order of app and channel, with the targets of rollbacks.

    The rule is that of a rollback. Two queries read a few entries of every log, which nearly always decide; two more
    read further back in the other logs, and so on.
    """
    by_log: dict[tuple[str, str], Standing] = {}
    apps: set[str] | None = None
    depth = _DEPTH
    while apps is None or apps:
        open_apps = set()
        for deployment, past in reader.overview(depth, channel=channel, apps=apps):
            entry = rollout.target(deployment, past)
            by_log[deployment.app, deployment.channel] = Standing(deployment=deployment, target=_target(entry))
            if entry is None and deployment.position - depth > 1:
                open_apps.add(deployment.app)
        apps, depth = open_apps, depth * _DEEPER
    return tuple(by_log.values())


def _target(entry: Past | None) -> Target | None:
    if entry is None or entry.deployment.stable is None:  # what is put back is a release, by the rule
        return None
    deployment, release = entry.deployment, entry.deployment.stable
    return Target(release=release, revision=deployment.revision, at=deployment.at)

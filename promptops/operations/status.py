"""What is live, and where a rollback would go from there: for `status`, and for the snapshots that clients follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptops.core import rollout
from promptops.core.model import Deployment, Past

if TYPE_CHECKING:
    from promptops.store import Reader

_DEPTH = 2
_DEEPER = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What an app serves on a channel, and what a rollback would go to (None: nothing)."""

    deployment: Deployment
    target: Past | None


def standings(reader: Reader, *, channel: str = "") -> tuple[Standing, ...]:
    """Everything that is live, on one channel or on all, in order of app and channel.

    By the same rule as a rollback. Two queries read a few entries of every log, which nearly always decide; two more
    read further back in the logs where they do not, and so on.
    """
    found: dict[tuple[str, str], Standing] = {}
    apps: set[str] | None = None
    depth = _DEPTH
    while apps is None or apps:
        open_apps = set()
        for deployment, past in reader.overview(depth, channel=channel, apps=apps):
            target = rollout.target(deployment, past)
            found[deployment.app, deployment.channel] = Standing(deployment=deployment, target=target)
            if target is None and deployment.position - depth > 1:
                open_apps.add(deployment.app)
        apps, depth = open_apps, depth * _DEEPER
    return tuple(found.values())

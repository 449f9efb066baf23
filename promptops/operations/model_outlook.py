"""The models of all that is live, by when they end: what to move, and until when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from promptops.core.models.table import Facts
from promptops.core.names import AppName, ChannelName
from promptops.operations.model_ends import facts_by_model
from promptops.operations.queries import downstream_first

if TYPE_CHECKING:
    from promptops.core.model import Deployment
    from promptops.store import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlookRequest:
    """The apps and the channel to look at; none named: all of them."""

    apps: tuple[AppName, ...] = ()
    channel: ChannelName = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveModel:
    """A model of a release that is live, as the stable one or on trial.

    ``ends`` is the first day without the model, None where no end is announced or known. ``successor`` is what its
    provider proposes then, and ``source`` where the end is from.
    """

    app: AppName
    channel: ChannelName
    version: str
    digest: str
    canary: bool
    model: str
    ends: date | None = None
    successor: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The models of all that is live on a day, the first end first; those without an end are the last."""

    today: date
    models: tuple[LiveModel, ...]


def model_outlook(registry: Registry, request: OutlookRequest, *, now: datetime) -> Outlook:
    """Returns the models of what is live. A release that is damaged, as `fsck` reports, has none.

    Raises:
        AppNotFound, ChannelNotFound: an app or the channel does not exist.
    """
    with registry.read() as reader:
        for app in request.apps:
            reader.require_app(app)
        channels = [reader.channel(request.channel)] if request.channel else downstream_first(reader.channels())
        live = [
            each
            for channel in channels
            for each in reader.live_on(channel.name)
            if not request.apps or each.app in request.apps
        ]
        facts = facts_by_model(reader, {release.digest for each in live for release in each.served()})
    order = {channel.name: place for place, channel in enumerate(channels)}
    models = [model for each in live for model in _of(each, facts)]
    models.sort(key=lambda one: (one.ends or date.max, one.model, one.app, order[one.channel], one.canary))
    return Outlook(today=now.date(), models=tuple(models))


def _of(live: Deployment, facts: Mapping[str, Mapping[str, Facts]]) -> Iterator[LiveModel]:
    for place, release in enumerate(live.served()):
        for model, known in facts.get(release.digest, {}).items():
            yield LiveModel(
                app=live.app,
                channel=live.channel,
                version=release.version,
                digest=release.digest,
                canary=place > 0,
                model=model,
                ends=known.ends,
                successor=known.successor if known.ends else "",
                source=known.source("ends"),
            )

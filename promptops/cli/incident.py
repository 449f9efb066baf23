"""`promptops incident`: all that a person on call asks of an app on a channel, by a few questions.

In: a registry, by its database or a server. Out: what is live, what it replaced and what differs, where a rollback
goes, who follows, and whom to call. The rule it keeps: what cannot be worked out is a sentence and never an error,
since the rest of the screen is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from promptops.core.errors import NothingDeployed, PromptopsError
from promptops.core.models.ends import SOON, Ending, endings, soon
from promptops.core.models.table import facts_of
from promptops.core.reference import Reference
from promptops.use_cases.registry import CLIENTS, ClientsRequest
from promptops.use_cases.releases import NAMED
from promptops.use_cases.status import HISTORY, STATUS, HistoryRequest, StatusRequest

if TYPE_CHECKING:
    from datetime import date

    from promptops.core.heartbeat import Clients, LiveClient
    from promptops.core.model import Deployment, Profile, ReleaseRef
    from promptops.gateway import Gateway
    from promptops.operations.queries import Difference, History, Named, RegistryStatus
    from promptops.operations.status import Standing

_LOG: Final = 20
"""Deployments among which a good release is looked for, and the reasons why others are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a rollback goes: ``release`` is None where it goes nowhere, and ``why`` says what is wrong.

    ``ending`` are its models that end within 30 days, or have ended.
    """

    release: ReleaseRef | None
    why: str = ""
    ending: tuple[Ending, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An app on a channel, as a person on call sees it.

    ``others`` are the other apps of the channel, those that changed last first. ``difference`` is what the newest
    change did to the content; None where it did nothing, or where ``unknown`` says why it is not known.
    """

    registry: str
    live: Deployment
    others: tuple[Deployment, ...]
    log: History
    target: Target
    clients: Clients
    profile: Profile | None
    difference: Difference | None = None
    unknown: str = ""

    @property
    def behind(self) -> tuple[LiveClient, ...]:
        """The clients that serve an older revision of the app, or cannot load it."""
        return tuple(client for client in self.clients.live if self.live.app in client.behind)


def look(gateway: Gateway, app: str, channel: str, today: date) -> Incident:
    """Returns what there is to know of an app on a channel; without an app, of the one that changed there last.

    Raises:
        NotFound: there is no such app or channel, or nothing is live there.
    """
    found = gateway.run(STATUS, StatusRequest(channel=channel))
    standing = _standing(gateway, found, app, channel)
    live = standing.deployment
    log = gateway.run(HISTORY, HistoryRequest(app=live.app, channel=channel, limit=_LOG))
    old, new = _sides(live)
    named, unknown = _named(gateway, live.app, [each for each in (old, new) if each is not None])
    return Incident(
        registry=found.registry,
        live=live,
        others=tuple(each for each in newest_first(found) if each.app != live.app),
        log=log,
        target=_target(gateway, standing, log, named, today),
        clients=_following(gateway, live),
        profile=next((each.profile for each in named.values()), None),
        difference=_difference(named, old, new),
        unknown=unknown,
    )


def newest_first(found: RegistryStatus) -> list[Deployment]:
    """Returns what is live, that which changed last first."""
    live = [standing.deployment for standing in found.standings]
    return sorted(live, key=lambda deployment: deployment.at, reverse=True)


def _standing(gateway: Gateway, found: RegistryStatus, app: str, channel: str) -> Standing:
    if app and app not in {standing.deployment.app for standing in found.standings}:
        gateway.run(STATUS, StatusRequest(apps=(app,), channel=channel))  # an app that does not exist is named as such
        raise NothingDeployed(f"{app} was never deployed on {channel}", hint="What is live where: promptops status")
    if not found.standings:
        raise NothingDeployed(f"nothing was ever deployed on {channel}", hint="What is live where: promptops status")
    name = app or newest_first(found)[0].app
    return next(standing for standing in found.standings if standing.deployment.app == name)


def _sides(live: Deployment) -> tuple[ReleaseRef | None, ReleaseRef | None]:
    """The releases before and after the newest change; with a canary, the stable release and that of the canary."""
    return (live.stable, live.canary.release) if live.canary is not None else (live.before, live.stable)


def _named(gateway: Gateway, app: str, releases: Sequence[ReleaseRef]) -> tuple[dict[str, Named], str]:
    """The releases by digest, and why one is not known: the others have the owner and whom to call all the same."""
    named: dict[str, Named] = {}
    unknown = ""
    for release in releases:
        try:
            named[release.digest] = gateway.run(NAMED, Reference(app=app, version=release.version))
        except PromptopsError as error:
            unknown = unknown or error.message
    return named, unknown


def _difference(named: dict[str, Named], old: ReleaseRef | None, new: ReleaseRef | None) -> Difference | None:
    if old is None or new is None or old == new or not {old.digest, new.digest} <= named.keys():
        return None
    from promptops.operations.queries import diff

    return diff(named[old.digest], named[new.digest])


def _target(gateway: Gateway, standing: Standing, log: History, named: dict[str, Named], today: date) -> Target:
    """Where a rollback goes. With a canary it ends that, and what is stable stays."""
    live = standing.deployment
    release = live.stable if live.canary is not None else standing.target.release if standing.target else None
    if release is None:
        return Target(release=None, why=_why_not(live, log))
    if release.digest not in named:
        named = named | _named(gateway, live.app, [release])[0]
    content = named[release.digest].content if release.digest in named else None
    prompts = content.prompts if content is not None else ()
    facts = {prompt.model: facts_of(prompt.model, prompt.own_facts) for prompt in prompts if prompt.model}
    return Target(release=release, ending=soon(endings(facts), today, within=SOON))


def _why_not(live: Deployment, log: History) -> str:
    """Why no release is good: the reason of the newest one before what is live."""
    serving = live.stable.digest if live.stable else ""
    for earlier in log.deployments:
        flaw = log.flaws.get(earlier.digest)
        if earlier.digest != serving and flaw:
            return f"{earlier.version} is {flaw}"
    return "it is the first release there"


def _following(gateway: Gateway, live: Deployment) -> Clients:
    from promptops.core.heartbeat import Clients

    found = gateway.run(CLIENTS, ClientsRequest(channel=live.channel))
    return Clients(
        live=tuple(client for client in found.live if live.app in client.apps),
        silent=tuple(client for client in found.silent if live.app in client.apps),
    )

"""Reads that change nothing: status, channels, history, releases, show, diff, render."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypedDict

from promptops.core.errors import PromptNotFound, ReferenceInvalid, WorkspaceNotFound
from promptops.core.evidence.approval import NO_ABORT, Waiver
from promptops.core.heartbeat import LoadFailure
from promptops.core.model import Bump, Change, Channel, Content, Deployment, Json, Profile, Prompt, Release
from promptops.core.names import AppName, ChannelName, Names, Total
from promptops.core.outcomes.app_look import AppLook
from promptops.core.outcomes.measured_tokens import MeasuredTokens
from promptops.core.reference import Reference
from promptops.operations.heartbeats import failures
from promptops.operations.named_release import named_release
from promptops.operations.status import Standing, standings
from promptops.operations.waivers import holds_back

if TYPE_CHECKING:
    from promptops.store import Reader, Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryStatus:
    """Every app's standing on every channel that it is live on; ``idle`` are apps that are live on none of them.

    ``registry`` is the registry's name, ``pending`` how many of its changes are not in git yet, and ``pending_since``
    when the oldest of them was made. ``cannot_load`` are the releases that live clients cannot load, ``waivers`` those
    that have not ended and are of a release that is served, ``looks`` what of their calls is worth a look, and which of
    their models end within 30 days.
    """

    registry: str
    standings: tuple[Standing, ...]
    idle: tuple[AppName, ...]
    channels: tuple[ChannelName, ...]
    pending: Total = 0
    pending_since: Annotated[datetime | None, Names.EVERYTHING] = None
    cannot_load: tuple[LoadFailure, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    looks: tuple[AppLook, ...] = ()


def status(
    registry: Registry,
    *,
    apps: Collection[str] = (),
    channel: str = "",
    now: datetime | None = None,
    sees: Callable[[str], bool] = lambda channel: True,
) -> RegistryStatus:
    """Returns what is live, since when, by whom, and the target of a rollback; by app, then channel, downstream first.

    With ``now``, also what clients cannot load at this moment, and what of their calls is worth a look, of calls on the
    channels that the caller ``sees``.

    Raises:
        AppNotFound, ChannelNotFound: an app or the channel does not exist.
    """
    with registry.read() as reader:
        for app in apps:
            reader.require_app(app)
        known = tuple(app for app in reader.apps() if not apps or app in apps)
        archived = reader.archived()
        names = tuple(c.name for c in ([reader.channel(channel)] if channel else downstream_first(reader.channels())))
        matching = [
            standing
            for standing in standings(reader, channel=channel)
            if (standing.deployment.app in apps if apps else not _is_over(standing.deployment, archived))
            and standing.deployment.channel in names
        ]
        pending = reader.pending_count()
        oldest = reader.journal(reader.pending(1)) if pending else ()
        waivers = reader.waivers(now) if now is not None else ()
        looks = _looks(reader, known, list(filter(sees, names)), now) if now is not None else ()
        looks += _ends(reader, [each for each in matching if sees(each.deployment.channel)], now) if now else ()
    order = {name: place for place, name in enumerate(names)}
    matching.sort(key=lambda s: (s.deployment.app, order[s.deployment.channel]))
    live = {standing.deployment.app for standing in matching}
    served = {(standing.deployment.app, standing.deployment.channel): standing.deployment for standing in matching}
    failing = failures(registry, channel=channel, now=now) if now is not None else ()
    return RegistryStatus(
        registry=registry.name,
        standings=tuple(matching),
        idle=tuple(app for app in known if app not in live and (app in apps or app not in archived)),
        channels=names,
        pending=pending,
        pending_since=oldest[0].audit.at if oldest else None,
        cannot_load=tuple(each for each in failing if not apps or each.app in apps),
        waivers=tuple(each for each in waivers if _counts(each, served.get((each.app, each.channel)))),
        looks=looks,
    )


def _is_over(live: Deployment, archived: Collection[str]) -> bool:
    """Whether an app is off and archived: it is listed only where it is named."""
    return live.stable is None and live.app in archived


def _counts(waiver: Waiver, live: Deployment | None) -> bool:
    """Whether a waiver that has not ended is about what is live."""
    if live is None or waiver.check == NO_ABORT:
        return live is not None and holds_back(waiver, live, waiver.at)
    return any(waiver.digest == release.digest for release in live.served())


def _looks(reader: Reader, apps: Collection[str], channels: Collection[str], now: datetime) -> tuple[AppLook, ...]:
    if not reader.has_outcomes():
        return ()
    from promptops.operations.worth_a_look import worth_a_look

    return worth_a_look(reader, apps, channels, now=now)


def _ends(reader: Reader, live: Collection[Standing], now: datetime) -> tuple[AppLook, ...]:
    from promptops.operations.model_ends import looks_at_ends

    return looks_at_ends(reader, [standing.deployment for standing in live], now)


def channels(registry: Registry) -> tuple[Channel, ...]:
    """Returns every channel, downstream first."""
    with registry.read() as reader:
        return downstream_first(reader.channels())


def downstream_first(channels: Collection[Channel]) -> tuple[Channel, ...]:
    """Sorts channels by the longest path that leads to them through `promote_from`, the longest first: prod, staging,
    dev.

    Of channels without a path to them, those where one begins come before those without any; ties go by name.
    """
    sources = {channel.name: channel.policy.promote_from for channel in channels}
    steps = dict.fromkeys(sources, 0)
    for _ in sources:  # each round makes the known paths one step longer
        steps = {name: max((steps[s] + 1 for s in sources[name] if s in steps), default=0) for name in sources}
    begins = {source for names in sources.values() for source in names}
    return tuple(sorted(channels, key=lambda c: (-steps[c.name], c.name not in begins, c.name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The log of an app on a channel, newest first, and what was live at the requested moment, or is now."""

    app: AppName
    channel: ChannelName
    deployments: tuple[Deployment, ...]
    live: Deployment | None
    flaws: Mapping[str, str]


def history(
    registry: Registry, app: str, channel: str, *, at: datetime | None = None, limit: int | None = None
) -> History:
    """Returns the log up to ``at``. ``flaws`` has, by digest, why a release is not good now.

    Raises:
        AppNotFound, ChannelNotFound
    """
    with registry.read() as reader:
        reader.require_app(app)
        reader.channel(channel)
        deployments = reader.history(app, channel, until=at, limit=limit)
        live = reader.live_at(app, channel, at) if at else reader.live(app, channel)
        newest = deployments[0].revision if deployments else 0
        past = islice(reader.past(app, channel, before=newest + 1), len(deployments))
        flaws = {entry.deployment.digest: entry.flaw for entry in past if entry.flaw}
    return History(app=app, channel=channel, deployments=deployments, live=live, flaws=flaws)


# --- what a reference names ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The content that a reference names; the working tree has no ``release``.

    ``channels`` serve it now, and those of ``on_trial`` as a canary, with its part of their keys in basis points;
    ``quarantined`` has the reason of each channel that keeps it out. ``measured`` are the tokens of its calls.
    """

    reference: Reference
    content: Content
    release: Release | None
    profile: Profile | None = None
    channels: tuple[ChannelName, ...] = ()
    on_trial: Mapping[ChannelName, int] = field(default_factory=dict)
    quarantined: Mapping[ChannelName, str] = field(default_factory=dict)
    measured: tuple[MeasuredTokens, ...] = ()

    @property
    def label(self) -> str:
        if self.release is None:
            return f"{self.content.app} (working tree)"
        label = f"{self.content.app}@{self.release.version}"
        return f"{label} ({self.reference.channel})" if self.reference.channel else label

    def prompt(self) -> Prompt:
        """Returns the prompt that the reference names.

        Raises:
            ReferenceInvalid: it names no prompt.
            PromptNotFound: there is no such prompt; it has those that exist.
        """
        names = [prompt.name for prompt in self.content.prompts]
        if not self.reference.prompt:
            example = f"{self.content.app}/{names[0]}" if names else "app/prompt"
            raise ReferenceInvalid(f"'{self.reference}' names no prompt", hint=f"Write {example}.")
        prompt = self.content.prompt(self.reference.prompt)
        if prompt is None:
            raise PromptNotFound(f"{self.label} has no prompt '{self.reference.prompt}'", known=names)
        return prompt


def named(
    registry: Registry,
    reference: Reference,
    *,
    now: datetime | None = None,
    sees: Callable[[str], bool] = lambda channel: True,
) -> Named:
    """Returns the release that a reference names: a fixed one, or the one that a channel serves.

    With ``now``, also what was measured of it on the channels that the caller ``sees``.

    Raises:
        NotFound: there is no such app, release or channel.
    """
    from promptops.core.release_bytes import content_from_bytes

    with registry.read() as reader:
        release = named_release(reader, reference)
        profile = reader.profile(reference.app)
        places = _places(reader, release.app)
        measured: tuple[MeasuredTokens, ...] = ()
        if now is not None:
            from promptops.operations.measured_tokens import measured_tokens

            measured = measured_tokens(reader, release.app, [release.digest], sees=sees, now=now)
    content = content_from_bytes(release.content)
    return Named(
        reference=reference,
        content=content,
        release=release,
        profile=profile,
        measured=measured,
        **_where(places, release.digest),
    )


def working_tree(reference: Reference, root: Path | None) -> Named:
    """Returns the app of a bare name, from its files in the workspace as they are now.

    Raises:
        WorkspaceNotFound: there is no ``root``.
        AppNotFound, SourceInvalid
    """
    if root is None:
        raise WorkspaceNotFound(
            f"'{reference}' means the files here, and there is no promptops.yml here or in a folder above",
            hint=f"For a release: {reference.app}@VERSION or {reference.app}:CHANNEL.",
        )
    from promptops.source.load import load
    from promptops.source.tree import WorkingTree

    loaded = load(WorkingTree(root), apps=frozenset({reference.app}))
    app = loaded.app(reference.app)
    loaded.require_valid([app.name])
    assert app.content is not None  # require_valid has seen to it
    return Named(reference=reference, content=app.content, release=None, profile=app.profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The changes between two contents, contract changes first, and the bump from old to new."""

    old: Named
    new: Named
    changes: tuple[Change, ...]
    bump: Bump
    version: str


def diff(old: Named, new: Named) -> Difference:
    """Compare two contents. ``version`` is the next version for the new one; empty if it is a release already."""
    from promptops.core.contract import bump_of, compare
    from promptops.core.version import next_version

    changes = compare(old.content, new.content)
    bump = bump_of(changes)
    version = ""
    if changes and old.release and new.release is None:
        version = next_version(old.release.version, bump)
    return Difference(old=old, new=new, changes=changes, bump=bump, version=version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The messages that an application would send, with their model and parameters."""

    named: Named
    prompt: Prompt
    messages: tuple[Mapping[str, Any], ...]


def render(named: Named, values: Mapping[str, Json]) -> Rendered:
    """Fill in the named prompt.

    Raises:
        MissingVariable, UnknownVariable, VariableInvalid, OutputTooLarge
    """
    from promptops.core.template.template import Template

    prompt = named.prompt()
    return Rendered(named=named, prompt=prompt, messages=tuple(Template.compile(prompt).render(values)))


# --- where releases are ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A release without its content; ``channels``, ``on_trial`` and ``quarantined`` as those of :class:`Named`."""

    release: Release
    channels: tuple[ChannelName, ...]
    on_trial: Mapping[ChannelName, int]
    quarantined: Mapping[ChannelName, str]


def releases(registry: Registry, app: str, *, limit: int | None = None) -> tuple[Listed, ...]:
    """Returns every release of an app, newest first; or so many of the newest.

    Raises:
        AppNotFound: there is no such app; it has those that exist.
    """
    with registry.read() as reader:
        every_release, places = reader.releases(app, limit=limit), _places(reader, app)
    return tuple(Listed(release=release, **_where(places, release.digest)) for release in every_release)


_Place: TypeAlias = tuple[str, Deployment | None, Mapping[str, str]]
"""A channel for one app: its name, what it serves, and the reasons of its quarantines by digest."""


class _Where(TypedDict):
    channels: tuple[str, ...]
    on_trial: dict[str, int]
    quarantined: dict[str, str]


def _places(reader: Reader, app: str) -> list[_Place]:
    places: list[_Place] = []
    for channel in downstream_first(reader.channels()):
        live = reader.live(app, channel.name)
        held = {q.release.digest: q.reason for q in reader.quarantines(app, channel.name)}
        places.append((channel.name, live, held))
    return places


def _where(places: list[_Place], digest: str) -> _Where:
    """Returns the channels that serve a release, those where it is on trial, and those that keep it out."""
    served = [(name, live) for name, live, _ in places if live is not None]
    return {
        "channels": tuple(name for name, live in served if live.stable and live.stable.digest == digest),
        "on_trial": {
            name: live.canary.weight for name, live in served if live.canary and live.canary.release.digest == digest
        },
        "quarantined": {name: held[digest] for name, _, held in places if digest in held},
    }

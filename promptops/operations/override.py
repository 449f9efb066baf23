"""Makes overrides: files that applications serve a release from in the hours in which the registry cannot be asked.

An override is made from the database, or from git alone when the database is gone. Making it changes nothing: an
operator carries the file to where the applications run. :mod:`promptops.operations.override_reconcile` records it
afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.client.disk.regular_file import Unsafe, read_trusted
from promptops.core import override as overrides
from promptops.core import rollout
from promptops.core.advice import Sentence, option
from promptops.core.compiled import flaw_of
from promptops.core.errors import (
    ChannelNotFound,
    Conflict,
    GitUnavailable,
    Invalid,
    NotFound,
    OverrideInvalid,
    Unloadable,
)
from promptops.core.free_text import require_reason
from promptops.core.model import Quarantine, Release, Yank, is_name
from promptops.core.names import ChannelName
from promptops.core.override import LONGEST, Override
from promptops.core.policy import Candidate
from promptops.core.reference import Reference
from promptops.core.rollout import Intent
from promptops.files import replace_file
from promptops.operations.named_release import named_release

if TYPE_CHECKING:
    from promptops.projection import Archive, Offer
    from promptops.projection.archive import Line
    from promptops.projection.offer import Confirm
    from promptops.source.git.repository import Repository
    from promptops.store import Registry
    from promptops.store.facts.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideRequest:
    """Which release to serve on which channel, for how long, and why."""

    reference: Reference
    channel: ChannelName
    reason: str
    lifetime: timedelta

    def __post_init__(self) -> None:
        require_reason(self.reason, "the log has it afterwards")
        if not is_name(self.channel):
            raise Invalid(
                f"'{self.channel}' is not a channel's name",
                hint=Sentence(option("channel", "Name a channel", value="NAME")),
            )
        if not timedelta(0) < self.lifetime <= LONGEST:
            raise Invalid(
                f"an override lives for up to {LONGEST.days} days",
                hint=Sentence(option("expires", "24 hours", value="24h"), ", or up to 7d."),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class InGit:
    """How a release is taken from git: ``ref`` is where the journal is, if that is not a usual branch, and with
    ``only_ref`` nothing else is looked at; ``keys`` are the
    fingerprints of keys that are trusted; and ``confirm`` is asked about lines that are not vouched for.
    """

    ref: str = ""
    only_ref: bool = False
    keys: tuple[str, ...] = ()
    confirm: Confirm = lambda doubt: True


def create(registry: Registry, request: OverrideRequest, *, actor: str, now: datetime) -> Override:
    """Returns an override with a release that the database has.

    Raises:
        NotFound: no such release or channel.
        Yanked, Quarantined: the release may not be live there.
        Unloadable: no client could load it.
    """
    with registry.read() as reader:
        reader.channel(request.channel)
        release = named_release(reader, request.reference)
        held = reader.quarantine(release.app, request.channel, release.digest)
    return _create(release, held, (registry.name, registry.lineage), request, actor, now)


def create_from_git(
    repository: Path,
    request: OverrideRequest,
    *,
    actor: str,
    now: datetime,
    how: InGit = InGit(),
) -> Override:
    """Returns an override with a release that is in git, without the database. ``repository`` is a clone or a bare one.

    It respects the yanks and quarantines that git has. Those that were not drained before the database was lost are
    unknown. ``how.confirm`` is asked where neither this machine nor a key vouches for the lines about the release, or
    this machine knows of more lines than git has.

    Raises:
        Invalid: the reference is not a version. NotFound: git has no such release or channel.
        Yanked, Quarantined: the release may not be live there.
        GitUnavailable: there is no repository, or no registry's history in it.
    """
    from promptops import projection

    wanted = request.reference
    if not wanted.version:
        raise Invalid(f"'{wanted}' is not a version, and git has releases by version", hint="Name one: APP@VERSION.")
    with contextlib.closing(_open(repository)) as opened:
        offer = _offer(projection.Archive(opened, ref=how.ref, alone=how.only_ref), repository, how.keys)
        release = projection.read_release(offer, wanted.app, wanted.version).fact
        assert isinstance(release, Release)
        _require_channel_in(offer, request.channel)
        about = _about(offer, release, request.channel)
        if doubt := offer.doubt({line.seq for line in about}, loss=offer.loss):
            how.confirm(doubt)
        records = [stored.record for stored in offer.stored(about) if stored.record is not None]
        release = replace(release, yank=_yank_in(records))
        held = _quarantine_in(records, release)
    return _create(release, held, (offer.proven.name, offer.proven.lineage), request, actor, now)


def _open(place: Path) -> Repository:
    """Returns the repository at this place, bare or not, or the one around this folder."""
    from promptops.source.git.repository import Repository

    try:
        return Repository.archive(place)
    except GitUnavailable:
        return Repository.open(place)


def _offer(archive: Archive, place: Path, keys: Sequence[str]) -> Offer:
    """Returns the lines of the one registry that is there: an override belongs to one registry."""
    from promptops.projection.offer import Terms, survey
    from promptops.source import vouched

    if not archive.candidates:
        raise GitUnavailable(
            f"{place} holds no history of a registry",
            hint=Sentence(
                "It needs the branch promptops/NAME, which a plain git clone of the journal's home brings; or ",
                option("ref", "the ref that `journal:` in promptops.yml names", value="REF"),
                ".",
            ),
        )
    return survey(archive, str(place), Terms(accept_loss=None, keys=keys, memory=vouched.read))


def _require_channel_in(offer: Offer, channel: str) -> None:
    known = sorted({line.name.split("/")[1] for line in offer.below("policies/")})
    if channel not in known:
        raise ChannelNotFound(f"git knows no channel '{channel}'", known=known)


def _about(offer: Offer, release: Release, channel: str) -> list[Line]:
    """Returns the lines that decide whether a release may be live on a channel: its own, yank, and quarantines."""
    names = (f"releases/{release.app}/{release.version}", f"yanks/{release.app}/{release.version}")
    lines = [line for name in names for line in offer.below(name) if line.name == name]
    return [*lines, *offer.below(f"quarantines/{channel}/{release.app}/")]


def _yank_in(records: Sequence[Record]) -> Yank | None:
    from promptops.store.facts.yank import Withdrawal

    return next((record.fact.yank for record in records if isinstance(record.fact, Withdrawal)), None)


def _quarantine_in(records: Sequence[Record], release: Release) -> Quarantine | None:
    """Returns the newest quarantine of the release, unless it was lifted."""
    from promptops.store.facts.quarantine import QuarantineEvent

    events = [record.fact for record in records if isinstance(record.fact, QuarantineEvent)]
    about = [event for event in events if event.quarantine.release.digest == release.digest]
    return about[-1].quarantine if about and not about[-1].lifted else None


def _create(
    release: Release,
    held: Quarantine | None,
    registry: tuple[str, str],
    request: OverrideRequest,
    actor: str,
    now: datetime,
) -> Override:
    intent = Intent(app=release.app, channel=request.channel, actor=actor, reason=request.reason, now=now)
    rollout.admit_anywhere(intent, Candidate(release=release, quarantine=held))
    if flaw := flaw_of(release.content):
        raise Unloadable(f"no client can load {release.app}@{release.version}: {flaw}", hint="Choose another release.")
    return Override(
        registry=registry[0],
        lineage=registry[1],
        app=release.app,
        channel=request.channel,
        version=release.version,
        digest=release.digest,
        content=release.content,
        reason=request.reason,
        actor=actor,
        created_at=now,
        expires_at=now + request.lifetime,
    )


# --- the file ------------------------------------------------------------------------------------

_UNSAFE = "Clients do not trust it either: only their own user and root may be able to write an override."


def save(override: Override, path: Path) -> bool:
    """Write the override there, readable by its owner alone, whole or not at all; True if it replaced another one.

    Raises:
        Conflict: something else is there. Invalid: it cannot be written.
    """
    replaced = path.exists()
    if replaced:
        try:
            load(path)
        except Invalid as error:
            raise Conflict(
                f"{path} stays as it is: {error.message}",
                hint=Sentence("Choose another: ", option("out", "another file", value="FILE")),
            ) from error
    try:
        replace_file(path, overrides.encode(override))
    except OSError as error:
        raise Invalid(
            f"{path} cannot be written: {error.strerror or error}",
            hint=Sentence(option("out", "Choose another file", value="FILE")),
        ) from error
    return replaced


def load(path: Path) -> Override:
    """Returns the override in a file.

    Raises:
        NotFound: there is no file. OverrideInvalid: it is no override, or cannot be read.
    """
    try:
        return overrides.decode(read_trusted(path, overrides.MAX_FILE))
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}") from error
    except OverrideInvalid:
        raise
    except Invalid as error:
        raise OverrideInvalid(f"{path} is not an override file: {error.message}") from error
    except Unsafe as error:
        raise OverrideInvalid(f"{path} is not trusted: {error}", hint=_UNSAFE) from error
    except OSError as error:
        raise OverrideInvalid(f"{path} cannot be read: {error.strerror or error}") from error

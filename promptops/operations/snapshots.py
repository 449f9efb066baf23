"""Reads what clients follow: a channel's snapshot, and the contents that it points to.

A release is only returned if its stored bytes have its digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from promptops.core.declarations import NOTHING, Declarations
from promptops.core.errors import RegistryDamaged, Yanked
from promptops.core.snapshot import Pointer, Snapshot
from promptops.operations.status import Standing, standings

if TYPE_CHECKING:
    from promptops.core.model import Release
    from promptops.store import Reader, Registry
    from promptops.store.queries.serving import Progress

MOST_WITHDRAWN: Final = 20
"""Releases of an app that a snapshot names as withdrawn: more than any app withdraws in the time that a hold lasts."""


class StoredRelease(NamedTuple):
    """The canonical bytes of a release, and its app."""

    app: str
    content: bytes


def progress(registry: Registry, channel: str) -> Progress:
    """Returns the progress of a channel: registry, lineage, epoch, cursor. One cheap query; equal while its snapshot
    is.

    A channel that does not exist is at cursor 0, or at that of the newest yank or declaration: only :func:`snapshot`
    looks.
    """
    with registry.read() as reader:
        return reader.progress(channel)


def snapshot(registry: Registry, channel: str) -> Snapshot:
    """Returns what the channel serves of every app, and the targets of rollbacks, at one moment.

    Raises:
        ChannelNotFound: there is no such channel; it has those that exist.
    """
    with registry.read() as reader:
        now = reader.progress(channel)
        live_apps = standings(reader, channel=channel)
        if not live_apps:  # the channel may not exist
            reader.channel(channel)
        declared = reader.declarations_on(channel)
        withdrawn = reader.withdrawn(channel)
        pointers = {
            app: _with_withdrawn(reader, channel, _pointer(reader, each, declared), app, withdrawn)
            for each in live_apps
            if (app := each.deployment.app)
        }
    return Snapshot(
        registry=now.registry,
        lineage=now.lineage,
        epoch=now.epoch,
        channel=channel,
        cursor=now.cursor,
        apps=pointers,
    )


def _pointer(reader: Reader, standing: Standing, declared: Mapping[str, Declarations]) -> Pointer:
    live, target, canary = standing.deployment, standing.target, standing.deployment.canary
    rollout = reader.rollout(live.app, live.channel, canary.rollout) if canary else None
    return Pointer(
        revision=live.revision,
        stable=live.stable,
        canary=canary.release if canary else None,
        weight=canary.weight if canary else 0,
        salt=canary.salt if canary else "",
        last_good=target.release if target else None,
        declared=declared.get(live.app, NOTHING).reported,
        trial=rollout.trial_at(canary.weight) if rollout and canary else None,
    )


def _with_withdrawn(
    reader: Reader, channel: str, pointer: Pointer, app: str, withdrawn: Mapping[str, Mapping[str, datetime]]
) -> Pointer:
    """Returns the pointer with the releases that no conversation stays on. Where they are too many, it has the newest,
    and what was assigned before the oldest of these was withdrawn holds nothing: the others were withdrawn before.
    """
    digests = withdrawn.get(app)
    if digests is None:
        return pointer
    named = list(digests)[:MOST_WITHDRAWN]
    held_from = 0
    if len(digests) > len(named):
        then = reader.live_at(app, channel, digests[named[-1]])
        held_from = min(then.revision + 1 if then else 1, pointer.revision)
    return replace(pointer, withdrawn=tuple(sorted(named)), held_from=held_from)


def contents(registry: Registry, digests: Sequence[str], *, limit: int | None = None) -> dict[str, StoredRelease]:
    """Returns the contents of releases of any app by digest, in this order, without those that do not exist.

    ``limit`` is the most bytes in all, but at least one release is returned: call again for the others. A damaged
    release is left out if others are intact.

    Raises:
        RegistryDamaged: one is damaged, and no other is intact.
    """
    intact: dict[str, StoredRelease] = {}
    damaged = ""
    size = 0
    with registry.read() as reader:
        for stored in reader.contents(digests):
            if not stored.intact:
                damaged = damaged or f"{stored.app}@{stored.digest}"
                continue
            size += len(stored.content)
            if intact and limit is not None and size > limit:
                break
            intact[stored.digest] = StoredRelease(app=stored.app, content=stored.content)
    if damaged and not intact:
        raise RegistryDamaged(
            f"the stored content of {damaged} is not what was released",
            hint="The database's file was changed or is corrupt. Restore the registry from a backup.",
        )
    return intact


def content_of_version(registry: Registry, app: str, version: str) -> Release:
    """Returns the release of a version with its content, for a client that has it as a fixed version.

    Raises:
        AppNotFound, ReleaseNotFound: it does not exist; the error has those that do.
        Yanked: it must never be served again.
        RegistryDamaged: the stored bytes are not those of the digest.
    """
    with registry.read() as reader:
        release = reader.find_release(app, version=version)
    if release.yank:
        raise Yanked(
            f"{app}@{version} was yanked by {release.yank.actor}: {release.yank.reason}",
            hint="A yanked release is never served again. Choose another, or follow a channel.",
        )
    return release

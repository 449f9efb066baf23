"""What clients follow: a channel's snapshot, and the contents it points to.

A release whose stored bytes are not those of its digest is never handed out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from promptops.core.errors import RegistryDamaged, Yanked
from promptops.core.snapshot import Pointer, Snapshot
from promptops.operations.status import Standing, standings

if TYPE_CHECKING:
    from promptops.core.model import Release
    from promptops.store import Registry
    from promptops.store.queries.serving import Progress


class StoredRelease(NamedTuple):
    """The canonical bytes of a release, and the app they are of."""

    app: str
    content: bytes


def progress(registry: Registry, channel: str) -> Progress:
    """How far a channel is: registry, lineage, epoch, cursor. One cheap query; equal as long as its snapshot is.

    A channel that does not exist is at cursor 0 or at that of the newest yank: only :func:`snapshot` looks.
    """
    with registry.read() as reader:
        return reader.progress(channel)


def snapshot(registry: Registry, channel: str) -> Snapshot:
    """What the channel serves of every app, and where a rollback would go, as of one moment.

    Raises:
        ChannelNotFound: listing the channels that exist.
    """
    with registry.read() as reader:
        reader.channel(channel)
        now = reader.progress(channel)
        found = standings(reader, channel=channel)
    return Snapshot(
        registry=now.registry,
        lineage=now.lineage,
        epoch=now.epoch,
        channel=channel,
        cursor=now.cursor,
        apps={standing.deployment.app: _pointer(standing) for standing in found},
    )


def _pointer(standing: Standing) -> Pointer:
    live, target = standing.deployment, standing.target
    return Pointer(
        revision=live.revision,
        stable=live.stable,
        canary=live.canary.release if live.canary else None,
        weight=live.canary.weight if live.canary else 0,
        salt=live.canary.salt if live.canary else "",
        last_good=target.release if target else None,
    )


def contents(registry: Registry, digests: Sequence[str], *, limit: int | None = None) -> dict[str, StoredRelease]:
    """The contents of releases of any app by digest, in this order; those that are not there are left out.

    With ``limit`` no more than so many bytes in all, but at least one release: ask again for the others. A damaged
    release is left out beside others, which can still be served.

    Raises:
        RegistryDamaged: one is damaged, and that leaves nothing to serve.
    """
    found: dict[str, StoredRelease] = {}
    damaged = ""
    size = 0
    with registry.read() as reader:
        for each in reader.contents(digests):
            if not each.intact:
                damaged = damaged or f"{each.app}@{each.digest}"
                continue
            size += len(each.content)
            if found and limit is not None and size > limit:
                break
            found[each.digest] = StoredRelease(app=each.app, content=each.content)
    if damaged and not found:
        raise RegistryDamaged(
            f"the stored content of {damaged} is not what was released",
            hint="Somebody changed the database's file. Restore the registry from a backup.",
        )
    return found


def content_of_version(registry: Registry, app: str, version: str) -> Release:
    """The release of a version, with its content: for a client that has it as a fixed version.

    Raises:
        AppNotFound, ReleaseNotFound: listing what exists.
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

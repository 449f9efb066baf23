"""The release that a reference names: a fixed one, or the one that a channel serves now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import Invalid, NothingDeployed
from promptops.core.model import Deployment, Release
from promptops.core.reference import Reference

if TYPE_CHECKING:
    from promptops.store import Reader


def named_release(reader: Reader, reference: Reference) -> Release:
    """Returns the release that a reference names: a fixed one, or the one that a channel serves now.

    Raises:
        Invalid: the reference names neither.
        NotFound, NothingDeployed: there is no such release.
    """
    if reference.channel:
        reader.channel(reference.channel)
        live = reader.live(reference.app, reference.channel)
        if live is None:
            reader.releases(reference.app)  # for an unknown app this raises NotFound, with those that exist
            raise NothingDeployed(
                f"{reference.app} was never deployed on {reference.channel}",
                hint=Sentence(Advice(Action.PROMOTE, release=f"{reference.app}@VERSION", channel=reference.channel)),
            )
        if live.stable is None:
            raise NothingDeployed(
                f"{reference.app} is off on {reference.channel} since revision {live.revision}, so no release is live "
                "there",
                hint=Sentence("What was live: ", Advice(Action.HISTORY, app=reference.app, channel=reference.channel)),
            )
        return reader.find_release(reference.app, digest=live.digest)
    if not reference.fixed:
        newest = reader.newest_release(reference.app)
        example = f"{reference.app}@{newest.version}" if newest else f"{reference.app}@VERSION"
        raise Invalid(f"'{reference}' does not say which release", hint=f"Name one, such as {example}.")
    return reader.find_release(reference.app, version=reference.version, digest=reference.digest)


def live_deployment(reader: Reader, app: str, channel: str, *, to: str) -> Deployment:
    """Returns what an app serves on a channel; ``to`` is what the caller wants to do with it.

    Raises:
        AppNotFound: there is no such app.
        NothingDeployed: it was never deployed there.
    """
    live = reader.live(app, channel)
    if live is not None:
        return live
    reader.releases(app)  # for an unknown app this raises NotFound, with those that exist
    elsewhere = [c.name for c in reader.channels() if reader.live(app, c.name)]
    raise NothingDeployed(
        f"{app} was never deployed on {channel}, so there is nothing to {to}",
        hint=f"It is live on: {', '.join(elsewhere)}." if elsewhere else "It is live on no channel.",
    )

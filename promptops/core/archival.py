"""Apps that are put away, with the name under which their work goes on: (newest, live, wish) -> the next, or an error.

An archived app gets no release and goes live nowhere. Nothing that exists changes: its releases, its digests, its names
in git and what is live of it stay, and so does what clients of its name are served. So an app that is renamed is
archived with a successor, which is an app of its own: a name never means another content than what it was recorded for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import AppArchived, Invalid, StillServed
from promptops.core.names import AppName


@dataclass(frozen=True, slots=True, kw_only=True)
class Archival:
    """An app was archived, or brought back. ``number`` counts both of an app: 1, 2, 3 …

    ``successor`` is the app that it was renamed to; empty for none.
    """

    app: AppName
    number: int
    archived: bool
    reason: str
    actor: str
    at: datetime
    successor: AppName = ""


def archive(wish: Archival, newest: Archival | None, live: Collection[str], sees: Callable[[str], bool]) -> bool:
    """Returns whether the wish is to be recorded; not where it is so already.

    ``live`` are the channels on which something of the app is served. ``sees`` says which of them the caller may know.

    Raises:
        StillServed: the app is live, and gets no successor that its callers could go to.
    """
    if newest is not None and newest.archived and newest.successor == wish.successor:
        return False
    if live and not wish.successor:
        shown = [channel for channel in live if sees(channel)]
        names = [*shown, *(["a channel that this token may not see"] if len(shown) < len(live) else [])]
        off = [Advice(Action.RETIRE, app=wish.app, channel=channel, reason="…") for channel in shown]
        raise StillServed(
            f"{wish.app} is live on {', '.join(names)}, and an archived app is live nowhere; nothing was changed",
            channels=shown,
            hint=Sentence.listed("Take it off first: ", off)
            if off
            else "Ask the holder of a token for every channel to take it off first.",
        )
    return True


def require_successor(app: str, successor: str, newest: Archival | None) -> None:
    """Checks that an app can be the successor of another; ``newest`` is the successor's own archival.

    Raises:
        Invalid: it is the same app.
        AppArchived: it is archived itself.
    """
    if app == successor:
        raise Invalid(f"{app} has this name already", hint="Give the name that it has from now on.")
    require_unarchived(newest)


def require_unarchived(newest: Archival | None) -> None:
    """Checks that an app may be released and go live.

    Raises:
        AppArchived
    """
    if newest is None or not newest.archived:
        return
    raise AppArchived(newest.app, newest.successor, actor=newest.actor, reason=newest.reason)

"""Archive an app, perhaps for a successor, which is what a rename is; and bring one back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core import archival
from promptops.core.archival import Archival
from promptops.core.errors import Invalid
from promptops.core.free_text import require_reason
from promptops.core.model import is_name
from promptops.core.names import AppName
from promptops.core.rollout import Intent, require_no_canary
from promptops.operations.idempotency import Once, Row

if TYPE_CHECKING:
    from promptops.store import Registry, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class UnarchiveRequest:
    """Which app, and why: a reason is always needed. ``token`` is the id of the token that the key belongs to."""

    app: AppName
    reason: str
    key: str
    token: str = ""

    def __post_init__(self) -> None:
        require_reason(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRequest(UnarchiveRequest):
    """Also with the name that the app has from now on, if any: its ``successor``."""

    successor: AppName = ""

    def __post_init__(self) -> None:
        UnarchiveRequest.__post_init__(self)  # slots make the class anew, which `super()` does not find
        if self.successor and not is_name(self.successor):
            raise Invalid(
                f"'{self.successor[:80]}' is not the name of an app",
                hint="Lower case letters, digits, '-', '_' and '.', up to 63: support-bot.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """What is so of an app, and whether this request changed it; ``at`` is None for one that was never archived."""

    app: AppName
    archived: bool
    successor: AppName
    changed: bool
    reason: str
    actor: str
    at: datetime | None


def archive(
    registry: Registry,
    request: ArchiveRequest,
    *,
    actor: str,
    now: datetime,
    sees: Callable[[str], bool] = lambda channel: True,
) -> Archived:
    """Archive an app. One with a successor may be live: it is served until it is retired.

    Raises:
        AppNotFound: it was never released.
        StillServed: it is live, and gets no successor. CanaryInProgress: it has a canary.
        AppArchived: the successor is archived. Invalid: it is the app itself.
    """

    def change(writer: Writer, wish: Archival, newest: Archival | None) -> bool:
        if request.successor:
            archival.require_successor(request.app, request.successor, writer.archival(request.successor))
        serves = []
        for channel in writer.channels():
            intent = Intent(app=request.app, channel=channel.name, actor=actor, reason=request.reason, now=now)
            live = writer.live(request.app, channel.name)
            if live is not None and live.stable is not None:
                serves.append(channel.name)
                if sees(channel.name):
                    require_no_canary(intent, live)  # its next step would be refused for ever
        return archival.archive(wish, newest, serves, sees)

    return _change(registry, request, change, archived=True, successor=request.successor, actor=actor, now=now)


def unarchive(registry: Registry, request: UnarchiveRequest, *, actor: str, now: datetime) -> Archived:
    """Bring an app back. Nothing goes live because of it.

    Raises:
        AppNotFound: it was never released.
    """

    def change(writer: Writer, wish: Archival, newest: Archival | None) -> bool:
        return newest is not None and newest.archived

    return _change(registry, request, change, archived=False, successor="", actor=actor, now=now)


def _change(
    registry: Registry,
    request: UnarchiveRequest,
    change: Callable[[Writer, Archival, Archival | None], bool],
    *,
    archived: bool,
    successor: str,
    actor: str,
    now: datetime,
) -> Archived:
    once = Once(
        key=request.key,
        token=request.token,
        operation="archive" if archived else "unarchive",
        arguments={"app": request.app, "successor": successor},
        words=request.reason,
    )

    def work(writer: Writer) -> Archived:
        writer.require_app(request.app)
        writer.lock_all_channels_of(request.app)  # as a release and a promotion lock it
        writer.lock_log()  # of two apps that are to be each other's successor, the second one is refused
        seen = once.answered(writer)
        if seen is not None:
            return _first(request.app, seen[0])
        newest = writer.archival(request.app)
        wish = Archival(
            app=request.app,
            number=newest.number + 1 if newest else 1,
            archived=archived,
            successor=successor,
            reason=request.reason,
            actor=actor,
            at=now,
        )
        changed = change(writer, wish, newest)
        if changed:
            writer.record(wish, key=request.key)
        answer = _answer(request.app, wish if changed else newest, changed=changed)
        at = answer.at.isoformat() if answer.at else ""
        row = (changed, answer.archived, answer.successor, answer.reason, answer.actor, at)
        once.remember(writer, [row], now)
        return answer

    return registry.write(work)


def _answer(app: str, fact: Archival | None, *, changed: bool) -> Archived:
    if fact is None:
        return Archived(app=app, archived=False, successor="", changed=changed, reason="", actor="", at=None)
    return Archived(
        app=app,
        archived=fact.archived,
        successor=fact.successor,
        changed=changed,
        reason=fact.reason,
        actor=fact.actor,
        at=fact.at,
    )


def _first(app: str, row: Row) -> Archived:
    """Returns the first answer to a request, whatever became of the app since."""
    changed, archived, successor, reason, actor, at = row
    return Archived(
        app=app,
        archived=bool(archived),
        successor=str(successor),
        changed=bool(changed),
        reason=str(reason),
        actor=str(actor),
        at=datetime.fromisoformat(str(at)) if at else None,
    )

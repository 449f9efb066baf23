"""`promptops app`: to which repository an app belongs, and apps that are put away or have another name."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from promptops.cli import complete
from promptops.cli.command import NounGroup, command, key_option, required_reason
from promptops.cli.git_sync import bring_to_git
from promptops.cli.output.phrases import facts, next_steps
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.session import Session
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.core.origin import Ownership
    from promptops.operations.archive import Archived


@click.group("app", cls=NounGroup)
def app() -> None:
    """Transfer, rename or archive an app.

    An app belongs to the repository and path that released it first. A release from elsewhere is refused, until the
    app is transferred there.
    """


@command("transfer", group=app)
@click.argument("name", metavar="APP", shell_complete=complete.apps)
@required_reason
@key_option
def transfer(session: Session, /, name: str, reason: str, key: str) -> None:
    """Let an app be released from this workspace, and from no other.

    Run it in the workspace that releases the app from now on. Agree with the owners of the app first: their next
    release is refused.
    """
    root = session.require_root()
    actor = session.actor()
    from promptops.operations.build import origin_of
    from promptops.operations.transfer import TransferRequest
    from promptops.source.git.repository import Repository
    from promptops.use_cases.transfer import TRANSFER

    with session.gateway() as gateway, closing(Repository.open(root)) as repository:
        origin = origin_of(repository, root, name)
        request = TransferRequest(
            app=name,
            repository=origin.repository,
            path=origin.path,
            root=origin.root,
            reason=reason,
            key=session.key(key),
        )
        moved = gateway.run(TRANSFER, request, actor=actor)
    session.answer(lambda: written(moved), lambda page: _lines(moved, page))
    if moved.changed:
        bring_to_git(session)


@command("rename", group=app)
@click.argument("old", metavar="OLD", shell_complete=complete.apps)
@click.argument("new", metavar="NEW")
@required_reason
@key_option
def rename(session: Session, /, old: str, new: str, reason: str, key: str) -> None:
    """Let an app be known by another name from now on.

    The digest of a release binds the name of its app, so NEW is an app of its own: release it from the renamed folder.
    OLD gets no release any more and is promoted nowhere, and says what it is called now. What is live of it is served
    until it is retired, so applications change to the new name one by one.

    \b
      promptops app rename support-bot help-desk --reason "the team is called so"
    """
    renamed = _archive(session, old, reason, key, successor=new)
    steps = [
        ("release it", ["release", new]),
        (
            "take the old one off when no application asks for it",
            ["retire", old, "--channel", "CHANNEL", "--reason", "…"],
        ),
    ]
    _say(session, renamed, "Renamed", f" to {new}", [*steps, _back(old)])


@command("archive", group=app)
@click.argument("name", metavar="APP", shell_complete=complete.apps)
@required_reason
@key_option
def archive(session: Session, /, name: str, reason: str, key: str) -> None:
    """Put an app away: it gets no release and goes live nowhere.

    It may be live nowhere: retire it first. Its releases, history and tags stay, and `unarchive` brings it back.
    """
    _say(session, _archive(session, name, reason, key), "Archived", "", [_back(name)])


@command("unarchive", group=app)
@click.argument("name", metavar="APP", shell_complete=complete.apps)
@required_reason
@key_option
def unarchive(session: Session, /, name: str, reason: str, key: str) -> None:
    """Bring an archived app back, also under the name that it had before it was renamed."""
    actor = session.actor()
    with session.gateway() as gateway:
        from promptops.operations.archive import UnarchiveRequest
        from promptops.use_cases.archive import UNARCHIVE

        back = gateway.run(UNARCHIVE, UnarchiveRequest(app=name, reason=reason, key=session.key(key)), actor=actor)
    step = ("make a release live", ["promote", f"{name}@VERSION", "--channel", "CHANNEL"])
    _say(session, back, "Brought back", ". Nothing is live because of it", [step])


def _archive(session: Session, name: str, reason: str, key: str, *, successor: str = "") -> Archived:
    actor = session.actor()
    with session.gateway() as gateway:
        from promptops.operations.archive import ArchiveRequest
        from promptops.use_cases.archive import ARCHIVE

        request = ArchiveRequest(app=name, successor=successor, reason=reason, key=session.key(key))
        return gateway.run(ARCHIVE, request, actor=actor)


def _back(name: str) -> tuple[str, list[str]]:
    return "to undo", ["app", "unarchive", name, "--reason", "…"]


def _say(session: Session, done: Archived, did: str, tail: str, steps: Sequence[tuple[str, Sequence[str]]]) -> None:
    def lines(page: Page) -> list[Line]:
        if not done.changed:
            state = f"was renamed to {done.successor}" if done.successor else "is archived"
            return [[Span(done.app, "name"), f" {state if done.archived else 'is not archived'} already."]]
        head: Line = [Span("✓ ", "good"), Span(f"{did} ", "strong"), Span(done.app, "name"), tail]
        return [head, "", *facts(page, [("by", done.actor), ("reason", done.reason)]), *next_steps(steps)]

    session.answer(lambda: written(done), lines)
    if done.changed:
        bring_to_git(session)


def _lines(moved: Ownership, page: Page) -> list[Line]:
    if not moved.changed:
        return [[Span(moved.app, "name"), f" belongs to {moved.origin} already."]]
    head: Line = [Span("✓ ", "good"), Span("Transferred ", "strong"), Span(moved.app, "name")]
    rows = [("to", str(moved.origin)), ("from", str(moved.before) if moved.before else "an unknown origin")]
    return [head, "", *facts(page, rows), *next_steps([("release it from here", ["release", moved.app])])]

"""`promptops app`: to which repository and path an app belongs."""

from __future__ import annotations

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


@click.group("app", cls=NounGroup)
def app() -> None:
    """Say which repository an app belongs to.

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


def _lines(moved: Ownership, page: Page) -> list[Line]:
    if not moved.changed:
        return [[Span(moved.app, "name"), f" belongs to {moved.origin} already."]]
    head: Line = [Span("✓ ", "good"), Span("Transferred ", "strong"), Span(moved.app, "name")]
    rows = [("to", str(moved.origin)), ("from", str(moved.before) if moved.before else "an unknown origin")]
    return [head, "", *facts(page, rows), *next_steps([("release it from here", ["release", moved.app])])]

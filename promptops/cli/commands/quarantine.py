"""`promptops quarantine` and `unquarantine`: keep a release out of one channel, or let it back in."""

from __future__ import annotations

from collections.abc import Sequence

import click

from promptops.cli import complete
from promptops.cli.command import channel_option, command, key_option, required_reason
from promptops.cli.defaults import whole_release
from promptops.cli.git_sync import bring_to_git
from promptops.cli.output.phrases import facts, moment, next_steps
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.session import Session
from promptops.core.model import Quarantine
from promptops.use_cases.documents import written


@command("quarantine")
@click.argument("reference", metavar="APP@VERSION", shell_complete=complete.releases)
@channel_option
@required_reason
@key_option
def quarantine(session: Session, /, reference: str, channel: str | None, reason: str, key: str) -> None:
    """Keep a release out of a channel.

    It cannot be promoted there and no rollback goes to it, until `unquarantine` lets it back in, with a reason. A
    rollback quarantines the release that it leaves by itself.
    """
    place, release = session.require_channel(channel), whole_release(reference)
    actor = session.actor()
    with session.gateway() as gateway:
        from promptops.operations.quarantine import WithholdRequest
        from promptops.use_cases.quarantine import QUARANTINE

        request = WithholdRequest(reference=release, channel=place, reason=reason, key=session.key(key))
        held = gateway.run(QUARANTINE, request, actor=actor)
    name = f"{held.app}@{held.release.version}"
    back = ["unquarantine", name, "--channel", place, "--reason", "…"]
    session.answer(
        lambda: written(held) | {"quarantined": True},
        lambda page: _lines(
            "Quarantined", f" on {place}: no promotion or rollback goes to it", held, ("to undo", back), page
        ),
    )
    bring_to_git(session)


@command("unquarantine")
@click.argument("reference", metavar="APP@VERSION", shell_complete=complete.releases)
@channel_option
@required_reason
@key_option
def unquarantine(session: Session, /, reference: str, channel: str | None, reason: str, key: str) -> None:
    """Let a quarantined release back in."""
    place, release = session.require_channel(channel), whole_release(reference)
    actor = session.actor()
    with session.gateway() as gateway:
        from promptops.operations.quarantine import WithholdRequest
        from promptops.use_cases.quarantine import UNQUARANTINE

        request = WithholdRequest(reference=release, channel=place, reason=reason, key=session.key(key))
        lifted = gateway.run(UNQUARANTINE, request, actor=actor)
    name = f"{lifted.app}@{lifted.release.version}"
    again = ["promote", name, "--channel", place]
    session.answer(
        lambda: written(lifted) | {"quarantined": False},
        lambda page: _lines(
            "Let back in", f" on {place}. Nothing is live because of it", lifted, ("make it live", again), page
        ),
    )
    bring_to_git(session)


def _lines(did: str, tail: str, held: Quarantine, step: tuple[str, Sequence[str]], page: Page) -> list[Line]:
    name = f"{held.app}@{held.release.version}"
    rows = [("by", f"{held.actor}, {moment(page, held.at)}"), ("reason", held.reason)]
    head: Line = [Span("✓ ", "good"), Span(f"{did} ", "strong"), Span(name, "name"), tail]
    return [head, "", *facts(page, rows), *next_steps([step])]

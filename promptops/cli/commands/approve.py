"""`promptops approve`: the word of a person who had no part in a release."""

from __future__ import annotations

import click

from promptops.cli import complete
from promptops.cli.command import channel_option, command, key_option, reason_option
from promptops.cli.defaults import whole_release
from promptops.cli.git_sync import bring_to_git
from promptops.cli.output.phrases import facts, moment, next_steps
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.operations.approve import Approved
from promptops.use_cases.documents import written


@command("approve")
@click.argument("reference", metavar="APP@VERSION", shell_complete=complete.promotable)
@channel_option
@click.option("--suite", "suites", multiple=True, metavar="DIGEST", help="Of this suite, though its cases changed.")
@click.option("--rename", "renames", multiple=True, metavar="OLD>NEW", help="That NEW is not OLD under another name.")
@click.option("--anchor", is_flag=True, help="That no comparison with the anchor is possible.")
@click.option("--tries", is_flag=True, help="Of one more content against what is live.")
@click.option("--withdraw", is_flag=True, help="Take the approval back.")
@reason_option
@key_option
def approve(
    session: Session,
    /,
    reference: str,
    channel: str | None,
    suites: tuple[str, ...],
    renames: tuple[str, ...],
    anchor: bool,
    tries: bool,
    withdraw: bool,
    reason: str,
    key: str,
) -> None:
    """Approve of a release for a channel, or take that back.

    Without options it is about the release itself; with some, about these things only. Those who released it or wrote a
    change since what is live are refused. It holds until the policy changes or something else goes live.

    \b
      promptops approve support-bot@1.4.0 --channel prod --reason "read every answer"
      promptops approve support-bot@1.4.0 --channel prod --withdraw
    """
    from promptops.core.evidence.approval import ANCHOR, RELEASE, TRIES, of_suite
    from promptops.operations.approve import ApproveRequest
    from promptops.use_cases.approve import APPROVE

    subjects = [of_suite(digest) for digest in suites] + [f"rename:{renamed}" for renamed in renames]
    subjects += [ANCHOR] * anchor + [TRIES] * tries
    request = ApproveRequest(
        reference=whole_release(reference),
        channel=session.require_channel(channel),
        subjects=tuple(subjects) or (RELEASE,),
        withdraw=withdraw,
        reason=reason,
        key=session.key(key),
    )
    actor = session.actor()
    with session.gateway() as gateway:
        done = gateway.run(APPROVE, request, actor=actor)
    session.answer(lambda: written(done), lambda page: _lines(done, page))
    if done.changed:
        bring_to_git(session)


def _lines(done: Approved, page: Page) -> list[Line]:
    first = done.approvals[0]
    name = Span(f"{first.app}@{first.version}", "name")
    if done.withdrawn:
        did, tail = "Taken back: ", f" is no longer approved of on {first.channel} by you"
    else:
        did, tail = ("Approved: " if done.changed else "Approved before: "), f" for {first.channel}"
    who = f"{first.person} (proven)" if first.proven else f"{first.person or first.actor} (claimed)"
    rows: list[tuple[str, Cell]] = [
        ("by", f"{who}, {moment(page, first.at)}"),
        ("of", ", ".join(approval.subject for approval in done.approvals)),
        ("reason", first.reason),
    ]
    if not done.withdrawn:
        rows.append(("until", "the policy changes or something else goes live"))
    steps = (
        []
        if done.withdrawn
        else [("make it live", ["promote", f"{first.app}@{first.version}", "--channel", first.channel])]
    )
    return [[Span("✓ ", "good"), Span(did, "strong"), name, tail], "", *facts(page, rows), *next_steps(steps)]

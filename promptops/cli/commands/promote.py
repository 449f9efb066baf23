"""`promptops promote`: makes a release the live one of a channel."""

from __future__ import annotations

import click

from promptops.cli import complete
from promptops.cli.command import channel_option, command, dry_run_option, expect_option, key_option, reason_option
from promptops.cli.git_sync import bring_to_git
from promptops.cli.session import Session
from promptops.core.duration import parse_duration


@command("promote")
@click.argument("reference", metavar="APP@VERSION", shell_complete=complete.promotable)
@channel_option
@reason_option
@dry_run_option
@click.option("--waive", multiple=True, metavar="CHECK", help="A check of the gate that it need not pass for a while.")
@click.option("--expires", metavar="LENGTH", help="For how long it is waived: 12h, 3d.")
@expect_option
@key_option
def promote(
    session: Session,
    /,
    reference: str,
    channel: str | None,
    reason: str,
    dry_run: bool,
    waive: tuple[str, ...],
    expires: str | None,
    expect_revision: int | None,
    key: str,
) -> None:
    """Make a release the live one of a channel.

    The release is named by version, by digest, or by another channel that serves it. The channel's policy decides
    whether it may go there; a release that is live there already stays, and nothing changes.

    \b
      promptops promote support-bot@1.4.0 --channel prod
      promptops promote support-bot:staging --channel prod
      promptops promote support-bot@1.4.0 --channel prod --waive latency --expires 2d --reason "their slow week"
    """
    from promptops.cli.defaults import whole_release

    wanted = whole_release(reference)
    place = session.require_channel(channel)
    actor = session.actor()
    with session.gateway() as gateway:
        from promptops.operations.promote import PromoteRequest
        from promptops.use_cases.promote import PROMOTE

        request = PromoteRequest(
            reference=wanted,
            channel=place,
            reason=reason,
            expect_revision=expect_revision,
            dry_run=dry_run,
            waive=waive,
            waive_for=parse_duration(expires) if expires else None,
            key=session.key(key),
        )
        deployed = gateway.run(PROMOTE, request, actor=actor)
    from promptops.cli.output.deployment_report import deployed_lines, deployed_shape

    session.answer(lambda: deployed_shape(deployed), lambda page: deployed_lines(deployed, page))
    if deployed.deployments and not dry_run:
        bring_to_git(session)

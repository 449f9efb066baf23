"""`promptops promote`: makes a release the live one of a channel."""

from __future__ import annotations

import click

from promptops.cli import complete
from promptops.cli.command import (
    blind_option,
    callers_option,
    channel_option,
    command,
    dry_run_option,
    expect_option,
    key_option,
    reason_option,
    waive_option,
    waived_for_option,
    waiver_words,
)
from promptops.cli.git_sync import bring_to_git
from promptops.cli.session import Session
from promptops.core.duration import parse_duration
from promptops.core.policy import Rollout


@command("promote")
@click.argument("reference", metavar="APP@VERSION", shell_complete=complete.promotable)
@channel_option
@reason_option
@dry_run_option
@waive_option
@click.option("--at-once", is_flag=True, help="Give it to all keys at once, without a canary; a waiver of `rollout`.")
@waived_for_option
@blind_option
@callers_option
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
    at_once: bool,
    expires: str | None,
    blind: bool,
    callers_are_ready: bool,
    expect_revision: int | None,
    key: str,
) -> None:
    """Make a release the live one of a channel.

    The release is named by version, by digest, or by another channel that serves it. The channel's policy decides
    whether it may go there; a release that is live there already stays, and nothing changes. Where the policy has a
    rollout, the release becomes a canary at its first step.

    It shows what changes for the code that calls, against what is live on the channel. A protected channel refuses a
    release for which callers have to change, unless --callers-are-ready says that they have, with a --reason.

    \b
      promptops promote support-bot@1.4.0 --channel prod
      promptops promote support-bot:staging --channel prod
      promptops promote support-bot@1.4.0 --channel prod --waive latency --expires 2d --reason "their slow week"
      promptops promote support-bot@1.4.1 --channel prod --at-once --expires 1h --reason "it leaks names"
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
            waive=(*waive, Rollout.name) if at_once and Rollout.name not in waive else waive,
            waive_for=parse_duration(expires) if expires else None,
            blind=blind,
            callers_are_ready=callers_are_ready,
            key=session.key(key),
        )
        deployed = gateway.run(PROMOTE, request, actor=actor)
    from promptops.cli.output.deployment_report import deployed_lines, deployed_shape

    waived = waiver_words(waive, expires, reason, at_once=at_once, callers_are_ready=callers_are_ready)
    again = ["promote", str(wanted), "--channel", place, *(["--blind"] if blind else []), *waived]
    step = again if waived or any(made.canary for made in deployed.deployments) else ()
    session.answer(lambda: deployed_shape(deployed), lambda page: deployed_lines(deployed, page, step=step))
    if deployed.deployments and not dry_run:
        bring_to_git(session)

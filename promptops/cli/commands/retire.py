"""`promptops retire`: take an app off a channel. It needs the registry and nothing else, as a rollback does."""

from __future__ import annotations

import click

from promptops.cli import complete
from promptops.cli.command import (
    channel_option,
    command,
    dry_run_option,
    expect_option,
    key_option,
    required_reason,
)
from promptops.cli.git_sync import bring_to_git
from promptops.cli.session import Session


@command("retire")
@click.argument("app", metavar="APP", shell_complete=complete.apps)
@channel_option
@required_reason
@click.option("--keep", is_flag=True, help="Do not quarantine the release: a rollback puts it back.")
@dry_run_option
@expect_option
@key_option
@click.option("--direct", is_flag=True, help="Use the database itself, past the server. [PROMPTOPS_DIRECT]")
def retire(
    session: Session,
    /,
    app: str,
    channel: str | None,
    reason: str,
    keep: bool,
    dry_run: bool,
    expect_revision: int | None,
    key: str,
    direct: bool,
) -> None:
    """Take an app off a channel, in one transaction.

    Nothing of it is served there any more: its clients answer with their fallbacks, or raise PromptRetired. A canary
    ends. It is the way out of a bad first release, which a rollback cannot leave: a release that has no good one before
    it is quarantined. `promptops rollback` or `promptops promote` puts the app back.

    Without --channel: prod, or the only channel.

    \b
      promptops retire support-bot --reason "it invents refunds"
      promptops retire support-bot --channel prod --keep --reason "closed for the holidays"
    """
    from promptops.cli.defaults import app_and_channel, choose_channel

    name, place = app_and_channel(app, channel)
    actor = session.actor()
    session = session.direct() if direct else session
    with session.gateway() as gateway:
        from promptops.operations.retire import RetireRequest
        from promptops.use_cases.retire import RETIRE

        request = RetireRequest(
            app=name,
            channel=choose_channel(gateway, session.channel(place)),
            reason=reason,
            keep=keep,
            expect_revision=expect_revision,
            dry_run=dry_run,
            key=session.key(key),
        )
        deployed = gateway.run(RETIRE, request, actor=actor)
    from promptops.cli.output.deployment_report import deployed_lines, deployed_shape

    step = ["retire", name, "--channel", request.channel, *(["--keep"] if keep else []), "--reason", reason]
    session.answer(lambda: deployed_shape(deployed), lambda page: deployed_lines(deployed, page, step=step))
    if deployed.deployments and not dry_run:
        bring_to_git(session)

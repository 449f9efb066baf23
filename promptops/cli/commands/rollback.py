"""`promptops rollback`: the most important command. It needs the registry and nothing else."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli import complete
from promptops.cli.command import (
    Command,
    channel_option,
    command,
    dry_run_option,
    expect_option,
    key_option,
    reason_option,
)
from promptops.cli.git_sync import bring_to_git
from promptops.cli.numbers import Seconds, Whole
from promptops.cli.session import Session
from promptops.core.duration import is_duration
from promptops.core.errors import AppNotFound, Invalid, Unavailable
from promptops.core.timestamp import timestamp

if TYPE_CHECKING:
    from promptops.gateway import Gateway
    from promptops.operations.deploy import Deployed
    from promptops.operations.rollback import RollbackRequest


WAIT_SECONDS = 30.0
"""Seconds of a --wait without a length: a client polls at least every 30 s, and most hear of a change at once."""


class _Rollback(Command):
    """``--wait`` may stand before an app: its value is the next word only if that is a length of time."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _spelled_out(args))


def _spelled_out(args: list[str]) -> list[str]:
    """Returns the arguments with --wait and its value as one word."""
    before = args[: args.index("--")] if "--" in args else args
    if "--wait" not in before:
        return args
    place = before.index("--wait")
    value, rest = args[place + 1 : place + 2], args[place + 2 :]
    if value and is_duration(value[0]):
        return [*args[:place], f"--wait={value[0]}", *rest]
    return [*args[:place], f"--wait={WAIT_SECONDS:g}", *value, *rest]


@command("rollback", cls=_Rollback)
@click.argument("apps", metavar="[APP]...", nargs=-1, shell_complete=complete.apps)
@channel_option
@click.option("--all", "every", is_flag=True, help="Every app that is live on the channel.")
@click.option(
    "--to",
    default="",
    metavar="VERSION",
    shell_complete=complete.versions,
    help="To this release; it was live there before.",
)
@click.option("--to-revision", type=Whole(1), metavar="N", help="To what was live at this revision: promptops history.")
@click.option("--at", default="", metavar="TIME", help="To what was live then: 18:30, 2h ago, ISO 8601.")
@reason_option
@dry_run_option
@expect_option
@key_option
@click.option(
    "--wait",
    is_flag=False,
    flag_value=WAIT_SECONDS,
    type=Seconds(min=0, max=86_400),
    metavar="[LENGTH]",
    help="Wait until every live client serves it. [LENGTH: 30s]",
)
@click.option("--direct", is_flag=True, help="Use the database itself, past the server. [PROMPTOPS_DIRECT]")
def rollback(
    session: Session,
    /,
    apps: tuple[str, ...],
    channel: str | None,
    every: bool,
    to: str,
    to_revision: int | None,
    at: str,
    reason: str,
    dry_run: bool,
    expect_revision: int | None,
    key: str,
    wait: float | None,
    direct: bool,
) -> None:
    """Put the last good release back, in one transaction.

    It goes to the newest release that was live before this one and is still good, for every prompt of the app at once.
    The release that it leaves is quarantined on the channel. A second rollback goes further back and never forward. Of
    an app with a canary, it ends that, and the live release stays.

    Without APP: the only app that is live on the channel, or the one whose folder you are in. Without --channel: prod,
    or the only channel.

    \b
      promptops rollback
      promptops rollback support-bot --channel prod --reason "wrong refunds"
      promptops rollback --all --at 18:30        everything as it was at 18:30
      promptops rollback --dry-run               only show what would happen
      promptops rollback --wait                  until every running client serves it
    """
    from promptops.cli.defaults import apps_and_channel

    moment = _moment(session, at, key)
    if every and apps:
        raise Invalid("--all and an APP are two different things", hint="Give one of them.")
    names, place = apps_and_channel(apps, channel)
    session = session.direct() if direct else session
    actor = session.actor()
    with session.gateway() as gateway:
        from promptops.operations.rollback import RollbackRequest

        names, place = _places(session, gateway, names, session.channel(place), every=every)
        request = RollbackRequest(
            apps=names,
            channel=place,
            every=every,
            to=to,
            to_revision=to_revision,
            at=moment,
            reason=reason,
            expect_revision=expect_revision,
            dry_run=dry_run,
            key=session.key(key),
        )
        deployed = _roll_back(gateway, request, actor)
        _answer(session, gateway, deployed, request, wait)


def _roll_back(gateway: Gateway, request: RollbackRequest, actor: str) -> Deployed:
    from promptops.use_cases.rollback import ROLLBACK

    try:
        return gateway.run(ROLLBACK, request, actor=actor)
    except AppNotFound as unknown:
        numbers = [name for name in request.apps if name.isdecimal()]
        if numbers:
            unknown.hint = f"{unknown.hint} A revision is an option: --to-revision {numbers[0]}".lstrip()
        if request.reason and len(request.apps) > 1:
            unknown.hint = f'{unknown.hint} A reason of several words needs quotes: --reason "…"'.lstrip()
        raise


def _answer(
    session: Session, gateway: Gateway, deployed: Deployed, request: RollbackRequest, wait: float | None
) -> None:
    """Print what was done before anything else; then wait for the clients if ``wait`` has a length."""
    from promptops.cli.output.deployment_report import deployed_lines, deployed_shape

    elsewhere = _elsewhere(gateway, deployed)

    def say() -> None:
        session.answer(
            lambda: deployed_shape(deployed),
            lambda page: deployed_lines(deployed, page, elsewhere=elsewhere, again=_again(request)),
        )

    def sync() -> None:
        if deployed.deployments and not request.dry_run:
            bring_to_git(session)

    if wait is None or request.dry_run:
        say()
        sync()
    else:
        from promptops.cli.commands.wait_for_clients import wait_for_clients

        first = (sync,) if session.json else (say, sync)
        wait_for_clients(session, gateway, deployed, seconds=wait, first=first)


def _again(request: RollbackRequest) -> list[str]:
    """Returns the same rollback as a command line, with a fixed moment instead of "2h ago"."""
    command = ["rollback", *(["--all"] if request.every else request.apps), "--channel", request.channel]
    command += ["--at", timestamp(request.at)] if request.at else []
    return command + (["--reason", request.reason] if request.reason else [])


def _elsewhere(gateway: Gateway, deployed: Deployed) -> tuple[str, ...]:
    """Returns the other channels that still serve the release which the rollback of one app left."""
    if len(deployed.deployments) != 1 or deployed.deployments[0].before is None:
        return ()
    deployment = deployed.deployments[0]
    try:
        serving = gateway.serving(deployment.app, deployed.deployments[0].before.digest)
    except Unavailable:
        return ()  # the rollback is done, and this detail must not turn it into an error
    return tuple(channel for channel in serving if channel != deployment.channel)


def _moment(session: Session, at: str, key: str) -> datetime | None:
    """Returns the moment that --at names. With a key it must be the same moment in every retry."""
    if not at:
        return None
    moment = clock.parse_as_of(at, session.now, session.zone)
    if key and at.strip().lower().endswith(("ago", "now")):
        raise Invalid(
            f"--at '{at}' moves with the clock, so a retry with this --key would be a different request",
            hint=f"Give the moment itself: --at {timestamp(moment)}",
        )
    return moment


def _places(
    session: Session, gateway: Gateway, names: tuple[str, ...], channel: str, *, every: bool
) -> tuple[tuple[str, ...], str]:
    """Returns the apps and the channel; chooses them if they were not typed."""
    from promptops.cli.defaults import choose_app, choose_channel

    place = choose_channel(gateway, channel)
    if not names and not every:
        names = (choose_app(gateway, place, session, command="rollback", every=True),)
    return names, place

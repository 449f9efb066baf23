"""`promptops rollback`: the command of this project. Needs the registry and nothing else."""

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
from promptops.cli.numbers import Seconds
from promptops.cli.session import Session
from promptops.core.duration import is_duration
from promptops.core.errors import AppNotFound, Invalid, Unavailable

if TYPE_CHECKING:
    from promptops.gateway import Gateway
    from promptops.operations.deploy import Deployed
    from promptops.operations.rollback import RollbackRequest


WAIT_SECONDS = 30.0
"""How long --wait waits where no length of time follows it."""


class _Rollback(Command):
    """``--wait`` may stand before an app: only a length of time is taken for its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _spelled_out(args))


def _spelled_out(args: list[str]) -> list[str]:
    """The arguments, with --wait and what belongs to it in one."""
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
@click.option("--direct", is_flag=True, help="Ask the database itself, past the server. [PROMPTOPS_DIRECT]")
def rollback(
    session: Session,
    /,
    apps: tuple[str, ...],
    channel: str | None,
    every: bool,
    to: str,
    at: str,
    reason: str,
    dry_run: bool,
    expect_revision: int | None,
    key: str,
    wait: float | None,
    direct: bool,
) -> None:
    """Put the last good release back, in one transaction.

    Goes to the newest release that was live before this one and is still good, for every prompt of the app at once.
    What it leaves is quarantined on the channel. A second rollback goes further back; it never flips forward again.

    With no APP: the only app that is live on the channel, or the one whose folder you are in. With no --channel: prod,
    or the only channel there is.

    \b
      promptops rollback
      promptops rollback support-bot --channel prod --reason "wrong refunds"
      promptops rollback --all --at 18:30        everything as it was at 18:30
      promptops rollback --dry-run               only say what would happen
      promptops rollback --wait                  until every running client serves it
    """
    from promptops.cli.defaults import apps_and_channel

    moment = _moment(session, at, key)
    if every and apps:
        raise Invalid("--all and an APP are two different things", hint="Give one of them.")
    names, place = apps_and_channel(apps, channel)
    actor = session.actor()
    session = session.direct() if direct else session
    with session.gateway() as gateway:
        from promptops.operations.rollback import RollbackRequest

        names, place = _places(session, gateway, names, session.channel(place), every=every)
        request = RollbackRequest(
            apps=names,
            channel=place,
            every=every,
            to=to,
            at=moment,
            reason=reason,
            expect_revision=expect_revision,
            dry_run=dry_run,
            key=session.key(key),
        )
        deployed = _roll_back(gateway, request, actor)
        _answer(session, gateway, deployed, request, wait)


def _roll_back(gateway: Gateway, request: RollbackRequest, actor: str) -> Deployed:
    try:
        return gateway.rollback(request, actor=actor)
    except AppNotFound as unknown:
        if request.reason and len(request.apps) > 1:
            unknown.hint = f'{unknown.hint} A reason of several words needs quotes: --reason "…"'.lstrip()
        raise


def _answer(
    session: Session, gateway: Gateway, deployed: Deployed, request: RollbackRequest, wait: float | None
) -> None:
    """Say what was done before anything else; then wait for the clients, if that was asked for."""
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
    """The same rollback as a command line, with a moment that does not move."""
    command = ["rollback", *(["--all"] if request.every else request.apps), "--channel", request.channel]
    command += ["--at", clock.format_iso(request.at)] if request.at else []
    return command + (["--reason", request.reason] if request.reason else [])


def _elsewhere(gateway: Gateway, deployed: Deployed) -> tuple[str, ...]:
    """Other channels that still serve the release that one app's rollback left."""
    if len(deployed.deployments) != 1 or deployed.deployments[0].before is None:
        return ()
    done = deployed.deployments[0]
    try:
        serving = gateway.serving(done.app, deployed.deployments[0].before.digest)
    except Unavailable:
        return ()  # the rollback is done: that it cannot be said where else the release is live must not hide it
    return tuple(channel for channel in serving if channel != done.channel)


def _moment(session: Session, at: str, key: str) -> datetime | None:
    """The moment that --at names. With a key it has to be the same one in every retry."""
    if not at:
        return None
    moment = clock.parse_as_of(at, session.now, session.zone)
    if key and at.strip().lower().endswith(("ago", "now")):
        raise Invalid(
            f"--at '{at}' moves with the clock, so a retry with this --key would be a different request",
            hint=f"Give the moment itself: --at {clock.format_iso(moment)}",
        )
    return moment


def _places(
    session: Session, gateway: Gateway, names: tuple[str, ...], channel: str, *, every: bool
) -> tuple[tuple[str, ...], str]:
    """The apps and the channel, where they were not typed those that are meant."""
    from promptops.cli.defaults import choose_app, choose_channel

    place = choose_channel(gateway, channel)
    if not names and not every:
        names = (choose_app(gateway, place, session, command="rollback", every=True),)
    return names, place

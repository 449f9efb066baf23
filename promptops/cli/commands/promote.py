"""`promptops promote`: makes a release the live one of a channel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, TypedDict

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
from promptops.core.errors import Invalid
from promptops.core.policy import Rollout
from promptops.core.reference import Reference

if TYPE_CHECKING:
    from promptops.operations.deploy import Deployed


@command("promote")
@click.argument("references", metavar="APP@VERSION | APP...", nargs=-1, shell_complete=complete.promotable)
@channel_option
@click.option(
    "--from", "source", default="", metavar="NAME", shell_complete=complete.channels, help="What this channel serves."
)
@click.option("--all", "every", is_flag=True, help="With --from: every app that is live there.")
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
    references: tuple[str, ...],
    channel: str | None,
    source: str,
    every: bool,
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

    With --from, what another channel serves becomes live: of the apps named, or with --all of every app. All of them in
    one transaction, or none.

    It shows what changes for the code that calls, against what is live on the channel. A protected channel refuses a
    release for which callers have to change, unless --callers-are-ready says that they have, with a --reason.

    \b
      promptops promote support-bot@1.4.0 --channel prod
      promptops promote support-bot:staging --channel prod
      promptops promote --all --from staging --channel prod
      promptops promote support-bot@1.4.0 --channel prod --waive latency --expires 2d --reason "their slow week"
      promptops promote support-bot@1.4.1 --channel prod --at-once --expires 1h --reason "it leaks names"
    """
    wanted = (
        _several(references, source, every=every, revision=expect_revision) if source or every else _one(references)
    )
    place = session.require_channel(channel)
    said = _Said(
        reason=reason,
        dry_run=dry_run,
        waive=(*waive, Rollout.name) if at_once and Rollout.name not in waive else waive,
        waive_for=parse_duration(expires) if expires else None,
        blind=blind,
        callers_are_ready=callers_are_ready,
        key=session.key(key),
    )
    deployed = _promote(session, wanted, place, source, expect_revision, said)
    waived = waiver_words(waive, expires, reason, at_once=at_once, callers_are_ready=callers_are_ready)
    named = [str(wanted)] if isinstance(wanted, Reference) else [*(wanted or ["--all"]), "--from", source]
    again = ["promote", *named, "--channel", place, *(["--blind"] if blind else []), *waived]
    if isinstance(wanted, Reference):
        _say(session, deployed, step=again if waived or any(made.canary for made in deployed.deployments) else ())
    else:
        _say(session, deployed, again=[*again, *(["--reason", reason] if reason and not waived else [])])


class _Said(TypedDict):
    """What holds for a promotion of one app and of several."""

    reason: str
    dry_run: bool
    waive: tuple[str, ...]
    waive_for: timedelta | None
    blind: bool
    callers_are_ready: bool
    key: str


def _promote(
    session: Session,
    wanted: Reference | tuple[str, ...],
    channel: str,
    source: str,
    revision: int | None,
    said: _Said,
) -> Deployed:
    """Promotes one release, or what the source serves of these apps; of all where none is named."""
    actor = session.actor()
    with session.gateway() as gateway:
        if isinstance(wanted, Reference):
            from promptops.operations.promote import PromoteRequest
            from promptops.use_cases.promote import PROMOTE

            one = PromoteRequest(reference=wanted, channel=channel, expect_revision=revision, **said)
            return gateway.run(PROMOTE, one, actor=actor)
        from promptops.operations.promote_all import PromoteAllRequest
        from promptops.use_cases.promote_all import PROMOTE_ALL

        many = PromoteAllRequest(source=source, channel=channel, apps=wanted, every=not wanted, **said)
        return gateway.run(PROMOTE_ALL, many, actor=actor)


def _say(session: Session, deployed: Deployed, *, step: Sequence[str] = (), again: Sequence[str] = ()) -> None:
    from promptops.cli.output.deployment_report import deployed_lines, deployed_shape

    session.answer(
        lambda: deployed_shape(deployed), lambda page: deployed_lines(deployed, page, step=step, again=again)
    )
    if deployed.deployments and not deployed.dry_run:
        bring_to_git(session)


def _one(references: Sequence[str]) -> Reference:
    """Returns the release that is promoted.

    Raises:
        Invalid: there is no reference, or more than one.
    """
    from promptops.cli.defaults import whole_release

    if len(references) == 1:
        return whole_release(references[0])
    if not references:
        click.get_current_context().fail("Missing argument 'APP@VERSION'.")
    raise Invalid(
        "several apps are promoted from one channel to another, and the command names no channel that they come from",
        hint="Add --from NAME.",
    )


def _several(references: Sequence[str], source: str, *, every: bool, revision: int | None) -> tuple[str, ...]:
    """Returns the apps that are promoted from another channel; nothing for all of them.

    Raises:
        Invalid: the words do not go together.
    """
    from promptops.cli.defaults import whole_release

    if not source:
        raise Invalid("--all is about what a channel serves, and the command names none", hint="Add --from NAME.")
    if revision is not None:
        raise Invalid("--expect-revision is about one release", hint=f"promptops promote APP:{source}")
    if bool(references) == every:
        raise Invalid("name the apps to promote, or all of them, not both", hint="Name an app, or --all.")
    apps = [whole_release(text) for text in references]
    for reference in apps:
        if reference.fixed or reference.channel not in ("", source):
            raise Invalid(
                f"'{reference}' says which release, and --from {source} says another", hint=f"Write {reference.app}."
            )
    return tuple(reference.app for reference in apps)

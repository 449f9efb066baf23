"""`promptops channels`: lists the channels that clients follow, with their policies, and applies promptops.yml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli.command import NounGroup, command
from promptops.cli.git_sync import bring_to_git
from promptops.cli.output.phrases import next_steps, person
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.core.model import Channel, Policy
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.operations.channels import ChannelChange


@click.group("channels", cls=NounGroup, invoke_without_command=True)
@click.pass_context
def channels(ctx: click.Context) -> None:
    """List channels, or apply those of promptops.yml."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_channels)


@command("list", group=channels)
def list_channels(session: Session, /) -> None:
    """List the registry's channels and what each requires of a release, downstream first."""
    with session.gateway() as gateway:
        from promptops.use_cases.channels import CHANNELS

        listed = gateway.run(CHANNELS, None)
    session.answer(lambda: {"channels": [written(channel) for channel in listed]}, lambda page: _table(listed, page))


def _table(listed: Sequence[Channel], page: Page) -> list[Line]:
    if not listed:
        return ["There are no channels yet.", *next_steps([("apply those of promptops.yml", ["channels", "apply"])])]
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in ("CHANNEL", "TAKES", "POLICY", "CHANGED")]]
    for channel in listed:
        changed = f"{clock.format_age(channel.at, page.now)} by {person(channel.actor)}"
        rows.append([Span(channel.name, "name"), policy_words(channel.policy), f"version {channel.version}", changed])
    return page.columns(rows, indent=0)


def policy_words(policy: Policy) -> str:
    """Returns in words what a policy admits."""
    words = f"what was live on {' or '.join(policy.promote_from)}" if policy.promote_from else "any release"
    if policy.allow_dirty:
        words += ", also of uncommitted files"
    return words + (", exact model snapshots only" if policy.protected else "")


@command("apply", group=channels)
def apply(session: Session, /) -> None:
    """Make the registry's channels those of promptops.yml.

    Every version of a policy is kept. A channel that is no longer declared stays as it is.
    """
    root = session.require_root()
    actor = session.actor()
    from promptops.operations.channels import Applied
    from promptops.source.tree import WorkingTree
    from promptops.source.workspace import read_workspace
    from promptops.use_cases.channels import DECLARE, Declaration

    declared = read_workspace(WorkingTree(root))
    with session.gateway() as gateway:
        request = Declaration(registry=declared.registry, channels=declared.channels)
        applied = gateway.run(DECLARE, request, actor=actor)
    session.answer(
        lambda: {"channels": [written(change) for change in applied]}, lambda page: [*change_lines(applied, page)]
    )
    if any(change.applied in (Applied.CREATED, Applied.CHANGED) for change in applied):
        bring_to_git(session)


def change_lines(applied: Sequence[ChannelChange], page: Page) -> list[Line]:
    """Lists each channel with its change and what it admits."""
    if not applied:
        return ["promptops.yml declares no channels, so there is nothing to promote to.", "Add some below `channels:`."]
    styles = {"created": ("created", "good"), "changed": ("changed", "warn"), "unchanged": ("as it was", "quiet")}
    rows: list[list[Cell]] = []
    for change in applied:
        word, style = styles.get(change.applied.value, ("not in promptops.yml, kept", "warn"))
        version = f" (version {change.version})" if change.version > 1 else ""
        rows.append([Span(change.name, "name"), Span(word + version, style), policy_words(change.policy)])
    return page.columns(rows)

"""`promptops channels`: lists the channels that clients follow, with their policies, and applies promptops.yml."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli import complete
from promptops.cli.command import NounGroup, command, dry_run_option, key_option, reason_option, required_reason
from promptops.cli.git_sync import bring_to_git
from promptops.cli.output.phrases import enumerated, facts, next_steps, person
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.core.errors import Invalid
from promptops.core.model import Channel, Policy
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.gateway import Gateway
    from promptops.operations.channels import ChannelChange
    from promptops.use_cases.channels import Declaration

TAKES = 30
"""Characters in a line for what a channel takes, which goes on below."""


@click.group("channels", cls=NounGroup, invoke_without_command=True)
@click.pass_context
def channels(ctx: click.Context) -> None:
    """List channels, apply those of promptops.yml, or remove one."""
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
    return page.columns(rows, indent=0, flexible="TAKES", least=TAKES, spare=("CHANGED",), wrap=True)


def policy_words(policy: Policy) -> str:
    """Returns in words what a policy admits."""
    words = f"what was live on {' or '.join(policy.promote_from)}" if policy.promote_from else "any release"
    if policy.allow_dirty:
        words += ", also of uncommitted files"
    words += ", exact model snapshots only" if policy.protected else ""
    words += ", with a gate" if policy.gate is not None else ""
    return words + (f", {_ramp(policy.rollout)}" if policy.rollout is not None else "")


def _ramp(rollout: Mapping[str, object]) -> str:
    from promptops.core.bucketing import percent
    from promptops.core.canary.rollout_policy import read_rollout

    try:
        steps = [percent(step.weight) for step in read_rollout(rollout).steps]
    except Invalid:  # a newer promptops wrote it
        return "first as a canary"
    return f"first as a canary for {enumerated(steps)}"


@command("apply", group=channels)
@dry_run_option
@click.option("--loosen", is_flag=True, help="Policies may admit more than before; without it a terminal asks.")
@click.option("--take-over", is_flag=True, help="Policies of another workspace belong to this one from now on.")
@reason_option
def apply(session: Session, /, dry_run: bool, loosen: bool, take_over: bool, reason: str) -> None:
    """Make the registry's channels those of promptops.yml.

    Every version of a policy is kept. A channel that is no longer declared stays as it is. A policy belongs to the
    workspace that applied it; another one takes it over explicitly, with a reason.

    \b
      promptops channels apply --dry-run
      promptops channels apply --take-over --reason "platform owns prod now"
    """
    root = session.require_root()
    actor = session.actor()
    from promptops.operations.build import workspace_origin
    from promptops.operations.channels import Terms
    from promptops.source.tree import WorkingTree
    from promptops.source.workspace import read_workspace
    from promptops.use_cases.channels import DECLARE, Declaration

    declared = read_workspace(WorkingTree(root))
    terms = Terms(origin=workspace_origin(root), loosen=loosen, take_over=take_over, reason=reason, dry_run=dry_run)
    with session.gateway() as gateway:
        request = _asked(session, gateway, Declaration.of(declared.registry, declared.channels, terms))
        applied = gateway.run(DECLARE, request, actor=actor)
    session.answer(
        lambda: {"channels": [written(change) for change in applied]},
        lambda page: [*change_lines(applied, page, planned=dry_run), *(_needed(applied) if dry_run else [])],
    )
    if not dry_run and any(change.is_change for change in applied):
        bring_to_git(session)


@command("remove", group=channels)
@click.argument("name", metavar="CHANNEL", shell_complete=complete.channels)
@required_reason
@key_option
def remove(session: Session, /, name: str, reason: str, key: str) -> None:
    """Remove a channel on which nothing is live, and from which no other channel takes releases.

    Its history stays. Take it out of promptops.yml too: the next `channels apply` makes it anew.
    """
    actor = session.actor()
    with session.gateway() as gateway:
        from promptops.operations.remove_channel import RemoveChannelRequest
        from promptops.use_cases.archive import REMOVE_CHANNEL

        request = RemoveChannelRequest(channel=name, reason=reason, key=session.key(key))
        gone = gateway.run(REMOVE_CHANNEL, request, actor=actor)
    head: Line = [Span("✓ ", "good"), Span("Removed the channel ", "strong"), Span(gone.channel, "name")]
    rows = [("policy", f"version {gone.version} was the last"), ("by", gone.actor), ("reason", gone.reason)]
    session.answer(
        lambda: written(gone),
        lambda page: [
            head,
            "",
            *facts(page, rows),
            *next_steps([("to undo, if promptops.yml has it", ["channels", "apply"])]),
        ],
    )
    bring_to_git(session)


def _asked(session: Session, gateway: Gateway, request: Declaration) -> Declaration:
    """Asks a person at a terminal before policies are loosened; a script has to say it beforehand."""
    from promptops.use_cases.channels import DECLARE

    asks = sys.stdin.isatty() and sys.stdout.isatty() and not session.json
    if request.loosen or request.dry_run or not asks:
        return request
    planned = gateway.run(DECLARE, replace(request, dry_run=True))
    loose = [change.name for change in planned if change.loosens]
    if not loose or (not request.take_over and any(change.owner for change in planned)):
        return request
    session.answer(dict, lambda page: change_lines(planned, page, planned=True))
    return replace(request, loosen=click.confirm(f"Let {enumerated(loose)} take more than before?"))


def _needed(planned: Sequence[ChannelChange]) -> list[Line]:
    """Proposes the command that does what a dry run showed."""
    if not any(change.is_change for change in planned):
        return []
    options = ["--take-over", "--reason", "…"] if any(change.owner for change in planned) else []
    options += ["--loosen"] if any(change.loosens for change in planned) else []
    return next_steps([("do it", ["channels", "apply", *options])])


def change_lines(applied: Sequence[ChannelChange], page: Page, *, planned: bool = False) -> list[Line]:
    """Lists each channel with its change and what it admits; ``planned`` if nothing was changed yet."""
    if not applied:
        return ["promptops.yml declares no channels, so there is nothing to promote to.", "Add some below `channels:`."]
    styles = {"created": ("created", "good"), "changed": ("changed", "warn"), "unchanged": ("as it was", "quiet")}
    rows: list[list[Cell]] = []
    for change in applied:
        word, style = styles.get(change.applied.value, ("not in promptops.yml, kept", "warn"))
        word = f"would be {word}" if planned and change.is_change else word
        version = f" (version {change.version})" if change.version > 1 else ""
        rows.append([Span(change.name, "name"), Span(word + version, style), policy_words(change.policy)])
    notes = [line for change in applied for line in _notes(change, planned=planned)]
    return [*page.columns(rows, wrap=True), *([""] if notes else []), *notes]


def _notes(change: ChannelChange, *, planned: bool) -> Iterator[Line]:
    """Says of a change what was before, whether it loosens, and to whom the policy belonged."""
    from promptops.core.policy import differences

    if change.before is not None and (changed := differences(change.before, change.policy)):
        would = "would take" if planned else "takes"
        more = f": it {would} more than before" if change.loosens else ""
        mark = Span("! " if change.loosens else "  ", "warn")
        yield [mark, Span(change.name, "name"), f" {changed}{more}"]
    if change.owner is not None:
        yield [Span("! ", "warn"), Span(change.name, "name"), f" belong{'s' if planned else 'ed'} to {change.owner}"]
